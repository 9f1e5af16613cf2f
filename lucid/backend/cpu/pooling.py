"""Pooling on NumPy arrays, window element by window element instead of window by window.

For one offset k in the window, x at (stride * i - padding + dilation * k) over all windows i is a
strided slice; so a maximum or a sum over windows takes as many passes as a window has elements. The
passes run over blocks of planes that stay in cache, shared among the threads.

Maxima are remembered by their number in the window (one byte each, up to 256 elements): a gradient
is placed, and taken back, by comparing numbers and selecting bits, exact for NaN and Inf too.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from lucid.backend.cpu.threads import parallel_for, scratch

__all__ = [
    "Axis", "Bins", "max_pool", "number_type", "offsets", "origins", "place", "take",
    "window_spread", "window_sums",
]  # fmt: skip

_BLOCK = 1 << 17  # elements of x per block: 512 KiB of float32, half of a second-level cache

_HALVES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))
_INTEGERS = {4: np.int32, 8: np.int64}


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


def max_pool(
    x: np.ndarray, axes: tuple[Axis, ...], numbered: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """The maximum of each window, and its number in it: the first of equals, the first NaN."""
    y = _like(x, axes)
    padded = any(axis.padding for axis in axes)
    start = origins(np, axes) if padded else 0
    elements = offsets(axes)

    def block(y: np.ndarray, x: np.ndarray, numbers: np.ndarray | None = None) -> None:
        source = _widened(x)
        best = y if y.dtype == source.dtype else np.empty_like(y, dtype=source.dtype)
        if padded:
            best.fill(-np.inf)
        if numbers is not None:
            numbers[...] = start
            higher = _scratch("higher", best, np.bool_)
            candidate = _scratch("candidate", best, numbers.dtype)
        for k, at_y, at_x in elements:
            element, so_far = source[at_x], best[at_y]
            if k == 0 and not padded:
                so_far[...] = element
                continue
            if numbers is not None:
                np.greater(element, so_far, out=higher[at_y])
                number = numbers.dtype.type(k)
                np.multiply(higher.view(np.uint8)[at_y], number, out=candidate[at_y])
                # Numbers ascend, so the last one that was higher is the largest.
                np.maximum(numbers[at_y], candidate[at_y], out=numbers[at_y])
            np.maximum(so_far, element, out=so_far)
        if best is not y:
            y[...] = best
        if numbers is not None and np.isnan(best).any():
            for k, at_y, at_x in reversed(elements):
                numbers[at_y][np.isnan(source[at_x])] = k

    if not numbered:
        _by_planes(block, y, x)
        return y, None
    numbers = np.empty_like(y, dtype=number_type(axes))
    _by_planes(block, y, x, numbers)
    return y, numbers


def place(dy: np.ndarray, numbers: np.ndarray, axes: tuple[Axis, ...]) -> np.ndarray:
    """dx: each dy added to the element of its window that bears the number; zero elsewhere."""
    if dy.dtype in _HALVES:
        return place(_widened(dy), numbers, axes).astype(dy.dtype)
    dx = np.empty_like(dy, shape=(*dy.shape[:2], *(axis.extent for axis in axes)))
    covered = all(axis.covers() for axis in axes)
    disjoint = all(axis.disjoint() for axis in axes)
    integer, elements = _INTEGERS[dy.itemsize], offsets(axes)

    def block(dx: np.ndarray, dy: np.ndarray, numbers: np.ndarray) -> None:
        if not covered:
            dx.fill(0)
        bits, placed = dy.view(integer), dx.view(integer)
        memory = _scratch("mask", dy, np.bool_)
        part = None if disjoint else _scratch("part", dy, integer)
        for k, at_y, at_x in elements:
            mask = _mask(numbers, k, memory)
            if part is None:
                np.bitwise_and(bits[at_y], mask[at_y], out=placed[at_x])
            else:
                np.bitwise_and(bits, mask, out=part)
                dx[at_x] += part.view(dy.dtype)[at_y]

    _by_planes(block, dx, dy, numbers)
    return dx


def take(x: np.ndarray, numbers: np.ndarray, axes: tuple[Axis, ...]) -> np.ndarray:
    """y: the element of each window that bears the number."""
    if x.dtype in _HALVES:
        return take(_widened(x), numbers, axes).astype(x.dtype)
    y = _like(x, axes)
    integer, elements = _INTEGERS[x.itemsize], offsets(axes)

    def block(y: np.ndarray, x: np.ndarray, numbers: np.ndarray) -> None:
        y.fill(0)
        bits, chosen = x.view(integer), y.view(integer)
        memory, part = _scratch("mask", y, np.bool_), _scratch("part", y, integer)
        for k, at_y, at_x in elements:
            mask = _mask(numbers, k, memory)
            np.bitwise_and(bits[at_x], mask[at_y], out=part[at_y])
            chosen[at_y] |= part[at_y]

    _by_planes(block, y, x, numbers)
    return y


def _mask(numbers: np.ndarray, k: int, memory: np.ndarray) -> np.ndarray:
    """-1, all bits, where the number is k; 0 elsewhere."""
    np.equal(numbers, k, out=memory)
    mask = memory.view(np.int8)
    return np.negative(mask, out=mask)


def window_sums(x: np.ndarray, axes: tuple[Axis | Bins, ...], divisor: Any) -> np.ndarray:
    """The sum of each window over `divisor`, which broadcasts over the windows."""
    y = _like(x, axes)

    def block(y: np.ndarray, x: np.ndarray) -> None:
        total = _widened(x)
        for dim, axis in enumerate(axes, -len(axes)):
            sums = _resized(total, dim, axis.size)
            _add_windows(total, sums, axis, dim)
            total = sums
        total /= np.asarray(divisor, total.dtype)
        y[...] = total

    _by_planes(block, y, x)
    return y


def window_spread(dy: np.ndarray, axes: tuple[Axis | Bins, ...], divisor: Any) -> np.ndarray:
    """dx: dy / divisor added to every element of its window."""
    dx = np.empty_like(dy, shape=(*dy.shape[:2], *(axis.extent for axis in axes)))

    def block(dx: np.ndarray, dy: np.ndarray) -> None:
        total = _widened(dy)
        total = total / np.asarray(divisor, total.dtype)
        for dim in reversed(range(-len(axes), 0)):
            sums = _resized(total, dim, axes[dim].extent)
            sums.fill(0)
            _add_back(total, sums, axes[dim], dim)
            total = sums
        dx[...] = total

    _by_planes(block, dx, dy)
    return dx


def _resized(x: np.ndarray, dim: int, size: int) -> np.ndarray:
    """Uninitialised, of x's shape but for one dimension."""
    shape = list(x.shape)
    shape[dim] = size
    return np.empty_like(x, shape=shape)


