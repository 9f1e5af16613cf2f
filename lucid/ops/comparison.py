"""Questions about elements: comparisons, logic, bits. The answers carry no gradient."""

from __future__ import annotations

from typing import Any

from lucid.errors import DTypeError
from lucid.op import Op, inplace
from lucid.op.arguments import shown
from lucid.spec import Case, spec
from lucid.tensor import Tensor, tensor_method

__all__ = [
    "allclose",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "eq",
    "equal",
    "ge",
    "greater",
    "greater_equal",
    "gt",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "le",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "lt",
    "ne",
    "not_equal",
]

Number = Tensor | float
_SHORT = {
    "equal": "eq", "not_equal": "ne", "less": "lt", "less_equal": "le", "greater": "gt",
    "greater_equal": "ge",
}  # fmt: skip


class Question(Op):
    """A function of the array module, by name; the result has no gradient."""

    function: str
    differentiable = False
    numbers = "exact"  # no byte is above 300

    def forward(self, *arrays):
        if any(a is None for a in arrays):
            raise DTypeError(f"{self.label()}: expected tensors or numbers; got None")
        return getattr(self.xp, self.function)(*arrays)

    def label(self):
        return _SHORT.get(self.function, self.function)


class Written(Question):
    """The answer in the place of the question, whose gradient ends here."""

    differentiable = True

    def backward(self, dy):
        wanted = zip(self.shapes, self.needs, strict=True)
        return tuple([dy.new_zeros(shape) if needed else None for shape, needed in wanted])


class Bits(Question):
    """Operations on bits; of a number as many as the integer type has."""

    numbers = "wrap"


class Shift(Bits):
    """Bit shifts; the result has the promoted integer type."""


def _comparison(name: str, function: str, sign: str, operator: str, *aliases: str) -> Any:
    def compare(input: Tensor, other: Number) -> Tensor:
        return Question(function)(input, other)

    compare.__name__ = compare.__qualname__ = name
    compare.__doc__ = f"Where input {sign} other, as a bool tensor. Shapes broadcast."
    tensor_method(name, *aliases)(compare)

    def asked(self: Tensor, other: Number) -> Tensor:
        if isinstance(other, (Tensor, int, float)) or hasattr(other, "__array__"):
            return Question(function)(self, other)
        unknown: Any = NotImplemented  # the other may know; else == is False, < a TypeError
        return unknown

    asked.__name__ = asked.__qualname__ = operator
    tensor_method(operator)(asked)

    def compare_(self: Tensor, other: Number) -> Tensor:
        return inplace(Written(function), self, other)

    compare_.__name__ = f"{name}_"
    compare_.__doc__ = f"{name}, in place: 1 where true, 0 elsewhere."
    tensor_method(f"{name}_")(compare_)
    spec(
        compare,
        cases=[Case([(3, 4), (4,)]), Case([(0,), (0,)]), Case([(3,), (3,)], low=0, high=2)],
        reference=lambda np, a, b: getattr(np, function)(a, b),
        differentiable=False,
    )
    return compare


eq = _comparison("eq", "equal", "==", "__eq__")
ne = _comparison("ne", "not_equal", "!=", "__ne__", "not_equal")
lt = _comparison("lt", "less", "<", "__lt__", "less")
le = _comparison("le", "less_equal", "<=", "__le__", "less_equal")
gt = _comparison("gt", "greater", ">", "__gt__", "greater")
ge = _comparison("ge", "greater_equal", ">=", "__ge__", "greater_equal")
not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge


@tensor_method("logical_and")
def logical_and(input: Tensor, other: Number) -> Tensor:
    """Where both are nonzero. Shapes broadcast."""
    return Question("logical_and")(input, other)


@tensor_method("logical_or")
def logical_or(input: Tensor, other: Number) -> Tensor:
    """Where at least one is nonzero. Shapes broadcast."""
    return Question("logical_or")(input, other)


@tensor_method("logical_xor")
def logical_xor(input: Tensor, other: Number) -> Tensor:
    """Where exactly one is nonzero. Shapes broadcast."""
    return Question("logical_xor")(input, other)


@tensor_method("logical_not")
def logical_not(input: Tensor) -> Tensor:
    """Where the element is 0. x: (*) -> y: (*) bool."""
    return Question("logical_not")(input)


@tensor_method("bitwise_and", "__and__", "__rand__")
def bitwise_and(input: Tensor, other: Number) -> Tensor:
    """The bits that are set in both; integers and bool. Shapes broadcast."""
    return Bits("bitwise_and")(input, other)


