"""Element by element arithmetic with broadcasting: + - * / // % and their kin."""

from __future__ import annotations

from typing import Any

from lucid.backend.cpu import blockwise
from lucid.errors import DTypeError
from lucid.op import Op, casts, inplace
from lucid.spec import Case, spec
from lucid.tensor import Tensor, tensor_method

__all__ = [
    "add",
    "addcdiv",
    "addcmul",
    "div",
    "divide",
    "floor_divide",
    "fmod",
    "lerp",
    "mul",
    "multiply",
    "neg",
    "negative",
    "remainder",
    "rsub",
    "sub",
    "subtract",
    "true_divide",
]


Number = Tensor | float

_MANY = 1 << 15  # elements of two arrays from which on their memory matters


class Add(Op):
    broadcasts = True
    numbers = "wrap"

    def forward(self, a, b):
        if self.out is not None:
            return self.xp.add(a, b, out=self.out)
        if a.__class__ is b.__class__ and a.size > _MANY:
            return blockwise.combine(self.xp.add, a, b)
        return a + b

    def backward(self, dy):
        return dy, dy


class Sub(Op):
    broadcasts = True
    numbers = "wrap"

    def forward(self, a, b):
        if self.out is not None:
            return self.xp.subtract(a, b, out=self.out)
        if a.__class__ is b.__class__ and a.size > _MANY:
            return blockwise.combine(self.xp.subtract, a, b)
        return a - b

    def backward(self, dy):
        return dy, (-dy if self.needs[1] else None)


class Mul(Op):
    broadcasts = True
    numbers = "wrap"

    def forward(self, a, b):
        if self.needs:
            self.save(a if self.needs[1] else None, b if self.needs[0] else None)
        if self.out is not None:
            return self.xp.multiply(a, b, out=self.out)
        if a.__class__ is b.__class__ and a.size > _MANY:
            return blockwise.combine(self.xp.multiply, a, b)
        return a * b

    def backward(self, dy):
        a, b = self.saved
        return (dy * b if self.needs[0] else None), (dy * a if self.needs[1] else None)


class Div(Op):
    broadcasts = True
    to_float = True

    def forward(self, a, b):
        if self.needs:
            self.save(a if self.needs[1] else None, b)
        return self.xp.true_divide(a, b, out=self.out) if self.out is not None else a / b

    def backward(self, dy):
        a, b = self.saved
        da = dy / b
        return da, (-da * (a / b) if self.needs[1] else None)


def _refuse_zero(name: str, op: Op, a: Any, b: Any) -> None:
    """Integers over 0, where NumPy answers 0. A GPU is not asked: it would have to wait."""
    whole = all(x.dtype.kind in "biu" for x in (a, b) if hasattr(x, "dtype"))
    none = any(x.size == 0 for x in (a, b) if hasattr(x, "size"))
    if whole and op.device.type == "cpu" and not none and not op.xp.all(b):
        raise ZeroDivisionError(
            f"{name}: an integer can't be divided by 0. Hint: use .float() first"
        )


class DivRounded(Op):
    mode: str  # "floor" or "trunc"
    broadcasts = True
    numbers = "wrap"

    def label(self):
        return "floor_divide" if self.mode == "floor" else "div"

    def forward(self, a, b):
        xp = self.xp
        _refuse_zero("div", self, a, b)
        if self.mode == "floor":
            return xp.floor_divide(a, b)
        floating = getattr(a, "dtype", getattr(b, "dtype", None)).kind == "f"
        if floating:
            return xp.trunc(xp.true_divide(a, b))
        quotient = xp.floor_divide(a, b)  # towards minus infinity; one up where that cut off
        return quotient + ((quotient < 0) & (quotient * b != a)).astype(quotient.dtype)

    def backward(self, dy):
        zeros = dy.new_zeros(dy.shape)  # flat almost everywhere
        return zeros, zeros


class Remainder(Op):
    """a - b * floor(a / b), or with trunc: the remainder has the sign of b, or of a."""

    mode: str
    broadcasts = True
    numbers = "wrap"

    def forward(self, a, b):
        if self.needs and self.needs[1]:
            self.save(a, b)
        _refuse_zero("remainder", self, a, b)
        return self.xp.remainder(a, b) if self.mode == "floor" else self.xp.fmod(a, b)

    def backward(self, dy):
        if not self.needs[1]:
            return dy, None
        a, b = self.saved
        return dy, -dy * div(a, b, rounding_mode=self.mode)


class Neg(Op):
    def forward(self, x):
        return -x

    def backward(self, dy):
        return -dy