def _add_windows(x: np.ndarray, y: np.ndarray, axis: Axis | Bins, dim: int) -> None:
    """y = the windows of x along one dimension, summed."""
    if isinstance(axis, Axis) and axis.kernel <= axis.size:
        y.fill(0)
        for k in range(axis.kernel):
            at_y, at_x = axis.overlap(k)
            y[_along(dim, at_y)] += x[_along(dim, at_x)]
        return
    for i, span in enumerate(axis.spans()):
        np.add.reduce(x[_along(dim, slice(*span))], dim, out=y[_along(dim, i)])


def _add_back(y: np.ndarray, x: np.ndarray, axis: Axis | Bins, dim: int) -> None:
    """x += each y, in the whole of its window."""
    if isinstance(axis, Axis) and axis.kernel <= axis.size:
        for k in range(axis.kernel):
            at_y, at_x = axis.overlap(k)
            x[_along(dim, at_x)] += y[_along(dim, at_y)]
        return
    for i, span in enumerate(axis.spans()):
        x[_along(dim, slice(*span))] += y[_along(dim, slice(i, i + 1))]


def _along(dim: int, index: Any) -> Any:
    """The index for one dimension, counted from the back."""
    return (..., index, *(slice(None),) * (-dim - 1))


def _by_planes(block: Callable[..., None], out: np.ndarray, *inputs: np.ndarray) -> None:
    """block(out, *inputs) over planes if all are contiguous, over samples otherwise."""
    arrays = out, *inputs
    if any(a.size == 0 for a in arrays):
        out.fill(0)
        return
    if all(a.flags.c_contiguous for a in arrays):
        arrays = tuple(a.reshape(-1, *a.shape[2:]) for a in arrays)
    count = len(arrays[0])
    grain = max(1, _BLOCK * count // max(a.size for a in arrays))
    parallel_for(lambda start, stop: block(*(a[start:stop] for a in arrays)), count, grain)


def _like(x: np.ndarray, axes: tuple[Axis | Bins, ...]) -> np.ndarray:
    """Uninitialised results, one for each window, in x's memory order."""
    return np.empty_like(x, shape=(*x.shape[:2], *(axis.size for axis in axes)))


def _scratch(name: str, like: np.ndarray, dtype: Any) -> np.ndarray:
    """This thread's memory, as many elements as `like` and in its memory order."""
    order = sorted(range(like.ndim), key=lambda i: -like.strides[i])
    memory = scratch(name, like.size, dtype).reshape([like.shape[i] for i in order])
    return memory.transpose(np.argsort(order))


def _widened(a: np.ndarray) -> np.ndarray:
    return a.astype(np.float32) if a.dtype in _HALVES else a
