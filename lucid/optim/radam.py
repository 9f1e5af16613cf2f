"""RAdam: Adam that knows how little its first steps know about the gradient's square."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lucid.optim.blocks import blend, descent, move_mean, move_square
from lucid.optim.optimizer import Optimizer, require
from lucid.optim.state import zeros_like
from lucid.tensor import Tensor


class RAdam(Optimizer):
    """p -= lr * r * m' / (sqrt(v) + eps) * sqrt(1 - beta2^step) (Liu et al., 2020).

    m and v are running means of g and g^2, m' is m / (1 - beta1^step). r follows from the length
    of the mean v, rho = rho_inf - 2 * step * beta2^step / (1 - beta2^step) with
    rho_inf = 2 / (1 - beta2) - 1; as long as rho is at most 5 the step is lr * m'. Weight decay is
    added to the gradient, or with ``decoupled_weight_decay`` taken from p. ``foreach`` and
    ``capturable`` are accepted and have no effect.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ):
        super().__init__(
            params,
            {
                "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
                "maximize": maximize, "foreach": foreach, "capturable": capturable,
                "decoupled_weight_decay": decoupled_weight_decay,
                "differentiable": differentiable,
            },
        )  # fmt: skip

    def _check(self, group: dict[str, Any]) -> None:
        require("RAdam", group, lr=">= 0", betas="in [0, 1)", eps=">= 0", weight_decay=">= 0")

    def _kept(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        return "step", "exp_avg", "exp_avg_sq"

    def _begin(self, p: Tensor, group: dict, state: dict) -> tuple[list[Tensor], Mapping[str, Any]]:
        if "exp_avg" not in state:
            state["step"] = 0
            state["exp_avg"], state["exp_avg_sq"] = zeros_like(p), zeros_like(p)
        step = state["step"] = state["step"] + 1
        lr, (beta1, beta2) = float(group["lr"]), map(float, group["betas"])
        decay, decoupled = group["weight_decay"], group["decoupled_weight_decay"]
        settings = {
            "maximize": group["maximize"],
            "weight_decay": 0 if decoupled else decay,
            "shrink": 1 - lr * decay if decoupled else 1,
            "beta1": beta1,
            "beta2": beta2,
            "eps": group["eps"],
            "size": lr / (1 - beta1**step),
            "rectified": _rectification(beta2, step),
        }
        return [state["exp_avg"], state["exp_avg_sq"]], settings

    @staticmethod
    def _rule(xp: Any, settings: Mapping[str, Any], p: Any, g: Any, *arrays: Any) -> None:
        m, v, t, u = arrays
        g = descent(xp, settings, p, g, t, u)
        move_mean(xp, m, g, settings["beta1"], u)
        move_square(xp, v, g, settings["beta2"], u)
        size = settings["size"]
        if settings["rectified"] is None:
            step = m
        else:
            xp.sqrt(v, out=u)
            u += settings["eps"]
            step = xp.divide(m, u, out=u)
            size *= settings["rectified"]
        blend(xp, p, settings["shrink"], step, -size, u)


def _rectification(beta2: float, step: int) -> float | None:
    """r * sqrt(1 - beta2^step), or None as long as the mean of g^2 says too little."""
    correction = 1 - beta2**step
    most = 2 / (1 - beta2) - 1
    rho = most - 2 * step * beta2**step / correction
    if rho <= 5:
        return None
    r = (rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho)
    return (r * correction) ** 0.5
