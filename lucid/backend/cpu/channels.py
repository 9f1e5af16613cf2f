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
from lucid.backend.cpu.threads import parallel_for

__all__ = ["Layout", "layout"]

_BLOCK = 1 << 18  # elements; smaller ones would stay nearer, but the calls of one take some 20 us
_SMALL = 1 << 15  # of a small array, these or an eighth of it, so that threads have blocks to share
_ROW = 128  # a shorter row per channel costs more in calls than in arithmetic
_WIDE = 4096  # channels repeated along a row up to about this many elements
_FEW = 8192  # elements of a sample: with fewer, rows of a sample beat shorter ones of a channel
_MANY = 16  # samples from which on values per channel are written out, one per element of a sample
_ACROSS = 1 << 13  # elements of a sample at once then


def layout(x: np.ndarray, other: np.ndarray | None = None) -> Layout | None:
    """How x (N, C, *) lies in memory; None if it has gaps, or the other array lies differently."""
    if not x.size or (other is not None and other.strides != x.strides):
        return None
    n, c = x.shape[:2]
    if x.flags.c_contiguous:
        inner = x.size // (n * c)
        if inner >= _ROW or (inner >= _ROW // 4 and c * inner > _FEW):
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
        return self.spread(values)[None]

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

    def dots(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """The sum of one * other, as ``fold`` answers."""
        if self.kind == "rows":
            return np.vecdot(one, other)
        return self.fold(np.einsum("ij,ij->j", one, other))  # one pass; a product would be two

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

    def sums(self, dtype: type | None = None) -> np.ndarray:
        """Room for one number per row, or per block and channel, at ``at``."""
        rows = self.kind == "rows"
        return np.empty(self.shape[0] if rows else (self.count, self.channels), dtype or self.wide)

    def at(self, block: slice, i: int) -> slice | int:
        return block if self.kind == "rows" else i

    def spread(self, values: np.ndarray) -> np.ndarray:
        """One value per channel as one per column."""
        if self.inner > 1:
            values = np.repeat(values, self.inner)
        return np.tile(values, self.repeats) if self.repeats > 1 else values

    def maps(
        self, function: Callable[..., None], arrays: list[np.ndarray], values: list[np.ndarray]
    ) -> None:
        """function(*arrays, *values) on parts of the arrays; the values, one number per channel,
        broadcast with them. NumPy is slow to broadcast a column, and fast with long rows, so where
        a sample's elements are not too many the values are written out, one per element."""
        length = self.shape[1]
        samples, width = self.shape[0] // self.channels, self.channels * length
        if self.kind == "rows" and samples >= _MANY and width <= _BLOCK:
            matrices = [a.reshape(samples, width) for a in arrays]
            rows = [np.repeat(np.asarray(v, self.wide), length) for v in values]
            across = -(-width // _ACROSS)
            down = max(1, self.step * length // _ACROSS)

            def run(start: int, stop: int) -> None:
                for i in range(start, stop):
                    r, c = i // across * down, i % across * _ACROSS
                    row = slice(c, c + _ACROSS)
                    function(*(m[r : r + down, row] for m in matrices), *(v[row] for v in rows))

            parallel_for(run, -(-samples // down) * across, 1)
            return
        matrices, columns = [self.matrix(a) for a in arrays], [self.per_element(v) for v in values]
        self.blocks(
            lambda block, i: function(
                *(m[block] for m in matrices), *(self.part(v, block) for v in columns)
            )
        )
