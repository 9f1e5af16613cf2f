"""ONNX forms of what is computed element by element: arithmetic, rounding, comparisons."""

from __future__ import annotations

from typing import Any

from lucid.onnx.graph import Form, Graph, Place, emits, is_integer
from lucid.ops.activation import Sigmoid, Softsign, Tanh
from lucid.ops.arithmetic import Add, Div, DivRounded, Lerp, Mul, Neg, Remainder, Sub
from lucid.ops.comparison import Bits, Question
from lucid.ops.conversion import Cast, Clone, Copy, Fill, Transfer
from lucid.ops.elementwise import Abs, Erf, Exp, Expm1, Log, Reciprocal, Rsqrt, Sqrt
from lucid.ops.masking import MaskedFill, Where
from lucid.ops.piecewise import (
    Hardswish,
    PRelu,
    Relu,
)
from lucid.ops.powers import Pow, PowScalar
from lucid.ops.rounding import Bound, Clamp, Extreme, Step
from lucid.ops.trigonometry import Trigonometric


def _plain(type: str) -> Form:
    """One operator for one op, the inputs as they are; numbers get the tensors' dtype."""

    def form(g: Graph, p: Place) -> str:
        return g.op(type, *[g.number(x, p.dtype) for x in p.names])

    return form


for _op, _type in {
    Add: "Add",
    Sub: "Sub",
    Mul: "Mul",
    Div: "Div",
    Neg: "Neg",
    Pow: "Pow",
    Sigmoid: "Sigmoid",
    Tanh: "Tanh",
    Softsign: "Softsign",
    Exp: "Exp",
    Sqrt: "Sqrt",
    Reciprocal: "Reciprocal",
    Abs: "Abs",
    Erf: "Erf",
    Relu: "Relu",
    Hardswish: "HardSwish",
    PRelu: "PRelu",
}.items():
    emits(_op)(_plain(_type))


# Copies: the same value.


@emits(Clone, Transfer)
def _same(g: Graph, p: Place) -> str:
    return g.op("Identity", p.names[0])


@emits(Cast)
def _cast(g: Graph, p: Place) -> str:
    return g.cast(p.names[0], p.op.target.numpy)


@emits(Copy)
def _copy(g: Graph, p: Place) -> str:
    source = g.number(p.names[1], p.dtype)
    if not isinstance(p.names[1], (int, float)) and p.call.inputs[1].dtype != p.dtype:
        source = g.cast(source, p.dtype)
    return g.op("Expand", source, g.op("Shape", p.names[0]))


@emits(Fill)
def _fill(g: Graph, p: Place) -> str:
    return g.op("Expand", g.constant(p.op.value, p.dtype), g.op("Shape", p.names[0]))


# Arithmetic.


@emits(DivRounded)
def _div_rounded(g: Graph, p: Place) -> str:
    a, b = (g.number(x, p.dtype) for x in p.names)
    if not is_integer(p.dtype):
        quotient = g.op("Div", a, b)
        return g.op("Floor", quotient) if p.op.mode == "floor" else _truncated(g, quotient)
    if p.op.mode == "floor":  # ONNX divides integers towards 0, but its remainder goes with b
        a = g.op("Sub", a, g.op("Mod", a, b))
    return g.op("Div", a, b)


@emits(Remainder)
def _remainder(g: Graph, p: Place) -> str:
    a, b = (g.number(x, p.dtype) for x in p.names)
    if p.op.mode != "floor":
        return g.op("Mod", a, b, fmod=1)
    if is_integer(p.dtype):
        return g.op("Mod", a, b)
    return g.op("Sub", a, g.op("Mul", g.op("Floor", g.op("Div", a, b)), b))


@emits(Lerp)
def _lerp(g: Graph, p: Place) -> str:
    start, end, weight = (g.number(x, p.dtype) for x in p.names)
    return g.op("Add", start, g.op("Mul", weight, g.op("Sub", end, start)))


@emits(PowScalar)
def _pow_scalar(g: Graph, p: Place) -> str:
    (x,) = p.names
    if p.op.exponent == 2:
        return g.op("Mul", x, x)
    return g.op("Pow", x, g.constant(p.op.exponent, p.dtype))


