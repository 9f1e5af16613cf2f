"""Wrong calls: right ones with one argument spoilt, each made to torch and to lucid.

Lucid refuses exactly what torch refuses, with an exception that the same ``except`` catches, and
says why in one sentence: ``<function>: <rule>; got <values>. Hint: <way out>``. Where both answer,
they answer the same. The right calls are in wrong/; here is how they are spoilt and judged.
"""

from __future__ import annotations

import operator as python_operators
import re
import warnings
from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import lucid
from lucid.errors import DeviceError, GradError

from .intended_refusals import REFUSALS
from .library import Like, Side, differences
from .spoiling import Right, Wrong, spoilt

_rights: list[Right] = []
seen: set[tuple[str, str, str, str]] = set()  # the intended differences that were met


def operator(name: str, *args: Any) -> None:
    """An operator between its operands, as Python calls it."""

    def between(s: Side, *operands: Any) -> Any:
        return getattr(python_operators, name)(*operands)

    _rights.append(Right(f"Tensor.__{name.rstrip('_')}__", between, args, {}, 0, True))


def right(name: str, *args: Any, needed: int = -1, values: bool = True, **kwargs: Any) -> None:
    """One more right call of the function ``name``; all ``args`` are needed unless told."""
    count = len(args) if needed < 0 else needed
    _rights.append(
        Right(name, lambda s, *a, **k: s.get(name)(*a, **k), args, kwargs, count, values)
    )


