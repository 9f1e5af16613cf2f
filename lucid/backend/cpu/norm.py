"""Layer normalization on the CPU: whole rows in blocks that stay in cache.

NumPy broadcasts a column or a row at half to a third of the speed of arrays of one shape, and a sum
of squares costs it two passes. So columns become matrices by a product with one row (of w, or of
ones), which also multiplies them by w on the way; rows are repeated once per call; and the sums
are BLAS products.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from lucid.backend.cpu import arena, blas
from lucid.backend.cpu.threads import scratch

__all__ = [
    "above_zeros", "layer_backward", "layer_forward", "like", "minus", "row_blocks", "step",
    "times",
]  # fmt: skip

_BLOCK = 1 << 17  # elements: smaller ones would stay nearer, but the calls of one take some 20 us;
_SMALL = 1 << 15  # of a small array, these or an eighth of it, so that threads have blocks to share
_FEW = 1 << 13  # so many elements are done before a column is a matrix
_LONG = 1 << 12  # from this width on NumPy's own broadcasting is as fast


def step(width: int, rows: int) -> int:
    """How many rows are a block."""
    return max(1, min(_BLOCK, max(_SMALL, width * rows // 8)) // width)


def row_blocks(rows: int, count: int, function: Callable[[slice, int], object]) -> None:
    """function(slice of ``count`` rows, number of the block), shared among the threads."""

    def run(start: int, stop: int) -> None:
        for i in range(start, stop):
            function(slice(i * count, min((i + 1) * count, rows)), i)

    blas.share(run, -(-rows // count), 1)


def outer(column: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """column (n, 1) times the first of two rows (2, m): (n, m), in this thread's memory.

    The other row is zeros: NumPy gives a product to BLAS if its inner dimension is at least 2.
    """
    n, m = len(column), rows.shape[1]
    pair = np.zeros((n, 2), column.dtype)
    pair[:, :1] = column
    return np.matmul(pair, rows, out=scratch("outer", n * m, column.dtype).reshape(n, m))


def above_zeros(row: np.ndarray) -> np.ndarray:
    rows = np.zeros((2, row.size), row.dtype)
    rows[0] = row
    return rows


def broadcasts(values: np.ndarray) -> bool:
    """Whether NumPy's own broadcasting is the fastest."""
    return values.size <= _FEW or values.shape[1] >= _LONG


def minus(values: np.ndarray, column: np.ndarray, ones: np.ndarray, out: np.ndarray) -> np.ndarray:
    """values - column, one number for each row."""
    return np.subtract(values, column if broadcasts(values) else outer(column, ones), out=out)


def times(values: np.ndarray, column: np.ndarray, rows: np.ndarray, out: np.ndarray) -> np.ndarray:
    """values * column * the first of two rows."""
    if broadcasts(values):
        return np.multiply(np.multiply(values, column, out=out), rows[0], out=out)
    return np.multiply(values, outer(column, rows), out=out)


def like(values: np.ndarray, name: str) -> np.ndarray:
    """This thread's memory of that name, as large as values."""
    return scratch(name, values.size, values.dtype).reshape(values.shape)


def _rows_of(values: np.ndarray | None, wide: Any, count: int) -> np.ndarray | None:
    """A parameter as ``count`` rows."""
    if values is None:
        return None
    return np.ascontiguousarray(np.broadcast_to(values.reshape(-1), (count, values.size)), wide)


def layer_forward(
    x: np.ndarray, w: np.ndarray | None, b: np.ndarray | None, eps: float, dims: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(x - mean) / sqrt(var + eps) * w + b over the last dims; with mean and var, kept as 1s."""
    lead, shape = x.shape[: x.ndim - dims], x.shape[x.ndim - dims :]
    width = math.prod(shape)
    rows = x.size // width
    count = step(width, rows)
    wide: Any = np.float64 if x.dtype == np.float64 else np.float32
    y = arena.empty_like(x)
    source, target = x.reshape(rows, width), y.reshape(rows, width)
    mean, var = np.empty((rows, 1), wide), np.empty((rows, 1), wide)
    ones = above_zeros(np.ones(width, wide))
    weight = ones if w is None else above_zeros(w.reshape(-1).astype(wide, copy=False))
    bias = _rows_of(b, wide, min(count, rows))

    def run(block: slice, i: int) -> None:
        values: Any = source[block].astype(wide, copy=False)
        center, spread = mean[block], var[block]
        np.matmul(values, ones[0], out=center[:, 0])
        center /= width
        out = target[block] if target.dtype == wide else like(values, "values")
        minus(values, center, ones, out)
        np.vecdot(out, out, out=spread[:, 0])
        spread /= width
        times(out, 1 / np.sqrt(spread + eps), weight, out)
        if bias is not None:
            out += bias[: len(out)]
        if target.dtype != wide:
            target[block] = out

    row_blocks(rows, count, run)
    kept = lead + (1,) * dims
    return y, mean.reshape(kept), var.reshape(kept)


def layer_backward(
    dy: np.ndarray,
    dmean: np.ndarray | None,
    dvar: np.ndarray | None,
    x: np.ndarray,
    w: np.ndarray | None,
    mean: np.ndarray,
    var: np.ndarray,
    eps: float,
    needs: Any,
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """The gradients of layer_forward: dx, and dw and db as rows."""
    rows = mean.size
    width = x.size // rows
    wide, count = mean.dtype, step(width, rows)
    dx = arena.empty_like(x)
    above, below, target = (a.reshape(rows, width) for a in (dy, x, dx))
    mean, var = mean.reshape(rows, 1), var.reshape(rows, 1)
    dmean, dvar = (None if a is None else a.reshape(rows, 1) for a in (dmean, dvar))
    ones = above_zeros(np.ones(width, wide))
    weight = ones if w is None else above_zeros(w.reshape(-1).astype(wide, copy=False))
    parts = np.zeros((2, -(-rows // count), width), wide)

    def run(block: slice, i: int) -> None:
        g = above[block].astype(wide, copy=False)
        scale = 1 / np.sqrt(var[block] + eps)
        away = minus(below[block], mean[block], ones, like(g, "values"))
        product = np.multiply(g, away, out=like(g, "product"))
        if needs[1]:
            np.matmul(scale[:, 0], product, out=parts[0, i])
        if needs[2]:
            np.matmul(np.ones(len(g), wide), g, out=parts[1, i])
        along = (product @ weight[0])[:, None] * (scale * scale)  # sum(g xhat) / distance
        if dvar is not None:
            along -= dvar[block] * 2 / scale
        level = (g @ weight[0])[:, None] * scale
        if dmean is not None:
            level -= dmean[block]
        out = target[block] if target.dtype == wide else product
        times(g, scale, weight, out)
        out += times(away, along * (scale / -width), ones, away)
        minus(out, level / width, ones, out)
        if out is product:
            target[block] = out

    row_blocks(rows, count, run)
    sums = parts.sum(1)
    return dx, (sums[0] if needs[1] else None), (sums[1] if needs[2] else None)
