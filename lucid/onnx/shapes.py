"""ONNX forms of what moves elements: views, joining, padding, indexing; and reductions."""

from __future__ import annotations

from typing import Any

from lucid.onnx.graph import Graph, Place, axes_of, emits, is_integer
from lucid.ops.embedding import Embedding, OneHot
from lucid.ops.extrema import Arg, Extremum
from lucid.ops.gather import Gather
from lucid.ops.indexing import Pick, Slice
from lucid.ops.joining import Concatenate, Flip, Roll, Tile
from lucid.ops.masking import Triangle
from lucid.ops.ordering import CumSum
from lucid.ops.padding import ConstantPad, Extend
from lucid.ops.reduction import Prod, Sum
from lucid.ops.shape import Expand, Permute, Reshape
from lucid.ops.statistics import Mean

_END = (1 << 63) - 1  # of a slice: as far as there is


@emits(Reshape)
def _reshape(g: Graph, p: Place) -> str:
    return reshaped(g, p, p.names[0])


def reshaped(g: Graph, p: Place, x: str) -> str:
    """x in the shape of the call's output. One size that the input decides is worked out (-1)."""
    sizes, twin = p.call.outputs[0].shape, p.twin.outputs[0].shape
    free = [i for i, (a, b) in enumerate(zip(sizes, twin, strict=True)) if a != b]
    if len(free) > 1:
        return g.op("Reshape", x, g.sizes(sizes, twin))
    target = [-1 if i in free else n for i, n in enumerate(sizes)]
    return g.op("Reshape", x, g.constant(target), allowzero=1 if 0 in target else None)


@emits(Permute)
def _permute(g: Graph, p: Place) -> str:
    return g.op("Transpose", p.names[0], perm=axes_of(p.op.order, p.ndim()))


@emits(Expand)
def _expand(g: Graph, p: Place) -> str:
    sizes, twin = list(p.call.outputs[0].shape), list(p.twin.outputs[0].shape)
    lead = len(sizes) - p.ndim()
    for i, n in enumerate(p.shape(), lead):
        if n == sizes[i] and p.twin.inputs[0].shape[i - lead] == twin[i]:
            sizes[i] = twin[i] = 1  # whatever the input's is
    return g.op("Expand", p.names[0], g.sizes(sizes, twin))


@emits(Concatenate)
def _concatenate(g: Graph, p: Place) -> str:
    return g.op("Concat", *p.names, axis=axes_of(p.op.axis, p.ndim())[0])


@emits(Tile)
def _tile(g: Graph, p: Place) -> str:
    return g.op("Tile", p.names[0], g.constant(list(p.op.times)))


@emits(Flip)
def _flip(g: Graph, p: Place) -> str:
    axes = axes_of(p.op.axes, p.ndim())
    return _sliced(g, p.names[0], [(axis, -1, -_END, -1) for axis in axes])


@emits(Roll)
def _roll(g: Graph, p: Place) -> str:
    x, axes, shifts = p.names[0], p.op.axes, p.op.shifts
    if axes is None:
        x, axes, shifts = g.op("Reshape", x, g.constant([-1])), (0,), (shifts,)
    for axis, shift in zip(axes, shifts, strict=True):
        size = p.shape()[axis] if p.op.axes is not None else p.call.outputs[0].shape
        n = shift % max(1, size if isinstance(size, int) else _product(size))
        if n:
            tail, head = _sliced(g, x, [(axis, -n, _END, 1)]), _sliced(g, x, [(axis, 0, -n, 1)])
            x = g.op("Concat", tail, head, axis=axis)
    return x if p.op.axes is not None else reshaped(g, p, x)


def _product(sizes: Any) -> int:
    n = 1
    for size in sizes:
        n *= size
    return n


def _sliced(g: Graph, x: str, parts: list[tuple[int, int, int, int]]) -> str:
    """(axis, start, stop, step) of each."""
    if not parts:
        return g.op("Identity", x)
    axes, *rest = (list(column) for column in zip(*parts, strict=True))
    starts, stops, steps = (g.constant(column) for column in rest)
    return g.op("Slice", x, starts, stops, g.constant(axes), steps)


@emits(Slice)
def _slice(g: Graph, p: Place) -> str:
    """Slices first; then dimensions that an int takes away, and those that None adds."""
    index = p.op.index if isinstance(p.op.index, tuple) else (p.op.index,)
    taken = sum(part is not None and part is not Ellipsis for part in index)
    parts, gone, new, axis, out = [], [], [], 0, 0
    for part in index:
        if part is Ellipsis:
            axis += p.ndim() - taken
            out += p.ndim() - taken
        elif part is None:
            new.append(out)
            out += 1
        elif isinstance(part, slice):
            step = 1 if part.step is None else part.step
            bounds = (part.start or 0), _END if part.stop is None else part.stop
            if (*bounds, step) != (0, _END, 1):
                parts.append((axis, *bounds, step))
            axis, out = axis + 1, out + 1
        else:
            parts.append((axis, int(part), int(part) + 1 if part != -1 else _END, 1))
            gone.append(axis)
            axis += 1
    y = _sliced(g, p.names[0], parts)
    y = g.op("Squeeze", y, g.constant(gone)) if gone else y
    return g.op("Unsqueeze", y, g.constant(new)) if new else y


