"""Where generated calls may differ from PyTorch's on purpose: the reasons are ../intended.py's."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase

import numpy

from tests.parity import intended as known
from tests.parity.compare import Case, intended

from .calls import Call

Condition = Callable[[Call], bool]


def _any(call: Call) -> bool:
    return True


def _odd(call: Call) -> bool:
    """NaN and infinities are among the values."""
    return call.has("special", "extreme") or "nan" in repr(call) or "inf" in repr(call)


def _scattered(call: Call) -> bool:
    """A tensor does not lie in C order, so that a result may keep its order or not."""
    return not call.is_view and any(t.steps for t in call.tensors)


def _tied(call: Call) -> bool:
    return call.has("ties", "bool", "special") or _scattered(call)


def _empty(call: Call) -> bool:
    return any(0 in t.shape for t in call.tensors)


def _mixed(call: Call) -> bool:
    return len({t.dtype for t in call.tensors}) > 1


def _by_odd_factor(call: Call) -> bool:
    nearest = call.kwargs.get("mode") == "nearest"
    return nearest and call.kwargs.get("scale_factor") in (1.5, 2.3)


def _none_left(call: Call) -> bool:
    """Whether the slices of an index leave no elements for its tensors."""
    x, index = call.args[:2]
    parts = index if isinstance(index, tuple) else (index,)
    plain = [p if isinstance(p, (slice, type(...), type(None))) else slice(None) for p in parts]
    return bool(numpy.empty(x.shape)[tuple(plain)].size == 0)


def _halves(call: Call) -> bool:
    return call.has("float16", "bfloat16")


_WIDER_TYPES = "dtypes of indices, and of what is joined, may differ; PyTorch refuses"
_NUMBERS_TOO = "a number is taken where PyTorch wants a tensor"
_KINK = "at the kink, and at NaN, the second gradient is one of its two sides"
_FROM_ZERO = "a norm's gradient at zeros and infinities is not defined"
_NO_GRAPH = "PyTorch has no gradient for it; in lucid it has one, or carries none on"
_TOO_EARLY = "what can't be is refused of no elements, too"
_NOT_LOOKED = "where nothing is picked no index is looked at"
_TWICE = "the factor decides; PyTorch repeats each element where twice as many come out"
_EXACT = "a number is compared as it is; PyTorch's is cut to the tensor's bits"
_CUT = "numbers are cut to the dtype at the end; PyTorch cuts the step before it counts"
_STALE = "PyTorch refuses the gradient of what was written to through another view"
_WRITTEN = "PyTorch spreads a gradient over equal places of an expanded tensor once it was written"
_ACCIDENT = "PyTorch stumbles over what it did not foresee; lucid answers, or says why not"

# (name, difference, condition, reason); patterns as in file names.
GENERATED: list[tuple[str, str, Condition, str]] = [
    ("*", "torch refuses (*Subtraction*", _any, known._BOOL),
    ("*", "torch refuses (*did not match*", _any, known._PROMOTES),
    ("*", "torch refuses (*argument 'other'*must be Tensor*", _any, _NUMBERS_TOO),
    ("*", "torch refuses (*derivative for*", _any, _NO_GRAPH),
    ("*", "torch refuses (*not support dtype*", _any, _NO_GRAPH),
    ("*", "torch refuses (*INTERNAL ASSERT*", _any, known._FAILS),
    ("*", "torch refuses (*is a view and its base or another*", _any, _STALE),
    ("*", "torch refuses (*returned an invalid gradient*", _any, known._FAILS),
    ("topk", "torch refuses (*bool*", _any, known._WIDER),
    ("Tensor.topk", "torch refuses (*bool*", _any, known._WIDER),
    ("*index*", "torch refuses (*Int*", _any, _WIDER_TYPES),
    ("*index*", "torch refuses (*int64*", _any, _WIDER_TYPES),
    ("Tensor.__setitem__", "torch refuses (*dtypes match*", _any, "what is assigned is cast"),
    ("*one_hot", "torch refuses (*LongTensor*", _any, _WIDER_TYPES),
    ("index_select", "torch refuses (*Index to scalar*", _any, _ACCIDENT),
    ("*logsumexp", "torch refuses (*doesn't match the broadcast shape*", _any, _ACCIDENT),
    ("*embedding_bag", "torch refuses (*step must be nonzero*", _any, _ACCIDENT),
    ("*bilinear", "torch refuses (*cannot reshape tensor of 0*", _any, _ACCIDENT),
    ("*", "torch refuses (*does not have a device*", _any, _ACCIDENT),
    ("*lp_pool*", "torch refuses (TypeError*", _any, _ACCIDENT),
    ("*_pool*", "torch refuses (*smaller than kernel*", _any, "ceil_mode pools what there is"),
    ("*addcdiv*", "torch refuses (*Integer division*", _any, known._WIDER),
    ("*addcdiv*", "torch refuses (*can't be cast*", _any, known._PROMOTES),
    ("rsub", "dtype *", _mixed, "dtypes promote pair by pair"),
    ("*masked_fill*", "torch refuses (*overflow*", _any, "what is written is cast"),
    ("*addc*", "dtype *", _mixed, "dtypes promote pair by pair"),
    ("*lerp*", "torch refuses (*expected dtype*", _any, known._PROMOTES),
    ("*lerp*", "values *", _odd, known._UNDEFINED),
    ("*clamp*", "torch refuses (*At least one*", _any, "no bound is no change"),
    ("*unique", "torch refuses (*", _empty, _ACCIDENT),
    ("*unique", "torch refuses (*derivative*", _any, _NO_GRAPH),
    ("arange", "torch refuses (*step must*", _any, _CUT),
    ("linspace", "torch refuses (*overflow*", _any, _CUT),
    ("*norm*", "torch refuses (*cannot compute*", _empty, _ACCIDENT),
    ("*norm*", "torch refuses (*cannot compute*", _empty, _ACCIDENT),
    ("Tensor.__*item__", "lucid refuses: DimensionError*", _none_left, _TOO_EARLY),
    ("Tensor.__*item__", "torch refuses (IndexError: index is out*", _empty, _NOT_LOOKED),
    ("*median", "lucid refuses: DimensionError*nothing to*", _empty, _TOO_EARLY),
    ("*clamp*", "torch refuses (*doesn't match the broadcast shape*", _any, _ACCIDENT),
    (
        "*clamp*",
        "dtype float32 in torch*",
        _any,
        "the bounds' dtypes count, also of Python numbers",
    ),
    ("*scatter*", "torch refuses (*more than one element*", _empty, _ACCIDENT),
    ("Tensor.__setitem__", "torch refuses (*", _odd, "what is assigned is cast"),
    ("Tensor.__setitem__", "torch refuses (*shape of the mask*", _empty, _ACCIDENT),
    ("*index_copy*", "torch refuses (*source is scalar*", _any, _ACCIDENT),
    ("*index_*", "lucid refuses: DimensionError*no elements to index*", _empty, _TOO_EARLY),
    ("take_along_dim", "torch refuses (*no dimensions*", _any, "a number has a dim of one place"),
    ("addmv", "shape *", _any, _ACCIDENT),
    ("addmv", "torch refuses (*size mismatch*", _any, "what is added is broadcast"),
    ("*conv*", "lucid refuses: ShapeError*output would be*", _any, "convolutions answer something"),
    ("Tensor.__setitem__", "requires_grad *", _any, known._NOTHING),
    ("Tensor.__setitem__", "gradient*torch answers *", _any, known._NOTHING),
    ("*", "torch refuses (*alpha must not be a floating*", _any, known._PROMOTES),
    ("*instance_norm", "torch refuses (*", _empty, known._FAILS),
    ("*pad", "torch refuses (*narrow()*", _empty, _ACCIDENT),
    ("*interpolate", "*values *", _by_odd_factor, _TWICE),
    ("*pool3d", "torch refuses (*memory format*", _any, "every order in memory is pooled"),
    ("*", "torch refuses (*grad_input must be contiguous*", _any, _ACCIDENT),
    ("*softmax", "dtype *int* in torch*", _any, "probabilities are no integers"),
    ("*_mean", "[[]1] values *", _odd, "the mean of infinity is infinity; PyTorch loses it"),
    ("*am??", "gradient *", _odd, known._UNDEFINED),
    ("*", "gradient *", lambda c: c.is_view and c.is_expanded, _WRITTEN),
    ("*pad", "torch refuses (*input (*", _any, "what padding leaves may be empty"),
    ("*norm", "torch refuses (*norm on an empty tensor*", _any, _ACCIDENT),
    ("logspace", "torch refuses (*overflow*", _any, _CUT),
    ("logspace", "values *", lambda c: "dtype" in c.kwargs, _CUT),
    ("arange", "values *", lambda c: "dtype" in c.kwargs, _CUT),
    ("arange", "shape *", lambda c: "dtype" in c.kwargs, _CUT),
    ("*[lg][te]*", "values *", lambda c: c.has("uint8", "int8", "int16"), _EXACT),
    ("*eq*", "values *", lambda c: c.has("uint8", "int8", "int16"), _EXACT),
    ("*ne*", "values *", lambda c: c.has("uint8", "int8", "int16"), _EXACT),
    ("*clamp*", "values *", lambda c: c.has("uint8"), _EXACT),
    ("*softmax", "dtype bool in torch*", _any, "probabilities are no bools"),
    ("*conv_transpose*", "lucid refuses: ValueError*output_padding*", _empty, _TOO_EARLY),
    ("*adaptive_max_pool*", "lucid refuses*", lambda c: 0 in _sizes(c), "nothing is the largest"),
    ("*interpolate", "lucid refuses*to become (*0*", _any, "PyTorch answers nothing, or refuses"),
    ("*pad", "lucid refuses*circular*", _any, "the part that is left can't be repeated"),
    # Of NaN, infinity and zeros.
    ("*hardsigmoid", "gradient *", lambda c: c.has("float64"), known._SIXTH),
    ("*softsign", "gradient *", _odd, "it is 0 at infinity; PyTorch answers NaN"),
    ("*norm*", "gradient *", _tied, _FROM_ZERO),
    ("*norm", "requires_grad *", _any, known._COUNT),
    ("*norm", "gradient torch answers (None,)*", _any, known._COUNT),
    ("linalg.matrix_norm", "gradient None*", _empty, known._NOTHING),
    ("nn.functional.*", "gradient *", _odd, known._KINK),
    ("*gelu", "values *", _odd, "it is infinity at infinity; PyTorch answers NaN on some paths"),
    ("*loss", "values *", _odd, "a NaN passes through; PyTorch's comparisons may lose it"),
    ("*cross_entropy*", "values *", _odd, "0 * infinity is NaN, or not computed at all"),
    ("*clamp*", "gradient *", _odd, known._CLAMP),
    ("m*imum", "gradient *", _odd, "a NaN that was not chosen gets no gradient"),
    ("*var*", "*gradient *", _any, known._UNDEFINED),
    ("*std*", "*gradient *", _any, known._UNDEFINED),
    ("*prod", "gradient *", _odd, known._UNDEFINED),
    ("*topk", "*values *", _tied, known._OPEN),
    ("*median", "[[]1] values *", _tied, known._OPEN),
    ("*max_pool*", "*values *", _halves, known._OPEN),
    ("*", "gradient *", _empty, known._NOTHING),
    ("*", "*requires_grad *", _empty, known._NOTHING),
    ("*", "*strides *", _scattered, known._ORDER),
]


def _sizes(call: Call) -> tuple[int, ...]:
    size = call.args[1] if len(call.args) > 1 else ()
    return size if isinstance(size, tuple) else (size,)


def reason(call: Call, difference: str) -> str | None:
    """Why lucid differs here, where it is meant to."""
    for name, message, condition, why in GENERATED:
        if fnmatchcase(call.name, name) and fnmatchcase(difference, message) and condition(call):
            return why
    return intended(Case(call.name, "generated", call.run), difference)
