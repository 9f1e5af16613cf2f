"""Layer normalization on the CPU: whole rows in blocks that stay in cache."""

from __future__ import annotations

from typing import Any

import numpy as np

from lucid.backend.cpu import blas

__all__ = ["layer_backward", "layer_forward"]

_BLOCK = 1 << 15  # elements


def _row_blocks(rows: int, width: int, function: Any) -> None:
    """function(slice of rows, number of the block)."""
    step = max(1, _BLOCK // width)

    def run(start: int, stop: int) -> None:
        for i in range(start, stop):
            function(slice(i * step, min((i + 1) * step, rows)), i)

    blas.share(run, -(-rows // step), 1)


def layer_forward(
    x: np.ndarray, w: np.ndarray | None, b: np.ndarray | None, eps: float, dims: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(x - mean) / sqrt(var + eps) * w + b over the last dims; with mean and var, kept as 1s."""
    lead, shape = x.shape[: x.ndim - dims], x.shape[x.ndim - dims :]
    width = int(np.prod(shape))
    rows = x.size // width
    wide: Any = np.float64 if x.dtype == np.float64 else np.float32
    y = np.empty_like(x)
    source, target = x.reshape(rows, width), y.reshape(rows, width)
    mean, var = np.empty((rows, 1), wide), np.empty((rows, 1), wide)
    w = None if w is None else w.reshape(-1)
    b = None if b is None else b.reshape(-1)
    ones = np.full(width, 1 / width, wide)

    def run(block: slice, i: int) -> None:
        values: Any = source[block].astype(wide, copy=False)
        mean[block, 0] = values @ ones
        values = values - mean[block]
        np.matmul(values * values, ones, out=var[block, 0])
        values *= 1 / np.sqrt(var[block] + eps)
        if w is not None:
            values *= w
        if b is not None:
            values += b
        target[block] = values

    _row_blocks(rows, width, run)
    kept = lead + (1,) * dims
    return y, mean.reshape(kept), var.reshape(kept)


def layer_backward(
    dy: np.ndarray,
    dmean: np.ndarray,
    dvar: np.ndarray,
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
    wide = mean.dtype
    dx = np.empty_like(x)
    above, below, target = (a.reshape(rows, width) for a in (dy, x, dx))
    mean, var, dmean, dvar = (a.reshape(rows, 1) for a in (mean, var, dmean, dvar))
    flat = None if w is None else w.reshape(-1)
    ones = np.ones(width, wide)
    step = max(1, _BLOCK // width)
    parts = np.zeros((2, -(-rows // step), width), wide)

    def run(block: slice, i: int) -> None:
        g = above[block].astype(wide, copy=False)
        scale = 1 / np.sqrt(var[block] + eps)
        xhat = below[block] - mean[block]
        xhat *= scale
        if needs[1]:
            parts[0, i] = np.ones(len(g), wide) @ (g * xhat)
        if needs[2]:
            parts[1, i] = np.ones(len(g), wide) @ g
        if flat is not None:
            g = g * flat
        along = ((g * xhat) @ ones)[:, None] * scale - dvar[block] * 2 / scale
        level = (g @ ones)[:, None] * scale - dmean[block]
        xhat *= along / -width
        xhat += g * scale
        xhat -= level / width
        target[block] = xhat

    _row_blocks(rows, width, run)
    sums = parts.sum(1)
    return dx, (sums[0] if needs[1] else None), (sums[1] if needs[2] else None)
