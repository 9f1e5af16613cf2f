"""Batch norm on CuPy arrays, and batch norm + relu + dropout2d in one: kernels/batch_norm*.cu."""

from __future__ import annotations

from typing import Any, NamedTuple

from lucid.backend.cuda.arrays import (
    by_channels,
    grid_over,
    parameter,
    per_vector,
    same_order,
    wide,
    with_widths,
)
from lucid.backend.cuda.availability import cupy
from lucid.backend.cuda.normalization import column_chunk, team_for
from lucid.backend.cuda.random import KEY

__all__ = [
    "batch_norm", "batch_norm_gradient", "batch_statistics", "update_running_statistics",
]  # fmt: skip

_NORM = (
    "const W* mean, const W* var, const T*? w_narrow, const W*? w_wide, const T*? b_narrow,"
    " const W*? b_wide, double eps"
)
_CHAIN = f"int relu, u64 threshold, double factor, {KEY}"
_SLOPE = (
    "const W* mean, const W* var, const W*? along, const W*? total, const W*? dmean,"
    " const W*? dvar, const T*? w_narrow, const W*? w_wide, double eps, double n, double factor"
)


def _forward(entry: str, signature: str) -> Any:
    return with_widths("batch_norm.cu", entry, signature)


def _backward(entry: str, signature: str) -> Any:
    return with_widths("batch_norm_backward.cu", entry, signature)


_planes_statistics = _forward(
    "planes_statistics", "const T* x, W* means, W* squares, i64 planes, i64 inner, int lanes"
)
_columns_statistics = _forward(
    "columns_statistics", "const T* x, W* means, W* squares, i64 rows, i64 width, i64 chunk"
)
_combine_statistics = _forward(
    "combine_statistics",
    "const T*? none, const W* means, const W* squares, W* mean, W* var, i64 parts, i64 width,"
    " i64 count, i64 rest",
)
_update_running = _forward(
    "update_running",
    "T*? running_mean, T*? running_var, const W* mean, const W* var, i64 channels,"
    " double momentum, double correction",
)
_planes_normalize = _forward(
    "planes_normalize", f"const T* x, T* y, i64 n, u32 inner, u32 channels, {_NORM}, {_CHAIN}"
)
_columns_normalize = _forward(
    "columns_normalize",
    f"const T* x, T* y, i64 samples, i64 inner, u32 channels, {_NORM}, {_CHAIN}",
)
_planes_sums = _backward(
    "planes_sums",
    "const T* dy, const T* x, const T*? z, const W* mean, W* partial, i64 planes, i64 inner,"
    " u32 channels, double factor, int lanes",
)
_columns_sums = _backward(
    "columns_sums",
    "const T* dy, const T* x, const T*? z, const W* mean, W* partial, i64 rows, i64 width,"
    " i64 chunk, double factor",
)
_combine_sums = _backward(
    "combine_sums",
    "const T*? none, const W* partial, const W* var, W* along, W* total, W* dw, i64 parts,"
    " i64 width, double eps",
)
_planes_backward = _backward(
    "planes_backward",
    f"const T* dy, const T*? x, const T*? z, T* dx, i64 size, u32 inner, u32 channels, {_SLOPE}",
)
_columns_backward = _backward(
    "columns_backward",
    f"const T* dy, const T*? x, const T*? z, T* dx, i64 rows, u32 channels, {_SLOPE}",
)


class Chain(NamedTuple):
    """What follows the norm in the same pass: relu, and dropout2d if there is a threshold."""

    relu: int = 0
    threshold: int = 0
    factor: float = 1.0
    key: tuple = (0, 0, 0, 0, None)  # of key_arguments


_ALONE = Chain()


def batch_statistics(x: Any) -> tuple[Any, Any]:
    """Mean and biased variance per channel of x: (N, C, *)."""
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
    _combine_statistics(grid_over(c, 8), (8, 32, 1), x.dtype, None, *arrays, *sizes)
    return mean, var


def update_running_statistics(
    running_mean: Any, running_var: Any, mean: Any, var: Any, momentum: float, correction: float
) -> None:
    """running = (1 - momentum) running + momentum batch, in place; var times the correction."""
    known = running_mean if running_mean is not None else running_var
    channels = known.size
    settings = channels, momentum, correction
    arrays = running_mean, running_var, mean.reshape(-1), var.reshape(-1)
    if channels:
        _update_running(grid_over(channels, 256), 256, known.dtype, *arrays, *settings)


