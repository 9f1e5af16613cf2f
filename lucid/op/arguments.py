"""What was wrong with the arguments, when a function failed because of their types.

Nothing is checked before a call, which costs a small operation's time; a call that fails is looked
at again. If an argument is not what the function's signature says, the error says so, instead of
what happened to go wrong first: ``stack: dim must be an int; got 'x'``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

from lucid.errors import DTypeError, LucidError
from lucid.tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])

# What a mistake of types may look like, wherever it is noticed.
MISTAKES = (TypeError, AttributeError, ValueError, IndexError)


def explain(
    function: Callable[..., Any], error: Exception, values: dict[str, Any], name: str = ""
) -> Any:
    """A better error than ``error``, which a call with these ``values`` raised; None if it is good.

    What lucid says itself of the right types stays.
    """
    name = name or getattr(function, "__name__", "function").lstrip("_")
    if not isinstance(error, LucidError) or isinstance(error, DTypeError):
        wrong = _wrong_type(name, function, values, str(error))
        if wrong is not None:
            return wrong
    _call_by(name, error)
    return None


def _wrong_type(
    name: str, function: Callable[..., Any], values: dict[str, Any], said: str
) -> Exception | None:
    """The first argument that is not what the signature says, unless that is ``said`` already."""
    for parameter, kind in getattr(function, "__annotations__", {}).items():
        if parameter not in values or parameter == "return":
            continue
        value = values[parameter]
        wanted = expected(str(kind), value)
        if wanted and not said.startswith(f"{name}: {parameter} "):
            return DTypeError(f"{name}: {parameter} must be {wanted}; got {shown(value)}")
    return None


def _call_by(name: str, error: Exception) -> None:
    """Let the error speak of the function that was called, not of one that it is made of."""
    text = str(error)
    inner, colon, rest = text.partition(": ")
    if (
        colon
        and inner != name
        and inner.isidentifier()
        and inner not in _CONCEPTS
        and isinstance(error, (LucidError, ValueError))
    ):
        error.args = (f"{name}: {rest}",)


def expected(kind: str, value: Any) -> str:
    """What a parameter of this annotation must be, if ``value`` isn't; empty, if it is."""
    if kind not in _KINDS:
        return ""
    fits, words = _KINDS[kind]
    return "" if fits(value) else words


def shown(value: Any) -> str:
    """A value as an error names it."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {value.shape}"
    if value is None or isinstance(value, (str, bool, int, float)):
        return f"{value!r:.60}"
    if isinstance(value, (list, tuple)):
        whole = f"[{', '.join(map(shown, value[:4]))}{', ...' if len(value) > 4 else ''}]"
        return whole if len(whole) <= 60 else f"a {type(value).__name__} of {len(value)}"
    return type(value).__name__


def _is_int(value: Any) -> bool:
    return hasattr(value, "__index__") and not isinstance(value, Tensor) or _is_number(value, 1)


def _is_number(value: Any, category: int = 2) -> bool:
    """A Python number, NumPy's, or a tensor of one element."""
    if isinstance(value, Tensor):
        return value.numel() == 1 and value.dtype.category <= category
    return hasattr(value, "__float__") and (category == 2 or hasattr(value, "__index__"))


