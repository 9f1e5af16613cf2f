"""Pooling on CuPy arrays (N, C, *), contiguous or channels last: kernels/pooling.cu."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from lucid.backend.cuda import pooling_planes as planes
from lucid.backend.cuda.arrays import (
    THREADS,
    contiguous,
    grid_over,
    is_channels_last,
    per_vector,
)
from lucid.backend.cuda.availability import cupy
from lucid.backend.cuda.kernel import Kernel

__all__ = ["avg_pool", "avg_pool_gather", "max_pool", "max_pool_gather"]

_AXES = ", ".join(
    f"int {a}_{what}"
    for a in "dhw"
    for what in ("extent", "size", "kernel", "stride", "padding", "dilation")
)
_COUNTS = "int d_count, int h_count, int w_count"


def _kernel(entry: str, signature: str) -> Any:
    return Kernel("pooling.cu", entry, signature)


_TYPES = {"uint8": ("u8", "u8"), "int32": ("i32", "int")}
_max_pool = {
    dtype: _kernel(
        f"max_pool_{name}", f"const T* x, T* y, {c}*? numbers, i64 outputs, u32 channels, {_AXES}"
    )
    for dtype, (name, c) in _TYPES.items()
}
_max_pool_gather = {
    dtype: _kernel(
        f"max_pool_gather_{name}",
        f"const T* dy, const {c}* numbers, T* dx, i64 inputs, u32 channels, {_AXES}",
    )
    for dtype, (name, c) in _TYPES.items()
}
_avg_pool = _kernel("avg_pool", f"const T* x, T* y, i64 outputs, u32 channels, {_AXES}, {_COUNTS}")
_avg_pool_gather = _kernel(
    "avg_pool_gather", f"const T* dy, T* dx, i64 inputs, u32 channels, {_AXES}, {_COUNTS}"
)


def max_pool(x: Any, axes: tuple, kind: str | None) -> tuple[Any, Any]:
    """The maximum of each window, and with a ``kind`` of integer its number in the window."""
    x, last = _ordered(x)
    y = _empty(x, [axis.size for axis in axes], x.dtype, last)
    numbers = None if kind is None else _empty(x, [axis.size for axis in axes], kind, last)
    if y.size and not planes.pool(planes.shape_of(axes), x, y, last, None, numbers):
        kernel = _max_pool[kind or "uint8"]
        grid, channels = _sizes(y, last)
        kernel(grid, THREADS, x.dtype, x, y, numbers, y.size, channels, *_numbers(axes))
    return y, numbers


def max_pool_gather(dy: Any, numbers: Any, axes: tuple, last: bool = False) -> Any:
    """dx: the sum of the dy whose numbers name the element; 0 where there is none.

    In the numbers' order of memory; channels last in any case if ``last``.
    """
    last = last or is_channels_last(numbers)
    numbers = _as(numbers, last)
    dy = _as(dy, last)
    dx = _empty(dy, [axis.extent for axis in axes], dy.dtype, last)
    if dx.size and not planes.unpool(planes.shape_of(axes), dy, dx, last, None, numbers):
        grid, channels = _sizes(dx, last)
        kernel = _max_pool_gather[str(numbers.dtype)]
        kernel(grid, THREADS, dy.dtype, dy, numbers, dx, dx.size, channels, *_numbers(axes))
    return dx


def avg_pool(x: Any, axes: tuple, counts: tuple) -> Any:
    """The sum of each window over its divisor."""
    return _average(_avg_pool, planes.pool, x, [axis.size for axis in axes], axes, counts)


def avg_pool_gather(dy: Any, axes: tuple, counts: tuple, last: bool = False) -> Any:
    """dx: the sum of dy over its divisor, for all windows that hold the element.

    In dy's order of memory; channels last in any case if ``last``.
    """
    if last:
        dy = _as(dy, True)
    sizes = [axis.extent for axis in axes]
    return _average(_avg_pool_gather, planes.unpool, dy, sizes, axes, counts, last)


def _average(
    kernel: Any,
    known: Any,
    x: Any,
    sizes: list[int],
    axes: tuple,
    counts: tuple,
    last: bool = False,
) -> Any:
    if not last:
        x, last = _ordered(x)
    y = _empty(x, sizes, x.dtype, last)
    divisor = planes.divisor_of(counts)
    if not x.size:
        y.fill(0)
    elif y.size:
        if divisor and known(planes.shape_of(axes), x, y, last, divisor):
            return y
        grid, channels = _sizes(y, last)
        codes, negative = _codes(axes, counts)
        kernel(grid, THREADS, x.dtype, x, y, y.size, channels, *_numbers(axes), *codes)
        if negative:
            y *= -1
    return y


def _ordered(x: Any) -> tuple[Any, bool]:
    last = is_channels_last(x)
    return (x if last else contiguous(x)), last


def _as(x: Any, last: bool) -> Any:
    """x in that order of memory."""
    if not last:
        return contiguous(x)
    xp = cupy()
    return xp.moveaxis(xp.ascontiguousarray(xp.moveaxis(x, 1, -1)), -1, 1)


def _empty(x: Any, spatial: list[int], dtype: Any, last: bool) -> Any:
    """Memory for (N, C, *spatial), in the order that is asked for."""
    xp = cupy()
    n, c = x.shape[:2]
    if last:
        return xp.moveaxis(xp.empty((n, *spatial, c), dtype), -1, 1)
    return xp.empty((n, c, *spatial), dtype)


def _sizes(y: Any, last: bool) -> tuple[int, int]:
    """The grid, and the channels that lie side by side (0: none)."""
    vector = per_vector(y) if last and y.shape[1] % per_vector(y) == 0 else 1
    return grid_over(y.size, THREADS * vector), (y.shape[1] if last else 0)


@lru_cache(maxsize=512)
def _numbers(axes: tuple) -> tuple[int, ...]:
    """The axes as the kernels take them: three; a kernel of 0 for adaptive parts."""
    numbers: tuple[int, ...] = (1, 1, 1, 1, 0, 1) * (3 - len(axes))
    for axis in axes:
        windows = hasattr(axis, "kernel")
        numbers += tuple(axis) if windows else (axis.extent, axis.size, 0, 1, 0, 1)
    return numbers


@lru_cache(maxsize=512)
def _codes(axes: tuple, counts: tuple) -> tuple[tuple[int, ...], bool]:
    """How the kernels count: a number for all windows, 0 inside x, -1 with padding; and negate?"""
    codes, negative = [1] * (3 - len(axes)), False
    for axis, given in zip(axes, counts, strict=True):
        if len(set(given)) == 1:
            codes.append(abs(given[0]))
            negative ^= given[0] < 0
        else:
            inside = tuple(stop - start for start, stop in axis.spans())
            codes.append(0 if given == inside else -1)
    return tuple(codes), negative
