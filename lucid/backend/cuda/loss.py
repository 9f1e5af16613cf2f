"""Cross entropy with class labels on CuPy arrays: kernels/cross_entropy.cu."""

from __future__ import annotations

import math
from typing import Any

from lucid.backend.cuda.arrays import THREADS, contiguous, grid_over, parameter, wide
from lucid.backend.cuda.availability import cupy
from lucid.backend.cuda.kernel import Kernel

__all__ = ["cross_entropy", "cross_entropy_gradient"]

CHUNK = 16384  # samples per block of cross_entropy_partial
SHORT = 1024  # classes that a warp adds up

_FILE = "cross_entropy.cu"
_INPUTS = "const T* x, const i64* target, const T*? narrow, const W*? wide, const W*? weight_sum"
_ROWS = "i64 rows, i64 classes, i64 ignore, double smoothing"
_COLUMNS = "i64 outer, i64 classes, u32 inner, i64 ignore, double smoothing"
_OUTPUTS = "W* losses, W* lse, W*? counts"
_UPSTREAM = "const W* lse, const T* dy, const W*? divisor, T* dx"

_warp = Kernel(_FILE, "cross_entropy_warp", f"{_INPUTS}, {_OUTPUTS}, {_ROWS}")
_block = Kernel(_FILE, "cross_entropy_block", f"{_INPUTS}, {_OUTPUTS}, {_ROWS}")
_column = Kernel(_FILE, "cross_entropy_column", f"{_INPUTS}, {_OUTPUTS}, {_COLUMNS}")
_partial = Kernel(
    _FILE,
    "cross_entropy_partial",
    "const W* losses, const W*? counts, W* partial, i64 samples",
)
_total = Kernel(
    _FILE,
    "cross_entropy_total",
    "const W* losses, const W*? counts, T* loss, W*? divisor, i64 n",
)
_row_backward = Kernel(
    _FILE,
    "cross_entropy_row_backward",
    f"{_INPUTS}, {_UPSTREAM}, {_ROWS}, int per_sample, int team",
)
_column_backward = Kernel(
    _FILE, "cross_entropy_column_backward", f"{_INPUTS}, {_UPSTREAM}, {_COLUMNS}, int per_sample"
)


def cross_entropy(
    x: Any, target: Any, weight: Any, axis: int, ignore: int, smoothing: float, reduction: str
) -> tuple[Any, Any, Any]:
    """The loss, lse per sample, and what the gradient is divided by (None but for a mean)."""
    xp, kind = cupy(), wide(x.dtype)
    x, outer, classes, inner = _ordered(x, axis)
    losses, lse = xp.empty(target.shape, kind), xp.empty(target.shape, kind)
    counts = xp.empty(target.shape, kind) if reduction == "mean" else None
    inputs = (x, _labels(target), *_weights(weight, x, smoothing))
    outputs = losses, lse, counts
    settings = ignore, smoothing
    if not x.size:  # no sample, or no class
        losses.fill(0)
        lse.fill(0)
        if counts is not None:
            counts.fill(1)
    elif inner > 1:
        grid = grid_over(outer * inner, THREADS)
        _column(grid, THREADS, x.dtype, *inputs, *outputs, outer, classes, inner, *settings)
    elif classes <= SHORT:
        grid = grid_over(outer, THREADS // 32)
        _warp(grid, THREADS, x.dtype, *inputs, *outputs, outer, classes, *settings)
    else:
        _block(grid_over(outer, 1), 512, x.dtype, *inputs, *outputs, outer, classes, *settings)
    if reduction == "none":
        return losses.astype(x.dtype, copy=False), lse, None
    loss, divisor = _reduced(losses, counts, x.dtype)
    return loss, lse, divisor


def _reduced(losses: Any, counts: Any, dtype: Any) -> tuple[Any, Any]:
    """Their sum, or with counts the mean and its divisor."""
    xp, n = cupy(), losses.size
    if n > CHUNK:
        chunks = -(-n // CHUNK)
        partial = xp.empty((2, chunks), losses.dtype)
        _partial(grid_over(chunks, 1), 512, dtype, losses, counts, partial, n)
        losses, counts, n = partial[0], (None if counts is None else partial[1]), chunks
    loss = xp.empty((), dtype)
    divisor = None if counts is None else xp.empty((), losses.dtype)
    _total(1, 512, dtype, losses, counts, loss, divisor, n)
    return loss, divisor


def cross_entropy_gradient(
    dy: Any, x: Any, target: Any, weight: Any, lse: Any, divisor: Any, axis: int, ignore: int,
    smoothing: float,
) -> Any:  # fmt: skip
    """dx, in x's order of memory."""
    x, outer, classes, inner = _ordered(x, axis)
    dx = cupy().empty_like(x)
    if not x.size:
        return dx
    per_sample = int(dy.ndim == target.ndim and divisor is None and dy.size == target.size)
    dy = contiguous(dy.astype(x.dtype, copy=False))
    arrays = (
        x, _labels(target), *_weights(weight, x, smoothing), lse, dy, divisor, dx,
    )  # fmt: skip
    law = ignore, smoothing, per_sample
    if inner > 1:
        grid = grid_over(outer * inner, THREADS)
        _column_backward(grid, THREADS, x.dtype, *arrays, outer, classes, inner, *law)
        return dx
    team = 32 if classes <= SHORT else THREADS
    grid = grid_over(outer, THREADS // team)
    _row_backward(grid, THREADS, x.dtype, *arrays, outer, classes, *law, team)
    return dx


def _ordered(x: Any, axis: int) -> tuple[Any, int, int, int]:
    """x or a copy, and its memory as (outer, classes, inner)."""
    classes = x.shape[axis]
    if cupy().moveaxis(x, axis, -1).flags.c_contiguous:
        return x, x.size // max(1, classes), classes, 1
    x = contiguous(x)
    return x, math.prod(x.shape[:axis]), classes, math.prod(x.shape[axis + 1 :])


def _labels(target: Any) -> Any:
    return contiguous(target.astype("int64", copy=False))


def _weights(weight: Any, x: Any, smoothing: float) -> tuple[Any, Any, Any]:
    """The class weights as the kernels' pair, and their sum where smoothing asks for it."""
    narrow, broad = parameter(weight, x)
    total = None
    if weight is not None and smoothing:
        total = weight.astype(wide(x.dtype), copy=False).sum()
    return narrow, broad, total
