"""Stochastic gradient descent: p -= lr * g, with momentum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lucid.optim.blocks import blend, descent
from lucid.optim.optimizer import Optimizer, require
from lucid.optim.recorded import rate_for
from lucid.optim.state import zeros_like
from lucid.tensor import Tensor


class SGD(Optimizer):
    """p -= lr * b, where b = momentum * b + (1 - dampening) * g; nesterov steps g + momentum * b.

    g is the gradient plus ``weight_decay * p``, negated before if ``maximize``. The first b is g.
    ``lr`` may be a tensor; on the parameters' GPU nobody waits for it. ``foreach`` and ``fused``
    are accepted and have no effect.

    >>> model = nn.Linear(2, 1)
    >>> optimizer = lucid.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    >>> model(lucid.ones(1, 2)).sum().backward()
    >>> optimizer.step()
    """

    _fused = "sgd"
    _step_supports_amp_scaling = True

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        super().__init__(
            params,
            {
                "lr": lr, "momentum": momentum, "dampening": dampening,
                "weight_decay": weight_decay, "nesterov": nesterov, "maximize": maximize,
                "foreach": foreach, "differentiable": differentiable, "fused": fused,
            },
        )  # fmt: skip

    def _check(self, group: dict[str, Any]) -> None:
        require("SGD", group, lr=">= 0", momentum=">= 0", weight_decay=">= 0")
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError(
                "SGD: nesterov needs momentum > 0 and dampening 0; got momentum"
                f" {group['momentum']} and dampening {group['dampening']}"
            )

    def _begin(
        self, p: Tensor, group: dict, state: dict
    ) -> tuple[list[Tensor], Mapping[str, Any]] | None:
        lr, rate = rate_for(p, group)
        settings = {**group, "lr": lr, "rate": rate, "first": False}
        if not group["momentum"]:
            return [], settings
        if state.get("momentum_buffer") is None:
            # Unless g is damped, a skipped first step leaves the zeros that a second one expects.
            if self.found_inf is not None and group["dampening"] and bool(self.found_inf):
                return None
            state["momentum_buffer"] = zeros_like(p)
            settings["first"] = True
        return [state["momentum_buffer"]], settings

    @staticmethod
    def _rule(xp: Any, settings: Mapping[str, Any], p: Any, g: Any, *arrays: Any) -> None:
        *buffers, t, u = arrays
        g = descent(xp, settings, p, g, t, u)
        for b in buffers:
            if settings["first"]:
                b[...] = g
            else:
                blend(xp, b, settings["momentum"], g, 1 - settings["dampening"], u)
            if settings["nesterov"]:
                xp.multiply(b, settings["momentum"], out=u)
                g = xp.add(g, u, out=u)
            else:
                g = b
        blend(xp, p, 1, g, -settings["lr"], t)
