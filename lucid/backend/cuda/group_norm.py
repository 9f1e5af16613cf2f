"""Group and instance norm of channels-last CuPy arrays, without a copy: kernels/group_norm.cu."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from lucid.backend.cuda.arrays import THREADS, grid_over, parameter, per_vector, same_order, wide
from lucid.backend.cuda.availability import cupy
from lucid.backend.cuda.kernel import Kernel, multiprocessors

__all__ = ["ChannelsLast", "group_norm_last", "group_norm_last_gradient", "grouped_last"]

_FILE = "group_norm.cu"
_SHAPE = "i64 samples, i64 inner, u32 channels"
_W, _B = "const T*? w_narrow, const W*? w_wide", "const T*? b_narrow, const W*? b_wide"
_moments = Kernel(_FILE, "group_moments", f"const T* x, W* partial, {_SHAPE}, i64 chunk")
_statistics = Kernel(
    _FILE,
    "group_statistics",
    f"const T* x, const W* partial, W* means, W* vars, {_SHAPE}, u32 per, i64 chunk, int lanes",
)
_apply = Kernel(
    _FILE,
    "group_apply",
    f"const T* x, T* y, const W* means, const W* vars, {_W}, {_B}, {_SHAPE}, u32 per, double eps",
)
_slopes = Kernel(
    _FILE,
    "group_slopes",
    f"const T* dy, const T* x, const W* means, W* partial, {_SHAPE}, u32 per, i64 chunk",
)
_totals = Kernel(
    _FILE,
    "group_totals",
    f"{_W}, const W* partial, const W* vars, const W*? dmeans, const W*? dvars, W* totals,"
    f" {_SHAPE}, u32 per, i64 chunk, double eps, int lanes",
)
_parameters = Kernel(
    _FILE,
    "group_parameters",
    "const W* partial, const W* vars, W* dw, W* db, i64 samples, i64 pieces,"
    " u32 channels, u32 per, double eps",
)
_gradient = Kernel(
    _FILE,
    "group_gradient",
    f"const T* dy, const T* x, T* dx, const W* means, const W* vars, const W* totals, {_W},"
    f" {_SHAPE}, u32 per, double eps",
)


class ChannelsLast(NamedTuple):
    """In memory (samples, inner, channels); ``per`` neighbouring channels are a group."""

    samples: int
    inner: int
    channels: int
    per: int


def grouped_last(x: Any, channels: int | None) -> ChannelsLast | None:
    """How x (N, G, *) or (N, G, per, *) lies in memory; None if not so. channels: of w and b."""
    if x.flags.c_contiguous or not x.size:
        return None
    for last in (1, 2):  # dimensions of channels
        inner = range(1 + last, x.ndim)
        if inner and x.transpose(0, *inner, *range(1, 1 + last)).flags.c_contiguous:
            many = math.prod(x.shape[1 : 1 + last])
            if channels in (None, many) and many < 2**32:
                samples, groups = x.shape[:2]
                return ChannelsLast(samples, x.size // (samples * many), many, many // groups)
    return None


def group_norm_last(x: Any, w: Any, b: Any, form: ChannelsLast, eps: float) -> tuple[Any, Any, Any]:
    """(y in x's order of memory, mean, var); the last two are (samples * groups,)."""
    xp, kind = cupy(), wide(x.dtype)
    y = xp.empty_like(x)
    rows = form.samples * (form.channels // form.per)
    mean, var = xp.empty(rows, kind), xp.empty(rows, kind)
    chunk, pieces = _pieces(x, form)
    partial = xp.empty(2 * form.samples * pieces * form.channels, kind)
    shape = form[:3]
    _moments(*_over_pieces(x, form, pieces), x.dtype, x, partial, *shape, chunk)
    lanes, grid, block = _teams(pieces * form.per, rows)
    arrays = x, partial, mean, var
    _statistics(grid, block, x.dtype, *arrays, *form, chunk, lanes)
    parameters = *parameter(w, x), *parameter(b, x)
    _apply(*_over_samples(x, form, 4), x.dtype, x, y, mean, var, *parameters, *form, eps)
    return y, mean, var


def group_norm_last_gradient(
    dy: Any, dmean: Any, dvar: Any, x: Any, w: Any, mean: Any, var: Any, form: ChannelsLast,
    eps: float, needs: Any,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """(dx, dw, db); dw and db are 1-D, of the type that is computed in."""
    xp = cupy()
    dy = same_order(dy, x, x.dtype)
    chunk, pieces = _pieces(x, form)
    partial = xp.empty(2 * form.samples * pieces * form.channels, var.dtype)
    grid_block = _over_pieces(x, form, pieces)
    _slopes(*grid_block, x.dtype, dy, x, mean, partial, *form, chunk)
    dx = dw = db = None
    if needs[0]:
        rows = form.samples * (form.channels // form.per)
        totals = xp.empty(2 * rows, var.dtype)
        lanes, grid, block = _teams(pieces * form.per, rows)
        arrays = *parameter(w, x), partial, var, dmean, dvar, totals
        _totals(grid, block, x.dtype, *arrays, *form, chunk, eps, lanes)
        dx = xp.empty_like(x)
        given = dy, x, dx, mean, var, totals, *parameter(w, x)
        _gradient(*_over_samples(x, form, 2), x.dtype, *given, *form, eps)
    if needs[1] or needs[2]:
        dw, db = xp.empty(form.channels, var.dtype), xp.empty(form.channels, var.dtype)
        settings = form.samples, pieces, form.channels, form.per, eps
        grid = grid_over(form.channels, 8)
        _parameters(grid, (8, 32, 1), x.dtype, partial, var, dw, db, *settings)
    return dx, (dw if needs[1] else None), (db if needs[2] else None)


def _vector(x: Any, form: ChannelsLast) -> int:
    """How many neighbouring channels a thread takes; the kernels decide in the same way."""
    most = per_vector(x)
    return most if form.channels % most == 0 else 1


def _pieces(x: Any, form: ChannelsLast) -> tuple[int, int]:
    """Positions per piece, by shape alone, and pieces per sample: some 512 blocks' worth."""
    tiles = -(-form.channels // (8 * _vector(x, form)))
    wanted = -(-form.inner * form.samples * tiles // 512)
    chunk = max(32, min(256, -(-wanted // 32) * 32))
    return chunk, -(-form.inner // chunk)


def _over_pieces(x: Any, form: ChannelsLast, pieces: int) -> tuple[Any, Any]:
    tiles = -(-form.channels // (8 * _vector(x, form)))
    return (tiles, min(pieces, 65535), min(form.samples, 65535)), (8, 32, 1)


def _teams(entries: int, rows: int) -> tuple[int, int, int]:
    """How many lanes share a group (0: a block), and the grid and block."""
    if entries > 1024:
        return 0, grid_over(rows, 1), THREADS
    lanes = min(32, 1 << max(0, entries - 1).bit_length())
    return lanes, grid_over(rows, THREADS // lanes), THREADS


def _over_samples(x: Any, form: ChannelsLast, positions: int) -> tuple[Any, Any]:
    """Rows of threads cover the channels of a position; a thread meets some 4 * ``positions``."""
    vectors = form.channels // _vector(x, form)
    across = min(vectors, THREADS)
    high = THREADS // across
    columns = -(-form.samples * vectors // across)
    enough = columns >= 16 * multiprocessors(x.data.device_id)
    rows = -(-form.inner // (high * positions * (4 if enough else 1)))
    return (min(columns, 2**31 - 1), min(rows, 65535), 1), (across, high, 1)
