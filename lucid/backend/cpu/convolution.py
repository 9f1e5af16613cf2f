"""Convolution on NumPy arrays as matrix products: y = w * x, and its two gradients.

    convolve         y[n, o, p]  = sum over c, k of w[o, c, k] x[n, c, i(p, k)]
    input_gradient   dx[n, c, i] = sum of w[o, c, k] dy[n, o, p] over all o, p, k with i(p, k) = i
    weight_gradient  dw[o, c, k] = sum over n, p of dy[n, o, p] x[n, c, i(p, k)]

with i(p, k) = stride * p + dilation * k - padding. x: (N, C, *), w: (O, C / groups, *) and
y: (N, O, *) with 1, 2 or 3 spatial dimensions; padding is one (before, after) pair for each. Layout
follows the input: channels-last in, channels-last out. The half types are computed in float32 and
rounded once.

Tasks share the threads; each gathers receptive fields into a matrix that stays in cache, and
multiplies it on one thread. So results do not depend on the number of threads.
"""

import math
from typing import TypeVar

import ml_dtypes
import numpy as np

from lucid.backend.cpu import arena, blas
from lucid.backend.cpu.depthwise import DepthwiseFields, is_depthwise
from lucid.backend.cpu.fields import Fields, Ints, Pairs, copy_rows
from lucid.backend.cpu.onednn import convolution as onednn
from lucid.backend.cpu.spreading import form_of_sum
from lucid.backend.cpu.threads import parallel_for, scratch

__all__ = ["convolve", "input_gradient", "weight_gradient"]

_SUMS = 16  # partial sums of a weight gradient: work for as many threads
_SUM_BYTES = 1 << 26  # that all of them may take
_SUM_BLOCK = 1 << 17  # elements of them that a thread adds up at a time

AnyFields = TypeVar("AnyFields", bound=Fields)

_HALVES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))


def convolve(
    x: np.ndarray,
    w: np.ndarray,
    stride: Ints,
    padding: Pairs,
    dilation: Ints,
    groups: int = 1,
    bias: np.ndarray | None = None,
) -> np.ndarray:
    """The cross-correlation of x: (N, C, *) with w: (O, C / groups, *) -> y: (N, O, *)."""
    if x.dtype in _HALVES:
        bias = None if bias is None else _wide(bias)
        y = convolve(_wide(x), _wide(w), stride, padding, dilation, groups, bias)
        return y.astype(x.dtype)
    taken = onednn.convolve(x, w, stride, padding, dilation, groups, bias)
    if taken is not None:
        return taken
    plan = _plan(_form(x.shape, w.shape), x, x.shape, w.shape, stride, padding, dilation, groups)
    y = _empty((x.shape[0], w.shape[0], *plan.size), x.dtype, plan.channels_last)
    if y.size == 0:
        return y
    weights, target = plan.weight_matrix(w), plan.points_of(y)
    shift = None if bias is None else bias.reshape(groups, -1, 1, 1)

    def run(start: int, stop: int) -> None:
        for task in range(start, stop):
            block = plan.cut(target, task)
            plan.multiply(weights, x, task, block)
            if shift is not None:
                block += shift

    plan.share(run, plan.tasks)
    return y


