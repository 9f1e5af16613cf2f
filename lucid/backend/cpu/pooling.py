"""Windows over planes, and average pooling on NumPy arrays.

For one offset k in the window, x at (stride * i - padding + dilation * k) over all windows i is a
strided slice; so a sum over windows takes as many passes as a window has elements. The passes run
over blocks of planes that stay in cache, shared among the threads. A window that is all of a plane
is a row of a matrix, whose sum BLAS has fastest.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from lucid.backend.cpu import arena, blas
from lucid.backend.cpu.onednn import pooling as onednn
from lucid.backend.cpu.threads import parallel_for

__all__ = [
    "HALVES", "Axis", "Bins", "by_first", "by_planes", "number_type", "offsets", "origins",
    "uninitialised", "widened", "window_spread", "window_sums",
]  # fmt: skip

_BLOCK = 1 << 19  # elements of x per block: of smaller ones the calls are too short for two threads

_GEMV = 1 << 12  # terms that BLAS adds up in a row of partial sums, without loss to speak of

HALVES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))


class Axis(NamedTuple):
    """Windows along one dimension, each one `stride` after the other."""

    extent: int  # of x
    size: int  # number of windows
    kernel: int
    stride: int
    padding: int = 0
    dilation: int = 1

    def overlap(self, k: int) -> tuple[slice, slice]:
        """The windows whose element k lies inside x, and where in x."""
        shift = self.dilation * k - self.padding
        first = max(0, -(shift // self.stride))
        last = min(self.size, (self.extent - 1 - shift) // self.stride + 1)
        if last <= first:
            return slice(0, 0), slice(0, 0)
        start = self.stride * first + shift
        stop = self.stride * (last - 1) + shift + 1
        return slice(first, last), slice(start, stop, self.stride)

    def spans(self) -> list[tuple[int, int]]:
        """Where each window (of dilation 1) starts and stops inside x."""
        starts = [self.stride * i - self.padding for i in range(self.size)]
        return [(max(a, 0), min(a + self.kernel, self.extent)) for a in starts]

    def disjoint(self) -> bool:
        """Whether no two windows share an element."""
        return self.stride > self.dilation * (self.kernel - 1)

    def covers(self) -> bool:
        """Whether every element lies in one window, and only one."""
        reach = self.size * self.kernel
        return self.kernel == self.stride and reach == self.extent and not self.padding


class Bins(NamedTuple):
    """A dimension in `size` parts as equal as whole numbers allow; they may share an element."""

    extent: int
    size: int

    def spans(self) -> list[tuple[int, int]]:
        """Where each part starts and stops."""
        n, parts = self.extent, self.size
        return [(i * n // parts, -(-(i + 1) * n // parts)) for i in range(parts)]


def offsets(axes: tuple[Axis, ...]) -> list[tuple[int, Any, Any]]:
    """The elements of a window in order: number, index of the windows that have it, index in x."""
    overlaps = [[axis.overlap(k) for k in range(axis.kernel)] for axis in axes]
    return [
        (number, (..., *(p[0] for p in pairs)), (..., *(p[1] for p in pairs)))
        for number, pairs in enumerate(itertools.product(*overlaps))
    ]


def origins(xp: Any, axes: tuple[Axis, ...]) -> Any:
    """The number of the first element of each window that is not padding."""
    numbers = 0
    for axis in axes:
        before = xp.maximum(axis.padding - axis.stride * xp.arange(axis.size), 0)
        first = (before + axis.dilation - 1) // axis.dilation
        numbers = xp.expand_dims(xp.asarray(numbers) * axis.kernel, -1) + first
    return numbers


def number_type(axes: tuple[Axis, ...]) -> str:
    """The dtype of numbers in a window."""
    return "uint8" if math.prod(axis.kernel for axis in axes) <= 256 else "int32"


def window_sums(x: np.ndarray, axes: tuple[Axis | Bins, ...], divisor: Any) -> np.ndarray:
    """The sum of each window over `divisor`, which broadcasts over the windows."""
    taken = onednn.average(x, axes, divisor)
    if taken is not None:
        return taken
    y = uninitialised(x, axes)

    def block(y: np.ndarray, x: np.ndarray) -> None:
        total = widened(x)
        for dim, axis in enumerate(axes, -len(axes)):
            sums = _resized(total, dim, axis.size)
            _add_windows(total, sums, axis, dim)
            total = sums
        np.divide(total, np.asarray(divisor, total.dtype), out=total)
        y[...] = total

    def plane(y: np.ndarray, x: np.ndarray, planes: int, points: int, channels: int) -> None:
        total = widened(x).reshape(planes, points, channels)
        sums = y if y.dtype == total.dtype else np.empty_like(y, dtype=total.dtype)
        if points > _GEMV:  # pairwise: the error does not grow with so many terms
            np.add.reduce(total, 1, out=sums)
        elif channels == 1:
            np.matmul(total[..., 0], np.ones(points, total.dtype), out=sums[:, 0])
        else:
            np.matmul(np.ones(points, total.dtype), total, out=sums)
        np.divide(sums, np.asarray(divisor, total.dtype), out=sums)
        if sums is not y:
            y[...] = sums

    if not (_whole(axes) and _by_matrices(plane, y, x, len(axes))):
        by_planes(block, y, x)
    return y


def window_spread(dy: np.ndarray, axes: tuple[Axis | Bins, ...], divisor: Any) -> np.ndarray:
    """dx: dy / divisor added to every element of its window."""
    taken = onednn.average_gradient(dy, axes, divisor)
    if taken is not None:
        return taken
    dx = arena.empty_like(dy, shape=(*dy.shape[:2], *(axis.extent for axis in axes)))

    def block(dx: np.ndarray, dy: np.ndarray) -> None:
        total = widened(dy)
        total = total / np.asarray(divisor, total.dtype)
        for dim in reversed(range(-len(axes), 0)):
            sums = _resized(total, dim, axes[dim].extent)
            _add_back(total, sums, axes[dim], dim)
            total = sums
        dx[...] = total

    def plane(dx: np.ndarray, dy: np.ndarray, planes: int, points: int, channels: int) -> None:
        total = widened(dy)
        total = total / np.asarray(divisor, total.dtype)
        dx.reshape(planes, points, channels)[...] = total[:, None]

    if not (_whole(axes) and _by_matrices(plane, dx, dy, len(axes))):
        by_planes(block, dx, dy)
    return dx


def _whole(axes: tuple[Axis | Bins, ...]) -> bool:
    """Whether there is one window, and it is all of a plane."""
    return all(axis.size == 1 and axis.spans() == [(0, axis.extent)] for axis in axes)


def _by_matrices(block: Callable[..., None], out: np.ndarray, x: np.ndarray, dims: int) -> bool:
    """block(out, x, planes, points, channels) over (planes, points, channels) in memory.

    A contiguous plane has one channel, a channels-last one all. False if x lies otherwise.
    """
    if not (out.size and x.size):
        return False
    large, small = (out, x) if out.size > x.size else (x, out)
    points = large.size // small.size
    if large.flags.c_contiguous and small.flags.c_contiguous:
        planes, channels = small.size, 1
    else:
        large, small = (np.moveaxis(a, 1, -1) for a in (large, small))
        if not (large.flags.c_contiguous and small.flags.c_contiguous):
            return False
        planes, channels = len(small), small.shape[-1]
    wide, one = large.reshape(planes, -1), small.reshape(planes, channels)

    def run(start: int, stop: int) -> None:
        many, few = wide[start:stop], one[start:stop]
        block(*((many, few) if out.size > x.size else (few, many)), stop - start, points, channels)

    blas.share(run, planes, max(1, _BLOCK // (points * channels)))
    return True


def _resized(x: np.ndarray, dim: int, size: int) -> np.ndarray:
    """Uninitialised, of x's shape but for one dimension."""
    shape = list(x.shape)
    shape[dim] = size
    return np.empty_like(x, shape=shape)


