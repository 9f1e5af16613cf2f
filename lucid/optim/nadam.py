"""NAdam: Adam with Nesterov's momentum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lucid.optim.blocks import blend, descent, move_mean, move_square
from lucid.optim.optimizer import Optimizer, require
from lucid.optim.state import rounded, zeros_like
from lucid.tensor import Tensor


class NAdam(Optimizer):
    """p -= lr * (a * g + b * m) / (sqrt(v') + eps) (Dozat, 2016).

    m and v are running means of g and g^2, v' is v / (1 - beta2^step). With
    mu_t = beta1 * (1 - 0.96^(t * momentum_decay) / 2) and the product M_t of all up to step t,
    a = (1 - mu_t) / (1 - M_t) and b = mu_(t+1) / (1 - M_(t+1)). ``weight_decay * p`` is added to
    the gradient, or with ``decoupled_weight_decay`` taken from p. ``foreach`` and ``capturable``
    are accepted and have no effect.
    """

    _numbers = ("step", "mu_product")

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
                "momentum_decay": momentum_decay,
                "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize,
                "foreach": foreach, "capturable": capturable, "differentiable": differentiable,
            },
        )  # fmt: skip

    def _check(self, group: dict[str, Any]) -> None:
        require(
            "NAdam", group, lr=">= 0", betas="in [0, 1)", eps=">= 0", weight_decay=">= 0",
            momentum_decay=">= 0",
        )  # fmt: skip

    def _kept(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        return "step", "mu_product", "exp_avg", "exp_avg_sq"

    def _begin(self, p: Tensor, group: dict, state: dict) -> tuple[list[Tensor], Mapping[str, Any]]:
        if "exp_avg" not in state:
            state["step"], state["mu_product"] = 0, 1.0
            state["exp_avg"], state["exp_avg_sq"] = zeros_like(p), zeros_like(p)
        step = state["step"] = state["step"] + 1
        lr, (beta1, beta2) = float(group["lr"]), map(float, group["betas"])
        mu, following = (
            beta1 * (1 - 0.5 * 0.96 ** (t * group["momentum_decay"])) for t in (step, step + 1)
        )
        product = state["mu_product"] = rounded(state["mu_product"] * rounded(mu))
        decay, decoupled = group["weight_decay"], group["decoupled_weight_decay"]
        settings = {
            "maximize": group["maximize"],
            "weight_decay": 0 if decoupled else decay,
            "shrink": 1 - lr * decay if decoupled else 1,
            "beta1": beta1,
            "beta2": beta2,
            "eps": group["eps"],
            "root": (1 - beta2**step) ** 0.5,
            "size_g": lr * (1 - mu) / (1 - product),
            "size_m": lr * following / (1 - product * following),
        }
        return [state["exp_avg"], state["exp_avg_sq"]], settings

    @staticmethod
    def _rule(xp: Any, settings: Mapping[str, Any], p: Any, g: Any, *arrays: Any) -> None:
        m, v, t, u = arrays
        g = descent(xp, settings, p, g, t, u)
        move_mean(xp, m, g, settings["beta1"], u)
        move_square(xp, v, g, settings["beta2"], u)
        xp.sqrt(v, out=u)
        u += settings["eps"] * settings["root"]
        xp.multiply(g, settings["size_g"], out=t)
        xp.divide(t, u, out=t)
        blend(xp, p, settings["shrink"], t, -settings["root"], t)
        xp.divide(m, u, out=u)
        blend(xp, p, 1, u, -settings["size_m"] * settings["root"], u)
