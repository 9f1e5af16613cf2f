"""Sums and affine maps per channel, in blocks that stay in cache, for batch normalization.

An array (N, C, *) is seen as a matrix in the order of its memory. Either a row belongs to one
channel (contiguous, large images), or the channels repeat along every row (channels last; (N, C);
small images, a row per sample).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from lucid.backend.cpu import blas
from lucid.backend.cpu.norm import above_zeros, minus
from lucid.backend.cpu.threads import scratch

__all__ = ["Layout", "layout"]

_BLOCK = 1 << 17  # elements; smaller ones would stay nearer, but the calls of one take some 20 us
_SMALL = 1 << 15  # of a small array, these or an eighth of it, so that threads have blocks to share
_ROW = 128  # a shorter row per channel costs more in calls than in arithmetic
_WIDE = 1024  # channels repeated along a row up to about this many elements


def layout(x: np.ndarray, other: np.ndarray | None = None) -> Layout | None:
    """How x (N, C, *) lies in memory; None if it has gaps, or the other array lies differently."""
    if not x.size or (other is not None and other.strides != x.strides):
        return None
    n, c = x.shape[:2]
    if x.flags.c_contiguous:
        inner = x.size // (n * c)
        if inner >= _ROW or (inner >= _ROW // 4 and c * inner > 8 * _WIDE):
            return Layout("rows", x, inner, c, 1)
        return Layout("columns", x, n, c, inner)
    if np.moveaxis(x, 1, -1).flags.c_contiguous:
        return Layout("columns", x, x.size // c, c, 1)
    return None


class Layout:
    """The matrix: "rows" of ``length``, one channel each, or "columns": of x's ``length`` rows of
    C * inner elements, ``repeats`` lie side by side."""

    def __init__(self, kind: str, x: np.ndarray, length: int, channels: int, inner: int) -> None:
        self.kind, self.channels, self.inner = kind, channels, inner
        self.wide = np.float64 if x.dtype == np.float64 else np.float32
        self.half = x.dtype.itemsize == 2
        block = min(_BLOCK, max(_SMALL, x.size // 8))
        if kind == "rows":
            self.shape = x.size // length, length
            self.step = max(1, block // length)
        else:
            width = channels * inner
            self.repeats = math.gcd(length, 1 << max(0, (_WIDE // width).bit_length() - 1))
            self.shape = length // self.repeats, width * self.repeats
            self.step = max(16, block // self.shape[1])

    def matrix(self, x: np.ndarray) -> np.ndarray:
        """x as the matrix; a view."""
        if not x.flags.c_contiguous:
            x = np.moveaxis(x, 1, -1)
        return x.reshape(self.shape)

    def per_element(self, values: np.ndarray) -> np.ndarray:
        """One value per channel, to broadcast with the matrix (rows: a column of all its rows)."""
        values = np.asarray(values, self.wide).reshape(-1)
        if self.kind == "rows":
            return np.tile(values, self.shape[0] // self.channels)[:, None]
        return self._spread(values)[None]

    def part(self, values: np.ndarray, block: slice) -> np.ndarray:
        """What of per_element's answer belongs to a block of rows."""
        return values[block] if self.kind == "rows" else values

    def per_channel(self, sums: np.ndarray) -> np.ndarray:
        """Sums per row, or per block and channel, added up per channel, in double."""
        return sums.reshape(-1, self.channels).sum(0, dtype=np.float64)

    def fold(self, sums: np.ndarray) -> np.ndarray:
        """Sums of a block's columns added up per channel; sums of its rows as they are."""
        if self.kind == "rows":
            return sums
        if self.inner > 1:
            sums = sums.reshape(-1, self.inner).sum(1)
        return sums.reshape(self.repeats, self.channels).sum(0)

    def reduce(self, block: np.ndarray) -> np.ndarray:
        """The sum of a block's rows (one per row), or columns (one per column)."""
        if self.kind == "rows":
            return block @ np.ones(block.shape[1], block.dtype)
        return np.ones(block.shape[0], block.dtype) @ block

    def load(self, block: np.ndarray) -> np.ndarray:
        return block.astype(np.float32) if self.half else block

    def blocks(self, function: Callable[[slice, int], object]) -> None:
        """function(slice of rows, number of the block), shared among the threads."""

        def run(start: int, stop: int) -> None:
            for i in range(start, stop):
                first = i * self.step
                function(slice(first, min(first + self.step, self.shape[0])), i)

        blas.share(run, self.count, 1)

    @property
    def count(self) -> int:
        return -(-self.shape[0] // self.step)

    def _sums(self, dtype: type | None = None) -> np.ndarray:
        rows = self.kind == "rows"
        return np.empty(self.shape[0] if rows else (self.count, self.channels), dtype or self.wide)

    def _at(self, block: slice, i: int) -> slice | int:
        return block if self.kind == "rows" else i

    def statistics(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance per channel, in one walk.

        Each block subtracts its own means while it is in cache; what the blocks' means differ
        from the whole's is added afterwards (Chan, Golub and LeVeque, 1979).
        """
        matrix, n, rows = self.matrix(x), x.size // self.channels, self.kind == "rows"
        means, squares = self._sums(np.float64), self._sums(np.float64)
        size = self.shape[1] if rows else self.step * self.inner * self.repeats
        sizes = np.full((means.size // self.channels, 1), size, np.float64)
        if not rows:
            sizes[-1] = n - sizes[:-1].sum()
        ones = above_zeros(np.ones(self.shape[1], self.wide))

        def run(block: slice, i: int) -> None:
            part, at = self.load(matrix[block]), self._at(block, i)
            size = part.shape[1] if rows else part.shape[0] * self.inner * self.repeats
            mean = self.fold(self.reduce(part)) / size
            away = scratch("away", part.size, part.dtype).reshape(part.shape)
            if rows:
                minus(part, mean[:, None], ones, away)
            else:
                np.subtract(part, self._spread(mean), out=away)
            rest = self.fold(self.reduce(away)) / np.float64(size)  # what rounding left of the mean
            means[at] = mean + rest
            if rows:
                total = np.vecdot(away, away)
            else:
                away *= away
                total = self.fold(self.reduce(away))
            squares[at] = total - size * rest * rest

        self.blocks(run)
        means = means.reshape(-1, self.channels)
        mean = self.per_channel(means * sizes) / n
        apart = (means - mean) ** 2
        apart *= sizes
        var = (self.per_channel(squares) + self.per_channel(apart)) / n
        return mean.astype(self.wide), var.astype(self.wide)

    def _spread(self, values: np.ndarray) -> np.ndarray:
        """One value per channel as one per column."""
        if self.inner > 1:
            values = np.repeat(values, self.inner)
        return np.tile(values, self.repeats) if self.repeats > 1 else values

    def affine(
        self, x: np.ndarray, mean: np.ndarray, scale: np.ndarray, shift: np.ndarray | None
    ) -> np.ndarray:
        """(x - mean) * scale + shift, per channel, in x's type and memory order."""
        y = np.empty_like(x)
        source, target = self.matrix(x), self.matrix(y)
        mean, scale = self.per_element(mean), self.per_element(scale)
        shift = None if shift is None else self.per_element(shift)

        def run(block: slice, i: int) -> None:
            part, out = source[block], target[block]
            values = self.load(part) if self.half else out
            np.subtract(self.load(part), self.part(mean, block), out=values)
            values *= self.part(scale, block)
            if shift is not None:
                values += self.part(shift, block)
            if self.half:
                out[...] = values

        self.blocks(run)
        return y

    def sums(
        self, dy: np.ndarray, x: np.ndarray, mean: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """sum(dy) and sum(dy * (x - mean)) per channel."""
        above, below, center = self.matrix(dy), self.matrix(x), self.per_element(mean)
        total, along = self._sums(), self._sums()

        def run(block: slice, i: int) -> None:
            g, at = self.load(above[block]), self._at(block, i)
            away = self.load(below[block]) - self.part(center, block)
            total[at] = self.fold(self.reduce(g))
            away *= g
            along[at] = self.fold(self.reduce(away))

        self.blocks(run)
        answers = self.per_channel(total), self.per_channel(along)
        return answers[0].astype(self.wide), answers[1].astype(self.wide)

    def combine(
        self,
        dy: np.ndarray,
        slope: np.ndarray,
        x: np.ndarray,
        mean: np.ndarray,
        bend: np.ndarray,
        level: np.ndarray,
    ) -> np.ndarray:
        """dy * slope + (x - mean) * bend + level, per channel."""
        dx = np.empty_like(x)
        above, below, target = self.matrix(dy), self.matrix(x), self.matrix(dx)
        parts = [self.per_element(v) for v in (mean, bend, level, slope)]

        def run(block: slice, i: int) -> None:
            center, curve, base, steep = (self.part(v, block) for v in parts)
            out = target[block]
            values = self.load(below[block]) if self.half else out
            np.subtract(self.load(below[block]), center, out=values)
            values *= curve
            values += base
            values += self.load(above[block]) * steep
            if self.half:
                out[...] = values

        self.blocks(run)
        return dx
