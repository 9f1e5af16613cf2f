"""Statistics of batch norm on CuPy arrays, and the running ones: kernels/batch_norm.cu."""

from __future__ import annotations

from typing import Any

from lucid.backend.cuda.arrays import (
    by_channels,
    grid_over,
    parameter,
    per_vector,
    wide,
)
from lucid.backend.cuda.availability import cupy
from lucid.backend.cuda.kernel import Kernel
from lucid.backend.cuda.normalization import column_chunk, team_for

__all__ = [
    "batch_statistics", "training_statistics", "update_running_statistics",
]  # fmt: skip

_planes_statistics = Kernel(
    "batch_norm.cu",
    "planes_statistics",
    "const T* x, W* means, W* squares, i64 planes, i64 inner, int lanes",
)
_columns_statistics = Kernel(
    "batch_norm.cu",
    "columns_statistics",
    "const T* x, W* means, W* squares, i64 rows, i64 width, i64 chunk",
)
_combine_statistics = Kernel(
    "batch_norm.cu",
    "combine_statistics",
    "const W* means, const W* squares, W* mean, W* var, i64 parts, i64 width, i64 count, i64 rest,"
    " T*? running_mean, T*? running_var, W*? wide_running_mean, W*? wide_running_var,"
    " i64*? batches, double momentum, double correction, const T*? b_narrow, const W*? b_wide,"
    " W*? b_copy",
)
_update_running = Kernel(
    "batch_norm.cu",
    "update_running",
    "T*? running_mean, T*? running_var, const W* mean, const W* var, i64*? batches,"
    " i64 channels, double momentum, double correction",
)


_NO_STEP = (None,) * 5 + (0.0, 0.0)
_NO_COPY = (None, None, None)


def batch_statistics(x: Any) -> tuple[Any, Any]:
    """Mean and biased variance per channel of x: (N, C, *)."""
    return _statistics(x, _NO_STEP, _NO_COPY)


def training_statistics(x: Any, running: tuple | None, b: Any) -> tuple[Any, Any, Any]:
    """The same, and what else a step wants, in the same launches: (mean, var, a copy of b).

    ``running``: (mean, var, batches, momentum, correction) to be moved, each as
    update_running_statistics takes it. b may be None.
    """
    step = None if running is None else _step(running, x)
    copy = None if b is None else cupy().empty(b.shape, wide(x.dtype))
    if copy is not None and not x.size:
        copy[...] = b
    mean, var = _statistics(x, step or _NO_STEP, (*parameter(b, x), copy))
    if running is not None and step is None:
        average, spread, batches, momentum, correction = running
        update_running_statistics(average, spread, mean, var, momentum, correction, batches)
    return mean, var, copy


def _step(running: tuple, x: Any) -> tuple | None:
    """``running`` as combine_statistics takes it; None if only update_running can."""
    mean, var, batches, momentum, correction = running
    kinds = {a.dtype for a in (mean, var) if a is not None}
    if momentum is None or not x.size or len(kinds) != 1:
        return None
    (kind,) = kinds
    if kind == x.dtype:
        return mean, var, None, None, batches, momentum, correction
    if kind == wide(x.dtype):
        return None, None, mean, var, batches, momentum, correction
    return None


def _statistics(x: Any, step: tuple, copy: tuple) -> tuple[Any, Any]:
    xp, kind = cupy(), wide(x.dtype)
    x, n, c, inner, last = by_channels(x)
    mean, var = xp.empty(c, kind), xp.empty(c, kind)
    if not x.size:
        mean.fill(float("nan"))
        var.fill(float("nan"))
        return mean, var
    if last:
        rows, tiles = n * inner, -(-c // (8 * per_vector(x)))
        count = column_chunk(rows, tiles)
        parts = -(-rows // count)
        rest = rows - (parts - 1) * count
        both = xp.empty((2, parts, c), kind)
        across = tiles, min(parts, 65535), 1
        _columns_statistics(across, (8, 32, 1), x.dtype, x, both[0], both[1], rows, c, count)
    else:
        parts, count, rest = n, inner, inner
        both = xp.empty((2, parts, c), kind)
        lanes, grid, block = team_for(-(-inner // per_vector(x)), n * c)
        _planes_statistics(grid, block, x.dtype, x, both[0], both[1], n * c, inner, lanes)
    sizes = parts, c, count, rest
    arrays = both[0], both[1], mean, var
    _combine_statistics(grid_over(c, 8), (8, 32, 1), x.dtype, *arrays, *sizes, *step, *copy)
    return mean, var


def update_running_statistics(
    running_mean: Any, running_var: Any, mean: Any, var: Any, momentum: float | None,
    correction: float, batches: Any = None,
) -> None:  # fmt: skip
    """running = (1 - momentum) running + momentum batch, in place; var times the correction.

    ``batches``, an int64, grows by 1. momentum None: 1 / batches then, without the host knowing it.
    """
    known = running_mean if running_mean is not None else running_var
    channels = known.size
    arrays = running_mean, running_var, mean.reshape(-1), var.reshape(-1), batches
    settings = channels, -1.0 if momentum is None else momentum, correction
    grid = 1 if momentum is None else grid_over(channels, 256)
    _update_running(grid, 256, known.dtype, *arrays, *settings)
