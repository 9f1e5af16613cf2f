"""softmax and its logarithm along contiguous rows, in blocks, each pass straight into the result.

    softmax        y = exp(x - max) / sum(exp(x - max))     dx = y (dy - sum(y dy))
    log_softmax    y = x - max - log(sum(exp(x - max)))     dx = dy - exp(y) sum(dy)

The sums are BLAS products: NumPy's own take three times as long.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from lucid.backend.cpu import blas
from lucid.backend.cpu.threads import scratch

__all__ = ["gradient", "rows_of", "softmax"]

_BLOCK = 1 << 16  # elements
_FEW = 1 << 13  # fewer are done at once before they are handed out
_LONG = 1 << 12  # longer rows are summed pairwise: the error does not grow with so many terms


def rows_of(axis: int, *arrays: np.ndarray) -> bool:
    """Whether they are many contiguous rows along the axis, of float32 or float64."""
    first = arrays[0]
    return (
        first.size > _FEW
        and axis == first.ndim - 1
        and all(a.flags.c_contiguous and a.dtype.char in "fd" for a in arrays)
    )


def softmax(x: np.ndarray, logarithm: bool) -> np.ndarray:
    """exp(x) / sum(exp(x)) over the last axis, or its logarithm."""

    def run(y: np.ndarray, x: np.ndarray, ones: np.ndarray) -> None:
        np.subtract(x, np.maximum.reduce(x, 1)[:, None], out=y)
        if logarithm:
            powers = np.exp(y, out=scratch("powers", y.size, y.dtype).reshape(y.shape))
            y -= np.log(_sum(powers, ones))[:, None]
        else:
            np.exp(y, out=y)
            y /= _sum(y, ones)[:, None]

    return _by_rows(run, x)


def gradient(dy: np.ndarray, y: np.ndarray, logarithm: bool) -> np.ndarray:
    """dx from dy and y."""

    def run(dx: np.ndarray, dy: np.ndarray, y: np.ndarray, ones: np.ndarray) -> None:
        if logarithm:
            np.exp(y, out=dx)
            dx *= _sum(dy, ones)[:, None]
            np.subtract(dy, dx, out=dx)
        else:
            np.subtract(dy, np.vecdot(dy, y)[:, None], out=dx)
            dx *= y

    return _by_rows(run, dy, y)


def _by_rows(run: Callable[..., None], *arrays: np.ndarray) -> np.ndarray:
    """run(result, *arrays, ones) on blocks of rows."""
    out = np.empty_like(arrays[0])
    width = out.shape[-1] if out.ndim else 1
    matrices = [a.reshape(-1, width) for a in (out, *arrays)]
    ones = np.ones(width, out.dtype)

    def block(start: int, stop: int) -> None:
        run(*(m[start:stop] for m in matrices), ones)

    blas.share(block, math.prod(out.shape[:-1]), max(1, _BLOCK // width))
    return out


def _sum(values: np.ndarray, ones: np.ndarray) -> np.ndarray:
    if len(ones) > _LONG:
        return np.add.reduce(values, 1)
    return np.matmul(values, ones)
