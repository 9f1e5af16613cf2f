"""ONNX forms of layers: products, convolution, pooling, resizing, normalization, attention."""

from __future__ import annotations

from typing import Any

from lucid.backend.cpu.pooling import Axis as Windows
from lucid.onnx.graph import Graph, Place, axes_of, emits
from lucid.onnx.shapes import padded, reduced
from lucid.op.convolving import Convolution, InputGradient
from lucid.op.standardize import PerGroup
from lucid.ops.attention import ScaledDotProduct
from lucid.ops.avg_pooling import AvgPool
from lucid.ops.batch_norm import BatchNorm, BatchNormFixed
from lucid.ops.linalg import Linear, MatMul
from lucid.ops.max_pooling import MaxPool
from lucid.ops.normalization import ChannelWindow, LayerNorm, RmsNorm
from lucid.ops.resize import Resample
from lucid.ops.softmax import LogSoftmax, Softmax


@emits(MatMul)
def _matmul(g: Graph, p: Place) -> str:
    return g.op("MatMul", *p.names)


@emits(Linear)
def _linear(g: Graph, p: Place) -> str:
    x, w, b = p.names
    if p.ndim() == 2:
        return g.op("Gemm", x, w, b, transB=1)
    y = g.op("MatMul", x, g.op("Transpose", w, perm=[1, 0]))
    return y if b is None else g.op("Add", y, b)


@emits(Softmax, LogSoftmax)
def _softmax(g: Graph, p: Place) -> str:
    return g.op(p.op.name(), p.names[0], axis=axes_of(p.op.axis, p.ndim())[0])


# Convolution and pooling.


@emits(Convolution)
def _convolution(g: Graph, p: Place) -> str:
    (x, w, b), pairs = p.names, p.op.padding
    if any(n < 0 for pair in pairs for n in pair):
        x = padded(g, x, [(0, 0), (0, 0), *pairs], 0, p.dtype)
        pairs = [(0, 0)] * len(pairs)
    return g.op("Conv", x, w, b, pads=_pads(pairs), **_meeting(p))


@emits(InputGradient)
def _transposed(g: Graph, p: Place) -> str:
    (x, w), d = p.names, len(p.op.size)
    # Cropping more than there is after the last window is what output_padding undoes.
    pairs = [(before, max(after, 0)) for before, after in p.op.padding]
    more = []
    for i, (before, after) in enumerate(pairs):
        reach = p.op.dilation[i] * (p.shape(1)[2 + i] - 1) + 1
        spread = p.op.stride[i] * (p.shape(0)[2 + i] - 1) + reach
        more.append(p.op.size[i] - (spread - before - after))
    pads = _pads(pairs)
    settings: dict[str, Any] = {"output_padding": more} if any(more) else {}
    if any(n < 0 for n in [*more, *pads]) or d > 3:
        raise p.fail(f"has no ONNX form for padding={p.op.padding} and size={p.op.size}")
    return g.op("ConvTranspose", x, w, pads=pads, **settings, **_meeting(p))


def _meeting(p: Place) -> dict[str, Any]:
    return {
        "kernel_shape": list(p.shape(1)[2:]),
        "strides": list(p.op.stride),
        "dilations": list(p.op.dilation),
        "group": p.op.groups,
    }


def _pads(pairs: Any) -> list[int]:
    return [before for before, _ in pairs] + [after for _, after in pairs]


def _around(axis: Windows) -> tuple[int, int]:
    """Padding before and after: more after than before only where ceil_mode asks for a window."""
    reach = axis.dilation * (axis.kernel - 1) + 1
    after = (axis.size - 1) * axis.stride + reach - axis.extent - axis.padding
    return axis.padding, max(after, axis.padding)


def _windows(axes: Any) -> dict[str, Any]:
    return {
        "kernel_shape": [a.kernel for a in axes],
        "strides": [a.stride for a in axes],
        "pads": _pads([_around(a) for a in axes]),
    }


@emits(MaxPool)
def _max_pool(g: Graph, p: Place) -> Any:
    if p.op.indices:
        raise p.fail("has no ONNX form for return_indices=True")
    dilations = [a.dilation for a in p.op.axes]
    return g.op("MaxPool", p.names[0], **_windows(p.op.axes), dilations=dilations)


@emits(AvgPool)
def _avg_pool(g: Graph, p: Place) -> str:
    (x,), axes, counts = p.names, p.op.axes, p.op.counts
    whole = [a.size == 1 and a.spans()[0] == (0, a.extent) for a in axes]
    inside = [tuple(stop - start for start, stop in a.spans()) for a in axes]
    if all(whole) and list(counts) == inside:
        return g.op("GlobalAveragePool", x)
    if all(isinstance(a, Windows) and a.dilation == 1 for a in axes):
        # ONNX counts either all of a window or what lies inside x.
        if all(set(c) == {a.kernel} for a, c in zip(axes, counts, strict=True)):
            return g.op("AveragePool", x, **_windows(axes), count_include_pad=1)
        if list(counts) == inside:
            return g.op("AveragePool", x, **_windows(axes), count_include_pad=0)
    for dim, (axis, per) in enumerate(zip(axes, counts, strict=True), 2):
        per = per * axis.size if len(per) == 1 else per
        rows = [
            [(i, 1 / n) for i in range(start, stop)]
            for (start, stop), n in zip(axis.spans(), per, strict=True)
        ]
        x = _mapped(g, x, rows, axis.extent, dim, p)
    return x