def using(name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """A right use of ``name`` that takes more than one call: ``function(side, *args, **kwargs)``.

    The arguments can be spoilt; how many there are is the function's affair.
    """
    _rights.append(Right(name, function, args, kwargs, -1, True))


def made(name: str, inputs: tuple[Like, ...], *args: Any, needed: int = 0, **kwargs: Any) -> None:
    """A layer, made from ``args`` and called with ``inputs``; either may be spoilt."""

    def make(s: Side, *a: Any, **k: Any) -> Any:
        layer = s.get(name)(*a, **k)
        answer = layer(*[s.tensor(x) for x in inputs])
        state = {k: tuple(v.shape) for k, v in layer.state_dict().items()}
        return repr(layer), state, tuple(answer.shape), str(answer.dtype)[6:]

    def called(s: Side, *tensors: Any, **more: Any) -> Any:
        answer = s.get(name)(*args, **kwargs)(*tensors, **more)
        return tuple(answer.shape), str(answer.dtype).rpartition(".")[2]

    _rights.append(Right(name, make, args, kwargs, needed, True))
    _rights.append(Right(name, called, inputs, {}, len(inputs), True))


@cache
def wrong_calls() -> dict[str, list[Wrong]]:
    """The wrong calls of each name that lucid has."""
    for path in sorted((Path(__file__).parent / "wrong").glob("*.py")):
        import_module(f"tests.parity.wrong.{path.stem}")
    found: dict[str, list[Wrong]] = {}
    for call in _rights:
        found.setdefault(call.name, []).extend(spoilt(call))
    return found


def rights() -> list[Right]:
    """The calls that both libraries answer."""
    wrong_calls()
    return _rights


def answer(library: Any, call: Right) -> Exception | None:
    """The error with which a library refuses a right call; None, as it should be."""
    return _ask(Side(library, call.name), Wrong(call, "right", call.args, call.kwargs))[1]


def judge(call: Wrong, torch: Any) -> list[str]:
    """How lucid's answer to the call, or its refusal, differs from what it should be."""
    theirs, ours = Side(torch, str(call)), Side(lucid, str(call))
    a, refused = _ask(theirs, call)
    b, error = _ask(ours, call)
    if refused is None and error is None:
        return differences(theirs, a, ours, b) if call.right.values else []
    if error is None:
        return [f"torch refuses ({_shown(refused)}); lucid answers {_brief(b)}"]
    found = [] if is_clear(call.right.name, error) else [f"unclear: {_shown(error)}"]
    if refused is None:
        found.append(f"lucid refuses: {_shown(error)}")
    elif not isinstance(error, _catchable(refused)):
        found.append(f"torch raises {_shown(refused)}; lucid {_shown(error)}")
    return found


def _ask(s: Side, call: Wrong) -> tuple[Any, Exception | None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return call.run(s), None
        except Exception as error:  # whatever a library refuses with
            return None, error


def _catchable(error: Exception) -> type[BaseException]:
    """The class by which an ``except`` clause names the error; any, if it is an accident."""
    kinds = (TypeError, ValueError, IndexError, RuntimeError)
    if isinstance(error, (AttributeError, NotImplementedError, ArithmeticError, AssertionError)):
        return Exception
    return next((k for k in kinds if isinstance(error, k)), Exception)


def _shown(error: Exception | None) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text:.200}"


def _brief(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return f"a tensor of shape {tuple(shape)}" if shape is not None else f"{value!r:.60}"


# What Python itself says when arguments don't fit a signature is clear enough.
_BINDING = re.compile(
    r"got an unexpected keyword argument|missing \d+ required|takes (from )?\d+|takes no arg"
    r"|got multiple values|got some positional-only|Module.__init__.. takes no arguments"
)
_ARRAY_SPEAK = re.compile(
    r"operands could|broadcast together|out of bounds for a|for array|ufunc|numpy|cupy|unpack"
    r"|object has no attribute|not subscriptable|\.py\b|\b_\w+\b|unsupported operand"
    r"|cannot be interpreted|not iterable"
)


def is_clear(name: str, error: Exception) -> bool:
    """Whether the error names the function, the rule and what was given, in our own words."""
    text = str(error)
    if type(error) is TypeError and text.startswith(f"{name.rpartition('.')[2]}: Module."):
        return True  # a layer without settings
    if type(error) is TypeError and "between instances of 'Tensor'" in text:
        return True  # Python's own, of an operator
    if type(error) is TypeError and _BINDING.search(text):
        function = (
            text.partition("(")[0]
            .removesuffix(".__init__")
            .removesuffix(".forward")
            .removesuffix(".__new__")
        )
        return function.rpartition(".")[2].lower() in {c.lower() for c in callers(name)}
    start, colon, rest = text.partition(": ")
    return bool(
        colon
        and start.rpartition(".")[2].removesuffix("_") in callers(name) | CONCEPTS
        and ("; got " in rest or isinstance(error, _WITHOUT_VALUES))
        and "\n" not in rest
        and not _ARRAY_SPEAK.search(_HINT.sub("", rest))
    )


_HINT = re.compile(r"\. Hint: .*$|that requires? grad.*$")
_WITHOUT_VALUES = (GradError, DeviceError)  # of graphs, and of devices that are not there

# What an error may be about, whatever the function that was called.
CONCEPTS = {"device", "cuda", "dtype", "generator", "index", "copy", "fill"}

# What an operator, or a layer's function, is called otherwise.
_ALIASES = {
    "truediv": "div",
    "itruediv": "div",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "invert": "bitwise_not",
    "getitem": "index",
    "setitem": "index",
    "contains": "eq",
    "BCELoss": "binary_cross_entropy",
    "BCEWithLogitsLoss": "binary_cross_entropy_with_logits",
    "KLDivLoss": "kl_div",
    "CrossEntropyLoss": "cross_entropy",
    "Upsample": "interpolate",
    "scatter_add": "scatter",
    "index_add": "scatter",
    "new_tensor": "tensor",
    "new_full": "full",
    "zero_": "fill_",
    "zero": "fill_",
    "float": "item",
    "int": "item",
    "bool": "item",
    "NLLLoss": "nll_loss",
    "MSELoss": "mse_loss",
    "DataLoader": "TensorDataset",
    "clip_grad_norm": "clip_grad",
    "clip_grad_value": "clip_grad",
    "LeakyReLU": "leaky_relu",
}


def callers(name: str) -> set[str]:
    """The names under which the user may know the function that was called."""
    last = name.rpartition(".")[2]
    plain = last.strip("_")
    known = {last, plain, _ALIASES.get(plain, plain)}
    if last.startswith("__i"):
        known |= {plain[1:], f"{plain[1:]}_"}
    if last[0].isupper():
        known |= {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", plain).lower(), plain.lower()}
        known |= {plain.removesuffix("2d"), "pad" if "Pad" in plain or "Conv" in plain else plain}
        known |= {re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[a-z])(?=\d)", "_", plain).lower()}
        known |= {re.sub(r"(?<=[a-zL\d])(?=[A-Z])", "_", plain).lower()}
        known |= {re.sub(r"[123]d$", "", k) for k in known}
    return known


def intended(call: Wrong, difference: str) -> str | None:
    """Why lucid differs here, where it is meant to."""
    for entry in REFUSALS:
        name, label, message, reason = entry
        if (
            fnmatchcase(call.right.name, name)
            and fnmatchcase(call.label, label)
            and fnmatchcase(difference, message)
        ):
            seen.add(entry)
            return reason
    return None
