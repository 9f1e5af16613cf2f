"""export: a model as an ONNX file, from two traced forwards.

The second forward sees other numbers, and other sizes where axes are dynamic. Both traces are
written in ONNX and must come out the same. So a branch on a value, a number read with ``item()``, a
size that was computed in Python, or work done in NumPy is found and named, instead of being frozen
into the file unseen.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lucid import random
from lucid.errors import DTypeError, ExportError
from lucid.graph.grad_mode import no_grad
from lucid.nn.module import Module
from lucid.onnx.example import Example, changed, dynamic
from lucid.onnx.graph import Axis, Graph
from lucid.onnx.model import IR_VERSIONS, model_proto
from lucid.onnx.trace import Trace, Value, place, watched
from lucid.serialization.replacement import replacing
from lucid.tensor import Tensor

__all__ = ["export"]

DynamicAxes = dict[str, Any] | None


def export(
    model: Module,
    args: Any,
    f: Any,
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    opset_version: int = 17,
    dynamic_axes: DynamicAxes = None,
    kwargs: dict[str, Any] | None = None,
) -> None:
    """Write the model, in evaluation mode, as an ONNX file.

    ``args`` is an example input, or a tuple of them (tensors; anything else is fixed), as
    ``model(*args, **kwargs)`` takes them. Sizes are fixed to the example's but for those named in
    ``dynamic_axes``: ``{"input": {0: "batch"}}``, by the inputs' names (default: those of
    forward's parameters) and dimensions; of the outputs they follow. ``f`` is a path or a binary
    file. Nothing is written unless everything was: a path's old file stays until the end.

    An ExportError names the op, and the layer, that has no ONNX form.

    >>> import io
    >>> model, file = nn.Sequential(nn.Linear(4, 3), nn.ReLU()), io.BytesIO()
    >>> lucid.onnx.export(model, lucid.zeros(1, 4), file, dynamic_axes={"input": {0: "batch"}})
    >>> b"Gemm" in file.getvalue()
    True
    """
    if not isinstance(model, Module):
        raise DTypeError(f"onnx.export: model must be a Module; got {type(model).__name__}")
    if opset_version not in IR_VERSIONS:
        raise ValueError(
            f"onnx.export: opset_version must be in {min(IR_VERSIONS)} ... {max(IR_VERSIONS)};"
            f" got {opset_version}"
        )
    example = Example.of(model, args, kwargs or {}, input_names)
    axes = dynamic(example, dynamic_axes or {})
    with _evaluating(model):
        trace = _trace(model, example, example.tensors)
        twin = _trace(
            model, example, [changed(*pair) for pair in zip(example.tensors, axes, strict=True)]
        )
    names = _output_names(trace, output_names)
    graph = _lowered(model, example, trace, twin, axes, opset_version)
    proto = model_proto(graph, *_signature(graph, example, trace, twin, axes, names, dynamic_axes))
    if hasattr(f, "write"):
        f.writelines(proto.chunks())
        return
    with replacing(os.fspath(f)) as file:
        for chunk in proto.chunks():
            file.write(chunk)


@contextmanager
def _evaluating(model: Module) -> Iterator[None]:
    """Evaluation mode, and afterwards every layer's own again; random numbers as if not drawn."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        with no_grad(), random.fork_rng():
            model.eval()
            yield
    finally:
        for module, training in modes:
            module.training = training


def _trace(model: Module, example: Example, tensors: list[Tensor]) -> Trace:
    tensors = [t.detach().clone() for t in tensors]  # the model may write to its input
    with watched(model) as trace:
        trace.inputs = [trace.enter(t, Value(t.shape, t._array.dtype)) for t in tensors]
        trace.outputs = [trace.value(t) for t in _tensors(example.call(model, tensors))]
    return trace


def _tensors(result: Any) -> list[Tensor]:
    """The tensors of what a model answered, in order."""
    if isinstance(result, Tensor):
        return [result]
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, (tuple, list)):
        return [t for part in result for t in _tensors(part)]
    if result is None:
        return []
    raise DTypeError(f"onnx.export: a model must answer tensors; got {type(result).__name__}")


