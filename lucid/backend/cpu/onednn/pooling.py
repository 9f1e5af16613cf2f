"""Max and average pooling by oneDNN, as lucid.backend.cpu.max_pooling and .pooling have them.

Each function answers None where it does not take the problem: arrays that are neither contiguous
nor channels-last, windows with other divisors than their size, and, for the maximum, values that
are not finite: oneDNN's maximum ignores NaN, and answers the least float for windows of -inf.

A task has some samples, or some channels of one. CPU time on Zen 4, one thread: a maximum and its
gradient take 0.3 to 0.8 times as long as lucid's own, channels-last 0.2 to 0.6; averages of 2 x 2
0.75 to 0.95, channels-last 0.4 to 0.7.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from lucid.backend.cpu import arena, blas
from lucid.backend.cpu.onednn.library import Library, library
from lucid.backend.cpu.onednn.primitive import Primitive, address
from lucid.backend.cpu.onednn.setting import onednn
from lucid.backend.cpu.onednn.windows import AVERAGE, MAX, Windows, pool, unpool
from lucid.backend.cpu.threads import parallel_for

__all__ = ["average", "average_gradient", "maximum", "maximum_gradient"]

_BLOCK = 1 << 17  # elements of x in a task: 512 KB, half of a second level cache
_LANES = 16
_MOST = 255  # elements of a window that oneDNN numbers in one byte
_TERMS = 32  # of an average

_Axes = Sequence[Any]  # of lucid.backend.cpu.pooling.Axis


def maximum(
    x: np.ndarray, axes: _Axes, numbered: bool
) -> tuple[np.ndarray, np.ndarray | None] | None:
    """The maximum of each window, and if asked for its number in the window."""
    windows = _windows(MAX, numbered, axes, x)
    if windows is None or math.prod(windows.kernel) > _MOST:
        return None
    cut = _cut(x, windows)
    primitives = _primitives(pool, windows, cut)
    if primitives is None:
        return None
    y = _empty(x, windows.size, windows.last, np.float32)
    numbers = _empty(x, windows.size, windows.last, np.uint8) if numbered else None
    finite = True

    def run(start: int, stop: int) -> None:
        nonlocal finite
        with primitives.lib.one_thread(), np.errstate(over="ignore", invalid="ignore"):
            for task in range(start, stop):
                samples, channels = cut[task]
                values = x[samples, channels]
                flat = (np.moveaxis(values, 1, -1) if windows.last else values).reshape(-1)
                if not math.isfinite(np.dot(flat, flat)):  # then NaN or Inf may be among them
                    finite = False
                where = [address(values), address(y[samples, channels])]
                if numbers is not None:
                    where.append(address(numbers[samples, channels]))
                primitives.of(values)(*where)

    blas.share(run, len(cut), 1)
    return (y, numbers) if finite else None


def maximum_gradient(dy: np.ndarray, numbers: np.ndarray, axes: _Axes) -> np.ndarray | None:
    """dx: each dy added to the element of its window that bears the number; zero elsewhere."""
    windows = _windows(MAX, True, axes, dy)
    if windows is None or math.prod(windows.kernel) > _MOST or numbers.dtype != np.uint8:
        return None
    if not (np.moveaxis(numbers, 1, -1) if windows.last else numbers).flags.c_contiguous:
        return None
    return _spread(windows, dy, numbers)


def average(x: np.ndarray, axes: _Axes, divisor: Any) -> np.ndarray | None:
    """The sum of each window over `divisor`, the size of a window."""
    windows = _windows(AVERAGE, False, axes, x)
    if windows is None or not _worth_averaging(x, windows.kernel, divisor):
        return None
    cut = _cut(x, windows)
    primitives = _primitives(pool, windows, cut)
    if primitives is None:
        return None
    y = _empty(x, windows.size, windows.last, np.float32)

    def run(start: int, stop: int) -> None:
        with primitives.lib.one_thread():
            for task in cut[start:stop]:
                part = x[task]
                primitives.of(part)(address(part), address(y[task]))

    parallel_for(run, len(cut), 1)
    return y


def average_gradient(dy: np.ndarray, axes: _Axes, divisor: Any) -> np.ndarray | None:
    """dx: dy / divisor added to every element of its window."""
    windows = _windows(AVERAGE, False, axes, dy)
    if windows is None or not _worth_averaging(dy, windows.kernel, divisor):
        return None
    return _spread(windows, dy, None)


def _spread(windows: Windows, dy: np.ndarray, numbers: np.ndarray | None) -> np.ndarray | None:
    cut = _cut(dy, windows)
    primitives = _primitives(unpool, windows, cut)
    if primitives is None:
        return None
    dx = _empty(dy, windows.extent, windows.last, np.float32)

    def run(start: int, stop: int) -> None:
        with primitives.lib.one_thread():
            for task in cut[start:stop]:
                where = [address(dx[task]), address(dy[task])]
                if numbers is not None:
                    where.append(address(numbers[task]))
                primitives.of(dy[task])(*where)

    parallel_for(run, len(cut), 1)
    return dx


def _windows(kind: int, numbered: bool, axes: _Axes, like: np.ndarray) -> Windows | None:
    """The problem, if it is one of oneDNN's and oneDNN is to be used."""
    if not onednn.enabled or like.dtype != np.float32 or library() is None or not like.size:
        return None
    if not all(hasattr(axis, "kernel") for axis in axes) or like.ndim != len(axes) + 2:
        return None
    last = not like.flags.c_contiguous
    if last and not np.moveaxis(like, 1, -1).flags.c_contiguous:
        return None
    extent, size, kernel, stride, padding, dilation = zip(*axes, strict=True)
    return Windows(kind, numbered, extent, size, kernel, stride, padding, dilation, last)


