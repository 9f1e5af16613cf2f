"""Rprop: steps that only the signs of the gradient decide about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lucid.optim.blocks import descent
from lucid.optim.optimizer import Optimizer, require
from lucid.optim.state import zeros_like
from lucid.tensor import Tensor


class Rprop(Optimizer):
    """p -= sign(g) * s, each element with a step size s of its own (Riedmiller and Braun, 1993).

    s starts at lr. Where g keeps its sign, s grows by the factor ``etas[1]``; where g changes it,
    s shrinks by ``etas[0]`` and p stays for this step. s stays within ``step_sizes``. For whole
    batches, not for small ones. ``foreach`` and ``capturable`` are accepted and have no effect.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        super().__init__(
            params,
            {
                "lr": lr, "etas": etas, "step_sizes": step_sizes, "foreach": foreach,
                "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
            },
        )  # fmt: skip

    def _check(self, group: dict[str, Any]) -> None:
        require("Rprop", group, lr=">= 0")
        minus, plus = group["etas"]
        if not 0 < minus < 1 < plus:
            raise ValueError(f"Rprop: etas must be (in (0, 1), > 1); got {group['etas']}")

    def _kept(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        return "step", "prev", "step_size"

    def _begin(self, p: Tensor, group: dict, state: dict) -> tuple[list[Tensor], Mapping[str, Any]]:
        if "prev" not in state:
            state["step"] = 0
            state["prev"] = zeros_like(p)
            state["step_size"] = zeros_like(p, float(group["lr"]))
        state["step"] += 1
        return [state["prev"], state["step_size"]], {**group, "weight_decay": 0}

    @staticmethod
    def _rule(xp: Any, settings: Mapping[str, Any], p: Any, g: Any, *arrays: Any) -> None:
        before, size, t, u = arrays
        g = descent(xp, settings, p, g, t, u)
        minus, plus = settings["etas"]
        xp.multiply(g, before, out=u)
        turned = u < 0
        sign = xp.sign(u, out=u)  # 1, 0 or -1: the factors are made of it in its own precision
        size *= xp.where(sign > 0, sign * plus, xp.where(turned, sign * -minus, sign + 1))
        xp.clip(size, *settings["step_sizes"], out=size)
        before[...] = xp.where(turned, 0, g)
        xp.sign(before, out=u)
        u *= size
        p -= u
