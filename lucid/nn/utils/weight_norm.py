"""Weight normalization: a weight as a length and a direction, w = g * v / |v|.

Salimans and Kingma, 2016. This is the older form, with a hook that computes w before each forward;
``parametrizations.weight_norm`` computes it whenever it is asked for.
"""

from __future__ import annotations

import warnings
from typing import Any

from lucid.nn.module import Module
from lucid.nn.parameter import Parameter
from lucid.nn.utils.hooked import hook_of
from lucid.tensor import Tensor

__all__ = ["WeightNorm", "remove_weight_norm", "weight_norm"]


def norm_except_dim(v: Tensor, dim: int) -> Tensor:
    """The norm over all dimensions but one, which stay with size 1; of everything for dim -1."""
    if dim == -1:
        return v.norm()
    axes = [d for d in range(v.ndim) if d != dim % v.ndim]
    return v.norm(2, axes, True) if axes else v.abs()


def normalized(v: Tensor, g: Tensor, dim: int) -> Tensor:
    """g * v / |v|."""
    return v * (g / norm_except_dim(v, dim))


class WeightNorm:
    """The forward pre-hook that computes one weight of a module."""

    def __init__(self, name: str, dim: int):
        self.name, self.dim = name, dim

    def compute_weight(self, module: Module) -> Tensor:
        """w of the module's g and v."""
        return normalized(
            getattr(module, self.name + "_v"), getattr(module, self.name + "_g"), self.dim
        )

    def remove(self, module: Module) -> None:
        """Make the weight a parameter again."""
        weight = self.compute_weight(module).detach()
        for suffix in ("", "_g", "_v"):
            delattr(module, self.name + suffix)
        setattr(module, self.name, Parameter(weight))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """Split a parameter into ``<name>_g``, its lengths, and ``<name>_v``, its directions.

    One length per index of dimension ``dim``, or one for all if None. Returns the module.
    """
    warnings.warn(
        "nn.utils.weight_norm is deprecated; use nn.utils.parametrizations.weight_norm",
        FutureWarning,
        stacklevel=2,
    )
    if hook_of(module, WeightNorm, name) is not None:
        raise RuntimeError(f"weight_norm: {name!r} of {type(module).__name__} has one already")
    weight = module._parameters.get(name)
    if weight is None:
        raise ValueError(f"weight_norm: {type(module).__name__} has no parameter {name!r}")
    hook = WeightNorm(name, -1 if dim is None else dim)
    g = norm_except_dim(weight.detach(), hook.dim)
    del module._parameters[name]
    module.register_parameter(name + "_g", Parameter(g))
    module.register_parameter(name + "_v", Parameter(weight.data))
    setattr(module, name, hook.compute_weight(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: Any, name: str = "weight") -> Any:
    """Take weight normalization away; the weight keeps its value. Returns the module."""
    found = hook_of(module, WeightNorm, name)
    if found is None:
        raise ValueError(
            f"remove_weight_norm: {name!r} of {type(module).__name__} has no weight_norm"
        )
    key, hook = found
    hook.remove(module)
    del module._forward_pre_hooks[key]
    return module
