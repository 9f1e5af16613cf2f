"""Receptive fields of a convolution, gathered into matrices that stay in cache."""

import itertools
import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from lucid.backend.cpu import arena
from lucid.backend.cpu.packing import inner_product, product
from lucid.backend.cpu.tasks import Ints, Pairs, Tasks
from lucid.backend.cpu.threads import scratch

__all__ = ["Fields", "Ints", "Pairs", "copy_rows"]


class Fields(Tasks):
    """The fields of x under a kernel: as a matrix (groups, field, points) for each task.

    Points are counted over the samples and positions of a task. In memory the points come last for
    a contiguous x and first, each with its channels together, for a channels-last x.
    """

    sums_last = False  # channels are innermost in what spread adds to, whatever x's layout

    def __init__(self, *sizes: Any) -> None:
        super().__init__(*sizes)
        # The longer side first: 64 -> 91 GFLOP/s for dw: 64 x 576, 82 -> 92 for 128 x 576. From 256
        # outputs on that gains no more than the copy into w's order costs.
        self.field_first = self.outputs < min(self.field, 256)
        self._prepared: dict[tuple, tuple] = {}
        self._places: dict[tuple, list] = {}

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

    def products(self, memory: np.ndarray) -> np.ndarray:
        """Flat memory as several weight_matrix(w), in the order that correlate writes best."""
        if self.field_first:
            return memory.reshape(-1, self.groups, self.field, self.outputs).swapaxes(2, 3)
        return memory.reshape(-1, self.groups, self.outputs, self.field)

    def points_of(self, y: np.ndarray) -> np.ndarray:
        """(N, C, *) as (N, groups, C / groups, points): a view of both layouts."""
        return y.reshape(y.shape[0], self.groups, y.shape[1] // self.groups, -1)

    def cut(self, points: np.ndarray, task: int) -> np.ndarray:
        """A task's part of points_of(y): (groups, channels, samples, points)."""
        samples, top, bottom = self.locate(task)
        part = points[samples, :, :, top * self.row : bottom * self.row]
        return part.transpose(1, 2, 0, 3)

    # The products. block is a task's cut(points_of(y)).

    def multiply(self, weights: np.ndarray, x: np.ndarray, task: int, block: np.ndarray) -> None:
        """block = weights @ fields of x."""
        matrix, fields = _matrix(block), self.gather(x, task)
        if np.may_share_memory(matrix, block):  # reshape did not have to copy
            product(weights, fields, matrix)
        else:
            result = scratch("product", block.size, self.dtype).reshape(matrix.shape)
            product(weights, fields, result)
            copy_rows(block, result.reshape(block.shape))

    def correlate(self, block: np.ndarray, x: np.ndarray, task: int, out: np.ndarray) -> None:
        """out = block @ (fields of x).T: (groups, outputs, field), as weight_matrix."""
        rows, columns = _matrix(block), self.gather(x, task)
        if self.field_first:
            rows, columns, out = columns, rows, out.swapaxes(1, 2)
        inner_product(rows, columns, out)

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
        if (top, bottom) not in self._places:
            self._places[top, bottom] = self._place(top, bottom)
        total = total.reshape(len(total), self.groups, self.inputs, *total.shape[2:])
        for offset, at in self._places[top, bottom]:
            target = total[at]
            np.add(target, part(offset), out=target)

    def _place(self, top: int, bottom: int) -> list[tuple[tuple, Any]]:
        """Each offset in the kernel, and where in padded samples it finds the fields of a band."""
        spans = [(top, bottom), *((0, n) for n in self.size[1:])]
        places: list[tuple[tuple, Any]] = []
        for offset in itertools.product(*map(range, self.kernel)):
            sides = zip(spans, offset, self.stride, self.dilation, strict=True)
            at = (slice(a * s + d * i, (b - 1) * s + d * i + 1, s) for (a, b), i, s, d in sides)
            places.append((offset, (..., *at)))
        return places

    def padded(self, count: int, bounds: Pairs, name: str = "") -> np.ndarray:
        """Zeros between the bounds for `count` samples: (count, channels, *).

        With a name they are this thread's scratch memory.
        """
        shape, channels = [b - a for a, b in bounds], self.groups * self.inputs
        size = count * channels * math.prod(shape)
        memory = scratch(name, size, self.dtype) if name else arena.empty(size, self.dtype)
        memory.fill(0)
        if self.channels_last or (name and self.sums_last):
            return np.moveaxis(memory.reshape(count, *shape, channels), -1, 1)
        return memory.reshape(count, channels, *shape)


def _matrix(block: np.ndarray) -> np.ndarray:
    return block.reshape(*block.shape[:2], -1)


def copy_rows(target: np.ndarray, source: np.ndarray) -> None:
    """target[...] = source, each contiguous row moved as one element: up to 4 times faster."""
    length, size = target.shape[-1], target.itemsize
    if length > 1 and target.strides[-1] == source.strides[-1] == size:
        row = np.dtype((np.void, length * size))
        target, source = target.view(row), source.view(row)
    np.copyto(target, source)
