"""Whole numbers, signs and limits."""

from __future__ import annotations

from typing import Any

from lucid.op import Op, inplace, inplace_method
from lucid.spec import Case, spec
from lucid.tensor import Tensor, tensor_method

__all__ = [
    "ceil",
    "clamp",
    "clamp_max",
    "clamp_max_",
    "clamp_min",
    "clamp_min_",
    "clip",
    "floor",
    "frac",
    "maximum",
    "minimum",
    "nan_to_num",
    "round",
    "sign",
    "trunc",
]


class Step(Op):
    """floor, ceil, trunc, rint, sign: flat almost everywhere, so the gradient is zero."""

    function: str

    def label(self):
        return "round" if self.function == "rint" else self.function

    def forward(self, x):
        if x.dtype.kind in "iub" and self.function != "sign":
            return x.copy()
        if self.function == "sign":
            if x.dtype.kind in "ub":  # NumPy knows no sign of bools
                return (x != 0).astype(x.dtype)
            return (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)  # 0 for NaN, as in PyTorch
        return getattr(self.xp, self.function)(x)

    def backward(self, dy):
        return dy * 0.0


class Clamp(Op):
    """min(max(x, low), high); the gradient passes where low <= x <= high."""

    low: Any = None
    high: Any = None

    def forward(self, x):
        self.save(x)
        if x.dtype.kind in "biu" and any(isinstance(v, float) for v in (self.low, self.high)):
            x = x.astype(self.xp.float32)
        if x.dtype.kind in "iu":  # bounds that the integers don't reach are their ends
            limits = self.xp.iinfo(x.dtype)
            ends = (limits.min, limits.max)
            return self.xp.clip(x, *[_between(v, *ends) for v in (self.low, self.high)])
        return self.xp.clip(x, self.low, self.high)

    def backward(self, dy):
        (x,) = self.saved
        outside = None if self.low is None else x < self.low
        if self.high is not None:
            above = x > self.high
            outside = above if outside is None else outside | above
        return dy.masked_fill(outside, 0.0)


def _between(value: Any, low: int, high: int) -> Any:
    if not isinstance(value, int) or low <= value <= high:
        return value
    return low if value < low else high


class Extreme(Op):
    """maximum or minimum; equal elements share the gradient."""

    function: str
    broadcasts = True

    def label(self):
        return self.function

    def forward(self, a, b):
        self.save(a, b)
        return getattr(self.xp, self.function)(a, b)

    def backward(self, dy):
        a, b = self.saved
        half = (a == b).to(dy.dtype) * 0.5
        wins = (a > b if self.function == "maximum" else a < b).to(dy.dtype) + half
        return dy * wins, dy * (1 - wins)


class Bound(Extreme):
    """The same against a bound: where x equals it, x has the whole gradient."""

    def backward(self, dy):
        a, b = self.saved
        wins = (a >= b if self.function == "maximum" else a <= b).to(dy.dtype)
        return dy * wins, dy * (1 - wins)


class NanToNum(Op):
    nan: float
    posinf: float | None
    neginf: float | None

    def forward(self, x):
        self.save(x)
        return self.xp.nan_to_num(x, nan=self.nan, posinf=self.posinf, neginf=self.neginf)

    def backward(self, dy):
        (x,) = self.saved
        return dy.masked_fill(~x.isfinite(), 0.0)


@tensor_method("floor")
def floor(input: Tensor) -> Tensor:
    """The largest whole number <= x. x: (*) -> y: (*)."""
    return Step("floor")(input)


@tensor_method("ceil")
def ceil(input: Tensor) -> Tensor:
    """The smallest whole number >= x. x: (*) -> y: (*)."""
    return Step("ceil")(input)


@tensor_method("trunc", "fix")
def trunc(input: Tensor) -> Tensor:
    """x without its fraction. x: (*) -> y: (*)."""
    return Step("trunc")(input)


@tensor_method("frac")
def frac(input: Tensor) -> Tensor:
    """The fraction of x, with its sign. x: (*) -> y: (*)."""
    return input - input.trunc()


@tensor_method("round")
def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """The nearest whole number, halves to even; or to ``decimals`` digits. x: (*) -> y: (*)."""
    if decimals == 0:
        return Step("rint")(input)
    return Step("rint")(input * 10.0**decimals) / 10.0**decimals


