"""Averaged stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lucid.optim.blocks import blend, descent
from lucid.optim.optimizer import Optimizer, require
from lucid.optim.state import rounded, zeros_like
from lucid.tensor import Tensor


class ASGD(Optimizer):
    """p = (1 - lambd * eta) * p - eta * g; ``state[p]["ax"]`` is the mean of p since step ``t0``.

    Polyak and Juditsky, 1992. eta starts at lr and becomes lr / (1 + lambd * lr * step)^alpha.
    ``weight_decay * p`` is added to the gradient. ``foreach`` and ``capturable`` are accepted and
    have no effect.
    """

    _numbers = ("step", "eta", "mu")

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ):
        super().__init__(
            params,
            {
                "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay,
                "foreach": foreach, "maximize": maximize, "differentiable": differentiable,
                "capturable": capturable,
            },
        )  # fmt: skip

    def _check(self, group: dict[str, Any]) -> None:
        require("ASGD", group, lr=">= 0", weight_decay=">= 0")

    def _kept(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        return "step", "eta", "mu", "ax"

    def _begin(self, p: Tensor, group: dict, state: dict) -> tuple[list[Tensor], Mapping[str, Any]]:
        lr = float(group["lr"])
        if "ax" not in state:
            state["step"], state["eta"], state["mu"] = 0, rounded(lr), 1.0
            state["ax"] = zeros_like(p)
        step = state["step"] = state["step"] + 1
        settings = {**group, "eta": state["eta"], "mu": state["mu"]}
        # Those of the next step.
        state["eta"] = rounded(lr / (1 + group["lambd"] * lr * step) ** group["alpha"])
        state["mu"] = rounded(1 / max(1, step - group["t0"]))
        return [state["ax"]], settings

    @staticmethod
    def _rule(xp: Any, settings: Mapping[str, Any], p: Any, g: Any, *arrays: Any) -> None:
        mean, t, u = arrays
        g = descent(xp, settings, p, g, t, u)
        blend(xp, p, 1 - settings["lambd"] * settings["eta"], g, -settings["eta"], u)
        if settings["mu"] == 1:
            mean[...] = p
        else:
            blend(xp, mean, 1 - settings["mu"], p, settings["mu"], u)
