"""Batch normalization on the CPU: two walks over x each way, in blocks that stay in cache.

A mean that is near 0, measured in standard deviations, may be subtracted late: the variance is the
mean square less the square of the mean, and (x - mean) * scale is x * scale less a number. That
saves a pass over each block. A mean that is far away is subtracted first, which loses no digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lucid.backend.cpu import arena
from lucid.backend.cpu.channels import Layout, layout
from lucid.backend.cpu.norm import above_zeros, minus
from lucid.backend.cpu.threads import scratch

__all__ = ["affine", "backward", "forward"]

_NEAR = 4.0  # the square of a near mean, in variances, at most
_FEW = 1 << 15  # elements that are done at once
_SHORT = 1 << 10  # of so many rows: more would be added up with less care than blocks are

Three = tuple[Any, Any, Any]


def forward(x: np.ndarray, w: Any, b: Any, eps: float) -> Three | None:
    """y of x (N, C, *), mean and var (C,). None if x lies otherwise in memory than Layout knows."""
    few = _few(x)
    if few is not None:
        mean = np.add.reduce(few, 0) / few.dtype.type(len(few))
        y = few - mean
        var = np.add.reduce(y * y, 0) / few.dtype.type(len(few))
        scale = 1 / np.sqrt(var + eps)
        y *= scale if w is None else scale * w
        if b is not None:
            y += b
        return y, mean, var
    at = layout(x)
    if at is None:
        return None
    mean, var = _statistics(at, x)
    return _affine(at, x, mean, 1 / np.sqrt(var + eps), w, b), mean, var


def backward(
    dy: np.ndarray,
    dmean: Any,
    dvar: Any,
    x: np.ndarray,
    w: Any,
    mean: np.ndarray,
    var: np.ndarray,
    eps: float,
    needs: Any,
) -> Three | None:
    """The gradients of forward; None as there."""
    n, plain = x.size // mean.size, dmean is None and dvar is None
    mean, scale = mean.reshape(-1), 1 / np.sqrt(var.reshape(-1) + eps)
    few = _few(x, dy) if plain else None
    at: Any = layout(x, dy) if few is None else None
    if few is not None:
        away = few - mean
        total, along = np.add.reduce(dy, 0), np.add.reduce(dy * away, 0)
    elif at is not None:
        total, along = _sums(at, dy, x, mean, scale)
    else:
        return None
    dw, db = along * scale if needs[1] else None, total if needs[2] else None
    if not needs[0]:
        return None, dw, db
    bend, level, slope = scale * scale * along / -n, total / -n, scale if w is None else scale * w
    if few is not None:
        away *= bend
        away += level
        away += dy
        away *= slope
        return away, dw, db
    dx = _combine(at, dy, x, mean, scale, bend, level, slope)
    if not plain:
        dmean, dvar = (mean * 0 if d is None else d.reshape(-1) / n for d in (dmean, dvar))
        dx += _affine(at, x, mean, 2 * dvar, None, dmean)
    return dx, dw, db


def affine(x: np.ndarray, mean: Any, scale: Any, w: Any, b: Any) -> np.ndarray | None:
    """(x - mean) * scale * w + b per channel, in x's type and order of memory. None as there."""
    at = layout(x)
    return None if at is None else _affine(at, x, mean, scale, w, b)


def _few(x: np.ndarray, other: np.ndarray | None = None) -> np.ndarray | None:
    """x if it is so small that calls cost more than arithmetic, and a matrix."""
    if x.ndim != 2 or not 0 < x.size <= _FEW or len(x) > _SHORT or x.dtype.char not in "fd":
        return None
    return x if other is None or other.dtype == x.dtype else None


