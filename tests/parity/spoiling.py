"""Right calls, and how they are spoilt: one argument at a time, as it happens by mistake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from .library import FLOATS, Like, Side

NAN = float("nan")
_TEXT = "no such thing"  # for strings, names of dtypes and devices
_INTS = (-50, -1, 0, 50, 1.5, None, "x", (1, 1, 1, 1, 1, 1))
_NUMBERS = (-0.5, 1.5, NAN, None, "x")


class Right(NamedTuple):
    """A call that both libraries answer: ``use(side, *args, **kwargs)``."""

    name: str
    use: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    needed: int  # so many of the arguments can't be left out; -1: neither more nor fewer
    values: bool  # whether the answers are the same numbers


class Wrong(NamedTuple):
    """A right call with one thing spoilt."""

    right: Right
    label: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.right.name} {self.label}"

    def run(self, s: Side) -> Any:
        made = [s.tensor(a) if isinstance(a, Like) else a for a in self.args]
        given = {k: s.tensor(v) if isinstance(v, Like) else v for k, v in self.kwargs.items()}
        return self.right.use(s, *made, **given)


def spoilt(call: Right) -> Iterator[Wrong]:
    """The call with one argument replaced by each value that it might be given by mistake."""
    for i, value in enumerate(call.args):
        for other in others(value):
            if i == 0 and call.name.startswith("Tensor.") and not isinstance(other, Like):
                continue  # nobody calls a tensor's method on something else
            args = (*call.args[:i], other, *call.args[i + 1 :])
            yield Wrong(call, f"{i}: {other}", args, call.kwargs)
    for key, value in call.kwargs.items():
        for other in others(value):
            yield Wrong(call, f"{key}: {other}", call.args, {**call.kwargs, key: other})
    for n in range(call.name.startswith("Tensor."), call.needed):
        yield Wrong(call, f"{n} arguments", call.args[:n], {})
    if call.use.__name__ == "between" or call.needed < 0:
        return  # an operator has its operands
    yield Wrong(call, "too many arguments", (*call.args, *["x"] * 9), call.kwargs)
    yield Wrong(call, "unknown keyword", call.args, {**call.kwargs, "colour": 1})


def others(value: Any) -> Iterator[Any]:
    """What might be given instead of ``value``."""
    if isinstance(value, Like):
        yield from _other_tensors(value)
    elif isinstance(value, str):
        yield from (_TEXT, 7, None)
    elif isinstance(value, bool):
        return
    elif isinstance(value, float):
        yield from _NUMBERS
    elif isinstance(value, int):
        yield from (v for v in _INTS if v != value)
    elif isinstance(value, (tuple, list)):
        yield from _other_sequences(value)


def _other_tensors(like: Like) -> Iterator[Any]:
    yield from (None, "x", 1.5, [1.0, 2.0])
    shape = like.shape
    if shape:
        yield replace(like, shape=shape[1:])
        yield replace(like, shape=())
        yield replace(like, shape=(0,))
        yield replace(like, shape=(0, *shape[1:]))
        yield replace(like, shape=(shape[0] + 1, *shape[1:]))
        yield replace(like, shape=(*shape[:-1], 0))
    if len(shape) > 1:
        yield replace(like, shape=(shape[0], shape[1] + 1, *shape[2:]))
        yield replace(like, shape=(*shape[:-1], shape[-1] + 1))
        yield replace(like, shape=(*shape[:-1], 1))
    yield replace(like, shape=(2, *shape))
    for dtype in ("bool", "int64", "float64", "float32"):
        if dtype != like.dtype:
            yield replace(like, dtype=dtype)
    if like.dtype == "int64":
        yield replace(like, low=50, high=60)
        yield replace(like, low=-60, high=-50)
    if like.dtype in FLOATS:
        yield replace(like, grad=not like.grad)


def _other_sequences(value: Any) -> Iterator[Any]:
    kind = type(value)
    yield from (None, "x", kind([]), kind([*value, value[0]]), kind(value[:-1]))
    for v in (-50, -1, 0, 50, 1.5, None):
        yield kind([*value[:-1], v])
    yield kind([value[0]] * len(value))