def _add_windows(x: np.ndarray, y: np.ndarray, axis: Axis | Bins, dim: int) -> None:
    """y = the windows of x along one dimension, summed."""
    if isinstance(axis, Axis) and axis.kernel <= axis.size:
        overlaps = [axis.overlap(k) for k in range(axis.kernel)]
        pairs = [(y[_along(dim, at_y)], x[_along(dim, at_x)]) for at_y, at_x in overlaps]
        if len(pairs) > 1 and all(part.shape == y.shape for part, _ in pairs[:2]):
            np.add(pairs[0][1], pairs[1][1], out=y)
            pairs = pairs[2:]
        else:
            y.fill(0)
        for part, element in pairs:
            part += element
        return
    for i, span in enumerate(axis.spans()):
        np.add.reduce(x[_along(dim, slice(*span))], dim, out=y[_along(dim, i)])


def _add_back(y: np.ndarray, x: np.ndarray, axis: Axis | Bins, dim: int) -> None:
    """x = each y, in the whole of its window, added up."""
    if isinstance(axis, Axis) and axis.kernel <= axis.size:
        covers = axis.covers()
        if not covers:
            x.fill(0)
        for k in range(axis.kernel):
            at_y, at_x = axis.overlap(k)
            if covers:
                x[_along(dim, at_x)] = y[_along(dim, at_y)]
            else:
                x[_along(dim, at_x)] += y[_along(dim, at_y)]
        return
    x.fill(0)
    for i, span in enumerate(axis.spans()):
        x[_along(dim, slice(*span))] += y[_along(dim, slice(i, i + 1))]


def _along(dim: int, index: Any) -> Any:
    """The index for one dimension, counted from the back."""
    return (..., index, *(slice(None),) * (-dim - 1))


def by_planes(block: Callable[..., None], out: np.ndarray, *inputs: np.ndarray) -> None:
    """block(out, *inputs) over planes if all are contiguous, over samples otherwise."""
    arrays = out, *inputs
    if any(a.size == 0 for a in arrays):
        out.fill(0)
        return
    if all(a.flags.c_contiguous for a in arrays):
        arrays = tuple(a.reshape(-1, *a.shape[2:]) for a in arrays)
    by_first(block, *arrays)


def by_first(block: Callable[..., None], *arrays: Any) -> None:
    """block(*arrays) over parts of their first axis."""
    if any(a.size == 0 for a in arrays):
        arrays[0].fill(0)
        return
    count = len(arrays[0])
    grain = max(1, _BLOCK * count // max(a.size for a in arrays))
    parallel_for(lambda start, stop: block(*(a[start:stop] for a in arrays)), count, grain)


def uninitialised(x: np.ndarray, axes: tuple[Axis | Bins, ...]) -> np.ndarray:
    """Uninitialised results, one for each window, in x's memory order."""
    return arena.empty_like(x, shape=(*x.shape[:2], *(axis.size for axis in axes)))


def widened(a: np.ndarray) -> np.ndarray:
    return a.astype(np.float32) if a.dtype in HALVES else a
