"""Activations made of straight pieces: relu and its kin, hard and soft thresholds.

At a kink the slope is PyTorch's: that of the flat side; for leaky_relu and prelu that of the
negative side.
"""

from __future__ import annotations

from math import inf
from typing import Any

from lucid.backend.cpu import blockwise
from lucid.errors import ShapeError
from lucid.op import Op, casts
from lucid.op import inplace as write
from lucid.op.conventions import as_number
from lucid.op.pointwise import Pointwise
from lucid.spec import Case, spec
from lucid.tensor import Tensor, tensor_method

__all__ = [
    "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "hardtanh_", "leaky_relu", "leaky_relu_",
    "prelu", "relu", "relu6", "relu_", "softshrink", "threshold", "threshold_",
]  # fmt: skip


class Relu(Pointwise):
    """max(x, 0); keeps its output, which is positive (or NaN) where the gradient passes."""

    to_float = False
    overwrites = True
    keeps = "output"
    block = blockwise.LONG

    def value(self, x, out=None):
        if x.dtype.kind == "f" and x.size > 4096:  # NumPy vectorises clip's limits, not maximum's
            return self.xp.clip(x, 0, inf, out=out)
        return self.xp.maximum(x, 0, out=out)

    def gradient(self, dy, y):
        return dy.masked_fill(y == 0, 0.0)

    def gradient_array(self, dy, y, out=None):
        passes = self.xp.not_equal(y, 0, out=self.spare(y, bool))
        return _pass_where(self.xp, passes, dy, out)


class Hardtanh(Pointwise):
    """min(max(x, low), high)."""

    low: float
    high: float
    to_float = False

    def value(self, x, out=None):
        return self.xp.clip(x, self.low, self.high, out=out)

    def gradient(self, dy, x):
        return dy.masked_fill((x <= self.low) | (x >= self.high), 0.0)

    def gradient_array(self, dy, x, out=None):
        return _pass_where(self.xp, ~((x <= self.low) | (x >= self.high)), dy, out)


class LeakyRelu(Pointwise):
    slope: float

    block = blockwise.LONG

    @property
    def keeps(self):
        return "either" if self.slope >= 0 else "input"  # else the output has lost x's sign

    def value(self, x, out=None):
        low = self.xp.multiply(x, self.slope, out=self.spare(x))
        if 0 < self.slope <= 1:
            return self.xp.maximum(x, low, out=out)
        return self.xp.where(x > 0, x, low)

    def gradient(self, dy, kept):
        return dy.where(kept > 0, dy * self.slope)

    def gradient_array(self, dy, kept, out=None):
        xp = self.xp
        positive = xp.greater(kept, 0, out=self.spare(kept, bool))
        if self.slope == 0:
            return _pass_where(xp, positive, dy, out)
        if 0 < self.slope <= 1:
            slopes = self._target(dy, out)
            xp.copyto(slopes, positive)
            xp.clip(slopes, self.slope, 1, out=slopes)
            slopes *= dy
            return slopes
        return xp.where(positive, dy, dy * self.slope)


class PRelu(Op):
    """x where positive, elsewhere weight * x; the weight broadcasts."""

    to_float = True
    broadcasts = True

    def forward(self, x, w):
        if self.needs:
            self.save(x, w if self.needs[0] else None)
        return self.xp.where(x > 0, x, x * w)

    def backward(self, dy):
        x, w = self.saved
        dx = dy.where(x > 0, dy * w) if self.needs[0] else None
        return dx, (dy * x.clamp(max=0.0) if self.needs[1] else None)


class Hardsigmoid(Pointwise):
    def value(self, x, out=None):
        y = self.xp.clip(x + 3, 0, 6)
        return self.xp.multiply(y, 1 / 6, out=out)

    def gradient(self, dy, x):
        return (dy * (1 / 6)).masked_fill((x <= -3) | (x >= 3), 0.0)

    def gradient_array(self, dy, x, out=None):
        return _pass_where(self.xp, self.xp.abs(x) < 3, dy * (1 / 6), out)


