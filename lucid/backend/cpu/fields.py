"""Receptive fields of a convolution, gathered into matrices that stay in cache.

A convolution is cut into tasks: a block of samples, or a band (along the first spatial dimension)
of one sample. The cut depends on the shapes alone, never on the number of threads.
"""

import itertools
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from lucid.backend.cpu import blas
from lucid.backend.cpu.threads import scratch

__all__ = ["Fields", "Ints", "Pairs", "copy_rows"]

Ints = Sequence[int]
Pairs = Sequence[tuple[int, int]]

_POINTS = 256  # columns of a product: below, BLAS spends its time on packing the weights,
_WANTED = 512  # so samples smaller than that are taken together until there are these
_SMALL = 1 << 14  # elements gathered by a task at least: below, the NumPy calls around it dominate
_CACHE = 1 << 21  # bytes gathered by a task at most: they are read again, from the second level
_WORK = 1 << 22  # multiplications that pay for handing tasks to another thread


class Fields:
    """The fields of x under a kernel: as a matrix (groups, field, points) for each task.

    Points are counted over the samples and positions of a task. In memory the points come last for
    a contiguous x and first, each with its channels together, for a channels-last x.
    """

    def __init__(
        self,
        x_shape: Ints,
        w_shape: Ints,
        stride: Ints,
        padding: Pairs,
        dilation: Ints,
        groups: int,
        channels_last: bool,
        dtype: np.dtype,
    ) -> None:
        self.dtype, self.channels_last, self.groups = dtype, channels_last, groups
        self.batch, self.extent = x_shape[0], tuple(x_shape[2:])
        self.outputs, self.inputs = w_shape[0] // groups, w_shape[1]
        self.kernel = tuple(w_shape[2:])
        self.stride, self.padding, self.dilation = stride, padding, dilation
        sides = list(zip(self.extent, self.kernel, stride, padding, dilation, strict=True))
        self.size = tuple((n + sum(p) - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in sides)
        self.field = self.inputs * math.prod(self.kernel)
        self.pointwise = all(k == s == 1 and p[0] == p[1] == 0 for _, k, s, p, _ in sides)
        self._prepared: dict[tuple, tuple] = {}
        self._cut_into_tasks()

    def _cut_into_tasks(self) -> None:
        self.row = math.prod(self.size[1:])
        points = self.size[0] * self.row
        column = max(1, self.groups * self.field)
        wanted = max(_WANTED if points < _POINTS else 1, _SMALL // column)
        self.samples = max(1, min(self.batch, wanted // max(1, points)))
        self.rows = max(1, self.size[0])
        if self.samples == 1 and self.row:
            affordable = _CACHE // (column * self.row * self.dtype.itemsize)
            self.rows = min(self.rows, max(affordable, -(-_POINTS // self.row)))
        self.bands = -(-self.size[0] // self.rows)
        self.blocks = -(-self.batch // self.samples)
        self.tasks = self.blocks * self.bands
        work = column * self.outputs * self.samples * self.rows * self.row
        self.grain = max(1, _WORK // max(1, work))

    def share(self, run: Callable[[int, int], object], count: int) -> None:
        """run(start, stop) over the tasks, or over the blocks of samples, on all threads."""
        blas.share(run, count, max(1, self.grain * count // self.tasks))

    def locate(self, task: int) -> tuple[slice, int, int]:
        """The samples of a task, its first row and the row after its last."""
        block, band = divmod(task, self.bands)
        first, top = block * self.samples, band * self.rows
        samples = slice(first, min(first + self.samples, self.batch))
        return samples, top, min(top + self.rows, self.size[0])

    # Arrays as the products want them.

    def weight_matrix(self, w: np.ndarray) -> np.ndarray:
        """w as (groups, outputs, field), the field in the order in which it is gathered."""
        w = w.reshape(self.groups, self.outputs, self.inputs, *self.kernel)
        if self.channels_last:
            w = np.moveaxis(w, 2, -1)
        return np.ascontiguousarray(w).reshape(self.groups, self.outputs, self.field)

    def weight_array(self, matrix: np.ndarray) -> np.ndarray:
        """weight_matrix(w) as w again."""
        if self.channels_last:
            matrix = matrix.reshape(self.groups, self.outputs, *self.kernel, self.inputs)
            matrix = np.moveaxis(matrix, -1, 2)
        shape = self.groups * self.outputs, self.inputs, *self.kernel
        return np.ascontiguousarray(matrix).reshape(shape)

    def points_of(self, y: np.ndarray) -> np.ndarray:
        """(N, C, *) as (N, groups, C / groups, points): a view of both layouts."""
        return y.reshape(y.shape[0], self.groups, y.shape[1] // self.groups, -1)

    def cut(self, points: np.ndarray, task: int) -> np.ndarray:
        """A task's part of points_of(y): (groups, channels, samples, points)."""
        samples, top, bottom = self.locate(task)
        part = points[samples, :, :, top * self.row : bottom * self.row]
        return part.transpose(1, 2, 0, 3)

    # The three products. block is a task's cut(points_of(y)).

    def multiply(self, weights: np.ndarray, x: np.ndarray, task: int, block: np.ndarray) -> None:
        """block = weights @ fields of x."""
        matrix, fields = _matrix(block), self.gather(x, task)
        if np.may_share_memory(matrix, block):  # reshape did not have to copy
            np.matmul(weights, fields, out=matrix)
        else:
            product = scratch("product", block.size, self.dtype).reshape(matrix.shape)
            copy_rows(block, np.matmul(weights, fields, out=product).reshape(block.shape))

    def correlate(self, block: np.ndarray, x: np.ndarray, task: int, out: np.ndarray) -> None:
        """out = block @ (fields of x).T: (groups, outputs, field), as weight_matrix."""
        np.matmul(_matrix(block), self.gather(x, task).swapaxes(1, 2), out=out)

    def spread(self, weights: np.ndarray, block: np.ndarray, task: int, total: np.ndarray) -> None:
        """Add weights.T @ block to the padded samples whose fields it belongs to."""
        fields, matrix = self.empty(task)
        np.matmul(weights.swapaxes(1, 2), _matrix(block), out=matrix)
        d = len(self.kernel)
        if self.channels_last:
            order = *range(2 + d, 2 + 2 * d), 1, 0, 2 + 2 * d, *range(2, 2 + d)
        else:
            order = *range(2, 2 + d), 2 + d, 0, 1, *range(3 + d, 3 + 2 * d)
        self.scatter(fields.transpose(order).__getitem__, task, total)

    # Receptive fields.

    def empty(self, task: int) -> tuple[np.ndarray, np.ndarray]:
        """This thread's memory for a task's fields, and the same as (groups, field, points)."""
        samples, top, bottom = self.locate(task)
        count, band = samples.stop - samples.start, (bottom - top, *self.size[1:])
        points = count * math.prod(band)
        memory = scratch("fields", self.groups * self.field * points, self.dtype)
        if self.channels_last:
            fields = memory.reshape(self.groups, count, *band, *self.kernel, self.inputs)
            return fields, memory.reshape(self.groups, points, self.field).swapaxes(1, 2)
        fields = memory.reshape(self.groups, self.inputs, *self.kernel, count, *band)
        return fields, memory.reshape(self.groups, self.field, points)

    def gather(self, x: np.ndarray, task: int) -> np.ndarray:
        """The fields of a task from x, as (groups, field, points)."""
        if self.pointwise:
            return self.cut(self.points_of(x), task).reshape(self.groups, self.inputs, -1)
        fields, matrix = self.empty(task)
        copy_rows(fields, self.windows(x, task))
        return matrix

    def windows(self, x: np.ndarray, task: int) -> np.ndarray:
        """The fields of a task as a view of x, or of a padded copy, in the order of empty()."""
        samples, top, bottom = self.locate(task)
        count = samples.stop - samples.start
        key = threading.get_ident(), count, top
        if key not in self._prepared:
            self._prepared[key] = self._prepare(count, top, bottom)
        in_x, inner, windows = self._prepared[key]
        part = x[samples][in_x]
        if windows is None:
            return self._windows(part, bottom - top)
        copy_rows(inner, part)
        return windows

    def _prepare(self, count: int, top: int, bottom: int) -> tuple:
        """What a band reads of x; and, if that includes padding, where to copy it and its fields.

        Zeros around the copy stay zero from task to task.
        """
        bounds = self.bounds(top, bottom)
        in_x, in_padded = self.inside(bounds)
        if all(0 <= a <= b <= n for (a, b), n in zip(bounds, self.extent, strict=True)):
            return in_x, None, None
        region = self.padded(count, bounds)
        return in_x, region[in_padded], self._windows(region, bottom - top)

    def _windows(self, region: np.ndarray, rows: int) -> np.ndarray:
        band = rows, *self.size[1:]
        batch, channel, *steps = region.strides
        across = [d * step for d, step in zip(self.dilation, steps, strict=True)]
        along = [s * step for s, step in zip(self.stride, steps, strict=True)]
        group, count = self.inputs * channel, len(region)
        if self.channels_last:
            shape = self.groups, count, *band, *self.kernel, self.inputs
            return as_strided(region, shape, (group, batch, *along, *across, channel))
        shape = self.groups, self.inputs, *self.kernel, count, *band
        return as_strided(region, shape, (group, channel, *across, batch, *along))

    def scatter(self, part: Callable[[tuple], np.ndarray], task: int, total: np.ndarray) -> None:
        """Add part(offset): (N, groups, inputs, *band) for each offset in the kernel to total."""
        _, top, bottom = self.locate(task)
        spans = [(top, bottom), *((0, n) for n in self.size[1:])]
        total = total.reshape(len(total), self.groups, self.inputs, *total.shape[2:])
        for offset in itertools.product(*map(range, self.kernel)):
            sides = zip(spans, offset, self.stride, self.dilation, strict=True)
            at = (slice(a * s + d * i, (b - 1) * s + d * i + 1, s) for (a, b), i, s, d in sides)
            index: Any = (..., *at)
            total[index] += part(offset)

    def bounds(self, top: int, bottom: int) -> list[tuple[int, int]]:
        """Where the fields of a band begin and end in x, per dimension; outside x is padding."""
        spans = [(top, bottom), *((0, n) for n in self.size[1:])]
        sides = zip(spans, self.kernel, self.stride, self.padding, self.dilation, strict=True)
        return [
            (a * s - p[0], (b - 1) * s - p[0] + d * (k - 1) + 1) for (a, b), k, s, p, d in sides
        ]

    def padded(self, count: int, bounds: Pairs, name: str = "") -> np.ndarray:
        """Zeros between the bounds for `count` samples: (count, channels, *).

        With a name they are this thread's scratch memory.
        """
        shape, channels = [b - a for a, b in bounds], self.groups * self.inputs
        size = count * channels * math.prod(shape)
        if name:
            memory = scratch(name, size, self.dtype)
            memory.fill(0)
        else:
            memory = np.zeros(size, self.dtype)
        if self.channels_last:
            return np.moveaxis(memory.reshape(count, *shape, channels), -1, 1)
        return memory.reshape(count, channels, *shape)

    def inside(self, bounds: Pairs) -> tuple[tuple, tuple]:
        """The part of x between the bounds: its index in x, and in padded(...)."""
        spans = []
        for (a, b), n in zip(bounds, self.extent, strict=True):
            first = min(max(a, 0), n)
            spans.append((first, max(first, min(b, n)), a))
        in_x = (..., *(slice(first, last) for first, last, _ in spans))
        return in_x, (..., *(slice(first - a, last - a) for first, last, a in spans))


def _matrix(block: np.ndarray) -> np.ndarray:
    return block.reshape(*block.shape[:2], -1)


def copy_rows(target: np.ndarray, source: np.ndarray) -> None:
    """target[...] = source, each contiguous row moved as one element: up to 4 times faster."""
    length, size = target.shape[-1], target.itemsize
    if length > 1 and target.strides[-1] == source.strides[-1] == size:
        row = np.dtype((np.void, length * size))
        target, source = target.view(row), source.view(row)
    np.copyto(target, source)
