"""Functions of one number that the usual ones don't cover: hyperbolic inverses, logit, ….

What NumPy and CuPy have is one op with its slope in a table; the rest is made of Tensor methods.
"""

from __future__ import annotations

import math
from typing import Any

from lucid.errors import DTypeError
from lucid.op import Op, casts, inplace
from lucid.spec import Case, spec
from lucid.tensor import Tensor, tensor_method

__all__ = [
    "acosh",
    "arccosh",
    "asinh",
    "arcsinh",
    "atanh",
    "arctanh",
    "deg2rad",
    "erfc",
    "exp2",
    "isneginf",
    "isposinf",
    "isreal",
    "logit",
    "positive",
    "rad2deg",
    "sgn",
    "signbit",
    "sinc",
]


class Curve(Op):
    """A function of NumPy, by its name there; ``_slopes`` has the derivatives."""

    function: str
    called: str
    to_float = True

    def label(self):
        return self.called

    def forward(self, x):
        self.save(x)
        return getattr(self.xp, self.function)(x)

    def backward(self, dy):
        (x,) = self.saved
        return dy * _slopes[self.function](x)


_slopes: dict[str, Any] = {
    "arcsinh": lambda x: (x * x + 1).rsqrt(),
    "arccosh": lambda x: (x * x - 1).rsqrt(),
    "arctanh": lambda x: 1 / (1 - x * x),
    "exp2": lambda x: x.exp2() * math.log(2),
    "deg2rad": lambda x: math.pi / 180,
    "rad2deg": lambda x: 180 / math.pi,
}


class Logit(Op):
    """log(x / (1 - x)); slope 1 / (x (1 - x)), 0 beyond eps, NaN beyond 0 and 1."""

    eps: float | None
    to_float = True

    def forward(self, x):
        self.save(x)
        if self.eps is not None:
            x = self.xp.clip(x, self.eps, 1 - self.eps)
        return self.xp.log(x / (1 - x))

    def backward(self, dy):
        (x,) = self.saved
        low, rest = (0.0, math.nan) if self.eps is None else (self.eps, 0.0)
        outside = (x < low) | (x > 1 - low)
        return (dy / (x * (1 - x))).masked_fill(outside, rest)


class SignBit(Op):
    differentiable = False

    def forward(self, x):
        return x < 0 if x.dtype.kind in "iub" else self.xp.signbit(x)


@tensor_method("asinh", "arcsinh")
@casts(cuda="float32")
def asinh(input: Tensor) -> Tensor:
    """The inverse of sinh. x: (*) -> y: (*)."""
    return Curve("arcsinh", "asinh")(input)


@tensor_method("acosh", "arccosh")
@casts(cuda="float32")
def acosh(input: Tensor) -> Tensor:
    """The inverse of cosh; NaN below 1. x: (*) -> y: (*)."""
    return Curve("arccosh", "acosh")(input)


@tensor_method("atanh", "arctanh")
@casts(cuda="float32")
def atanh(input: Tensor) -> Tensor:
    """The inverse of tanh; NaN outside [-1, 1]. x: (*) -> y: (*)."""
    return Curve("arctanh", "atanh")(input)


@tensor_method("exp2")
def exp2(input: Tensor) -> Tensor:
    """2 ** x. x: (*) -> y: (*)."""
    return Curve("exp2", "exp2")(input)


@tensor_method("deg2rad")
def deg2rad(input: Tensor) -> Tensor:
    """Degrees as radians. x: (*) -> y: (*)."""
    return Curve("deg2rad", "deg2rad")(input)


@tensor_method("rad2deg")
def rad2deg(input: Tensor) -> Tensor:
    """Radians as degrees. x: (*) -> y: (*)."""
    return Curve("rad2deg", "rad2deg")(input)


@tensor_method("erfc")
@casts(cuda="float32")
def erfc(input: Tensor) -> Tensor:
    """1 - erf(x). x: (*) -> y: (*). Beyond x = 4 only a few digits are left of it in float32."""
    return 1 - input.erf()


@tensor_method("logit")
def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """log(x / (1 - x)), x limited to [eps, 1 - eps] if eps is given; else NaN outside [0, 1]."""
    return Logit(eps)(input)


@tensor_method("logit_")
def logit_(self: Tensor, eps: float | None = None) -> Tensor:
    """logit, in place."""
    return inplace(Logit(eps), self)


@tensor_method("sinc")
def sinc(input: Tensor) -> Tensor:
    """sin(pi x) / (pi x), and 1 at 0. x: (*) -> y: (*)."""
    turned = input * math.pi
    zero = turned == 0
    away = turned.masked_fill(zero, 1.0)
    return (away.sin() / away).masked_fill(zero, 1.0)


@tensor_method("sgn")
def sgn(input: Tensor) -> Tensor:
    """-1, 0 or 1: sign, of real numbers."""
    return input.sign()


@tensor_method("signbit")
def signbit(input: Tensor) -> Tensor:
    """Whether the sign is set, as it is of -0.0. x: (*) -> bool (*)."""
    return SignBit()(input)


@tensor_method("positive")
def positive(input: Tensor) -> Tensor:
    """The input itself: +x."""
    if input.dtype.category == 0:
        raise DTypeError(f"positive: not defined for {input.dtype}; got shape {input.shape}")
    return +input


@tensor_method("isposinf")
def isposinf(input: Tensor) -> Tensor:
    """Whether each element is infinity. x: (*) -> bool (*)."""
    return input == math.inf


@tensor_method("isneginf")
def isneginf(input: Tensor) -> Tensor:
    """Whether each element is minus infinity. x: (*) -> bool (*)."""
    return input == -math.inf


@tensor_method("isreal")
def isreal(input: Tensor) -> Tensor:
    """True everywhere: lucid has no complex numbers. x: (*) -> bool (*)."""
    return input == input if not input.is_floating_point() else (input == 0) | (input != 0)


arcsinh, arccosh, arctanh = asinh, acosh, atanh

_shapes = [Case([(3, 4)]), Case([()]), Case([(0,)])]
spec(asinh, cases=_shapes, reference=lambda np, x: np.arcsinh(x))
spec(acosh, cases=[Case([(3, 4)], low=1.2, high=3)], reference=lambda np, x: np.arccosh(x))
spec(atanh, cases=[Case([(3, 4)], low=-0.8, high=0.8)], reference=lambda np, x: np.arctanh(x))
spec(exp2, cases=_shapes, reference=lambda np, x: np.exp2(x))
spec(deg2rad, cases=_shapes, reference=lambda np, x: np.deg2rad(x))
spec(rad2deg, cases=_shapes, reference=lambda np, x: np.rad2deg(x))
spec(logit, cases=[Case([(3, 4)], low=0.1, high=0.9), Case([(3, 4)], {"eps": 0.2}, low=0, high=1)],
     reference=lambda np, x, eps=None: np.log((x if eps is None else np.clip(x, eps, 1 - eps))
     / (1 - (x if eps is None else np.clip(x, eps, 1 - eps)))))  # fmt: skip
spec(sinc, cases=_shapes, reference=lambda np, x: np.sinc(x))