class Hardswish(Pointwise):
    block = blockwise.LONG

    def value(self, x, out=None):
        xp, gate = self.xp, self.spare(x)
        xp.add(x, 3, out=gate)
        xp.clip(gate, 0, 6, out=gate)
        y = xp.multiply(gate, x, out=out)
        y *= 1 / 6
        return y

    def gradient(self, dy, x):
        slope = (x * (1 / 3) + 0.5).masked_fill(x <= -3, 0.0)
        return dy * slope.masked_fill(x >= 3, 1.0)

    def gradient_array(self, dy, x, out=None):
        xp, slope, mask = self.xp, self.spare(x), self.spare(x, bool, "mask")
        xp.multiply(x, 1 / 3, out=slope)
        slope += 0.5
        xp.absolute(x, out=(between := self._target(x, out)))
        xp.logical_not(xp.greater_equal(between, 3, out=mask), out=mask)
        between = _pass_where(xp, mask, slope, between)
        xp.copyto(slope, xp.greater_equal(x, 3, out=mask))
        slope += between
        return xp.multiply(dy, slope, out=between)


class Softshrink(Pointwise):
    """x moved towards 0 by ``size``, and 0 nearer than that."""

    size: float

    def value(self, x, out=None):
        return self.xp.subtract(x, self.xp.clip(x, -self.size, self.size), out=out)

    def gradient(self, dy, x):
        return dy.masked_fill(x.abs() <= self.size, 0.0)

    def gradient_array(self, dy, x, out=None):
        return _pass_where(self.xp, ~(self.xp.abs(x) <= self.size), dy, out)


class Hardshrink(Pointwise):
    """x, and 0 where |x| is at most ``size``."""

    size: float

    def value(self, x, out=None):
        return _pass_where(self.xp, ~(self.xp.abs(x) <= self.size), x, None)

    def gradient(self, dy, x):
        return dy.masked_fill(x.abs() <= self.size, 0.0)

    def gradient_array(self, dy, x, out=None):
        return _pass_where(self.xp, ~(self.xp.abs(x) <= self.size), dy, out)


class Threshold(Pointwise):
    """x where it is above the limit, else ``fill``."""

    limit: float
    fill: float
    to_float = False

    def value(self, x, out=None):
        return self.xp.where(x <= self.limit, self.xp.asarray(self.fill, x.dtype), x)

    def gradient(self, dy, x):
        return dy.masked_fill(x <= self.limit, 0.0)

    def gradient_array(self, dy, x, out=None):
        return _pass_where(self.xp, ~(x <= self.limit), dy, out)


def _pass_where(xp: Any, mask: Any, values: Any, out: Any) -> Any:
    """The values where the mask is true, 0 elsewhere, also for inf and NaN.

    Their bits as integers times 0 or 1: as fast as multiplying, and three times as fast as where.
    ``out`` may be the values.
    """
    kind = {2: "int16", 4: "int32", 8: "int64"}[values.dtype.itemsize]
    if out is None:
        out = xp.empty_like(mask, dtype=values.dtype)  # values may be expanded, a mask is computed
    xp.multiply(values.view(kind), mask, out=out.view(kind))
    return out


def _apply(op: Op, x: Tensor, inplace: bool) -> Tensor:
    return write(op, x) if inplace else op(x)


@tensor_method("relu")
def _relu(self: Tensor) -> Tensor:
    """max(x, 0). x: (*) -> y: (*)."""
    return Relu()(self)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0); NaN stays NaN. x: (*) -> y: (*).

    >>> F.relu(Tensor([-1.0, 2.0]))
    Tensor([0., 2.])
    """
    return write(Relu(), input) if inplace else Relu()(input)


@tensor_method("relu_")
def relu_(input: Tensor) -> Tensor:
    """relu, in place."""
    return write(Relu(), input)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6). x: (*) -> y: (*)."""
    return _limited(input, 0.0, 6.0, inplace)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where positive, elsewhere negative_slope * x. x: (*) -> y: (*)."""
    return _apply(LeakyRelu(negative_slope), input, inplace)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """leaky_relu, in place."""
    return write(LeakyRelu(negative_slope), input)


@tensor_method("prelu")
@casts(cpu="lower", cuda="lower")
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where positive, elsewhere weight * x, with one weight or one per channel (dim 1).

    x: (N, C, *), weight: (1,) or (C,) -> y: (N, C, *).
    """
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.ndim > 1 or weight.numel() not in (1, channels):
        raise ShapeError(
            f"prelu: weight must have 1 element or {channels}, one per channel; got shape"
            f" {weight.shape} for an input of shape {input.shape}"
        )
    if weight.numel() == 1:
        return PRelu()(input, weight.reshape(()))
    return PRelu()(input, weight.reshape(-1, *[1] * (input.ndim - 2)))


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """min(max(x, min_val), max_val). x: (*) -> y: (*)."""
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val must not be above max_val; got {min_val}, {max_val}")
    return _limited(input, min_val, max_val, inplace)