def _lowered(
    model: Module, example: Example, trace: Trace, twin: Trace, axes: list, opset: int
) -> Graph:
    """The graph of both traces; an error if they are not the same."""
    given = {place(t): n for n, t in [*model.named_buffers(), *model.named_parameters()]}
    for a, b in zip(trace.calls, twin.calls, strict=False):
        if type(a.op) is not type(b.op) or a.path != b.path:
            raise _differs(
                a.path, f"goes to {a.op.name()} for one input, to {b.op.name()} for another"
            )
    if len(trace.calls) != len(twin.calls):
        raise _differs("", "takes another number of steps for another input")
    graphs = []
    for one, other, which in ((trace, twin, 1), (twin, trace, -1)):
        known = {
            name: [_turned(of.get(i), which) for i in range(t.ndim)]
            for name, t, of in zip(example.names, example.tensors, axes, strict=True)
        }
        graph = Graph(given, opset, known)
        for value, name in zip(one.inputs, example.names, strict=True):
            graph.enter(value, name)
        graph.lower(one, other)
        graph.prune([graph.name(v) for v in one.outputs])
        graphs.append(graph)
    _compare(*graphs)
    return graphs[0]


def _turned(axis: Axis | None, which: int) -> Axis | None:
    return None if axis is None else Axis(axis.name, axis.sizes[::which])  # type: ignore[arg-type]


def _compare(graph: Graph, twin: Graph) -> None:
    for name in graph.constants.keys() & twin.constants.keys():
        a, b = graph.constants[name], twin.constants[name]
        if place(a) == place(b):
            continue
        if a.shape != b.shape or a.dtype is not b.dtype or not _same(a, b):
            raise _differs(
                graph.origins.get(name, ""),
                f"holds a value of shape {a.shape} that the input's numbers or sizes decide, but"
                " that no operation of lucid made of the input",
            )
    for a, b in zip(graph.nodes, twin.nodes, strict=False):
        if a != b:
            raise _differs(
                a.path, f"has settings of {a.type} that depend on the input: {a.attributes}"
            )
    if len(graph.nodes) != len(twin.nodes):
        raise _differs("", "takes another number of steps for another input")


def _same(a: Tensor, b: Tensor) -> bool:
    return a._device.to_numpy(a._array).tobytes() == b._device.to_numpy(b._array).tobytes()


def _differs(path: str, why: str) -> ExportError:
    layer = f"layer {path}" if path else "the model"
    return ExportError(
        f"onnx.export: {layer} {why}. Hint: a file holds one fixed list of operations; branches,"
        " item(), NumPy and random numbers can't follow the input, nor sizes outside dynamic_axes"
    )


def _output_names(trace: Trace, given: Sequence[str] | None) -> list[str]:
    n = len(trace.outputs)
    if given is None:
        return ["output"] if n == 1 else [f"output_{i}" for i in range(n)]
    if len(given) != n:
        raise ValueError(
            f"onnx.export: output_names must be {n}, one per tensor; got {list(given)}"
        )
    return list(given)


def _signature(
    graph: Graph, example: Example, trace: Trace, twin: Trace, axes: list, names: list[str],
    dynamic_axes: DynamicAxes,
) -> tuple[list, list]:  # fmt: skip
    """(name, dtype, sizes) of inputs and outputs; the outputs get their names by an Identity."""
    inputs = [
        (name, value.dtype, [of[i].name if i in of else n for i, n in enumerate(value.shape)])
        for name, value, of in zip(example.names, trace.inputs, axes, strict=True)
    ]
    chosen = [*example.names, *names]
    taken = {*graph.constants, *(o for node in graph.nodes for o in node.outputs)}
    unknown = set(dynamic_axes or {}) - set(chosen)
    if unknown or taken & set(chosen) or len(set(chosen)) < len(chosen):
        raise ValueError(
            f"onnx.export: names must be different, from those of parameters and layers too, and"
            f" those in dynamic_axes known; got inputs {example.names}, outputs {names},"
            f" dynamic_axes of {list(dynamic_axes or {})}. Hint: input_names=, output_names="
        )
    labels = {axis.sizes: axis.name for of in axes for axis in of.values()}
    outputs = []
    for name, value, other in zip(names, trace.outputs, twin.outputs, strict=True):
        source = graph.name(value)
        graph.rename(source, name)
        wanted = (dynamic_axes or {}).get(name, {})
        sizes: list[int | str] = []
        for i, pair in enumerate(zip(value.shape, other.shape, strict=True)):
            label = wanted.get(i) if isinstance(wanted, dict) else None
            free = label or labels.get(pair) or f"{name}_axis_{i}"
            sizes.append(pair[0] if pair[0] == pair[1] else free)
        outputs.append((name, value.dtype, sizes))
    return inputs, outputs
