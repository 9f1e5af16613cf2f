"""Functions of one element: exponentials, logarithms, roots, the error function."""

from __future__ import annotations

import math

from lucid import dtypes
from lucid.op import Op, casts, inplace_method
from lucid.spec import Case, spec
from lucid.tensor import Tensor, tensor_method

__all__ = [
    "abs",
    "absolute",
    "erf",
    "exp",
    "expm1",
    "log",
    "log10",
    "log1p",
    "log2",
    "reciprocal",
    "rsqrt",
    "sqrt",
    "square",
]


class Exp(Op):
    to_float = True

    def forward(self, x):
        y = self.xp.exp(x)
        self.save(y)
        return y

    def backward(self, dy):
        (y,) = self.saved
        return dy * y


class Expm1(Op):
    to_float = True

    def forward(self, x):
        y = self.xp.expm1(x)
        self.save(y)
        return y

    def backward(self, dy):
        (y,) = self.saved
        return dy * (y + 1)


class Log(Op):
    """log(x + offset) / log(base)."""

    name_in_xp: str
    scale: float = 1.0  # 1 / log(base)
    offset: float = 0.0
    to_float = True

    def forward(self, x):
        self.save(x)
        return getattr(self.xp, self.name_in_xp)(x)

    def backward(self, dy):
        (x,) = self.saved
        dx = dy / (x + self.offset if self.offset else x)
        return dx if self.scale == 1.0 else dx * self.scale


class Sqrt(Op):
    to_float = True

    def forward(self, x):
        y = self.xp.sqrt(x)
        self.save(y)
        return y

    def backward(self, dy):
        (y,) = self.saved
        return dy / (y * 2)


class Rsqrt(Op):
    to_float = True

    def forward(self, x):
        y = 1 / self.xp.sqrt(x)
        self.save(y)
        return y

    def backward(self, dy):
        (y,) = self.saved
        return dy * (y * y * y) * -0.5


class Reciprocal(Op):
    to_float = True

    def forward(self, x):
        y = 1 / x
        self.save(y)
        return y

    def backward(self, dy):
        (y,) = self.saved
        return -dy * (y * y)


class Abs(Op):
    def forward(self, x):
        self.save(x)
        return self.xp.abs(x)

    def backward(self, dy):
        (x,) = self.saved
        return dy * x.sign()


class Erf(Op):
    to_float = True

    def forward(self, x):
        self.save(x)
        return self.device.erf(x)

    def backward(self, dy):
        (x,) = self.saved
        return dy * (-x * x).exp() * (2 / math.sqrt(math.pi))


@tensor_method("exp")
@casts(cuda="float32")
def exp(input: Tensor) -> Tensor:
    """e to the power of each element. x: (*) -> y: (*)."""
    return Exp()(input)


@tensor_method("expm1")
@casts(cuda="float32")
def expm1(input: Tensor) -> Tensor:
    """exp(x) - 1, exact for small x. x: (*) -> y: (*)."""
    return Expm1()(input)


@tensor_method("log")
@casts(cuda="float32")
def log(input: Tensor) -> Tensor:
    """The natural logarithm; -inf at 0, nan below. x: (*) -> y: (*)."""
    return Log("log")(input)


@tensor_method("log2")
@casts(cuda="float32")
def log2(input: Tensor) -> Tensor:
    """The logarithm to base 2. x: (*) -> y: (*)."""
    return Log("log2", 1 / math.log(2))(input)


@tensor_method("log10")
@casts(cuda="float32")
def log10(input: Tensor) -> Tensor:
    """The logarithm to base 10. x: (*) -> y: (*)."""
    return Log("log10", 1 / math.log(10))(input)


@tensor_method("log1p")
@casts(cuda="float32")
def log1p(input: Tensor) -> Tensor:
    """log(1 + x), exact for small x. x: (*) -> y: (*)."""
    return Log("log1p", offset=1.0)(input)


@tensor_method("sqrt")
def sqrt(input: Tensor) -> Tensor:
    """The square root; nan below 0. x: (*) -> y: (*)."""
    return Sqrt()(input)


@tensor_method("rsqrt")
@casts(cuda="float32")
def rsqrt(input: Tensor) -> Tensor:
    """1 / sqrt(x). x: (*) -> y: (*)."""
    return Rsqrt()(input)


@tensor_method("square")
@casts(cuda="float32")
def square(input: Tensor) -> Tensor:
    """x * x. x: (*) -> y: (*)."""
    return input * input if input.dtype is not dtypes._bool else input.long()  # as 2 is an integer


@tensor_method("reciprocal")
@casts(cuda="float32")
def reciprocal(input: Tensor) -> Tensor:
    """1 / x. x: (*) -> y: (*)."""
    return Reciprocal()(input)


@tensor_method("abs", "absolute", "__abs__")
def abs(input: Tensor) -> Tensor:
    """The distance from 0. x: (*) -> y: (*)."""
    return Abs()(input)


@tensor_method("erf")
def erf(input: Tensor) -> Tensor:
    """The error function, 2 / sqrt(pi) * integral from 0 to x of exp(-t * t). x: (*) -> y: (*)."""
    return Erf()(input)


absolute = abs


for _name, _op, *_settings in (
    ("exp_", Exp),
    ("log_", Log, "log"),
    ("sqrt_", Sqrt),
    ("rsqrt_", Rsqrt),
    ("reciprocal_", Reciprocal),
    ("abs_", Abs),
):
    inplace_method(_name, _op, *_settings)

_shapes = [Case([(3, 4)]), Case([()]), Case([(0,)])]


_positive = [Case([(3, 4)], low=0.2, high=3.0), Case([()], low=0.2, high=3.0)]


_small = [Case([(3, 4)], low=-0.9, high=0.9)]


spec(exp, cases=_shapes, reference=lambda np, x: np.exp(x))


spec(expm1, cases=_shapes, reference=lambda np, x: np.expm1(x))


spec(log, cases=_positive, reference=lambda np, x: np.log(x))


spec(log2, cases=_positive, reference=lambda np, x: np.log2(x))


spec(log10, cases=_positive, reference=lambda np, x: np.log10(x))


spec(log1p, cases=_positive, reference=lambda np, x: np.log1p(x))


spec(sqrt, cases=_positive, reference=lambda np, x: np.sqrt(x))


spec(rsqrt, cases=_positive, reference=lambda np, x: 1 / np.sqrt(x))


spec(square, cases=_shapes, reference=lambda np, x: x * x)


spec(reciprocal, cases=_positive, reference=lambda np, x: 1 / x)


spec(abs, cases=_shapes, reference=lambda np, x: np.abs(x))


spec(erf, cases=_shapes, reference=lambda np, x: np.vectorize(math.erf, otypes=[float])(x))