@tensor_method("sign")
def sign(input: Tensor) -> Tensor:
    """-1, 0 or 1. x: (*) -> y: (*)."""
    return Step("sign")(input)


@tensor_method("clamp", "clip")
def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Each element limited to [min, max], numbers or tensors. x: (*) -> y: (*)."""
    if min is None and max is None:
        raise ValueError("clamp: at least one of min and max is needed; got None for both")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        y = input if min is None else Bound("maximum")(input, min)
        return y if max is None else Bound("minimum")(y, max)
    return Clamp(min, max)(input)


@tensor_method("maximum")
def maximum(input: Tensor, other: Tensor) -> Tensor:
    """The larger of each pair; NaN if either is. Shapes broadcast."""
    return Extreme("maximum")(input, other)


@tensor_method("minimum")
def minimum(input: Tensor, other: Tensor) -> Tensor:
    """The smaller of each pair; NaN if either is. Shapes broadcast."""
    return Extreme("minimum")(input, other)


@tensor_method("nan_to_num")
def nan_to_num(
    input: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """NaN and infinities replaced; by default with 0 and the largest finite numbers."""
    return NanToNum(nan, posinf, neginf)(input)


@tensor_method("clamp_min")
def clamp_min(input: Tensor, min: Any) -> Tensor:
    """Each element, but at least ``min``, a number or tensor. x: (*) -> y: (*)."""
    return clamp(input, min)


@tensor_method("clamp_max")
def clamp_max(input: Tensor, max: Any) -> Tensor:
    """Each element, but at most ``max``, a number or tensor. x: (*) -> y: (*)."""
    return clamp(input, None, max)


@tensor_method("clamp_min_")
def clamp_min_(self: Tensor, min: float) -> Tensor:
    """clamp_min, in place."""
    return clamp_(self, min)


@tensor_method("clamp_max_")
def clamp_max_(self: Tensor, max: float) -> Tensor:
    """clamp_max, in place."""
    return clamp_(self, None, max)


@tensor_method("clamp_", "clip_")
def clamp_(self: Tensor, min: float | None = None, max: float | None = None) -> Tensor:
    """clamp, in place."""
    if min is None and max is None:
        raise ValueError("clamp_: at least one of min and max is needed; got None for both")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        if min is not None:
            inplace(Bound("maximum"), self, min)
        return self if max is None else inplace(Bound("minimum"), self, max)
    return inplace(Clamp(min, max), self)


clip = clamp

inplace_method("floor_", Step, "floor")
inplace_method("ceil_", Step, "ceil")
inplace_method("round_", Step, "rint")
inplace_method("trunc_", Step, "trunc")
inplace_method("sign_", Step, "sign")


_shapes = [Case([(3, 4)]), Case([()]), Case([(0,)])]


_positive = [Case([(3, 4)], low=0.2, high=3.0), Case([()], low=0.2, high=3.0)]


_small = [Case([(3, 4)], low=-0.9, high=0.9)]


spec(floor, cases=_shapes, reference=lambda np, x: np.floor(x))


spec(ceil, cases=_shapes, reference=lambda np, x: np.ceil(x))


spec(trunc, cases=_shapes, reference=lambda np, x: np.trunc(x))


spec(frac, cases=_shapes, reference=lambda np, x: x - np.trunc(x))


spec(round, cases=_shapes, reference=lambda np, x: np.round(x))


spec(sign, cases=_shapes, reference=lambda np, x: np.sign(x))


spec(
    clamp_min,
    cases=[Case([(3, 4)], {"min": -0.5})],
    reference=lambda np, x, min: np.maximum(x, min),
)

spec(
    clamp_max,
    cases=[Case([(3, 4)], {"max": 0.5})],
    reference=lambda np, x, max: np.minimum(x, max),
)

spec(
    clamp,
    cases=[Case([(3, 4)], {"min": -0.5, "max": 1.0}), Case([(5,)], {"min": 0.1})],
    reference=lambda np, x, min=None, max=None: np.clip(x, min, max),
    errors=[(Case([(2,)]), ValueError, "clamp: at least one of min and max is needed")],
)


spec(maximum, cases=[Case([(3, 4), (4,)])], reference=lambda np, a, b: np.maximum(a, b))


spec(minimum, cases=[Case([(3, 4), (4,)])], reference=lambda np, a, b: np.minimum(a, b))


spec(nan_to_num, cases=_shapes, reference=lambda np, x: np.nan_to_num(x))
