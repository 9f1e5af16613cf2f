"""Spectral normalization: a weight divided by its largest singular value (Miyato et al., 2018).

The value is estimated by power iteration, one more at each forward in training. This is the older
form, with a hook that computes the weight before each forward; ``parametrizations.spectral_norm``
computes it whenever it is asked for.
"""

from __future__ import annotations

from typing import Any

from lucid.graph.grad_mode import no_grad
from lucid.nn import functional as F
from lucid.nn.convolution import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from lucid.nn.module import Module
from lucid.nn.parameter import Parameter
from lucid.nn.utils.hooked import hook_of
from lucid.tensor import Tensor

__all__ = ["SpectralNorm", "remove_spectral_norm", "spectral_norm"]


def output_dim(module: Module, dim: int | None) -> int:
    """The weight's dimension of outputs, unless ``dim`` says which."""
    if dim is not None:
        return dim
    return int(isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)))


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """Dimension ``dim`` as rows, all others together as columns."""
    return weight.movedim(dim, 0).reshape(weight.shape[dim], -1)


def random_unit(weight: Tensor, size: int, eps: float) -> Tensor:
    """A vector of length 1 in a random direction."""
    return F.normalize(weight.new_empty((size,)).normal_(), dim=0, eps=eps)


class SpectralNorm:
    """The forward pre-hook that computes one weight of a module."""

    _version = 1

    def __init__(
        self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ):
        if n_power_iterations <= 0:
            raise ValueError(
                f"spectral_norm: n_power_iterations must be positive; got {n_power_iterations}"
            )
        self.name, self.dim, self.eps = name, dim, eps
        self.n_power_iterations = n_power_iterations

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Tensor:
        """The weight over its largest singular value, of which the estimate is improved."""
        weight, u, v = (getattr(module, self.name + suffix) for suffix in ("_orig", "_u", "_v"))
        matrix = as_matrix(weight, self.dim)
        if do_power_iteration:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(F.normalize(matrix.t().mv(u), dim=0, eps=self.eps))
                    u.copy_(F.normalize(matrix.mv(v), dim=0, eps=self.eps))
        # Copies: a second forward before the backward changes the vectors in place.
        return weight / u.clone().dot(matrix.mv(v.clone()))

    def remove(self, module: Module) -> None:
        """Make the weight a parameter again."""
        with no_grad():
            weight = self.compute_weight(module, do_power_iteration=False)
        for suffix in ("", "_u", "_v", "_orig"):
            delattr(module, self.name + suffix)
        module.register_parameter(self.name, Parameter(weight.detach()))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, module.training))

    def note_version(self, module: Any, state_dict: Any, prefix: str, metadata: dict) -> None:
        """State dict hook: PyTorch reads from the metadata that ``_v`` is part of the state."""
        metadata.setdefault("spectral_norm", {})[self.name + ".version"] = self._version


def spectral_norm(
    module: Any,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Any:
    """Divide a parameter by its largest singular value from now on; returns the module.

    The parameter becomes ``<name>_orig``, the singular vectors ``<name>_u`` and ``<name>_v``.
    ``dim`` is the dimension of outputs: 1 for transposed convolutions, else 0.
    """
    if hook_of(module, SpectralNorm, name) is not None:
        raise RuntimeError(f"spectral_norm: {name!r} of {type(module).__name__} has one already")
    weight = module._parameters.get(name)
    if weight is None:
        raise ValueError(f"spectral_norm: {type(module).__name__} has no parameter {name!r}")
    hook = SpectralNorm(name, n_power_iterations, output_dim(module, dim), eps)
    with no_grad():
        rows, columns = as_matrix(weight, hook.dim).shape
        u, v = (random_unit(weight, size, eps) for size in (rows, columns))
    delattr(module, name)
    module.register_parameter(name + "_orig", weight)
    setattr(module, name, weight.data)
    module.register_buffer(name + "_u", u)
    module.register_buffer(name + "_v", v)
    module.register_forward_pre_hook(hook)
    module.register_state_dict_post_hook(hook.note_version)
    return module


def remove_spectral_norm(module: Any, name: str = "weight") -> Any:
    """Take spectral normalization away; the weight keeps its value. Returns the module."""
    found = hook_of(module, SpectralNorm, name)
    if found is None:
        raise ValueError(
            f"remove_spectral_norm: {name!r} of {type(module).__name__} has no spectral_norm"
        )
    key, hook = found
    hook.remove(module)
    del module._forward_pre_hooks[key]
    hooks = module._state_dict_hooks
    for key in [k for k, h in hooks.items() if getattr(h, "__self__", None) is hook]:
        del hooks[key]
    return module
