"""Functions of two numbers: hypot, xlogy, logaddexp, signs and steps, extremes that ignore NaN."""

from __future__ import annotations

import math
from typing import Any

from lucid.op import Op, floating, inplace
from lucid.spec import Case, spec
from lucid.tensor import Tensor, tensor_method

__all__ = [
    "copysign",
    "fmax",
    "fmin",
    "heaviside",
    "hypot",
    "logaddexp",
    "logaddexp2",
    "xlogy",
]


class Heaviside(Op):
    """0 below 0, 1 above, ``values`` at 0; flat, and NumPy's NaN for NaN is 0 here."""

    differentiable = False

    def forward(self, x, values):
        xp = self.xp
        one = xp.asarray(1, x.dtype)
        return xp.where(x == 0, values, xp.where(x > 0, one, one * 0)).astype(x.dtype)


class Hypotenuse(Op):
    broadcasts = True

    def label(self):
        return "hypot"

    def forward(self, x, y):
        z = self.xp.hypot(x, y)
        self.save(x, y, z)
        return z

    def backward(self, dz):
        x, y, z = self.saved
        share = dz / z
        return share * x, share * y


class CopySign(Op):
    to_float = True
    broadcasts = True

    def forward(self, x, y):
        z = self.xp.copysign(x, y)
        self.save(x, z)
        return z

    def backward(self, dz):
        x, z = self.saved
        same = (z / x).detach().masked_fill(x == 0, 0.0)  # 1 or -1
        return dz * same, dz * 0.0 if self.needs[1] else None


class ProductWithLog(Op):
    """x log(y), 0 where x is; d/dx = log(y), d/dy = x / y."""

    to_float = True
    broadcasts = True

    def label(self):
        return "xlogy"

    def forward(self, x, y):
        self.save(x, y)
        kind = getattr(x, "dtype", None) or y.dtype
        x, y = self.xp.asarray(x, kind), self.xp.asarray(y, kind)
        nothing = (x == 0) & (y == y)
        return self.xp.where(nothing, self.xp.zeros((), x.dtype), x * self.xp.log(y))

    def backward(self, dz):
        x, y = self.saved
        dx = dy = None
        if not isinstance(y, Tensor):
            y = x.detach() * 0 + y
        if self.needs[0]:
            dx = dz * y.log().masked_fill((x == 0) & (y <= 0), 0.0)
        if self.needs[1]:
            dy = dz * x / y
        return dx, dy


@tensor_method("heaviside")
def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 where x < 0, 1 where x > 0, ``values`` where x = 0. Shapes broadcast.

    >>> lucid.heaviside(Tensor([-1.0, 0.0, 2.0]), Tensor([0.5]))
    Tensor([0. , 0.5, 1. ])
    """
    return Heaviside()(input, values)


@tensor_method("heaviside_")
def heaviside_(self: Tensor, values: Tensor) -> Tensor:
    """heaviside, in place."""
    return inplace(Heaviside(), self, values)


@tensor_method("hypot")
def hypot(input: Tensor, other: Tensor) -> Tensor:
    """sqrt(x**2 + y**2), without overflow. Shapes broadcast."""
    return Hypotenuse()(input, other)


@tensor_method("copysign")
def copysign(input: Tensor, other: Any) -> Tensor:
    """The size of x with the sign of ``other``, a tensor or a number. Shapes broadcast."""
    return CopySign()(input, other)


@tensor_method("fmax")
def fmax(input: Tensor, other: Tensor) -> Tensor:
    """The larger of each pair; of a NaN and a number, the number. Shapes broadcast."""
    return _number_first(input, other, input.maximum(other))


@tensor_method("fmin")
def fmin(input: Tensor, other: Tensor) -> Tensor:
    """The smaller of each pair; of a NaN and a number, the number. Shapes broadcast."""
    return _number_first(input, other, input.minimum(other))


def _number_first(x: Tensor, y: Tensor, chosen: Tensor) -> Tensor:
    if not chosen.is_floating_point():
        return chosen
    return x.where(y.isnan(), y.where(x.isnan(), chosen))


@tensor_method("xlogy")
def xlogy(input: Any, other: Any) -> Tensor:
    """x * log(y), and 0 where x = 0 (NaN where y is). Shapes broadcast."""
    return ProductWithLog()(input, other)


def _larger_and_gap(name: str, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    floating(name, "input", x)
    larger, smaller = x.maximum(y), x.minimum(y)
    gap = smaller - larger
    return larger, gap.masked_fill(larger == smaller, 0.0)  # of equal infinities


@tensor_method("logaddexp")
def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """log(exp(x) + exp(y)), without overflow. Shapes broadcast."""
    larger, gap = _larger_and_gap("logaddexp", input, other)
    return larger + gap.exp().log1p()


@tensor_method("logaddexp2")
def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """log2(2**x + 2**y), without overflow. Shapes broadcast."""
    larger, gap = _larger_and_gap("logaddexp2", input, other)
    return larger + gap.exp2().log1p() / math.log(2)


_pairs = [Case([(3, 4), (4,)])]
spec(heaviside, cases=_pairs, reference=lambda np, x, v: np.heaviside(x, v), differentiable=False)
spec(hypot, cases=_pairs, reference=lambda np, x, y: np.hypot(x, y))
spec(fmax, cases=_pairs, reference=lambda np, x, y: np.fmax(x, y))
spec(fmin, cases=_pairs, reference=lambda np, x, y: np.fmin(x, y))
spec(xlogy, cases=[Case([(3, 4), (4,)], low=0.2)], reference=lambda np, x, y: x * np.log(y))
spec(logaddexp, cases=_pairs, reference=lambda np, x, y: np.logaddexp(x, y))
spec(logaddexp2, cases=_pairs, reference=lambda np, x, y: np.logaddexp2(x, y))
