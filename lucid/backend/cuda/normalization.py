"""Layer, group, instance and rms norm on CuPy arrays: kernels/layer_norm.cu.

Rows are what a mean is taken over, and lie one after the other. With w per channel they come in
`groups`, and `inner` neighbours share an element of w.
"""

from __future__ import annotations

from typing import Any

from lucid.backend.cuda.arrays import (
    contiguous,
    grid_over,
    parameter,
    per_vector,
    wide,
    with_widths,
)
from lucid.backend.cuda.availability import cupy

__all__ = ["column_chunk", "row_norm", "row_norm_gradient", "team_for"]

_FILE = "layer_norm.cu"
_ROWS = "i64 rows, i64 length, u32 groups, u32 inner, double eps, int lanes"
_forward = with_widths(
    _FILE,
    "norm_forward",
    "const T* x, T* y, W*? means, W* vars, const T*? w_narrow, const W*? w_wide,"
    f" const T*? b_narrow, const W*? b_wide, {_ROWS}",
)
_backward = with_widths(
    _FILE,
    "norm_backward",
    "const T* dy, const T* x, T* dx, const W*? means, const W* vars, const W*? dmeans,"
    f" const W*? dvars, const T*? w_narrow, const W*? w_wide, {_ROWS}",
)
_columns = with_widths(
    _FILE,
    "norm_columns",
    "const T* dy, const T* x, const W*? means, const W* vars, W* partial, i64 rows, i64 width,"
    " i64 chunk, u32 groups, double eps",
)
_planes = with_widths(
    _FILE,
    "norm_planes",
    "const T* dy, const T* x, const W*? means, const W* vars, W* partial, i64 planes, i64 inner,"
    " u32 shared, double eps, int lanes",
)
_totals = with_widths(
    _FILE,
    "norm_totals",
    "const T*? none, const W* partial, W* dw, W*? db, i64 parts, i64 width",
)


def team_for(vectors: int, rows: int) -> tuple[int, int, int]:
    """How many lanes share a row of so many vectors (0: a block), and the grid and block."""
    if vectors > 1024:
        return 0, grid_over(rows, 1), 512
    lanes = min(32, 1 << max(0, vectors - 1).bit_length())
    return lanes, grid_over(rows, 256 // lanes), 256


def column_chunk(rows: int, tiles: int) -> int:
    """Rows per block of a sum over columns: enough blocks for any GPU, and at least 32 rows."""
    wanted = -(-rows * tiles // 512)
    return max(32, min(1024, -(-wanted // 32) * 32))


def row_norm(
    x: Any, w: Any, b: Any, rows: int, groups: int, inner: int, eps: float, centered: bool = True
) -> tuple[Any, Any, Any]:
    """(y, mean, var) of rows, at least one; without a mean (None) if not ``centered``: rms norm."""
    xp, kind = cupy(), wide(x.dtype)
    x = contiguous(x)
    y = xp.empty_like(x)
    mean = xp.empty(rows, kind) if centered else None
    var = xp.empty(rows, kind)
    length = x.size // rows
    lanes, grid, block = team_for(-(-length // per_vector(x)), rows)
    parameters = *parameter(w, x), *parameter(b, x)
    settings = rows, length, groups, inner, eps, lanes
    _forward(grid, block, x.dtype, x, y, mean, var, *parameters, *settings)
    return y, mean, var


def row_norm_gradient(
    dy: Any, dmean: Any, dvar: Any, x: Any, w: Any, mean: Any, var: Any, groups: int, inner: int,
    eps: float, needs: Any,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """(dx, dw, db); dw and db are 1-D, of the type that is computed in."""
    xp = cupy()
    x, dy = contiguous(x), contiguous(dy.astype(x.dtype, copy=False))
    rows = var.size
    length = x.size // rows
    dx = xp.empty_like(x) if needs[0] else None
    if needs[0]:
        lanes, grid, block = team_for(-(-length // per_vector(x)), rows)
        settings = rows, length, groups, inner, eps, lanes
        statistics = mean, var, dmean, dvar
        _backward(grid, block, x.dtype, dy, x, dx, *statistics, *parameter(w, x), *settings)
    if not (needs[1] or needs[2]):
        return dx, None, None
    width = groups * (length // inner)
    sums = xp.empty((2, width), var.dtype)
    partial = _partial_sums(dy, x, mean, var, rows, length, groups, inner, eps)
    totals = partial, sums[0], sums[1], partial.shape[1], width
    _totals(grid_over(width, 8), (8, 32, 1), x.dtype, None, *totals)
    return dx, (sums[0] if needs[1] else None), (sums[1] if needs[2] else None)


def _partial_sums(
    dy: Any,
    x: Any,
    mean: Any,
    var: Any,
    rows: int,
    length: int,
    groups: int,
    inner: int,
    eps: float,
) -> Any:
    """(2, parts, width): sum(dy xhat) and sum(dy) of parts of x."""
    xp = cupy()
    if inner == 1:
        samples, width = rows // groups, groups * length
        vector = per_vector(x) if groups == 1 else 1
        tiles = -(-width // (8 * vector))
        chunk = column_chunk(samples, tiles)
        chunks = -(-samples // chunk)
        partial = xp.empty((2, chunks, width), var.dtype)
        arrays = dy, x, mean, var, partial
        _columns(
            (tiles, min(chunks, 65535), 1),
            (8, 32, 1),
            x.dtype,
            *arrays,
            samples,
            width,
            chunk,
            groups,
            eps,
        )
        return partial
    planes, shared = x.size // inner, length // inner
    partial = xp.empty((2, planes // (groups * shared), groups * shared), var.dtype)
    lanes, grid, block = team_for(-(-inner // per_vector(x)), planes)
    _planes(grid, block, x.dtype, dy, x, mean, var, partial, planes, inner, shared, eps, lanes)
    return partial
