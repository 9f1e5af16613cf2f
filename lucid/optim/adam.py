"""Adam: steps of the running mean of the gradient over the root of its running square."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lucid.optim.blocks import descent
from lucid.optim.optimizer import Optimizer, require, zeros_like
from lucid.tensor import Tensor


class Adam(Optimizer):
    """p -= lr * m' / (sqrt(v') + eps) (Kingma and Ba, 2015).

    m and v are running means of g and g^2 with weights ``betas``; the primed ones are divided by
    1 - beta^step, which makes up for their start at 0. ``amsgrad`` steps with the largest v so far.
    ``weight_decay * p`` is added to the gradient, or with ``decoupled_weight_decay`` taken from p
    (AdamW). ``foreach``, ``fused`` and ``capturable`` are accepted and have no effect.
    """

    _fused = "adam"

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ):
        super().__init__(
            params,
            {
                "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
                "amsgrad": amsgrad, "maximize": maximize, "foreach": foreach,
                "capturable": capturable, "differentiable": differentiable, "fused": fused,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )  # fmt: skip

    def _check(self, group: dict[str, Any]) -> None:
        name = type(self).__name__
        require(name, group, lr=">= 0", betas="in [0, 1)", eps=">= 0", weight_decay=">= 0")

    def _begin(self, p: Tensor, group: dict, state: dict) -> tuple[list[Tensor], Mapping[str, Any]]:
        if "exp_avg" not in state:
            state["step"] = 0
            state["exp_avg"] = zeros_like(p)
            state["exp_avg_sq"] = zeros_like(p)
        if group["amsgrad"] and "max_exp_avg_sq" not in state:
            state["max_exp_avg_sq"] = zeros_like(p)
        state["step"] += 1
        lr, (beta1, beta2) = float(group["lr"]), map(float, group["betas"])
        decoupled = group["decoupled_weight_decay"]
        settings = {
            "maximize": group["maximize"],
            "weight_decay": 0 if decoupled else group["weight_decay"],
            "shrink": 1 - lr * group["weight_decay"] if decoupled else 1,
            "beta1": beta1,
            "beta2": beta2,
            "eps": group["eps"],
            "size": lr / (1 - beta1 ** state["step"]),
            "root": (1 - beta2 ** state["step"]) ** 0.5,
        }
        names = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")[: 3 if group["amsgrad"] else 2]
        return [state[name] for name in names], settings

    @staticmethod
    def _rule(xp: Any, settings: Mapping[str, Any], p: Any, g: Any, *arrays: Any) -> None:
        m, v, *largest, t, u = arrays
        if settings["shrink"] != 1:
            p *= settings["shrink"]
        g = descent(xp, settings, p, g, t, u)
        xp.subtract(g, m, out=u)
        u *= 1 - settings["beta1"]
        m += u
        v *= settings["beta2"]
        xp.multiply(g, g, out=u)
        u *= 1 - settings["beta2"]
        v += u
        for top in largest:
            v = xp.maximum(top, v, out=top)
        xp.sqrt(v, out=u)
        u /= settings["root"]
        u += settings["eps"]
        xp.divide(m, u, out=u)
        u *= settings["size"]
        p -= u
