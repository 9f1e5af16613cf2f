"""softmax and its logarithm along contiguous rows, in blocks, each pass straight into the result.

    softmax        y = exp(x - max) / sum(exp(x - max))     dx = y (dy - sum(y dy))
    log_softmax    y = x - max - log(sum(exp(x - max)))     dx = dy - exp(y) sum(dy)

``log_sums`` and ``scaled`` are softmax in two parts, for cross entropy, which needs y only in its
gradient: what it keeps of x is two numbers per row.
The sums are BLAS products: NumPy's own take three times as long.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from lucid.backend.cpu import arena, blas
from lucid.backend.cpu.threads import scratch

__all__ = ["gradient", "log_sums", "rows_of", "scaled", "softmax"]

_BLOCK = 1 << 17  # elements; of a small array an eighth, for threads to share
_LEAST = 1 << 17  # elements of a block at least
_FEW = 1 << 13  # fewer are done at once before they are handed out
_NEAR = 16.0  # scores whose maxima are not further from 0 have powers and sums of good size
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
        top = np.maximum.reduce(x, 1)[:, None]
        if not logarithm and _near(top):
            np.exp(x, out=y)
            y /= _sum(y, ones)[:, None]
            return
        np.subtract(x, top, out=y)
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


def log_sums(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per row of a matrix, the maximum and log(sum(exp(x - maximum))): (N, 1) each."""
    top, total = np.empty((2, len(x), 1), x.dtype)
    ones = np.ones(x.shape[1], x.dtype)

    def block(start: int, stop: int) -> None:
        part, highest = x[start:stop], top[start:stop]
        np.maximum.reduce(part, 1, out=highest, keepdims=True)
        z = scratch("powers", part.size, x.dtype).reshape(part.shape)
        near = _near(highest)
        np.exp(part if near else np.subtract(part, highest, out=z), out=z)
        sums = _sum(z, ones)
        if near:
            sums *= np.exp(-highest[:, 0])
        np.log(sums, out=total[start:stop, 0])

    _share(block, x)
    return top, total


def scaled(x: np.ndarray, top: np.ndarray, total: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """softmax(x) * factor, of what log_sums answered; factor is one number, or one per row."""
    out = arena.empty(x.shape, top.dtype)

    def block(start: int, stop: int) -> None:
        part = slice(start, stop)
        y, by = out[part], factor if factor.ndim == 0 else factor[part, None]
        if _near(top[part]):
            np.exp(x[part].astype(y.dtype, copy=False), out=y)  # not as halves
            y *= np.exp(-top[part]) * np.exp(-total[part]) * by
        else:
            np.subtract(x[part], top[part], out=y)
            y -= total[part]
            np.exp(y, out=y)
            y *= by

    _share(block, x)
    return out


def _share(block: Callable[[int, int], None], x: np.ndarray) -> None:
    if x.size <= _FEW:
        block(0, len(x))
    else:
        blas.share(block, len(x), _rows_at_once(x))


def _rows_at_once(x: np.ndarray) -> int:
    return max(1, min(_BLOCK, max(_LEAST, x.size >> 3)) // x.shape[-1])


def _near(top: np.ndarray) -> bool:
    """Whether exp(x) needs no maximum subtracted, which is a pass less."""
    return bool(np.absolute(top).max() <= _NEAR)


def _by_rows(run: Callable[..., None], *arrays: np.ndarray) -> np.ndarray:
    """run(result, *arrays, ones) on blocks of rows."""
    out = arena.empty_like(arrays[0])
    width = out.shape[-1] if out.ndim else 1
    matrices = [a.reshape(-1, width) for a in (out, *arrays)]
    ones = np.ones(width, out.dtype)

    def block(start: int, stop: int) -> None:
        run(*(m[start:stop] for m in matrices), ones)

    blas.share(block, math.prod(out.shape[:-1]), _rows_at_once(out))
    return out


def _sum(values: np.ndarray, ones: np.ndarray) -> np.ndarray:
    if len(ones) > _LONG:
        return np.add.reduce(values, 1)
    return np.matmul(values, ones)