@emits(Expm1)
def _expm1(g: Graph, p: Place) -> str:
    return g.op("Sub", g.op("Exp", p.names[0]), g.constant(1, p.dtype))


@emits(Log)
def _log(g: Graph, p: Place) -> str:
    (x,) = p.names
    if p.op.offset:
        x = g.op("Add", x, g.constant(p.op.offset, p.dtype))
    y = g.op("Log", x)
    return y if p.op.scale == 1 else g.op("Mul", y, g.constant(p.op.scale, p.dtype))


@emits(Rsqrt)
def _rsqrt(g: Graph, p: Place) -> str:
    return g.op("Reciprocal", g.op("Sqrt", p.names[0]))


_TRIGONOMETRIC = {
    "sin": "Sin", "cos": "Cos", "tan": "Tan", "arcsin": "Asin", "arccos": "Acos",
    "arctan": "Atan", "sinh": "Sinh", "cosh": "Cosh", "arcsinh": "Asinh", "arccosh": "Acosh",
    "arctanh": "Atanh",
}  # fmt: skip


@emits(Trigonometric)
def _trigonometric(g: Graph, p: Place) -> str:
    return g.op(_TRIGONOMETRIC[p.op.function], p.names[0])


# Rounding and limits.


@emits(Step)
def _step(g: Graph, p: Place) -> str:
    (x,) = p.names
    if p.op.function == "sign":
        return g.op("Sign", x)
    if is_integer(p.dtype):
        return g.op("Identity", x)
    if p.op.function == "trunc":
        return _truncated(g, x)
    return g.op({"floor": "Floor", "ceil": "Ceil", "rint": "Round"}[p.op.function], x)


def _truncated(g: Graph, x: str) -> str:
    return g.op("Mul", g.op("Sign", x), g.op("Floor", g.op("Abs", x)))


@emits(Clamp)
def _clamp(g: Graph, p: Place) -> str:
    return clipped(g, p, p.op.low, p.op.high)


def clipped(g: Graph, p: Place, low: Any, high: Any) -> str:
    limits = [None if v is None else g.constant(v, p.dtype) for v in (low, high)]
    return g.op("Clip", p.names[0], *limits)


@emits(Extreme, Bound)
def _extreme(g: Graph, p: Place) -> str:
    type = {"maximum": "Max", "minimum": "Min"}.get(p.op.function)
    if type is None:
        raise p.fail(f"has no ONNX form for {p.op.function!r}")
    return g.op(type, *[g.number(x, p.dtype) for x in p.names])


# Questions and choices.

_COMPARISONS = {
    "equal": "Equal", "less": "Less", "less_equal": "LessOrEqual", "greater": "Greater",
    "greater_equal": "GreaterOrEqual", "isnan": "IsNaN", "isinf": "IsInf",
}  # fmt: skip
_LOGIC = {"logical_and": "And", "logical_or": "Or", "logical_xor": "Xor", "logical_not": "Not"}
_BITS = {"bitwise_and": "And", "bitwise_or": "Or", "bitwise_xor": "Xor", "invert": "Not"}


@emits(Question, Bits)
def _question(g: Graph, p: Place) -> str:
    name = p.op.function
    given = [g.number(x, p.dtype) for x in p.names]
    if name == "not_equal":
        return g.op("Not", g.op("Equal", *given))
    if name in _COMPARISONS:
        return g.op(_COMPARISONS[name], *given)
    if name in _LOGIC:
        return g.op(_LOGIC[name], *[x if p.dtype == bool else g.cast(x, "bool") for x in given])
    if name in _BITS and p.dtype == bool:
        return g.op(_BITS[name], *given)
    raise p.fail(f"has no ONNX form for {name!r} of {p.dtype}")


@emits(Where)
def _where(g: Graph, p: Place) -> str:
    kind = p.call.outputs[0].dtype
    return g.op("Where", p.names[0], *[g.number(x, kind) for x in p.names[1:]])


@emits(MaskedFill)
def _masked_fill(g: Graph, p: Place) -> str:
    x, mask = p.names
    return g.op("Where", mask, g.constant(p.op.value, p.dtype), x)
