"""Adadelta: steps whose size follows from the steps before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lucid.optim.blocks import blend, descent, move_square
from lucid.optim.optimizer import Optimizer, require
from lucid.optim.state import zeros_like
from lucid.tensor import Tensor


class Adadelta(Optimizer):
    """p -= lr * d, d = sqrt(a + eps) / sqrt(v + eps) * g; v and a run after g^2 and d^2.

    Zeiler, 2012. ``foreach`` and ``capturable`` are accepted and have no effect.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        super().__init__(
            params,
            {
                "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay,
                "maximize": maximize, "capturable": capturable, "foreach": foreach,
                "differentiable": differentiable,
            },
        )  # fmt: skip

    def _check(self, group: dict[str, Any]) -> None:
        require("Adadelta", group, lr=">= 0", rho="in [0, 1)", eps=">= 0", weight_decay=">= 0")

    def _kept(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        return "step", "square_avg", "acc_delta"

    def _begin(self, p: Tensor, group: dict, state: dict) -> tuple[list[Tensor], Mapping[str, Any]]:
        if "square_avg" not in state:
            state["step"] = 0
            state["square_avg"] = zeros_like(p)
            state["acc_delta"] = zeros_like(p)
        state["step"] += 1
        return [state["square_avg"], state["acc_delta"]], {**group, "lr": float(group["lr"])}

    @staticmethod
    def _rule(xp: Any, settings: Mapping[str, Any], p: Any, g: Any, *arrays: Any) -> None:
        v, a, t, u = arrays
        g = descent(xp, settings, p, g, t, u)
        rho, eps = settings["rho"], settings["eps"]
        move_square(xp, v, g, rho, u)
        step = xp.multiply(g, xp.sqrt(xp.divide(a + eps, v + eps, out=u), out=u), out=t)
        move_square(xp, a, step, rho, u)
        blend(xp, p, 1, step, -settings["lr"], step)
