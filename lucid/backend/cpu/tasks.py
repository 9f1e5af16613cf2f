"""The sizes of a convolution, and how it is cut into tasks.

A task is a block of samples, or a band (along the first spatial dimension) of one sample. The cut
depends on the shapes alone, never on the number of threads.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from lucid.backend.cpu import blas

__all__ = ["Ints", "Pairs", "Tasks"]

Ints = Sequence[int]
Pairs = Sequence[tuple[int, int]]

_POINTS = 256  # columns of a product: below, BLAS spends its time on packing the weights,
_WANTED = 512  # so samples smaller than that are taken together until there are these
_TASKS = 4  # wanted of a large product, so that a thread that begins late finds less left to do,
_LEAST = 128  # if each has so many points: 512 x 4608 by 64 runs at 92 GFLOP/s, by 256 at 99
_SMALL = 1 << 18  # elements gathered by a task at least: below, Python around NumPy is in its way
_CACHE = 1 << 21  # bytes gathered by a task at most: they are read again, from the second level
_WORK = 1 << 22  # multiplications that pay for handing tasks to another thread


class Tasks:
    """x: (N, C, *extent), w: (O, C / groups, *kernel), y: (N, O, *size), shared among threads."""

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
        self._cut_into_tasks()

    def _cut_into_tasks(self) -> None:
        self.row = math.prod(self.size[1:])
        points = self.size[0] * self.row
        column = max(1, self.groups * self.field)
        wanted = max(_WANTED if points < _POINTS else 1, _SMALL // column)
        each = column * self.outputs * points  # multiplications of a sample
        tasks = max(1, min(_TASKS, self.batch * each // _WORK))
        fair = max(-(-self.batch // tasks), _LEAST // max(1, points))
        self.samples = max(1, min(self.batch, fair, wanted // max(1, points)))
        self.rows = max(1, self.size[0])
        if self.samples == 1 and self.row:
            affordable = _CACHE // (column * self.row * self.dtype.itemsize)
            self.rows = min(self.rows, max(affordable, -(-_POINTS // self.row)))
        self.bands = -(-self.size[0] // self.rows)
        self.rows = max(1, -(-self.size[0] // max(1, self.bands)))  # none much shorter than others
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

    def bounds(self, top: int, bottom: int) -> list[tuple[int, int]]:
        """Where the fields of a band begin and end in x, per dimension; outside x is padding."""
        spans = [(top, bottom), *((0, n) for n in self.size[1:])]
        sides = zip(spans, self.kernel, self.stride, self.padding, self.dilation, strict=True)
        return [
            (a * s - p[0], (b - 1) * s - p[0] + d * (k - 1) + 1) for (a, b), k, s, p, d in sides
        ]

    def inside(self, bounds: Pairs) -> tuple[tuple, tuple]:
        """The part of x between the bounds: its index in x, and in padded(...)."""
        spans = []
        for (a, b), n in zip(bounds, self.extent, strict=True):
            first = min(max(a, 0), n)
            spans.append((first, max(first, min(b, n)), a))
        in_x = (..., *(slice(first, last) for first, last, _ in spans))
        return in_x, (..., *(slice(first - a, last - a) for first, last, a in spans))
