"""Adamax: Adam with the largest gradient in the place of the root of its square's mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lucid.optim.blocks import blend, descent, move_mean
from lucid.optim.optimizer import Optimizer, require
from lucid.optim.state import zeros_like
from lucid.tensor import Tensor


class Adamax(Optimizer):
    """p -= lr / (1 - beta1^step) * m / s, s = max(beta2 * s, |g| + eps) (Kingma and Ba, 2015).

    m is the running mean of g with weight beta1. ``weight_decay * p`` is added to the gradient.
    ``foreach`` and ``capturable`` are accepted and have no effect.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ):
        super().__init__(
            params,
            {
                "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
                "foreach": foreach, "maximize": maximize, "differentiable": differentiable,
                "capturable": capturable,
            },
        )  # fmt: skip

    def _check(self, group: dict[str, Any]) -> None:
        require("Adamax", group, lr=">= 0", betas="in [0, 1)", eps=">= 0", weight_decay=">= 0")

    def _kept(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        return "step", "exp_avg", "exp_inf"

    def _begin(self, p: Tensor, group: dict, state: dict) -> tuple[list[Tensor], Mapping[str, Any]]:
        if "exp_avg" not in state:
            state["step"] = 0
            state["exp_avg"], state["exp_inf"] = zeros_like(p), zeros_like(p)
        step = state["step"] = state["step"] + 1
        beta1, beta2 = map(float, group["betas"])
        size = float(group["lr"]) / (1 - beta1**step)
        settings = {**group, "beta1": beta1, "beta2": beta2, "size": size}
        return [state["exp_avg"], state["exp_inf"]], settings

    @staticmethod
    def _rule(xp: Any, settings: Mapping[str, Any], p: Any, g: Any, *arrays: Any) -> None:
        m, largest, t, u = arrays
        g = descent(xp, settings, p, g, t, u)
        move_mean(xp, m, g, settings["beta1"], u)
        xp.absolute(g, out=u)
        u += settings["eps"]
        largest *= settings["beta2"]
        xp.maximum(largest, u, out=largest)
        xp.divide(m, largest, out=u)
        blend(xp, p, 1, u, -settings["size"], u)