@emits(Pick)
def _pick(g: Graph, p: Place) -> str:
    arrays = [(i, part) for i, part in enumerate(p.op.index) if hasattr(part, "dtype")]
    others = [part for part in p.op.index if not hasattr(part, "dtype")]
    plain = all(part == slice(None) or part is Ellipsis for part in others)
    if len(arrays) != 1 or not plain or arrays[0][1].dtype.kind != "i":
        raise p.fail("has an ONNX form only for one array of integers; got several, or bools")
    axis, array = arrays[0]
    if Ellipsis in p.op.index[:axis]:
        axis += p.ndim() - len(p.op.index)
    host = p.op.device.to_numpy(array)
    return g.op("Gather", p.names[0], g.constant(host), axis=axis)


@emits(Gather)
def _gather(g: Graph, p: Place) -> str:
    return g.op("GatherElements", *p.names, axis=axes_of(p.op.axis, p.ndim())[0])


@emits(Embedding)
def _embedding(g: Graph, p: Place) -> str:
    return g.op("Gather", *p.names, axis=0)


@emits(OneHot)
def _one_hot(g: Graph, p: Place) -> str:
    column = g.op("Unsqueeze", p.names[0], g.constant([-1]))
    classes = g.constant(list(range(p.op.classes)), p.dtype)
    return g.cast(g.op("Equal", column, classes), "int64")


@emits(Triangle)
def _triangle(g: Graph, p: Place) -> str:
    upper = int(p.op.function == "triu")
    return g.op("Trilu", p.names[0], g.constant(p.op.diagonal), upper=upper)


@emits(ConstantPad)
def _constant_pad(g: Graph, p: Place) -> str:
    return padded(g, p.names[0], p.op.amounts, p.op.value, p.dtype)


@emits(Extend)
def _extend(g: Graph, p: Place) -> str:
    mode = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[p.op.mode]
    if mode == "wrap" and g.opset < 19:
        raise p.fail("needs opset_version=19 or later for circular padding")
    return g.op("Pad", p.names[0], _ends(g, p.op.amounts), mode=mode)


def padded(g: Graph, x: str, amounts: Any, value: Any, dtype: Any) -> str:
    """x with (before, after) of each dimension around it; negative ones crop."""
    return g.op("Pad", x, _ends(g, amounts), g.constant(value, dtype), mode="constant")


def _ends(g: Graph, amounts: Any) -> str:
    return g.constant([before for before, _ in amounts] + [after for _, after in amounts])


# Reductions.


def reduced(g: Graph, type: str, x: str, axes: list[int], keepdim: bool) -> str:
    """ReduceMean and its like; from opset 18 on (ReduceSum: 13) the axes are an input."""
    if type == "ReduceSum" or g.opset >= 18:
        return g.op(type, x, g.constant(axes), keepdims=int(keepdim))
    return g.op(type, x, axes=axes or None, keepdims=int(keepdim))


@emits(Sum, Prod)
def _sum(g: Graph, p: Place) -> str:
    x = p.names[0]
    if is_integer(p.dtype) or p.dtype == bool:
        x = g.cast(x, "int64")
    type = "ReduceSum" if isinstance(p.op, Sum) else "ReduceProd"
    return reduced(g, type, x, axes_of(p.op.axes, p.ndim()), p.op.keepdim)


@emits(Mean)
def _mean(g: Graph, p: Place) -> str:
    axes, keepdim = axes_of(p.op.axes, p.ndim()), p.op.keepdim
    return reduced(g, "ReduceMean", p.names[0], axes, keepdim)


@emits(Extremum)
def _extremum(g: Graph, p: Place) -> str:
    type = {"max": "ReduceMax", "min": "ReduceMin"}[p.op.function]
    return reduced(g, type, p.names[0], axes_of(p.op.axes, p.ndim()), p.op.keepdim)


@emits(Arg)
def _arg(g: Graph, p: Place) -> str:
    type = {"argmax": "ArgMax", "argmin": "ArgMin"}[p.op.function]
    if p.op.axis is not None:
        axis = axes_of(p.op.axis, p.ndim())[0]
        return g.op(type, p.names[0], axis=axis, keepdims=int(p.op.keepdim))
    flat = g.op("Reshape", p.names[0], g.constant([-1]))
    return reshaped(g, p, g.op(type, flat, axis=0, keepdims=1))


@emits(CumSum)
def _cumsum(g: Graph, p: Place) -> str:
    x = p.names[0]
    if is_integer(p.dtype) or p.dtype == bool:
        x = g.cast(x, "int64")
    return g.op("CumSum", x, g.constant(axes_of(p.op.axis, p.ndim())[0]))