def weight_gradient(
    x: np.ndarray,
    dy: np.ndarray,
    w_shape: Ints,
    stride: Ints,
    padding: Pairs,
    dilation: Ints,
    groups: int = 1,
) -> np.ndarray:
    """dw: w_shape, contiguous, from x: (N, C, *) and dy: (N, O, *)."""
    if x.dtype in _HALVES:
        dw = weight_gradient(_wide(x), _wide(dy), w_shape, stride, padding, dilation, groups)
        return dw.astype(x.dtype)
    if x.size == 0 or dy.size == 0:
        return np.zeros(w_shape, x.dtype)
    taken = onednn.weight_gradient(x, dy, w_shape, stride, padding, dilation, groups)
    if taken is not None:
        return taken
    form = _form(x.shape, w_shape)
    plan = _plan(form, x, x.shape, w_shape, stride, padding, dilation, groups)
    gradient = plan.points_of(dy)
    # Consecutive tasks are summed in order, and the sums in order again.
    size = math.prod(w_shape)
    sums = max(1, min(_SUMS, _SUM_BYTES // (size * x.itemsize)))
    length = max(plan.grain, -(-plan.tasks // sums))
    memory = arena.empty((-(-plan.tasks // length), size), x.dtype)
    partial = plan.products(memory)

    def run(start: int, stop: int) -> None:
        product = plan.products(scratch("product", size, x.dtype))[0]
        for number in range(start, stop):
            tasks = range(number * length, min((number + 1) * length, plan.tasks))
            plan.correlate(plan.cut(gradient, tasks[0]), x, tasks[0], partial[number])
            for task in tasks[1:]:
                plan.correlate(plan.cut(gradient, task), x, task, product)
                partial[number] += product

    blas.share(run, len(partial), 1)
    return plan.weight_array(plan.products(_added_up(memory))[0])


def _added_up(rows: np.ndarray) -> np.ndarray:
    """The sum of the rows; the threads share the columns."""
    if len(rows) == 1:
        return rows[0]
    total = arena.empty(rows.shape[1], rows.dtype)

    def add(start: int, stop: int) -> None:
        np.add.reduce(rows[:, start:stop], 0, out=total[start:stop])

    parallel_for(add, len(total), _SUM_BLOCK)
    return total


def input_gradient(
    dy: np.ndarray,
    w: np.ndarray,
    x_shape: Ints,
    stride: Ints,
    padding: Pairs,
    dilation: Ints,
    groups: int = 1,
) -> np.ndarray:
    """dx: x_shape from dy: (N, O, *); also the forward of a transposed convolution."""
    if dy.dtype in _HALVES:
        dx = input_gradient(_wide(dy), _wide(w), x_shape, stride, padding, dilation, groups)
        return dx.astype(dy.dtype)
    taken = onednn.input_gradient(dy, w, x_shape, stride, padding, dilation, groups)
    if taken is not None:
        return taken
    form = form_of_sum(w.shape, x_shape, stride, _channels_last(dy))
    if form is None:
        kernel = w.shape[2:]
        reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        mirrored = [(r - a, r - b) for r, (a, b) in zip(reach, padding, strict=True)]
        return convolve(dy, _transposed(w, groups), stride, mirrored, dilation, groups)

    plan = _plan(form, dy, x_shape, w.shape, stride, padding, dilation, groups)
    dx = _empty(x_shape, dy.dtype, plan.channels_last)
    if dx.size == 0 or dy.size == 0:
        dx[...] = 0
        return dx
    weights, gradient = plan.weight_matrix(w), plan.points_of(dy)
    bounds = plan.bounds(0, plan.size[0])
    in_x, in_padded = plan.inside(bounds)

    def run(start: int, stop: int) -> None:
        for block in range(start, stop):
            target = dx[plan.locate(block * plan.bands)[0]]
            total = plan.padded(len(target), bounds, "total")
            for task in range(block * plan.bands, (block + 1) * plan.bands):
                plan.spread(weights, plan.cut(gradient, task), task, total)
            if total[in_padded].shape != target.shape:
                target[...] = 0  # what no field reaches
            copy_rows(target[in_x], total[in_padded])

    plan.share(run, plan.blocks)
    return dx


def _form(x_shape: Ints, w_shape: Ints) -> type[Fields]:
    return DepthwiseFields if is_depthwise(x_shape, w_shape) else Fields


def _plan(
    form: type[AnyFields],
    like: np.ndarray,
    x_shape: Ints,
    w_shape: Ints,
    stride: Ints,
    padding: Pairs,
    dilation: Ints,
    groups: int,
) -> AnyFields:
    last = _channels_last(like)
    return form(x_shape, w_shape, stride, padding, dilation, groups, last, like.dtype)


def _channels_last(a: np.ndarray) -> bool:
    return not a.flags.c_contiguous and np.moveaxis(a, 1, -1).flags.c_contiguous


def _empty(shape: Ints, dtype: np.dtype, channels_last: bool) -> np.ndarray:
    if not channels_last:
        return arena.empty(tuple(shape), dtype)
    return np.moveaxis(arena.empty((shape[0], *shape[2:], shape[1]), dtype), -1, 1)


def _transposed(w: np.ndarray, groups: int) -> np.ndarray:
    """Outputs and inputs exchanged within each group, and the kernel mirrored."""
    outputs, inputs, *kernel = w.shape
    mirrored = np.flip(w, tuple(range(2, w.ndim)))
    mirrored = mirrored.reshape(groups, outputs // groups, inputs, *kernel).swapaxes(1, 2)
    return mirrored.reshape(groups * inputs, outputs // groups, *kernel)


def _wide(a: np.ndarray) -> np.ndarray:
    return a.astype(np.float32)