def _worth_averaging(x: np.ndarray, kernel: tuple[int, ...], divisor: Any) -> bool:
    """Whether oneDNN is for these windows, takes less time, and adds up as exactly.

    Few channels, or one window for a plane, take it 1.1 to 3.8 times as long; and it adds the terms
    of a window one by one, where lucid's own code adds many in pairs.
    """
    terms = math.prod(kernel)
    return np.ndim(divisor) == 0 and divisor == terms <= _TERMS and x.shape[1] >= _LANES


def _cut(x: np.ndarray, windows: Windows) -> list[tuple[slice, slice]]:
    """Tasks: samples, and channels (all of them, where they lie side by side)."""
    plane = math.prod(windows.extent)
    samples, channels = x.shape[:2]
    if windows.last or channels * plane <= _BLOCK or channels < 2 * _LANES:
        grain = max(1, _BLOCK // (channels * plane))
        every = slice(0, channels)
        return [(slice(i, min(i + grain, samples)), every) for i in range(0, samples, grain)]
    grain = max(1, _BLOCK // plane // _LANES) * _LANES
    parts = [slice(i, min(i + grain, channels)) for i in range(0, channels, grain)]
    return [(slice(i, i + 1), part) for i in range(samples) for part in parts]


class _Primitives(NamedTuple):
    lib: Library
    by_size: dict[tuple[int, int], Primitive]  # samples and channels

    def of(self, part: np.ndarray) -> Primitive:
        return self.by_size[part.shape[0], part.shape[1]]


def _primitives(
    make: Callable[..., Primitive | None], windows: Windows, cut: list[tuple[slice, slice]]
) -> _Primitives | None:
    lib = library()
    if lib is None:
        return None
    sizes = {(a.stop - a.start, b.stop - b.start) for a, b in cut}
    found = {}
    for size in sizes:
        primitive = make(lib, windows, *size)
        if primitive is None:
            return None
        found[size] = primitive
    return _Primitives(lib, found)


def _empty(like: np.ndarray, size: tuple[int, ...], last: bool, dtype: Any) -> np.ndarray:
    n, channels = like.shape[:2]
    if not last:
        return arena.empty((n, channels, *size), dtype)
    return np.moveaxis(arena.empty((n, *size, channels), dtype), -1, 1)
