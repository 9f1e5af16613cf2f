"""Pooling of whole planes, and of 2 x 2 windows that cover them: kernels/pooling_planes.cu.

``shape_of`` says which of the two it is, if any; the general kernels have the rest.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from lucid.backend.cuda.arrays import THREADS, grid_over, per_vector
from lucid.backend.cuda.kernel import Kernel

__all__ = ["divisor_of", "pool", "shape_of", "unpool"]

_FILE = "pooling_planes.cu"
_COLUMNS = "u32 channels, double divisor"
_mean_rows = Kernel(
    _FILE, "global_mean_rows", "const T* x, T* y, i64 planes, i64 inner, double divisor, int lanes"
)
_mean_columns = Kernel(
    _FILE, "global_mean_columns", f"const T* x, T* y, i64 samples, i64 inner, {_COLUMNS}"
)
_spread_rows = Kernel(
    _FILE, "global_spread_rows", "const T* dy, T* dx, i64 n, u32 inner, double divisor"
)
_spread_columns = Kernel(
    _FILE, "global_spread_columns", f"const T* dy, T* dx, i64 samples, u32 inner, {_COLUMNS}"
)
_max_pairs = Kernel(_FILE, "max_pairs", "const T* x, T* y, u8*? numbers, i64 rows, u32 width")
_max_pairs_gather = Kernel(
    _FILE, "max_pairs_gather", "const T* dy, const u8* numbers, T* dx, i64 rows, u32 width"
)
_avg_pairs = Kernel(_FILE, "avg_pairs", "const T* x, T* y, i64 rows, u32 width, double divisor")
_avg_pairs_gather = Kernel(
    _FILE, "avg_pairs_gather", "const T* dy, T* dx, i64 rows, u32 width, double divisor"
)
_MOST = 2**31 - 1


@lru_cache(maxsize=512)
def shape_of(axes: tuple) -> str | None:
    """One window, all of the plane: "global"; windows of 2 x 2 that cover it: "pairs"."""
    if all(axis.size == 1 and tuple(axis.spans()) == ((0, axis.extent),) for axis in axes):
        return "global" if math.prod(axis.extent for axis in axes) <= _MOST else None
    # extent, size, kernel, stride, padding, dilation
    pairs = [tuple(axis) == (2 * axis.size, axis.size, 2, 2, 0, 1) for axis in axes[-2:]]
    rest = all(axis.extent == axis.size == 1 for axis in axes[:-2])
    return "pairs" if len(pairs) == 2 and all(pairs) and rest else None


@lru_cache(maxsize=512)
def divisor_of(counts: tuple) -> int | None:
    """What all windows are divided by; None if they don't agree."""
    if any(len(set(given)) != 1 for given in counts):
        return None
    return math.prod(given[0] for given in counts)


def pool(
    shape: str | None, x: Any, y: Any, last: bool, divisor: int | None, numbers: Any = None
) -> bool:
    """Fill y with means, or (no ``divisor``) with maxima and their numbers; False: not these."""
    if shape == "global" and divisor is not None:
        n, c = x.shape[:2]
        inner = x.size // (n * c)
        if last:
            vector = per_vector(x) if c % per_vector(x) == 0 else 1
            tiles = -(-c // (8 * vector)), min(n, 65535), 1
            _mean_columns(tiles, (8, 32, 1), x.dtype, x, y, n, inner, c, float(divisor))
        else:
            lanes, grid, block = _teams(-(-inner // per_vector(x)), n * c)
            _mean_rows(grid, block, x.dtype, x, y, n * c, inner, float(divisor), lanes)
        return True
    if not _in_pairs(shape, last, x, y, numbers):
        return False
    rows, width, grid = _pairs(x)
    if divisor is None:
        _max_pairs(grid, THREADS, x.dtype, x, y, numbers, rows, width)
    else:
        _avg_pairs(grid, THREADS, x.dtype, x, y, rows, width, float(divisor))
    return True


def unpool(
    shape: str | None, dy: Any, dx: Any, last: bool, divisor: int | None, numbers: Any = None
) -> bool:
    """Fill dx, the gradient of ``pool``; False: not these."""
    if shape == "global" and divisor is not None:
        n, c = dx.shape[:2]
        inner, vector = dx.size // (n * c), per_vector(dx)
        if last:
            vector = vector if c % vector == 0 else 1
            grid = grid_over(dx.size, THREADS * vector)
            _spread_columns(grid, THREADS, dx.dtype, dy, dx, n, inner, c, float(divisor))
        else:
            grid = grid_over(dx.size, THREADS * vector)
            _spread_rows(grid, THREADS, dx.dtype, dy, dx, dx.size, inner, float(divisor))
        return True
    if not _in_pairs(shape, last, dx, dy, numbers):
        return False
    rows, width, grid = _pairs(dx)
    if divisor is None:
        _max_pairs_gather(grid, THREADS, dx.dtype, dy, numbers, dx, rows, width)
    else:
        _avg_pairs_gather(grid, THREADS, dx.dtype, dy, dx, rows, width, float(divisor))
    return True


def _in_pairs(shape: str | None, last: bool, x: Any, y: Any, numbers: Any) -> bool:
    if shape != "pairs" or last or x.shape[-1] % per_vector(x):
        return False
    if numbers is not None and numbers.dtype != "uint8":
        return False
    return not any(a.data.ptr % 16 for a in (x, y, numbers) if a is not None)


def _pairs(x: Any) -> tuple[int, int, int]:
    """Rows of y in all planes, the width of x, and the grid."""
    width = x.shape[-1]
    return x.size // (2 * width), width, grid_over(x.size // (2 * per_vector(x)), THREADS)


def _teams(vectors: int, rows: int) -> tuple[int, int, int]:
    """How many lanes share a plane of so many vectors (0: a block), and the grid and block."""
    if vectors > 1024:
        return 0, grid_over(rows, 1), 512
    lanes = min(32, 1 << max(0, vectors - 1).bit_length())
    return lanes, grid_over(rows, THREADS // lanes), THREADS