class Lerp(Op):
    broadcasts = True

    def forward(self, start, end, weight):
        self.save(start, end, weight)
        # From the nearer end: exact at 0 and at 1.
        if isinstance(weight, (int, float)):
            near = abs(weight) < 0.5
            return start + weight * (end - start) if near else end - (end - start) * (1 - weight)
        near = abs(weight) < 0.5
        return self.xp.where(
            near, start + weight * (end - start), end - (end - start) * (1 - weight)
        )

    def backward(self, dy):
        start, end, weight = self.saved
        da, db = dy - dy * weight, dy * weight
        return da, db, (dy * (end - start) if self.needs[2] else None)


def _scaled(b: Number, alpha: float) -> Number:
    return b if alpha == 1 else b * alpha


def _in_kind(value: float, *tensors: Tensor) -> float:
    """Beside integers a factor is one, too: what it has beyond is cut off."""
    floating = any(t.is_floating_point() for t in tensors)
    return value if floating or not isinstance(value, float) else int(value)


@tensor_method("add", "__add__", "__radd__")
def add(input: Number, other: Number, *, alpha: float = 1) -> Tensor:
    """input + alpha * other. Shapes broadcast.

    >>> lucid.tensor([1.0, 2.0]) + 1
    Tensor([2., 3.])
    """
    if input.__class__ is bool or other.__class__ is bool or alpha != 1:
        if other is None or not isinstance(alpha, (int, float)):
            what, value = ("other", other) if other is None else ("alpha", alpha)
            raise DTypeError(f"add: {what} must be a number; got {value!r:.60}")
        other = _scaled(other, alpha)
    return Add()(input, other)


@tensor_method("sub", "subtract", "__sub__")
def sub(input: Number, other: Number, *, alpha: float = 1) -> Tensor:
    """input - alpha * other. Shapes broadcast."""
    return Sub()(input, other if alpha == 1 else _scaled(other, alpha))


@tensor_method("rsub", "__rsub__")
def rsub(input: Tensor, other: Number, *, alpha: float = 1) -> Tensor:
    """other - alpha * input."""
    return Sub()(other, input if alpha == 1 else _scaled(input, alpha))


@tensor_method("mul", "multiply", "__mul__", "__rmul__")
def mul(input: Number, other: Number) -> Tensor:
    """input * other. Shapes broadcast."""
    return Mul()(input, other)


@tensor_method("div", "divide", "true_divide", "__truediv__")
def div(input: Number, other: Number, *, rounding_mode: str | None = None) -> Tensor:
    """input / other, integers too; rounding_mode "floor" or "trunc" rounds the quotient."""
    if rounding_mode is None:
        return Div()(input, other)
    if rounding_mode not in ("floor", "trunc"):
        raise ValueError(
            f'div: rounding_mode must be None, "floor" or "trunc"; got {rounding_mode!r}'
        )
    return DivRounded(rounding_mode)(input, other)


@tensor_method("__rtruediv__")
def _rdiv(input: Tensor, other: Number) -> Tensor:
    return Div()(other, input)


@tensor_method("floor_divide", "__floordiv__")
def floor_divide(input: Number, other: Number) -> Tensor:
    """floor(input / other). No gradient."""
    return DivRounded("floor")(input, other)


@tensor_method("__rfloordiv__")
def _rfloordiv(input: Tensor, other: Number) -> Tensor:
    return DivRounded("floor")(other, input)


@tensor_method("remainder", "__mod__")
def remainder(input: Number, other: Number) -> Tensor:
    """input - other * floor(input / other): has the sign of ``other``, as Python's %."""
    return Remainder("floor")(input, other)


@tensor_method("__rmod__")
def _rmod(input: Tensor, other: Number) -> Tensor:
    return Remainder("floor")(other, input)


@tensor_method("fmod")
def fmod(input: Tensor, other: Number) -> Tensor:
    """input - other * trunc(input / other): has the sign of ``input``, as C's fmod."""
    return Remainder("trunc")(input, other)


@tensor_method("neg", "negative", "__neg__")
def neg(input: Tensor) -> Tensor:
    """-input. x: (*) -> y: (*)."""
    return Neg()(input)


@tensor_method("__pos__")
def _pos(input: Tensor) -> Tensor:
    return input


@tensor_method("lerp")
def lerp(input: Tensor, end: Tensor, weight: Number) -> Tensor:
    """input + weight * (end - input). Shapes broadcast."""
    return Lerp()(input, end, weight)


@tensor_method("addcmul")
@casts(cuda="widest")
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """input + value * tensor1 * tensor2. Shapes broadcast."""
    value = _in_kind(value, input, tensor1, tensor2)
    return Add()(input, Mul()(Mul()(tensor1, tensor2), value))


