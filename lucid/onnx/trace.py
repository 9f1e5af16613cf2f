"""What a model computes, as a list of ops: one forward, watched.

While a trace runs, ``Op.__call__`` and the inner function of in-place calls are exchanged for ones
that also write down what was called; they are put back at its end, so that an op costs what it did.
Other threads are let through.

A tensor is recognised by its memory (address, shape, strides, type), so that ``detach()`` or a view
which shows everything is the tensor that it shows. Everything seen is kept until the trace ends: no
address is used twice. What was not computed by an op that was seen is a constant.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from lucid.errors import ExportError
from lucid.op import promotion, writing
from lucid.op.base import Op
from lucid.tensor import Tensor

__all__ = ["Call", "Trace", "Value", "place", "watched"]


@dataclass(eq=False)
class Value:
    """A tensor of the trace: its shape and type; and itself if no op computed it."""

    shape: tuple[int, ...]
    dtype: Any  # NumPy's
    constant: Tensor | None = None


@dataclass
class Call:
    """One op, what it was given (values, numbers, None) and what it answered."""

    op: Op
    inputs: tuple[Any, ...]
    outputs: tuple[Value, ...]
    path: str  # of the layer


@dataclass
class Trace:
    """The calls of one forward, in order; its inputs and outputs."""

    calls: list[Call] = field(default_factory=list)
    inputs: list[Value] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)  # paths of those that are running
    inside: bool = False  # an op: what it calls itself is no call of its own
    _known: dict[tuple, tuple[Value, Tensor, int]] = field(default_factory=dict)

    def value(self, x: Any) -> Any:
        """The value that a tensor is; numbers and None stay."""
        if not isinstance(x, Tensor):
            return x
        known = self._known.get(place(x))
        if known is None:
            return self.enter(x, Value(x.shape, x._array.dtype, x))
        value, owner, version = known
        if owner._version != version:
            raise ExportError(
                f"onnx.export: a tensor of shape {x.shape} was written to through a view of its"
                f" memory{self.where()}. Hint: use the out-of-place form"
            )
        return value

    def enter(self, x: Tensor, value: Value, writes: int = 0) -> Value:
        """From now on x's memory is this value; ``writes`` are under way and not counted yet."""
        self._known[place(x)] = value, x, x._version + writes
        return value

    def where(self) -> str:
        return f" in layer {self.layers[-1]}" if self.layers and self.layers[-1] else ""

    def record(self, op: Op, inputs: tuple, outputs: tuple[Tensor, ...], writes: int = 0) -> None:
        given = tuple([self.value(x) for x in inputs])
        made = [self.enter(y, Value(y.shape, y._array.dtype), writes) for y in outputs]
        path = self.layers[-1] if self.layers else ""
        self.calls.append(Call(op, given, tuple(made), path))


def place(x: Tensor) -> tuple:
    """What x's memory is recognised by."""
    return x.data_ptr(), x.shape, x._array.strides, x._array.dtype.str, x._device


_lock = threading.RLock()


@contextmanager
def watched(model: Any) -> Iterator[Trace]:
    """The trace of what this thread computes in the block, and in which layer of the model."""
    trace, thread = Trace(), threading.get_ident()
    with _lock, _paths(model, trace):
        call, run = Op.__call__, writing._run
        Op.__call__ = _watching_calls(call, trace, thread)  # type: ignore[method-assign]
        writing._run = _watching_writes(run, trace, thread)
        try:
            yield trace
        finally:
            Op.__call__, writing._run = call, run  # type: ignore[method-assign]


def _watching_calls(call: Callable, trace: Trace, thread: int) -> Callable:
    def watching(op: Op, *inputs: Any) -> Any:
        if trace.inside or threading.get_ident() != thread:
            return call(op, *inputs)
        inputs = promotion.prepare(op, inputs)[0]  # casts are calls of their own
        trace.inside = True
        try:
            result = call(op, *inputs)
        finally:
            trace.inside = False
        trace.record(op, inputs, result if isinstance(result, tuple) else (result,))
        return result

    return watching


def _watching_writes(run: Callable, trace: Trace, thread: int) -> Callable:
    def watching(op: Op, arrays: list, aliases: Any, x: Tensor, name: str) -> Any:
        if trace.inside or threading.get_ident() != thread:
            return run(op, arrays, aliases, x, name)
        given = [(aliases or {}).get(id(a), a) for a in arrays]  # the halves behind float32 copies
        inputs = tuple([a if _is_number(a) else Tensor._wrap(a, op.device) for a in given])
        values = tuple([trace.value(a) for a in inputs])
        trace.inside = True
        try:
            result = run(op, arrays, aliases, x, name)
        finally:
            trace.inside = False
        written = Value(x.shape, x._array.dtype)
        trace.calls.append(Call(op, values, (written,), trace.layers[-1] if trace.layers else ""))
        trace.enter(x, written, writes=1)
        return result

    return watching


def _is_number(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float))


@contextmanager
def _paths(model: Any, trace: Trace) -> Iterator[None]:
    """Hooks on every layer that keep ``trace.layers``."""
    handles = []
    for name, module in model.named_modules():

        def enter(module: Any, args: Any, name: str = name) -> None:
            trace.layers.append(name)

        def leave(module: Any, args: Any, result: Any) -> None:
            trace.layers.pop()

        handles.append(module.register_forward_pre_hook(enter, prepend=True))
        handles.append(module.register_forward_hook(leave, always_call=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
