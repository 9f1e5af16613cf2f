"""Powers: x ** n for numbers and tensors."""

from __future__ import annotations

from typing import Any

from lucid.op import Op, casts, inplace
from lucid.spec import Case, spec
from lucid.tensor import Tensor, tensor_method

__all__ = [
    "pow",
]


Number = Tensor | float


class PowScalar(Op):
    exponent: float

    def forward(self, x):
        self.save(x)
        if self.exponent == 2:
            return x * x
        return x**self.exponent

    def backward(self, dy):
        (x,) = self.saved
        n = self.exponent
        if n == 0:
            return x * 0.0
        if n == 1:
            return dy
        return dy * (x * 2 if n == 2 else x ** (n - 1) * n)


class Pow(Op):
    broadcasts = True

    def forward(self, a, b):
        y = self.xp.power(a, b)
        if y.dtype.name == "int8" and getattr(a, "dtype", y.dtype).kind == "b":
            y = y.astype(bool)  # NumPy's power of bools is int8
        self.save(a, b, y)
        return y

    def backward(self, dy):
        a, b, y = self.saved
        da = db = None
        if self.needs[0]:  # x**0 is flat, also at x = 0, where b * x**(b - 1) is 0 * inf
            da = dy * (b * a ** (b - 1)).masked_fill(_full(b, self) == 0, 0.0)
        if self.needs[1]:  # 0**b is flat for b >= 0, where log(0) is -inf
            flat = (_full(a, self) == 0) & (_full(b, self) >= 0)
            log = (
                a.log() if isinstance(a, Tensor) else self.wrap(self.xp.log(_full(a, self)._array))
            )
            db = dy * (y * log).masked_fill(flat, 0.0)
        return da, db


def _full(value: Any, op: Op) -> Tensor:
    """A number as a 0-d tensor on the op's device."""
    return value if isinstance(value, Tensor) else op.wrap(op.xp.asarray(float(value)))


@tensor_method("pow", "__pow__")
@casts(cuda="float32")
def pow(input: Number, exponent: Number) -> Tensor:
    """input to the power ``exponent``. Shapes broadcast."""
    if isinstance(exponent, (int, float)) and isinstance(input, Tensor):
        if isinstance(exponent, float) or input.is_floating_point():
            if not input.is_floating_point():
                return Pow()(input, exponent)
            return PowScalar(exponent)(input)
        if exponent < 0:
            raise ValueError(
                f"pow: integers to a negative power are not integers; got exponent {exponent}."
                " Hint: use .float() first"
            )
    return Pow()(input, exponent)


@tensor_method("__rpow__")
@casts(cuda="float32")
def _rpow(input: Tensor, other: Number) -> Tensor:
    return Pow()(other, input)


@tensor_method("pow_", "__ipow__")
def pow_(self: Tensor, exponent: Number) -> Tensor:
    """self **= exponent, in place."""
    return inplace(Pow(), self, exponent)


_broadcasting = [
    Case([(3, 4), (3, 4)]),
    Case([(3, 4), (4,)]),
    Case([(3, 1), (1, 4)]),
    Case([(), (2, 2)]),
    Case([(0, 3), (3,)]),
]


_positive = [Case(c.shapes, low=0.5, high=2.5) for c in _broadcasting]


spec(pow, cases=_positive, reference=lambda np, a, b: a**b)
