"""Adam: steps of the running mean of the gradient over the root of its running square."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lucid.optim.blocks import blend, descent, move_mean, move_square
from lucid.optim.optimizer import Optimizer, require
from lucid.optim.recorded import rate_for
from lucid.optim.state import step_on_device, zeros_like
from lucid.tensor import Tensor


class Adam(Optimizer):
    """p -= lr * m' / (sqrt(v') + eps) (Kingma and Ba, 2015).

    m and v are running means of g and g^2 with weights ``betas``; the primed ones are divided by
    1 - beta^step, which makes up for their start at 0. ``amsgrad`` steps with the largest v so far.
    ``weight_decay * p`` is added to the gradient, or with ``decoupled_weight_decay`` taken from p
    (AdamW). ``capturable`` counts the steps on the parameters' device, so that a step can be
    captured in a CUDA graph; so does a gradient scaler, on a GPU. ``lr`` may be a tensor; on that
    device nobody waits for it. ``foreach`` and ``fused`` are accepted and have no effect.
    """

    _fused = "adam"
    _step_supports_amp_scaling = True

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

    def _kept(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        largest = ("max_exp_avg_sq",) if group["amsgrad"] else ()
        return "step", "exp_avg", "exp_avg_sq", *largest

    def _begin(self, p: Tensor, group: dict, state: dict) -> tuple[list[Tensor], Mapping[str, Any]]:
        if "exp_avg" not in state:
            state["step"] = 0
            state["exp_avg"] = zeros_like(p)
            state["exp_avg_sq"] = zeros_like(p)
        if group["amsgrad"] and "max_exp_avg_sq" not in state:
            state["max_exp_avg_sq"] = zeros_like(p)
        names = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")[: 3 if group["amsgrad"] else 2]
        beta1, beta2 = map(float, group["betas"])
        decay, decoupled = group["weight_decay"], group["decoupled_weight_decay"]
        settings = {
            "maximize": group["maximize"],
            "weight_decay": 0 if decoupled else decay,
            "decoupled": decay if decoupled else 0,
            "beta1": beta1,
            "beta2": beta2,
            "eps": group["eps"],
        }
        settings.update(self._counted(p, group, state, settings))
        return [state[name] for name in names], settings

    def _counted(self, p: Tensor, group: dict, state: dict, settings: dict) -> dict[str, Any]:
        """One step more, and the numbers that depend on how many there were; on a GPU that counts
        them itself, where they are."""
        step = state["step"]
        lr, rate = rate_for(p, group)
        by_kernel = self._by_kernel(p)
        on_gpu = by_kernel and (rate is not None or self.found_inf is not None)
        if not isinstance(step, Tensor) and (group["capturable"] or on_gpu):
            step = state["step"] = step_on_device(p, step)
        if isinstance(step, Tensor) and by_kernel:
            return {"lr": lr, "rate": rate, "step": step._array}
        if lr is None:
            lr = float(group["lr"])
        if isinstance(step, Tensor):
            step._array += 1
        else:
            step = state["step"] = step + 1
        count = int(step)
        return {
            "shrink": 1 - lr * settings["decoupled"] if settings["decoupled"] else 1,
            "size": lr / (1 - settings["beta1"] ** count),
            "root": (1 - settings["beta2"] ** count) ** 0.5,
        }

    @staticmethod
    def _rule(xp: Any, settings: Mapping[str, Any], p: Any, g: Any, *arrays: Any) -> None:
        m, v, *largest, t, u = arrays
        g = descent(xp, settings, p, g, t, u)
        move_mean(xp, m, g, settings["beta1"], u)
        move_square(xp, v, g, settings["beta2"], u)
        for top in largest:
            v = xp.maximum(top, v, out=top)
        xp.sqrt(v, out=u)
        u += settings["eps"] * settings["root"]
        xp.divide(m, u, out=u)
        blend(xp, p, settings["shrink"], u, -settings["size"] * settings["root"], u)
