"""Layer, group, instance and rms norm on CuPy arrays: kernels/layer_norm.cu.

Rows are what a mean is taken over, and lie one after the other, their elements in any order. With w
per channel they come in `groups`, and `inner` neighbours share an element of w.
"""

from __future__ import annotations

import math
from typing import Any

from lucid.backend.cuda.arrays import (
    contiguous,
    grid_over,
    parameter,
    per_vector,
    same_order,
    wide,
)
from lucid.backend.cuda.availability import cupy
from lucid.backend.cuda.kernel import Kernel
from lucid.backend.cuda.order import Order, memory_order

__all__ = ["column_chunk", "row_norm", "row_norm_gradient", "team_for"]

_FILE = "layer_norm.cu"
_ROWS = "i64 rows, i64 length, u32 groups, u32 inner, double eps, int lanes"
_forward = Kernel(
    _FILE,
    "norm_forward",
    "const T* x, T* y, W*? means, W* vars, const T*? w_narrow, const W*? w_wide,"
    f" const T*? b_narrow, const W*? b_wide, {_ROWS}",
)
_backward = Kernel(
    _FILE,
    "norm_backward",
    "const T* dy, const T* x, T* dx, const W*? means, const W* vars, const W*? dmeans,"
    f" const W*? dvars, const T*? w_narrow, const W*? w_wide, {_ROWS}",
)
_columns = Kernel(
    _FILE,
    "norm_columns",
    "const T* dy, const T* x, const W*? means, const W* vars, W* partial, i64 rows, i64 width,"
    " i64 chunk, u32 groups, double eps",
)
_planes = Kernel(
    _FILE,
    "norm_planes",
    "const T* dy, const T* x, const W*? means, const W* vars, W* partial, i64 planes, i64 inner,"
    " u32 shared, double eps, int lanes",
)
_totals = Kernel(
    _FILE,
    "norm_totals",
    "const W* partial, W* dw, W*? db, i64 parts, i64 width",
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
    order = _row_order(x, rows) if groups == inner == 1 else None
    if order:
        arrays = order.straight(x), _turned(w, order), _turned(b, order)
        y, mean, var = row_norm(*arrays, rows, 1, 1, eps, centered)
        return order.restore(y), mean, var
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
    eps: float, needs: Any, shape: tuple | None,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """(dx, dw, db); dw and db have this shape, and the type that is computed in."""
    order = _row_order(x, var.size) if groups == inner == 1 else None
    if order:
        straight = [order.straight(a) for a in (same_order(dy, x, x.dtype), x)]
        lead = x.ndim - len(shape) if shape else 0
        turned = None if shape is None else tuple([x.shape[d] for d in order.dimensions[lead:]])
        arrays = straight[0], dmean, dvar, straight[1], _turned(w, order), mean, var
        dx, dw, db = row_norm_gradient(*arrays, 1, 1, eps, needs, turned)
        dx = None if dx is None else order.restore(dx)
        return dx, _turned_back(dw, order), _turned_back(db, order)
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
    # Apart: a leaf takes over a gradient that is nobody else's memory, and copies others.
    dw, db = xp.empty(shape, var.dtype), xp.empty(shape, var.dtype)
    partial = _partial_sums(dy, x, mean, var, rows, length, groups, inner, eps)
    totals = partial, dw, db, partial.shape[1], width
    _totals(grid_over(width, 8), (8, 32, 1), x.dtype, *totals)
    return dx, (dw if needs[1] else None), (db if needs[2] else None)


def _row_order(x: Any, rows: int) -> Order | None:
    """x's order of memory, if rows lie one after the other in it, but not in C order themselves."""
    order = memory_order(x)
    if order is None:
        return None
    lead = 0
    while math.prod(x.shape[:lead]) != rows:
        lead += 1
    return order if order.dimensions[:lead] == tuple(range(lead)) else None


def _turned(parameter: Any, order: Order) -> Any:
    """A parameter of a row's shape, its elements as they lie in a row."""
    if parameter is None:
        return None
    lead = len(order.dimensions) - parameter.ndim
    return parameter.transpose([d - lead for d in order.dimensions[lead:]])


def _turned_back(parameter: Any, order: Order) -> Any:
    if parameter is None:
        return None
    lead = len(order.dimensions) - parameter.ndim
    own = Order(tuple([d - lead for d in order.dimensions[lead:]]))
    return contiguous(own.restore(parameter))


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