@emits(Resample)
def _resample(g: Graph, p: Place) -> str:
    x = p.names[0]
    for axis, taps in p.op.along:
        if all(len(row) == 1 and row[0][1] == 1 for row in taps.rows):
            positions = g.constant([row[0][0] for row in taps.rows])
            x = g.op("Gather", x, positions, axis=axis)
        else:
            x = _mapped(g, x, taps.rows, taps.extent, axis, p)
    return x if p.op.along else g.op("Identity", x)


@emits(ChannelWindow)
def _channel_window(g: Graph, p: Place) -> str:
    n = p.shape()[1]
    rows = [
        [(j, 1.0) for j in range(max(0, i - p.op.before), min(n, i + p.op.after + 1))]
        for i in range(n)
    ]
    return _mapped(g, p.names[0], rows, n, 1, p)


def _mapped(g: Graph, x: str, rows: Any, extent: int, axis: int, p: Place) -> str:
    """W x along an axis, W by rows of (position, weight), as a product with the whole matrix."""
    w = [[0.0] * len(rows) for _ in range(extent)]
    for o, row in enumerate(rows):
        for i, weight in row:
            w[i][o] += weight
    last = p.ndim() - 1
    order = [*range(axis), *range(axis + 1, last + 1), axis]
    back = [order.index(i) for i in range(last + 1)]
    y = x if axis == last else g.op("Transpose", x, perm=order)
    y = g.op("MatMul", y, g.constant(w, p.dtype))
    return y if axis == last else g.op("Transpose", y, perm=back)


# Normalization.


@emits(BatchNormFixed)
def _batch_norm_fixed(g: Graph, p: Place) -> str:
    x, mean, var, w, b = p.names
    size = p.shape(1)[0]
    w = g.constant([1.0] * size, p.dtype) if w is None else w
    b = g.constant([0.0] * size, p.dtype) if b is None else b
    return g.op("BatchNormalization", x, w, b, mean, var, epsilon=float(p.op.eps))


@emits(LayerNorm, BatchNorm, PerGroup)
def _standardize(g: Graph, p: Place) -> Any:
    """Over any axes: LayerNorm's, groups, or with statistics of the batch."""
    x, w, b = p.names
    axes, ndim = axes_of(p.op.axes, p.ndim()), p.ndim()
    mean = reduced(g, "ReduceMean", x, axes, True)
    away = g.op("Sub", x, mean)
    var = reduced(g, "ReduceMean", g.op("Mul", away, away), axes, True)
    y = g.op("Div", away, g.op("Sqrt", g.op("Add", var, g.constant(p.op.eps, p.dtype))))
    for name, type, i in ((w, "Mul", 1), (b, "Add", 2)):
        if name is not None:
            shape = _lined_up(p, i, ndim)
            lined_up = name if shape == p.shape(i) else g.op("Reshape", name, g.constant(shape))
            y = g.op(type, y, lined_up)
    return y, mean, var


def _lined_up(p: Place, i: int, ndim: int) -> Any:
    """The shape in which w or b broadcasts with x."""
    if isinstance(p.op, BatchNorm):
        return [1, -1] + [1] * (ndim - 2)
    shape = p.op._lined_up_shape(p.shape(i), ndim)
    return shape if shape == p.shape(i) else list(shape)


@emits(RmsNorm)
def _rms_norm(g: Graph, p: Place) -> Any:
    x, w = p.names
    square = reduced(g, "ReduceMean", g.op("Mul", x, x), axes_of(p.op.axes, p.ndim()), True)
    y = g.op("Div", x, g.op("Sqrt", g.op("Add", square, g.constant(p.op.eps, p.dtype))))
    return (y if w is None else g.op("Mul", y, w)), square


@emits(ScaledDotProduct)
def _attention(g: Graph, p: Place) -> str:
    q, k, v, mask = p.names
    if p.op.key is not None or p.op.factor != 1:
        raise p.fail("has no ONNX form with dropout. Hint: dropout_p=0.0 unless training")
    never = g.constant(float("-inf"), p.dtype)
    turned = list(range(p.ndim(1) - 2)) + [p.ndim(1) - 1, p.ndim(1) - 2]
    scaled = g.op("Mul", q, g.constant(p.op.scale, p.dtype))
    scores = g.op("MatMul", scaled, g.op("Transpose", k, perm=turned))
    if p.op.causal:
        ones = g.op("Expand", g.constant(1, p.dtype), g.op("Shape", scores))
        below = g.cast(g.op("Trilu", ones, upper=0), "bool")
        scores = g.op("Where", below, scores, never)
    if mask is not None:
        chosen = p.call.inputs[3].dtype == bool
        scores = g.op("Where", mask, scores, never) if chosen else g.op("Add", scores, mask)
    # A row whose keys are all masked gives 0.
    zero = g.constant(0, p.dtype)
    nothing = g.op("Equal", reduced(g, "ReduceMax", scores, [-1], True), never)
    weights = g.op("Softmax", g.op("Where", nothing, zero, scores), axis=-1)
    return g.op("MatMul", g.op("Where", nothing, zero, weights), v)
