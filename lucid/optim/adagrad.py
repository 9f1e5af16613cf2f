"""Adagrad: the gradient over the root of the sum of all its squares so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lucid.optim.blocks import blend, descent
from lucid.optim.optimizer import Optimizer, require
from lucid.optim.state import zeros_like
from lucid.tensor import Tensor


class Adagrad(Optimizer):
    """p -= lr' * g / (sqrt(sum of g^2) + eps), lr' = lr / (1 + (step - 1) * lr_decay).

    Duchi et al., 2011. ``foreach`` and ``fused`` are accepted and have no effect.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        super().__init__(
            params,
            {
                "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value, "foreach": foreach,
                "maximize": maximize, "differentiable": differentiable, "fused": fused,
            },
        )  # fmt: skip

    def _check(self, group: dict[str, Any]) -> None:
        require(
            "Adagrad", group, lr=">= 0", lr_decay=">= 0", weight_decay=">= 0", eps=">= 0",
            initial_accumulator_value=">= 0",
        )  # fmt: skip

    def _kept(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        return "step", "sum"

    def _begin(self, p: Tensor, group: dict, state: dict) -> tuple[list[Tensor], Mapping[str, Any]]:
        if "sum" not in state:
            state["step"] = 0
            state["sum"] = zeros_like(p, group["initial_accumulator_value"])
        state["step"] += 1
        lr = float(group["lr"]) / (1 + (state["step"] - 1) * group["lr_decay"])
        return [state["sum"]], {**group, "lr": lr}

    @staticmethod
    def _rule(xp: Any, settings: Mapping[str, Any], p: Any, g: Any, *arrays: Any) -> None:
        total, t, u = arrays
        g = descent(xp, settings, p, g, t, u)
        total += xp.multiply(g, g, out=u)
        xp.sqrt(total, out=u)
        u += settings["eps"]
        xp.divide(g, u, out=u)
        blend(xp, p, 1, u, -settings["lr"], u)