@tensor_method("addcdiv")
@casts(cuda="widest")
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """input + value * tensor1 / tensor2. Shapes broadcast."""
    return Add()(input, Mul()(Div()(tensor1, tensor2), value))


subtract, multiply, divide, true_divide, negative = sub, mul, div, div, neg


@tensor_method("add_", "__iadd__")
def add_(self: Tensor, other: Number, *, alpha: float = 1) -> Tensor:
    """self += alpha * other, in place."""
    return inplace(Add(), self, _scaled(other, alpha))


@tensor_method("sub_", "__isub__")
def sub_(self: Tensor, other: Number, *, alpha: float = 1) -> Tensor:
    """self -= alpha * other, in place."""
    return inplace(Sub(), self, _scaled(other, alpha))


@tensor_method("mul_", "__imul__")
def mul_(self: Tensor, other: Number) -> Tensor:
    """self *= other, in place."""
    return inplace(Mul(), self, other)


@tensor_method("div_", "__itruediv__")
def div_(self: Tensor, other: Number, *, rounding_mode: str | None = None) -> Tensor:
    """self /= other, in place."""
    return inplace(DivRounded(rounding_mode) if rounding_mode else Div(), self, other)


@tensor_method("floor_divide_", "__ifloordiv__")
def floor_divide_(self: Tensor, other: Number) -> Tensor:
    """self //= other, in place."""
    return inplace(DivRounded("floor"), self, other)


@tensor_method("remainder_", "__imod__")
def remainder_(self: Tensor, other: Number) -> Tensor:
    """self %= other, in place."""
    return inplace(Remainder("floor"), self, other)


@tensor_method("neg_")
def neg_(self: Tensor) -> Tensor:
    """self = -self, in place."""
    return inplace(Neg(), self)


@tensor_method("lerp_")
def lerp_(self: Tensor, end: Tensor, weight: Number) -> Tensor:
    """self += weight * (end - self), in place."""
    return inplace(Lerp(), self, end, weight)


@tensor_method("addcmul_")
def addcmul_(self: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """self += value * tensor1 * tensor2, in place."""
    value = _in_kind(value, self, tensor1, tensor2)
    return inplace(Add(), self, Mul()(Mul()(tensor1, tensor2), value))


@tensor_method("addcdiv_")
def addcdiv_(self: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """self += value * tensor1 / tensor2, in place."""
    return inplace(Add(), self, Mul()(Div()(tensor1, tensor2), value))


_broadcasting = [
    Case([(3, 4), (3, 4)]),
    Case([(3, 4), (4,)]),
    Case([(3, 1), (1, 4)]),
    Case([(), (2, 2)]),
    Case([(0, 3), (3,)]),
]


_positive = [Case(c.shapes, low=0.5, high=2.5) for c in _broadcasting]


spec(
    add,
    cases=[*_broadcasting, Case([(3,), (3,)], {"alpha": 2.5})],
    reference=lambda np, a, b, alpha=1: a + alpha * b,
    errors=[(Case([(2,), (3,)]), ValueError, r"add: sizes must be equal.*; got shapes \(2,\)")],
)


spec(sub, cases=_broadcasting, reference=lambda np, a, b: a - b)


spec(mul, cases=_broadcasting, reference=lambda np, a, b: a * b)


spec(
    div,
    cases=_positive,
    reference=lambda np, a, b: a / b,
    errors=[(Case([(2,), (2,)], {"rounding_mode": "up"}), ValueError, "div: rounding_mode must")],
)


spec(floor_divide, cases=_positive, reference=lambda np, a, b: a // b, differentiable=False)


spec(remainder, cases=[Case([(3, 4), (4,)], low=0.5, high=2.5)], reference=lambda np, a, b: a % b)


spec(fmod, cases=[Case([(7,), (7,)], low=0.5, high=2.5)], reference=lambda np, a, b: np.fmod(a, b))


spec(neg, cases=[Case([(3, 4)]), Case([()]), Case([(0,)])], reference=lambda np, x: -x)


spec(
    lerp,
    cases=[Case([(3, 4), (3, 4)], {"weight": 0.3}), Case([(3, 4), (4,), (3, 1)])],
    reference=lambda np, a, b, weight: a + weight * (b - a),
)


spec(
    addcmul,
    cases=[Case([(3, 4), (4,), (3, 1)], {"value": 0.5})],
    reference=lambda np, x, a, b, value: x + value * a * b,
)


spec(
    addcdiv,
    cases=[Case([(3, 4), (4,), (3, 1)], {"value": 0.5}, low=0.5, high=2.5)],
    reference=lambda np, x, a, b, value: x + value * a / b,
)
