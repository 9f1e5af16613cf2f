"""Angles: sine and its kin."""

from __future__ import annotations

from typing import Any

from lucid.op import Op, casts, inplace_method
from lucid.spec import Case, spec
from lucid.tensor import Tensor, tensor_method

__all__ = [
    "acos",
    "arccos",
    "arcsin",
    "arctan",
    "arctan2",
    "asin",
    "atan",
    "atan2",
    "cos",
    "cosh",
    "sin",
    "sinh",
    "tan",
]


class Trigonometric(Op):
    """sin, cos, tan, their inverses and sinh, cosh, by name; ``slopes`` has the derivatives."""

    function: str
    to_float = True

    def forward(self, x):
        self.save(x)
        return getattr(self.xp, self.function)(x)

    def backward(self, dy):
        (x,) = self.saved
        return dy * _slopes[self.function](x)


_slopes: dict[str, Any] = {
    "sin": lambda x: x.cos(),
    "cos": lambda x: -x.sin(),
    "tan": lambda x: 1 / x.cos().square(),
    "arcsin": lambda x: (1 - x * x).rsqrt(),
    "arccos": lambda x: -(1 - x * x).rsqrt(),
    "arctan": lambda x: 1 / (x * x + 1),
    "sinh": lambda x: x.cosh(),
    "cosh": lambda x: x.sinh(),
}


class Atan2(Op):
    to_float = True
    broadcasts = True

    def forward(self, y, x):
        self.save(y, x)
        return self.xp.arctan2(y, x)

    def backward(self, dz):
        y, x = self.saved
        scaled = dz / (x * x + y * y)
        return scaled * x, -(scaled * y)


@tensor_method("sin")
def sin(input: Tensor) -> Tensor:
    """The sine of an angle in radians. x: (*) -> y: (*)."""
    return Trigonometric("sin")(input)


@tensor_method("cos")
def cos(input: Tensor) -> Tensor:
    """The cosine of an angle in radians. x: (*) -> y: (*)."""
    return Trigonometric("cos")(input)


@tensor_method("tan")
@casts(cuda="float32")
def tan(input: Tensor) -> Tensor:
    """The tangent of an angle in radians. x: (*) -> y: (*)."""
    return Trigonometric("tan")(input)


@tensor_method("asin")
@casts(cuda="float32")
def asin(input: Tensor) -> Tensor:
    """The angle in radians whose sine is x; nan outside [-1, 1]. x: (*) -> y: (*)."""
    return Trigonometric("arcsin")(input)


@tensor_method("acos")
@casts(cuda="float32")
def acos(input: Tensor) -> Tensor:
    """The angle in radians whose cosine is x; nan outside [-1, 1]. x: (*) -> y: (*)."""
    return Trigonometric("arccos")(input)


@tensor_method("atan")
def atan(input: Tensor) -> Tensor:
    """The angle in radians whose tangent is x. x: (*) -> y: (*)."""
    return Trigonometric("arctan")(input)


@tensor_method("sinh")
@casts(cuda="float32")
def sinh(input: Tensor) -> Tensor:
    """The hyperbolic sine. x: (*) -> y: (*)."""
    return Trigonometric("sinh")(input)


@tensor_method("cosh")
@casts(cuda="float32")
def cosh(input: Tensor) -> Tensor:
    """The hyperbolic cosine. x: (*) -> y: (*)."""
    return Trigonometric("cosh")(input)


@tensor_method("atan2")
@casts(cuda="widest")
def atan2(input: Tensor, other: Tensor) -> Tensor:
    """The angle in radians of the point (other, input), in (-pi, pi]. Shapes broadcast."""
    return Atan2()(input, other)


arcsin, arccos, arctan, arctan2 = asin, acos, atan, atan2

inplace_method("sin_", Trigonometric, "sin")
inplace_method("cos_", Trigonometric, "cos")


_shapes = [Case([(3, 4)]), Case([()]), Case([(0,)])]


_positive = [Case([(3, 4)], low=0.2, high=3.0), Case([()], low=0.2, high=3.0)]


_small = [Case([(3, 4)], low=-0.9, high=0.9)]


spec(sin, cases=_shapes, reference=lambda np, x: np.sin(x))


spec(cos, cases=_shapes, reference=lambda np, x: np.cos(x))


spec(tan, cases=_small, reference=lambda np, x: np.tan(x))


spec(asin, cases=_small, reference=lambda np, x: np.arcsin(x))


spec(acos, cases=_small, reference=lambda np, x: np.arccos(x))


spec(atan, cases=_shapes, reference=lambda np, x: np.arctan(x))


spec(sinh, cases=_shapes, reference=lambda np, x: np.sinh(x))


spec(cosh, cases=_shapes, reference=lambda np, x: np.cosh(x))


spec(atan2, cases=[Case([(3, 4), (4,)])], reference=lambda np, y, x: np.arctan2(y, x))
