"""Functions of each element: of one tensor, of two or three; in place; activations."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from .calls import Call
from .tensors import DTYPES, Draw, broadcast, maybe, pick, shapes, tensor, words

ALL = ("plain", "ties", "special", "extreme")
FLOATING = ("float32", "float64", "float16", "bfloat16")

ONE = words(
    """
    abs acos asin atan bitwise_not ceil cos cosh erf erfinv exp expm1 floor frac isfinite isinf
    isnan log log10 log1p log2 logical_not neg reciprocal relu round rsqrt sigmoid sign sin sinh
    sqrt square tan tanh trunc nan_to_num negative absolute clone
    """
)
ONE_IN_PLACE = words(
    """
    abs_ ceil_ cos_ erfinv_ exp_ floor_ log_ neg_ reciprocal_ relu_ round_ rsqrt_ sigmoid_ sign_
    sin_ sqrt_ tan_ tanh_ trunc_ zero_
    """
)
METHODS = words("abs exp log sqrt neg relu sigmoid tanh round floor isnan contiguous detach")


def one(draw: Draw) -> Call:
    x = tensor(draw, draw(shapes()), kinds=ALL)
    if draw(st.booleans()):
        return Call(pick(draw, *ONE), (x,))
    given = {}
    name = pick(draw, *[f"Tensor.{m}" for m in (*METHODS, *ONE_IN_PLACE)])
    if name == "Tensor.round" and x.floating:
        given = maybe(draw, {"decimals": lambda: draw(st.integers(-2, 3))})
    return Call(name, (x,), given)


TWO = words(
    """
    add sub mul div pow maximum minimum fmod remainder floor_divide atan2 eq ne lt le gt ge
    logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor rsub isclose
    """
)
OPERATORS = words(
    """
    add sub mul truediv floordiv mod pow radd rsub rmul rtruediv rpow eq ne lt le gt ge and or
    xor iadd isub imul itruediv
    """
)
TWO_IN_PLACE = words(
    "add_ sub_ mul_ div_ pow_ remainder_ floor_divide_ eq_ gt_ ge_ lt_ le_ ne_ copy_"
)
SCALARS = (2, -1, 0, 1, 3, 0.5, -2.0, 2.5, True, False, float("inf"), float("nan"), 300, 1e30)


def two(draw: Draw) -> Call:
    a, b = broadcast(draw, 2, 3)
    kinds = ("plain", "ties", "special", "extreme", "positive")
    x: Any = tensor(draw, a, kinds=kinds)
    y: Any = tensor(draw, b, kinds=kinds)
    form = draw(st.integers(0, 3))
    if form == 0:
        y = pick(draw, *SCALARS)
    if form == 1:
        name = f"Tensor.__{pick(draw, *OPERATORS)}__"
        y = pick(draw, y, *SCALARS)
        return Call(name, (x, y))
    if form == 2:
        name = f"Tensor.{pick(draw, *TWO_IN_PLACE)}"
        y = pick(draw, y, *SCALARS)
    else:
        name = pick(draw, *TWO)
        if name in ("maximum", "minimum", "isclose", "atan2") and not hasattr(y, "dtype"):
            y = tensor(draw, b)
    given: dict[str, Any] = {}
    plain = name.removeprefix("Tensor.").rstrip("_")
    if plain in ("add", "sub", "rsub"):
        given = maybe(draw, {"alpha": lambda: pick(draw, 2, -1, 0.5, 0)})
    if plain == "div":
        given = maybe(draw, {"rounding_mode": lambda: pick(draw, "trunc", "floor", None)})
    if plain == "isclose":
        given = maybe(draw, {"equal_nan": lambda: True, "rtol": lambda: 0.5})
    return Call(name, (x, y), given)


def three(draw: Draw) -> Call:
    name = pick(draw, *THREE)
    a, b, c = broadcast(draw, 3, 3)
    dtypes = (pick(draw, *DTYPES),) if draw(st.integers(0, 3)) else DTYPES
    x, y, z = (tensor(draw, n, dtypes) for n in (a, b, c))
    if name in ("where", "Tensor.where"):
        mask = tensor(draw, a, ("bool",))
        y, z = pick(draw, (y, z), (y, 2), (1.5, z), (y, True))
        if name == "where":
            return Call(name, (mask, y, z))
        return Call(name, (tensor(draw, b), mask, z))
    if "masked_fill" in name:
        return Call(name, (x, tensor(draw, b, ("bool",)), pick(draw, 2, -0.5, True, float("inf"))))
    if "clamp" in name:
        low: Any
        low, high = pick(
            draw, (y, z), (-1, 1), (0.5, None), (None, 1), (2, -2), (None, None), (1, 2.5)
        )
        return Call(name, (x,), {"min": low, "max": high})
    if "lerp" in name:
        return Call(name, (x, y, pick(draw, z, 0.25, 0.75, 2.0)))
    return Call(name, (x, y, z), maybe(draw, {"value": lambda: pick(draw, 2, -0.5, 1.5)}))


THREE = words(
    """
    where Tensor.where masked_fill Tensor.masked_fill_ clamp Tensor.clamp Tensor.clamp_ lerp
    Tensor.lerp_ addcmul addcdiv Tensor.addcmul_ Tensor.addcdiv_
    """
)


def _number(draw: Draw) -> Any:
    return pick(draw, 0.5, 1.0, 2, 0.01, -0.5, 0)


# The settings of each activation.
ACTIVATIONS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(["relu", "relu6", "selu", "silu", "mish", "hardswish", "hardsigmoid"], ()),
    **dict.fromkeys(["logsigmoid", "softsign", "tanhshrink", "sigmoid", "tanh", "relu_"], ()),
    "leaky_relu": ("negative_slope",),
    "leaky_relu_": ("negative_slope",),
    "elu": ("alpha",),
    "elu_": ("alpha",),
    "celu": ("alpha",),
    "hardtanh": ("min_val", "max_val"),
    "softplus": ("beta", "threshold"),
    "hardshrink": ("lambd",),
    "softshrink": ("lambd",),
    "threshold": ("threshold", "value"),
    "gelu": ("approximate",),
}


def activation(draw: Draw) -> Call:
    name = pick(draw, *ACTIVATIONS)
    dtypes = FLOATING if draw(st.integers(0, 5)) else DTYPES
    x = tensor(draw, draw(shapes()), dtypes, ALL)
    made = {s: (lambda: _number(draw)) for s in ACTIVATIONS[name]}
    if name == "gelu":
        made = {"approximate": lambda: pick(draw, "none", "tanh")}
    given = {k: f() for k, f in made.items()} if name == "threshold" else maybe(draw, made)
    if name == "hardtanh":
        given = pick(draw, {}, {"min_val": -2, "max_val": 0.5}, {"max_val": 0.25})
    return Call(f"nn.functional.{name}", (x,), given)


def along_a_dim(draw: Draw) -> Call:
    """glu, prelu, softmax and its relatives, normalize: of the elements along a dimension."""
    shape = draw(shapes(0, 4))
    x = tensor(draw, shape, FLOATING)
    name = pick(draw, "glu", "softmax", "log_softmax", "softmin", "normalize", "prelu")
    if name == "prelu":
        count = 1 if draw(st.booleans()) or len(shape) < 2 else shape[1]
        return Call("nn.functional.prelu", (x, tensor(draw, (count,), (x.dtype,))))
    at = draw(st.integers(-max(len(shape), 1) - 1, max(len(shape), 1)))
    given: dict[str, Any] = {"dim": at}
    if name == "normalize":
        given |= maybe(draw, {"p": lambda: pick(draw, 1, 2.0, 3, float("inf")), "eps": lambda: 0.1})
    return Call(f"nn.functional.{name}", (x,), given)


FAMILIES = {
    "one tensor": one,
    "two tensors": two,
    "three tensors": three,
    "activations": activation,
    "along a dim": along_a_dim,
}
