"""Parametrizations ready for use: weight norm, spectral norm, orthogonal matrices."""

from __future__ import annotations

from typing import Any

from lucid.errors import DimensionError
from lucid.graph.grad_mode import no_grad
from lucid.nn import functional as F
from lucid.nn.module import Module
from lucid.nn.utils.orthogonal import orthogonal as orthogonal
from lucid.nn.utils.parametrize import register_parametrization
from lucid.nn.utils.spectral_norm import as_matrix, output_dim, random_unit
from lucid.nn.utils.weight_norm import norm_except_dim, normalized
from lucid.tensor import Tensor

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


class _WeightNorm(Module):
    """w = g * v / |v|; original0 is g, original1 is v."""

    def __init__(self, dim: int | None = 0):
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return normalized(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Lengths and directions of a weight."""
        return norm_except_dim(weight, self.dim), weight


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """Train lengths and directions of a weight, w = g * v / |v|, apart (Salimans and Kingma, 2016).

    One length per index of dimension ``dim``, or one for all if None. g and v are
    ``module.parametrizations.<name>.original0`` and ``original1``. Returns the module.

    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
    >>> layer.parametrizations.weight.original0.shape
    (2, 1)
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename(module: Any, state: dict, prefix: str, *others: Any) -> None:
        """States of the older weight_norm fit too."""
        old = [f"{prefix}{name}_{suffix}" for suffix in "gv"]
        if all(key in state for key in old):
            for i, key in enumerate(old):
                state[f"{prefix}parametrizations.{name}.original{i}"] = state.pop(key)

    module.register_load_state_dict_pre_hook(rename)
    return module


class _SpectralNorm(Module):
    """w = v / sigma(v), sigma the largest singular value as power iteration estimates it."""

    _u: Tensor
    _v: Tensor

    def __init__(
        self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ):
        super().__init__()
        if not -weight.ndim <= dim < weight.ndim:
            raise DimensionError(
                f"spectral_norm: dim must be in [{-weight.ndim}, {weight.ndim - 1}]; got {dim}"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                f"spectral_norm: n_power_iterations must be positive; got {n_power_iterations}"
            )
        self.dim, self.eps = dim % weight.ndim, eps
        if weight.ndim > 1:
            self.n_power_iterations = n_power_iterations
            with no_grad():
                matrix = as_matrix(weight.detach(), self.dim)
                self.register_buffer("_u", random_unit(weight, matrix.shape[0], eps))
                self.register_buffer("_v", random_unit(weight, matrix.shape[1], eps))
            self._power_method(matrix, 15)

    @no_grad
    def _power_method(self, matrix: Tensor, times: int) -> None:
        for _ in range(times):
            self._u.copy_(F.normalize(matrix.mv(self._v), dim=0, eps=self.eps))
            self._v.copy_(F.normalize(matrix.t().mv(self._u), dim=0, eps=self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        # Copies: a second forward before the backward changes the vectors in place.
        return weight / self._u.clone().dot(matrix.mv(self._v.clone()))

    def right_inverse(self, value: Tensor) -> Tensor:
        """The value itself: dividing it once more changes nothing if its sigma is 1."""
        return value


def spectral_norm(
    module: Any,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Any:
    """Divide a weight by its largest singular value (Miyato et al., 2018); returns the module.

    Estimated by power iteration: 15 steps now, ``n_power_iterations`` whenever the weight is asked
    for in training. ``dim`` is the dimension of outputs, the matrix' rows: 1 for transposed
    convolutions, else 0. A vector is divided by its norm.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(
            f"spectral_norm: {type(module).__name__} has no parameter or buffer {name!r}"
        )
    rule = _SpectralNorm(weight, n_power_iterations, output_dim(module, dim), eps)
    register_parametrization(module, name, rule)
    return module