def _are_ints(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.dtype.category == 1
    return isinstance(value, (list, tuple, range)) and all(map(_is_int, value))


def _are_tensors(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(v, Tensor) for v in value)


def _is_size(value: Any) -> bool:
    return _is_int(value) or _are_ints(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _optional(entry: tuple[Callable[[Any], bool], str]) -> tuple[Callable[[Any], bool], str]:
    fits, words = entry
    return (lambda value: value is None or fits(value)), f"{words}, or None"


# What errors speak of whatever the function.
_CONCEPTS = {"generator", "device", "cuda", "dtype", "result_type"}

# Per annotation: whether a value fits, and in words what would.
_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "Tensor": (lambda value: isinstance(value, Tensor), "a Tensor"),
    "int": (_is_int, "an int"),
    "float": (_is_number, "a number"),
    "str": (_is_text, "a string"),
    "Sequence[int]": (_are_ints, "a sequence of ints"),
    "Sequence[Tensor]": (_are_tensors, "a list of Tensors"),
    "Sizes": (_is_size, "an int or a sequence of ints"),
    "int | Sequence[int]": (_is_size, "an int or a sequence of ints"),
}
for _kind in list(_KINDS):
    _KINDS[f"{_kind} | None"] = _optional(_KINDS[_kind])
_KINDS["Dims"] = _KINDS["Sizes | None"]
_KINDS["Sizes | str"] = (
    lambda value: _is_text(value) or _is_size(value),
    "an int, a sequence of ints or a string",
)


def with_its_parameters(
    function: Callable[..., Any], first: str = "", names: dict[str, Any] | None = None
) -> Any:
    """A function of the same parameters, which does ``first``, calls this one, and explains.

    Its source is written here, as dataclass writes __init__: to hand on (*args, **kwargs) would
    take 0.15 us, a tenth of what a small operation does. ``first`` may speak of ``args`` and
    ``kwargs``, which are written out in it. It is written at the first call: for all functions
    at once that would be a third of the time that ``import lucid`` takes.
    """
    if function.__code__.co_flags & inspect.CO_VARKEYWORDS:
        raise TypeError(f"{function.__name__}: must name its parameters, to be wrapped; got **")
    space = {
        "__name__": __name__,
        "function": function,
        "explain": explain,
        "MISTAKES": MISTAKES,
        **(names or {}),
    }

    def write() -> Any:
        written = _written(function, first, space)
        wrapped.__defaults__ = written.__defaults__
        wrapped.__kwdefaults__ = written.__kwdefaults__
        wrapped.__code__ = written.__code__  # last: another thread may be calling it
        return wrapped

    space["write"] = write
    named = _unwritten.__code__.replace(co_name=function.__name__)  # in a first call's traceback
    wrapped = FunctionType(named, space, function.__name__)
    return functools.update_wrapper(wrapped, function)


def _unwritten(*args: Any, **kwargs: Any) -> Any:
    return write()(*args, **kwargs)  # type: ignore[name-defined]  # noqa: F821  in its own space


def _written(function: Callable[..., Any], first: str, space: dict[str, Any]) -> Any:
    declared: list[str] = []
    positional: list[str] = []
    by_name: list[str] = []
    every: list[str] = []
    for p in inspect.signature(function).parameters.values():
        star = "*" if p.kind is p.VAR_POSITIONAL else ""
        if p.kind is p.KEYWORD_ONLY:
            if not by_name and not any(d.startswith("*") for d in declared):
                declared.append("*")
            by_name.append(p.name)
        else:
            positional.append(star + p.name)
        every.append(p.name)
        if p.default is not p.empty:
            space[f"default_{p.name}"] = p.default
        declared.append(star + p.name + ("" if p.default is p.empty else f"=default_{p.name}"))
    args = "".join(f"{name}, " for name in positional)
    kwargs = ", ".join(f"{n}={n}" for n in by_name)
    source = (
        f"def written({', '.join(declared)}):\n"
        "    try:\n"
        + first.format(args=args, kwargs=kwargs)
        + f"        return function({args}{kwargs})\n"
        "    except MISTAKES as error:\n"
        f"        better = explain(function, error, dict({', '.join(f'{n}={n}' for n in every)}))\n"
        "        if better is None:\n"
        "            raise\n"
        "        raise better from None\n"
    )
    exec(compile(source, f"{__file__} ({function.__name__})", "exec"), space)
    # As the traceback and "missing 1 required positional argument" shall name it.
    space["written"].__code__ = space["written"].__code__.replace(
        co_name=function.__name__, co_qualname=function.__qualname__
    )
    return space["written"]


def explained(function: F) -> F:
    """The function, explaining what is wrong with its arguments when it fails."""
    if not _named(function):
        return _explained_as_called(function)
    wrapped = with_its_parameters(function)
    wrapped.explained = True
    return wrapped


def explain_all(space: dict[str, Any]) -> None:
    """Replace the public functions of a namespace by themselves, explained.

    Those with a policy of autocast are already, and those that hand their tensors to an op as they
    are leave it to the op.
    """
    for name, value in list(space.items()):
        module = getattr(value, "__module__", "")
        if not inspect.isfunction(value) or name.startswith("_"):
            continue
        if not module.startswith(("lucid.ops.", "lucid.nn.", "lucid.op.")) or module == __name__:
            continue
        kinds = [str(k) for n, k in value.__annotations__.items() if n != "return"]
        left_to_op = module.rpartition(".")[2] in _PLAIN and not set(kinds) - _OPERANDS
        done = hasattr(value, "policies") or hasattr(value, "explained") or name in _EXACT
        done = done or module == "lucid.ops.dropout"
        if not done and not left_to_op and "kwargs" not in value.__annotations__:
            space[name] = explained(value)


def _explained_as_called(function: F) -> F:
    """The same for a function that hides its parameters, as decorators do: by their annotations."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except MISTAKES as error:
            better = explain(function, error, {**dict(zip(names, args, strict=False)), **kwargs})
            if better is None:
                raise
            raise better from None

    names = [n for n in function.__annotations__ if n != "return"]
    made: Any = wrapped
    made.explained = True
    return made


# These check what they are given themselves; dropout's warnings count the frames to the caller.
_EXACT = {"set_rng_state", "get_rng_state"}
_PLAIN = {"arithmetic", "comparison", "elementwise", "powers", "rounding", "trigonometry"}
_OPERANDS = {"Tensor", "Number", "Tensor | Number"}


def _named(function: Callable[..., Any]) -> bool:
    return not function.__code__.co_flags & inspect.CO_VARKEYWORDS