def batch_norm(
    x: Any, mean: Any, var: Any, w: Any, b: Any, eps: float, chain: Chain = _ALONE
) -> Any:
    """(x - mean) / sqrt(var + eps) * w + b per channel, and what the chain adds to that."""
    x, n, c, inner, last = by_channels(x)
    y = cupy().empty_like(x)
    if not x.size:
        return y
    kind = wide(x.dtype)
    norm = _flat(mean, kind), _flat(var, kind), *parameter(w, x), *parameter(b, x), eps
    if last:
        samples, positions = (n, inner) if chain.threshold else (1, n * inner)
        tiles = samples * -(-c // per_vector(x))
        launch = _column_grid(tiles, positions)
        sizes = samples, positions, c
        _columns_normalize(*launch, x.dtype, x, y, *sizes, *norm, *chain[:3], *chain.key)
    else:
        grid = grid_over(x.size, 8 * 2048 if inner >= 8 else 8 * 512)
        _planes_normalize(grid, 256, x.dtype, x, y, x.size, inner, c, *norm, *chain[:3], *chain.key)
    return y


def batch_norm_gradient(
    dy: Any, x: Any, mean: Any, var: Any, w: Any, eps: float, needs: Any, *, fixed: bool,
    dmean: Any = None, dvar: Any = None, z: Any = None, factor: float = 1.0,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """(dx, dw, db). ``fixed``: mean and var were given, not x's own. z, factor: the chain's."""
    xp, kind = cupy(), wide(dy.dtype)
    model, n, c, inner, last = by_channels(dy if x is None else x)
    dy = same_order(dy, model)
    x = None if x is None else model
    z = None if z is None else same_order(z, model)
    mean, var = _flat(mean, kind), _flat(var, kind)
    along = total = dw = None
    if needs[1] or needs[2] or not fixed:
        make = xp.empty if dy.size else xp.zeros
        # Apart: a leaf takes over a gradient that is nobody else's memory, and copies others.
        along, total, dw = make(c, kind), make(c, kind), make(c, kind)
        if dy.size:
            partial = _partial_sums(dy, dy if x is None else x, z, mean, n, c, inner, last, factor)
            totals = along, total, dw, partial.shape[1], c, eps
            _combine_sums(grid_over(c, 8), (8, 32, 1), dy.dtype, None, partial, var, *totals)
    dx = xp.empty_like(model) if needs[0] else None
    if dx is not None and dx.size:
        own: tuple = (None, None, None, None)
        if not fixed:
            own = along, total, _flat(dmean, kind), _flat(dvar, kind)
        slope = mean, var, *own, *parameter(w, model), eps, float(n * inner), factor
        if last:
            launch = _column_grid(-(-c // per_vector(dx)), n * inner)
            _columns_backward(*launch, dx.dtype, dy, x, z, dx, n * inner, c, *slope)
        else:
            grid = grid_over(dx.size, 256 * per_vector(dx))
            _planes_backward(grid, 256, dx.dtype, dy, x, z, dx, dx.size, inner, c, *slope)
    return dx, (dw if needs[1] else None), (total if needs[2] else None)


def _partial_sums(
    dy: Any, x: Any, z: Any, mean: Any, n: int, c: int, inner: int, last: bool, factor: float
) -> Any:
    """(2, parts, C): sum(g (x - mean)) and sum(g) of parts of the batch."""
    if last:
        rows, tiles = n * inner, -(-c // (8 * per_vector(x)))
        chunk = column_chunk(rows, tiles)
        parts = -(-rows // chunk)
        partial = cupy().empty((2, parts, c), mean.dtype)
        across = tiles, min(parts, 65535), 1
        _columns_sums(across, (8, 32, 1), x.dtype, dy, x, z, mean, partial, rows, c, chunk, factor)
        return partial
    partial = cupy().empty((2, n, c), mean.dtype)
    lanes, grid, block = team_for(-(-inner // per_vector(x)), n * c)
    sizes = n * c, inner, c, factor, lanes
    _planes_sums(grid, block, x.dtype, dy, x, z, mean, partial, *sizes)
    return partial


def _flat(values: Any, kind: Any) -> Any:
    """One value per channel, of the type that is computed in."""
    if values is None:
        return None
    return values.reshape(-1).astype(kind, copy=False)


def _column_grid(tiles: int, positions: int) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Threads over neighbouring channels first; each walks over about 16 positions."""
    across = min(32, 1 << max(0, tiles - 1).bit_length())
    down = 256 // across
    rows = max(1, min(65535, -(-positions // (down * 16))))
    return (grid_over(tiles, across), rows, 1), (across, down, 1)
