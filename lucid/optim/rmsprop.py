"""RMSprop: the gradient over the root of its running square."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lucid.optim.blocks import blend, descent, move_mean, move_square
from lucid.optim.optimizer import Optimizer, require
from lucid.optim.state import zeros_like
from lucid.tensor import Tensor


class RMSprop(Optimizer):
    """p -= lr * g / (sqrt(v) + eps), v the running mean of g^2 with weight ``alpha``.

    Hinton, 2012. ``centered`` takes the square of the running mean of g from v. ``foreach`` and
    ``capturable`` are accepted and have no effect.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        super().__init__(
            params,
            {
                "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
                "weight_decay": weight_decay, "capturable": capturable, "foreach": foreach,
                "maximize": maximize, "differentiable": differentiable,
            },
        )  # fmt: skip

    def _check(self, group: dict[str, Any]) -> None:
        require(
            "RMSprop", group, lr=">= 0", alpha=">= 0", eps=">= 0", weight_decay=">= 0",
            momentum=">= 0",
        )  # fmt: skip

    def _kept(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        momentum = ("momentum_buffer",) if group["momentum"] > 0 else ()
        mean = ("grad_avg",) if group["centered"] else ()
        return "step", "square_avg", *momentum, *mean

    def _begin(self, p: Tensor, group: dict, state: dict) -> tuple[list[Tensor], Mapping[str, Any]]:
        if "square_avg" not in state:
            state["step"] = 0
        state["step"] += 1
        _, *names = self._kept(group)
        for name in names:
            if name not in state:
                state[name] = zeros_like(p)
        return [state[name] for name in names], {**group, "lr": float(group["lr"])}

    @staticmethod
    def _rule(xp: Any, settings: Mapping[str, Any], p: Any, g: Any, *arrays: Any) -> None:
        v, *more, t, u = arrays
        g = descent(xp, settings, p, g, t, u)
        alpha = settings["alpha"]
        move_square(xp, v, g, alpha, u)
        if settings["centered"]:
            mean = more[-1]
            move_mean(xp, mean, g, alpha, u)
            xp.multiply(mean, mean, out=u)
            xp.subtract(v, u, out=u)
            xp.sqrt(u, out=u)
        else:
            xp.sqrt(v, out=u)
        u += settings["eps"]
        xp.divide(g, u, out=u)
        if settings["momentum"] > 0:
            b = more[0]
            blend(xp, b, settings["momentum"], u, 1, u)
            u = b
        blend(xp, p, 1, u, -settings["lr"], t)
