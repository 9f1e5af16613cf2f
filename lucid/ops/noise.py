"""Gaussian dropout: y = x (1 + sigma n) with n normal, sigma^2 = p / (1 - p).

The noise has the mean and variance of dropout's keep / (1 - p). None of it is stored: the numbers
are addressed by (seed, stream, offset, i), so backward draws the same ones again, and the gradient
is the same op. Srivastava et al., Dropout, 2014, section 10.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from lucid import dtypes
from lucid.backend import Device
from lucid.backend.philox import Key
from lucid.errors import DTypeError
from lucid.op import Op, inplace
from lucid.op.drawing import check_probability, check_tensor, reserve
from lucid.random import Generator
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = ["gaussian_dropout"]

_FLOAT32 = dtypes.float32.numpy


class GaussianNoise(Op):
    """x * (1 + sigma * n); n is drawn in float32 whatever x is: every dtype has the same noise."""

    key: Key
    sigma: float

    def forward(self, x):
        return self.xp.multiply(x, factors(self, x.shape, x.dtype), out=self.out)

    def backward(self, dy):
        return GaussianNoise(self.key, self.sigma)(dy)


class Noise(NamedTuple):
    """What one training call multiplied with: a recipe, drawn again whenever it is asked for."""

    key: Key
    sigma: float
    shape: tuple[int, ...]
    dtype: dtypes.dtype
    device: Device

    def tensor(self) -> Tensor:
        """The factors 1 + sigma * n."""
        return Tensor._wrap(factors(self, self.shape, self.dtype.numpy), self.device)


def factors(source: GaussianNoise | Noise, shape: tuple[int, ...], dtype: object) -> object:
    """The array of 1 + sigma * n that this op, or recipe, multiplies with."""
    n = source.device.draw("normal", source.key, math.prod(shape), _FLOAT32)
    n = n.reshape(shape) * _FLOAT32.type(source.sigma)
    n += 1
    return n.astype(dtype, copy=False)


def multiply(
    name: str, x: Tensor, p: float, training: bool, in_place: bool, generator: Generator | None
) -> tuple[Tensor, Noise | None]:
    """The function's body. Returns y, and what was drawn (None if nothing was)."""
    p = check_p(name, p)
    check_tensor(name, x)
    if not training or p == 0.0 or 0 in x.shape:
        return x, None
    if not x.is_floating_point():
        raise DTypeError(
            f"{name}: the result is not whole numbers, so x must be floating point; got {x.dtype}."
            " Hint: use .float() first"
        )
    sigma = math.sqrt(p / (1 - p))
    key = reserve(name, "normal", math.prod(x.shape), _FLOAT32, generator)
    op = GaussianNoise(key, sigma)
    y = inplace(op, x) if in_place else op(x)
    return y, Noise(key, sigma, x.shape, x.dtype, x._device)


def check_p(name: str, p: float) -> float:
    """``p`` as a float, if it is a number in [0, 1)."""
    p = check_probability(name, p)
    if p == 1.0:
        raise ValueError(f"{name}: p must be below 1, where the noise has no end; got 1.0")
    return p


def gaussian_dropout(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """x (1 + sqrt(p / (1 - p)) n), n standard normal, for each element. x: (*) -> y: (*).

    The tensor itself when not training, for p = 0 and for empty tensors; p is in [0, 1). The noise
    depends on the generator's state and each element's logical index only, not on dtype or memory
    layout; CPU and GPU agree to a few units in the last place of float32. Srivastava et al. 2014.
    """
    return multiply("gaussian_dropout", input, p, training, inplace, generator)[0]


spec(
    gaussian_dropout,
    cases=[
        Case([(3, 17)]),
        Case([()], {"p": 0.1}),
        Case([(2, 3)], {"p": 0.0}),
        Case([(2, 3)], {"training": False}),
        Case([(0, 3)]),
    ],
    random=True,
    errors=[
        (Case([(2,)], {"p": 1.5}), ValueError, r"^gaussian_dropout: p must be in \[0, 1\]"),
        (Case([(2,)], {"p": 1.0}), ValueError, "^gaussian_dropout: p must be below 1"),
        (Case([(2,)], {"p": "0.5"}), TypeError, "^gaussian_dropout: p must be a number"),
        (Case([(2,)], dtypes=("int64",)), TypeError, "^gaussian_dropout: .* must be floating"),
    ],
)