def _statistics(at: Layout, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance per channel, in one walk.

    What the blocks' means differ from the whole's is added afterwards (Chan, Golub and LeVeque,
    1979).
    """
    matrix, n, rows = at.matrix(x), x.size // at.channels, at.kind == "rows"
    means, squares = at.sums(np.float64), at.sums(np.float64)
    size = at.shape[1] if rows else at.step * at.inner * at.repeats
    sizes = np.full((means.size // at.channels, 1), size, np.float64)
    if not rows:
        sizes[-1] = n - sizes[:-1].sum()
    ones = above_zeros(np.ones(at.shape[1], at.wide))

    def run(block: slice, i: int) -> None:
        part, where = at.load(matrix[block]), at.at(block, i)
        size = part.shape[1] if rows else part.shape[0] * at.inner * at.repeats
        mean = at.fold(at.reduce(part)) / np.float64(size)
        var = at.dots(part, part) / size - mean * mean
        if not (mean * mean <= _NEAR * var).all():
            mean = mean.astype(part.dtype)
            away = scratch("away", part.size, part.dtype).reshape(part.shape)
            if rows:
                minus(part, mean[:, None], ones, away)
            else:
                np.subtract(part, at.spread(mean), out=away)
            rest = at.fold(at.reduce(away)) / np.float64(size)  # what rounding left of it
            mean = mean + rest
            var = at.dots(away, away) / size - rest * rest
        means[where], squares[where] = mean, var * size

    at.blocks(run)
    means = means.reshape(-1, at.channels)
    mean = at.per_channel(means * sizes) / n
    apart = (means - mean) ** 2
    apart *= sizes
    var = (at.per_channel(squares) + at.per_channel(apart)) / n
    return mean.astype(at.wide), var.astype(at.wide)


def _affine(at: Layout, x: np.ndarray, mean: Any, scale: Any, w: Any, b: Any) -> np.ndarray:
    y = arena.empty_like(x)
    mean, scale = np.asarray(mean, at.wide), np.asarray(scale, at.wide)
    far = _far(mean, scale)
    scale, shift = scale if w is None else scale * w, mean * 0 if b is None else b
    values = [scale, shift, mean] if far else [scale, shift - mean * scale]

    def run(out: Any, x: Any, scale: Any, shift: Any, mean: Any = None) -> None:
        work = _work(at, out)
        if far:
            x = np.subtract(x, mean, out=work)
        np.multiply(x, scale, out=work)
        work += shift
        if at.half:
            out[...] = work

    at.maps(run, [y, x], values)
    return y


def _sums(
    at: Layout, dy: np.ndarray, x: np.ndarray, mean: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """sum(dy) and sum(dy * (x - mean)) per channel."""
    above, below, center = at.matrix(dy), at.matrix(x), at.per_element(mean)
    total, along = at.sums(), at.sums()
    far = _far(mean, scale)

    def run(block: slice, i: int) -> None:
        g, values, where = at.load(above[block]), at.load(below[block]), at.at(block, i)
        if far:
            values = values - at.part(center, block)
        total[where] = at.fold(at.reduce(g))
        along[where] = at.dots(g, values)

    at.blocks(run)
    first, second = at.per_channel(total), at.per_channel(along)
    return first.astype(at.wide), (second - (0 if far else mean * first)).astype(at.wide)


def _combine(
    at: Any, dy: np.ndarray, x: np.ndarray, mean: Any, scale: Any, bend: Any, level: Any, slope: Any
) -> np.ndarray:
    """(dy + (x - mean) * bend + level) * slope, per channel."""
    dx = arena.empty_like(x)
    far = _far(mean, scale)
    values = [bend, level, slope, mean] if far else [bend, level - mean * bend, slope]

    def run(out: Any, dy: Any, x: Any, bend: Any, level: Any, slope: Any, mean: Any = None) -> None:
        work = _work(at, out)
        if far:
            x = np.subtract(x, mean, out=work)
        np.multiply(x, bend, out=work)
        work += level
        work += dy
        work *= slope
        if at.half:
            out[...] = work

    at.maps(run, [dx, dy, x], values)
    return dx


def _work(at: Layout, out: np.ndarray) -> np.ndarray:
    """Where a part of the result is computed: itself, or float32 memory where it is a half."""
    return scratch("away", out.size, np.float32).reshape(out.shape) if at.half else out


def _far(mean: np.ndarray, scale: np.ndarray) -> bool:
    away = mean * scale
    return not bool((away * away <= _NEAR).all())