@tensor_method("bitwise_or", "__or__", "__ror__")
def bitwise_or(input: Tensor, other: Number) -> Tensor:
    """The bits that are set in either; integers and bool. Shapes broadcast."""
    return Bits("bitwise_or")(input, other)


@tensor_method("bitwise_xor", "__xor__", "__rxor__")
def bitwise_xor(input: Tensor, other: Number) -> Tensor:
    """The bits that are set in one of the two; integers and bool. Shapes broadcast."""
    return Bits("bitwise_xor")(input, other)


@tensor_method("bitwise_not", "__invert__")
def bitwise_not(input: Tensor) -> Tensor:
    """Every bit turned over; for bool, not. x: (*) -> y: (*)."""
    return Bits("invert")(input)


@tensor_method("__lshift__")
def _left_shift(input: Tensor, other: Number) -> Tensor:
    return Shift("left_shift")(input, other)


@tensor_method("__rshift__")
def _right_shift(input: Tensor, other: Number) -> Tensor:
    return Shift("right_shift")(input, other)


@tensor_method("__iand__")
def _iand(self: Tensor, other: Number) -> Tensor:
    return inplace(Bits("bitwise_and"), self, other)


@tensor_method("__ior__")
def _ior(self: Tensor, other: Number) -> Tensor:
    return inplace(Bits("bitwise_or"), self, other)


@tensor_method("__ixor__")
def _ixor(self: Tensor, other: Number) -> Tensor:
    return inplace(Bits("bitwise_xor"), self, other)


def _tensor(name: str, x: Tensor) -> Tensor:
    if isinstance(x, Tensor):
        return x
    raise DTypeError(f"{name}: expected a Tensor; got {shown(x)}")


@tensor_method("isnan")
def isnan(input: Tensor) -> Tensor:
    """Where the element is NaN. x: (*) -> y: (*) bool."""
    return _tensor("isnan", input) != input


@tensor_method("isinf")
def isinf(input: Tensor) -> Tensor:
    """Where the element is plus or minus infinity. x: (*) -> y: (*) bool."""
    return _tensor("isinf", input).abs() == float("inf")


@tensor_method("isfinite")
def isfinite(input: Tensor) -> Tensor:
    """Where the element is neither NaN nor infinite. x: (*) -> y: (*) bool."""
    return _tensor("isfinite", input).abs() < float("inf")


@tensor_method("isclose")
def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Where |input - other| <= atol + rtol * |other|. Shapes broadcast."""
    if input.dtype.category == 0 and other.dtype.category == 0:
        return input == other
    for what, value in (("rtol", rtol), ("atol", atol)):
        if not value >= 0:
            raise ValueError(f"isclose: {what} must not be negative; got {value}")
    near = (input - other).abs() <= atol + rtol * other.abs()
    near = (near & other.isfinite()) | (input == other)
    return near | (input.isnan() & other.isnan()) if equal_nan else near


@tensor_method("allclose")
def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether isclose holds everywhere."""
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


@tensor_method("equal")
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape and the same elements."""
    same = _tensor("equal", input).shape == _tensor("equal", other).shape
    return same and bool((input == other).all())


_pairs = [Case([(3, 4), (4,)], low=0, high=2, dtypes=("bool", "bool"))]
spec(
    logical_and,
    cases=_pairs,
    reference=lambda np, a, b: a.astype(bool) & b.astype(bool),
    differentiable=False,
)
spec(
    logical_or,
    cases=_pairs,
    reference=lambda np, a, b: a.astype(bool) | b.astype(bool),
    differentiable=False,
)
spec(
    logical_xor,
    cases=_pairs,
    reference=lambda np, a, b: a.astype(bool) ^ b.astype(bool),
    differentiable=False,
)
_bits = [Case([(3, 4), (4,)], low=0, high=16, dtypes=("int64", "int64"))]
spec(
    bitwise_and,
    cases=_bits,
    reference=lambda np, a, b: a.astype(int) & b.astype(int),
    differentiable=False,
)
spec(
    bitwise_or,
    cases=_bits,
    reference=lambda np, a, b: a.astype(int) | b.astype(int),
    differentiable=False,
)
spec(
    bitwise_xor,
    cases=_bits,
    reference=lambda np, a, b: a.astype(int) ^ b.astype(int),
    differentiable=False,
)
spec(isfinite, cases=[Case([(3, 4)])], reference=lambda np, x: np.isfinite(x), differentiable=False)
