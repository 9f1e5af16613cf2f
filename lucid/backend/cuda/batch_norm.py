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
)
from lucid.backend.cuda.availability import cupy
from lucid.backend.cuda.by_channel import columns_launch, planes_launch
from lucid.backend.cuda.kernel import Kernel
from lucid.backend.cuda.normalization import column_chunk, team_for
from lucid.backend.cuda.random import KEY, key_arguments
from lucid.backend.philox import Key

__all__ = ["batch_norm", "batch_norm_gradient", "chain_of"]

_NORM = (
    "const W* mean, const W* var, const T*? w_narrow, const W*? w_wide, const T*? b_narrow,"
    " const W*? b_wide, double eps"
)
_CHAIN = f"int relu, u64 threshold, double factor, {KEY}"
_SLOPE = (
    "const W*? along, const W*? total, const W*? dmean, const W*? dvar, double n,"
    f" {_NORM}, {_CHAIN}"
)


def _forward(entry: str, signature: str) -> Any:
    return Kernel("batch_norm.cu", entry, signature)


def _backward(entry: str, signature: str) -> Any:
    return Kernel("batch_norm_backward.cu", entry, signature)


_planes_normalize = _forward(
    "planes_normalize", f"const T* x, T* y, i64 n, u32 inner, u32 channels, {_NORM}, {_CHAIN}"
)
_columns_normalize = _forward(
    "columns_normalize",
    f"const T* x, T* y, i64 samples, i64 inner, u32 channels, {_NORM}, {_CHAIN}",
)
_planes_sums = _backward(
    "planes_sums",
    "const T* dy, const T* x, W* partial, i64 planes, i64 inner, u32 channels, int lanes,"
    f" {_NORM}, {_CHAIN}",
)
_columns_sums = _backward(
    "columns_sums",
    "const T* dy, const T* x, W* partial, i64 rows, u32 inner, i64 width, i64 chunk,"
    f" {_NORM}, {_CHAIN}",
)
_combine_sums = _backward(
    "combine_sums",
    "const W* partial, const W* var, W* along, W* total, W* dw, i64 parts, i64 width, double eps",
)
_planes_backward = _backward(
    "planes_backward",
    f"const T* dy, const T*? x, T* dx, i64 size, u32 inner, u32 channels, {_SLOPE}",
)
_columns_backward = _backward(
    "columns_backward",
    f"const T* dy, const T*? x, T* dx, i64 samples, i64 inner, u32 channels, {_SLOPE}",
)


class Chain(NamedTuple):
    """What follows the norm in the same pass: relu, and dropout2d if there is a threshold."""

    relu: int = 0
    threshold: int = 0
    factor: float = 1.0
    key: tuple = (0, 0, 0, 0, None)  # of key_arguments

    @property
    def arguments(self) -> tuple:
        """As the kernels take them."""
        return *self[:3], *self.key


def chain_of(key: Key | None, threshold: int, factor: float) -> Chain:
    """relu, and with a key dropout of channels."""
    return Chain(1) if key is None else Chain(1, threshold, factor, key_arguments(key))


_ALONE = Chain()
_SAMPLES = 256  # whose decisions a block of columns_sums holds; batch_norm_backward.cu says so too


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
        sizes, launch = _columns_over(x, n, c, inner, chain)
        _columns_normalize(*launch, x.dtype, x, y, *sizes, *norm, *chain.arguments)
    else:
        launch = planes_launch(x, inner)
        _planes_normalize(*launch, x.dtype, x, y, x.size, inner, c, *norm, *chain.arguments)
    return y


def batch_norm_gradient(
    dy: Any, x: Any, mean: Any, var: Any, w: Any, eps: float, needs: Any, *, fixed: bool,
    dmean: Any = None, dvar: Any = None, b: Any = None, chain: Chain = _ALONE,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """(dx, dw, db). ``fixed``: mean and var were given, not x's own. b: for the chain's relu."""
    xp, kind = cupy(), wide(dy.dtype)
    model, n, c, inner, last = by_channels(dy if x is None else x)
    dy = same_order(dy, model)
    x = None if x is None else model
    mean, var = _flat(mean, kind), _flat(var, kind)
    norm = mean, var, *parameter(w, model), *parameter(b, model), eps, *chain.arguments
    along = total = dw = None
    if needs[1] or needs[2] or not fixed:
        make = xp.empty if dy.size else xp.zeros
        # Apart: a leaf takes over a gradient that is nobody else's memory, and copies others.
        along, total, dw = make(c, kind), make(c, kind), make(c, kind)
        if dy.size:
            sizes = n, c, inner, last
            partial = _partial_sums(dy, dy if x is None else x, sizes, norm, bool(chain.threshold))
            totals = along, total, dw, partial.shape[1], c, eps
            _combine_sums(grid_over(c, 8), (8, 32, 1), dy.dtype, partial, var, *totals)
    dx = xp.empty_like(model) if needs[0] else None
    if dx is not None and dx.size:
        own: tuple = (None, None, None, None)
        if not fixed:
            own = along, total, _flat(dmean, kind), _flat(dvar, kind)
        slope = *own, float(n * inner), *norm
        if last:
            over, launch = _columns_over(dx, n, c, inner, chain)
            _columns_backward(*launch, dx.dtype, dy, x, dx, *over, *slope)
        else:
            launch = planes_launch(dx, inner)
            _planes_backward(*launch, dx.dtype, dy, x, dx, dx.size, inner, c, *slope)
    return dx, (dw if needs[1] else None), (total if needs[2] else None)


def _partial_sums(
    dy: Any, x: Any, sizes: tuple[int, int, int, bool], norm: tuple, draws: bool
) -> Any:
    """(2, parts, C): sum(g (x - mean)) and sum(g) of parts of the batch."""
    n, c, inner, last = sizes
    kind = norm[0].dtype
    if last:
        rows, tiles = n * inner, -(-c // (8 * per_vector(x)))
        chunk = column_chunk(rows, tiles)
        if draws:
            chunk = min(chunk, (_SAMPLES - 1) * inner)
        parts = -(-rows // chunk)
        partial = cupy().empty((2, parts, c), kind)
        across = tiles, min(parts, 65535), 1
        _columns_sums(across, (8, 32, 1), x.dtype, dy, x, partial, rows, inner, c, chunk, *norm)
        return partial
    partial = cupy().empty((2, n, c), kind)
    lanes, grid, block = team_for(-(-inner // per_vector(x)), n * c)
    _planes_sums(grid, block, x.dtype, dy, x, partial, n * c, inner, c, lanes, *norm)
    return partial


def _flat(values: Any, kind: Any) -> Any:
    """One value per channel, of the type that is computed in."""
    if values is None:
        return None
    return values.reshape(-1).astype(kind, copy=False)


def _columns_over(x: Any, n: int, c: int, inner: int, chain: Chain) -> tuple[tuple, Any]:
    """(samples, positions, channels) of a walk over columns, and its grid and block.

    Without decisions all positions are of one sample.
    """
    sizes = (n, inner, c) if chain.threshold else (1, n * inner, c)
    return sizes, columns_launch(x, *sizes)
