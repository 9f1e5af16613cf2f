"""A trace written in ONNX's operators.

``Graph`` holds nodes and constants by name; ``forms`` says for each of lucid's ops which nodes
stand for it. The forward was traced twice, with other numbers and other sizes of the dynamic axes:
``twin`` is the same place in the other trace. What differs between the two depends on the input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from lucid import dtypes
from lucid.backend import Device
from lucid.errors import ExportError
from lucid.onnx.trace import Call, Trace, Value, place
from lucid.tensor import Tensor

__all__ = ["Axis", "Form", "Graph", "Node", "emits", "find"]


class Node(NamedTuple):
    """One ONNX operator: names in, names out."""

    type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    name: str
    path: str  # of the layer it comes from


class Axis(NamedTuple):
    """A dynamic axis: its name and its sizes in the two traces."""

    name: str
    sizes: tuple[int, int]


Form = Callable[["Graph", Any], Any]
_forms: dict[type, Form] = {}


def emits(*ops: type) -> Callable[[Form], Form]:
    """Declare the ONNX form of ops: ``form(graph, call) -> name, or names, of its outputs``."""

    def register(form: Form) -> Form:
        _forms.update(dict.fromkeys(ops, form))
        return form

    return register


def find(op: Any) -> Form | None:
    """The form of exactly this class: one that inherits from it may compute something else."""
    return _forms.get(type(op))


class Place(NamedTuple):
    """A call and its twin, and the names of the call's inputs."""

    call: Call
    twin: Call
    names: tuple[Any, ...]

    @property
    def op(self) -> Any:
        return self.call.op

    def shape(self, i: int = 0) -> tuple[int, ...]:
        return self.call.inputs[i].shape

    def ndim(self, i: int = 0) -> int:
        return len(self.call.inputs[i].shape)

    @property
    def dtype(self) -> Any:
        """The dtype of the tensor inputs: of the first, for ops that take several."""
        return next(v.dtype for v in self.call.inputs if isinstance(v, Value))

    def fail(self, why: str) -> ExportError:
        """The error for an op that can't be written, with the layer that it stands in."""
        path = f" in layer {self.call.path}" if self.call.path else ""
        return ExportError(f"onnx.export: {self.op.name()}{path} {why}")


class Graph:
    """The nodes and constants of a trace."""

    def __init__(self, names: dict[tuple, str], opset: int, dynamic: dict[str, list[Axis | None]]):
        self.opset = opset
        self.dynamic = dynamic  # per input, per dimension
        self.nodes: list[Node] = []
        self.constants: dict[str, Any] = {}  # name -> Tensor
        self.origins: dict[str, str] = {}  # constants that are no parameter: the layer
        self._given = names  # a parameter's or buffer's memory -> its name
        self._names: dict[Value, str] = {}
        self._counts: dict[str, int] = {}
        self._path = ""

    # For the forms.

    def op(self, type: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node; the name of its output, or of all if there are several. None: no input."""
        name = self._fresh(type)
        names = (name,) if outputs == 1 else tuple(f"{name}.{i}" for i in range(outputs))
        given = ["" if x is None else x for x in inputs]
        while given and not given[-1]:
            given.pop()
        kept = {k: v for k, v in attributes.items() if v is not None}
        self.nodes.append(Node(type, tuple(given), names, kept, name, self._path))
        return name if outputs == 1 else names

    def constant(self, value: Any, dtype: Any = "int64") -> str:
        """Numbers, a list or an array as a constant tensor."""
        cpu = Device("cpu")
        tensor = Tensor._wrap(cpu.asarray(value, dtype), cpu)
        name = self._fresh("constant")
        self.constants[name], self.origins[name] = tensor, self._path
        return name

    def number(self, x: Any, dtype: Any) -> Any:
        """An op's input: a number becomes a constant of this dtype."""
        return self.constant(x, dtype) if isinstance(x, (bool, int, float)) else x

    def cast(self, x: str, dtype: Any) -> str:
        from lucid.onnx.model import element_type

        return self.op("Cast", x, to=element_type(dtype))

    def sizes(self, sizes: Any, twin: Any) -> str:
        """Sizes as a 1-D tensor; those that the input decides are read from its shape."""
        if tuple(sizes) == tuple(twin):
            return self.constant(list(sizes))
        parts = []
        for pair in zip(sizes, twin, strict=True):
            parts.append(self.constant([pair[0]]) if pair[0] == pair[1] else self._size(pair))
        return parts[0] if len(parts) == 1 else self.op("Concat", *parts, axis=0)

    def _size(self, pair: tuple[int, int]) -> str:
        for name, axes in self.dynamic.items():
            for i, axis in enumerate(axes):
                if axis is not None and axis.sizes == pair:
                    return self.op("Gather", self.op("Shape", name), self.constant([i]), axis=0)
        raise ExportError(
            f"onnx.export: a size that depends on several dynamic axes ({pair[0]}, or {pair[1]}"
            f" for another input) has no form{_in(self._path)}. Hint: keep one of them fixed"
        )

    def _fresh(self, what: str) -> str:
        stem = f"{self._path}/{what}" if self._path else what
        count = self._counts[stem] = self._counts.get(stem, 0) + 1
        return stem if count == 1 else f"{stem}_{count}"

    # For the export.

    def name(self, value: Value) -> str:
        """The name of a value; a constant gets one when it is first asked for."""
        known = self._names.get(value)
        if known is None:
            tensor = value.constant
            if tensor is None:
                raise ExportError(
                    f"onnx.export: a value of shape {value.shape} is not of this forward."
                    " Hint: a model must not keep tensors of earlier calls"
                )
            known = self._given.get(place(tensor))
            if known is None:
                known = self._fresh("constant")
                self.origins[known] = self._path
            self.constants[known] = tensor
            self._names[value] = known
        return known

    def enter(self, value: Value, name: str) -> None:
        """A graph input."""
        self._names[value] = name

    def rename(self, source: str, name: str) -> None:
        """An output of the graph, under the name that it is to have."""
        self.nodes.append(Node("Identity", (source,), (name,), {}, name, ""))

    def lower(self, trace: Trace, twin: Trace) -> None:
        """Write every call of the trace."""
        for call, other in zip(trace.calls, twin.calls, strict=True):
            self._path = call.path
            names = tuple([self.name(x) if isinstance(x, Value) else x for x in call.inputs])
            place = Place(call, other, names)
            form = find(call.op)
            if form is None:
                raise place.fail(f"has no ONNX form; its settings are {call.op!r}")
            made = form(self, place)
            made = (made,) if isinstance(made, str) else made
            for value, name in zip(call.outputs, made, strict=True):
                if name is not None:
                    self._names[value] = name
        self._path = ""

    def prune(self, outputs: list[str]) -> None:
        """Drop what no output needs."""
        needed, kept = set(outputs), []
        for node in reversed(self.nodes):
            if needed.intersection(node.outputs):
                kept.append(node)
                needed.update(node.inputs)
        self.nodes = kept[::-1]
        self.constants = {k: v for k, v in self.constants.items() if k in needed}


def _in(path: str) -> str:
    return f" in layer {path}" if path else ""


def axes_of(axes: Any, ndim: int) -> list[int]:
    """Axes as an op holds them (None, one, several; from the back) counted from the front."""
    if axes is None:
        return list(range(ndim))
    given = (axes,) if isinstance(axes, int) else axes
    return [int(a) % max(ndim, 1) for a in given]


def is_integer(dtype: Any) -> bool:
    return dtypes.of(dtype).category == 1
