"""Filling parameters before training. Every function works in place and returns the tensor.

fan_in is the number of inputs that one output sums over, fan_out the number of outputs that one
input feeds: for a weight (out, in, *kernel) they are in * prod(kernel) and out * prod(kernel).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

from lucid.errors import ShapeError
from lucid.graph.grad_mode import no_grad
from lucid.op import arguments
from lucid.ops import randperm
from lucid.random import Generator
from lucid.tensor import Tensor

_GAINS = {
    "linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "conv3d": 1.0, "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0, "conv_transpose3d": 1.0, "sigmoid": 1.0, "tanh": 5.0 / 3,
    "relu": math.sqrt(2.0), "selu": 3.0 / 4,
}  # fmt: skip


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """How much wider than 1/sqrt(fan) the weights before this activation should spread.

    leaky_relu: sqrt(2 / (1 + slope^2)), slope 0.01 unless ``param`` gives another.
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"calculate_gain: the slope must be a number; got {param!r}")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        raise ValueError(
            f"calculate_gain: nonlinearity must be leaky_relu, {', '.join(_GAINS)}; got"
            f" {nonlinearity!r}"
        )
    return _GAINS[nonlinearity]


@no_grad
def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Uniform in [a, b)."""
    return tensor.uniform_(a, b, generator=generator)


@no_grad
def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Normal with this mean and standard deviation."""
    return tensor.normal_(mean, std, generator=generator)


@no_grad
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Normal with this mean and standard deviation, restricted to [a, b] (in absolute values)."""
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "trunc_normal_: the mean is more than 2 std outside [a, b]; the distribution of the"
            " values may be wrong"
        )
    low, high = (math.erf((bound - mean) / (std * math.sqrt(2.0))) for bound in (a, b))
    quantile = tensor.detach().double().uniform_(low, high, generator=generator)
    values = quantile.erfinv() * (std * math.sqrt(2.0)) + mean
    return tensor.copy_(values.clamp(a, b))


@no_grad
def constant_(tensor: Tensor, val: float) -> Tensor:
    """Every element ``val``."""
    return tensor.fill_(val)


@no_grad
def ones_(tensor: Tensor) -> Tensor:
    """Every element 1."""
    return tensor.fill_(1.0)


@no_grad
def zeros_(tensor: Tensor) -> Tensor:
    """Every element 0."""
    return tensor.zero_()


@no_grad
def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix: a linear layer that starts out passing its input on."""
    if tensor.ndim != 2:
        raise ShapeError(f"eye_: tensor must have 2 dimensions; got shape {tensor.shape}")
    tensor.zero_()
    for i in range(min(tensor.shape)):
        tensor[i, i] = 1.0
    return tensor


@no_grad
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """1 in the middle of the kernel from channel i to channel i: a convolution that starts out
    passing as many of its channels on as it can, in each group."""
    if tensor.ndim not in (3, 4, 5):
        raise ShapeError(f"dirac_: tensor must have 3, 4 or 5 dimensions; got shape {tensor.shape}")
    if groups < 1 or tensor.shape[0] % groups:
        raise ValueError(
            f"dirac_: groups must divide the {tensor.shape[0]} output channels; got {groups}"
        )
    per_group = tensor.shape[0] // groups
    middle = tuple(k // 2 for k in tensor.shape[2:])
    tensor.zero_()
    for group in range(groups):
        for i in range(min(per_group, tensor.shape[1])):
            tensor[(group * per_group + i, i, *middle)] = 1.0
    return tensor


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    if tensor.ndim < 2:
        raise ShapeError(
            f"init: fan_in and fan_out need at least 2 dimensions; got shape {tensor.shape}"
        )
    kernel = math.prod(tensor.shape[2:])
    return tensor.shape[1] * kernel, tensor.shape[0] * kernel


def _fan(function: str, tensor: Tensor, mode: str) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"{function}: mode must be fan_in or fan_out; got {mode!r}")
    fans = _calculate_fan_in_and_fan_out(tensor)
    return fans[mode == "fan_out"]


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Uniform in [-a, a], a = gain * sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    a = gain * math.sqrt(6.0 / (sum(_calculate_fan_in_and_fan_out(tensor)) or 1))
    return uniform_(tensor, -a, a, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with std = gain * sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    std = gain * math.sqrt(2.0 / (sum(_calculate_fan_in_and_fan_out(tensor)) or 1))
    return normal_(tensor, 0.0, std, generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform in +-gain * sqrt(3 / fan) (He et al., 2015); ``a`` is leaky_relu's slope."""
    if tensor.numel() == 0:
        return tensor
    bound = calculate_gain(nonlinearity, a) * math.sqrt(
        3.0 / _fan("kaiming_uniform_", tensor, mode)
    )
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal with std = gain / sqrt(fan) (He et al., 2015); ``a`` is leaky_relu's slope."""
    if tensor.numel() == 0:
        return tensor
    std = calculate_gain(nonlinearity, a) / math.sqrt(_fan("kaiming_normal_", tensor, mode))
    return normal_(tensor, 0.0, std, generator)


@no_grad
def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Rows (or columns, if there are fewer of them) orthonormal, times gain (Saxe et al., 2013).

    Dimensions after the first are taken together.
    """
    if tensor.ndim < 2:
        raise ShapeError(
            f"orthogonal_: tensor must have at least 2 dimensions; got shape {tensor.shape}"
        )
    if tensor.numel() == 0:
        return tensor
    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    xp = tensor._device.xp
    draw = tensor.detach().double().normal_(0.0, 1.0, generator=generator)
    flat = draw._array.reshape(rows, columns)
    q, r = xp.linalg.qr(flat.T if rows < columns else flat)
    q = q * xp.sign(xp.diagonal(r))  # makes the decomposition unique, and the draw uniform
    q = (q.T if rows < columns else q).reshape(tensor.shape)
    return tensor.copy_(Tensor._wrap(q, tensor._device)).mul_(gain)


@no_grad
def sparse_(
    tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None
) -> Tensor:
    """Normal with this std, the same fraction of each column set to zero (Martens, 2010)."""
    if tensor.ndim != 2:
        raise ShapeError(f"sparse_: tensor must have 2 dimensions; got shape {tensor.shape}")
    rows, columns = tensor.shape
    if math.isnan(sparsity):
        raise ValueError(f"sparse_: sparsity must be a fraction; got {sparsity}")
    zeros = math.ceil(sparsity * rows)
    tensor.normal_(0.0, std, generator=generator)
    for column in range(columns):
        chosen = randperm(rows, generator=generator, device=tensor.device)[:zeros]
        tensor[chosen, column] = 0.0
    return tensor


def _deprecated(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    name = function.__name__

    def renamed(*args: Any, **kwargs: Any) -> Tensor:
        warnings.warn(f"init.{name[:-1]} is now called init.{name}", FutureWarning, stacklevel=2)
        return function(*args, **kwargs)

    renamed.__name__, renamed.__doc__ = name[:-1], f"The old name of ``{name}``."
    return renamed


uniform = _deprecated(uniform_)
normal = _deprecated(normal_)
constant = _deprecated(constant_)
eye = _deprecated(eye_)
dirac = _deprecated(dirac_)
xavier_uniform = _deprecated(xavier_uniform_)
xavier_normal = _deprecated(xavier_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
kaiming_normal = _deprecated(kaiming_normal_)
orthogonal = _deprecated(orthogonal_)
sparse = _deprecated(sparse_)

arguments.explain_all(globals())