def _limited(x: Tensor, low: float, high: float, inplace: bool) -> Tensor:
    """Integers stay integers, and so do their limits."""
    if x.is_floating_point():
        return _apply(Hardtanh(low, high), x, inplace)
    return x.clamp_(int(low), int(high)) if inplace else x.clamp(int(low), int(high))


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """hardtanh, in place."""
    return hardtanh(input, min_val, max_val, True)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """relu6(x + 3) / 6. x: (*) -> y: (*)."""
    return _apply(Hardsigmoid(), input, inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * relu6(x + 3) / 6. x: (*) -> y: (*)."""
    return _apply(Hardswish(), input, inplace)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x - lambd above lambd, x + lambd below -lambd, 0 between. x: (*) -> y: (*)."""
    if not lambd >= 0:
        raise ValueError(f"softshrink: lambd must not be negative; got {lambd}")
    return Softshrink(lambd)(input)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x where |x| > lambd, else 0. x: (*) -> y: (*)."""
    return Hardshrink(lambd)(input)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where x > threshold, else value. x: (*) -> y: (*)."""
    value = as_number("threshold", "value", value)
    return _apply(Threshold(threshold, value), input, inplace)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """threshold, in place."""
    return write(Threshold(threshold, value), input)


_cases = [Case([(3, 4)]), Case([(2, 3, 2, 2)], low=-8, high=8), Case([()]), Case([(0, 3)])]


def _with(**kwargs: Any) -> list[Case]:
    return [Case(c.shapes, kwargs, c.low, c.high) for c in _cases]


spec(relu, cases=_cases, reference=lambda np, x: np.maximum(x, 0))
spec(relu6, cases=_cases, reference=lambda np, x: np.clip(x, 0, 6))
spec(
    leaky_relu,
    cases=[*_cases, *_with(negative_slope=0.2), *_with(negative_slope=-1.5)[:2]],
    reference=lambda np, x, negative_slope=0.01: np.where(x > 0, x, negative_slope * x),
)
spec(
    prelu,
    cases=[Case([(3, 4), (4,)]), Case([(2, 3, 2, 2), (3,)]), Case([(5,), (1,)])],
    reference=lambda np, x, w: np.where(
        x > 0, x, x * (w.reshape(-1, *[1] * (x.ndim - 2)) if x.ndim > 1 else w)
    ),
    errors=[(Case([(3, 4), (3,)]), ShapeError, "prelu: weight must have 1 element or 4")],
)
spec(
    hardtanh,
    cases=[*_cases, *_with(min_val=-0.5, max_val=3.0)],
    reference=lambda np, x, min_val=-1, max_val=1: np.clip(x, min_val, max_val),
    errors=[
        (Case([(2,)], {"min_val": 2}), ValueError, "hardtanh: min_val must not be above max_val")
    ],
)
spec(hardsigmoid, cases=_cases, reference=lambda np, x: np.clip(x + 3, 0, 6) / 6)
spec(hardswish, cases=_cases, reference=lambda np, x: x * np.clip(x + 3, 0, 6) / 6)
spec(
    softshrink,
    cases=[*_cases, *_with(lambd=1.5)],
    reference=lambda np, x, lambd=0.5: np.sign(x) * np.maximum(np.abs(x) - lambd, 0),
    errors=[(Case([(2,)], {"lambd": -1}), ValueError, "softshrink: lambd must not be negative")],
)
spec(
    hardshrink,
    cases=[*_cases, *_with(lambd=1.5)],
    reference=lambda np, x, lambd=0.5: np.where(np.abs(x) > lambd, x, 0),
)
spec(
    threshold,
    cases=_with(threshold=0.3, value=7.0),
    reference=lambda np, x, threshold, value: np.where(x > threshold, x, value),
)
