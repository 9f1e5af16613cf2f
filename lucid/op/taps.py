"""Taps: y = W x along one dimension, where each row of the sparse W is a few (position, weight).

Resizing a dimension is such a map, and so is its gradient, W transposed. The rows are worked out
on the host, once for each pair of sizes, and stay on the device as one column per tap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any

from lucid import dtypes
from lucid.backend import Array, Device

Row = Sequence[tuple[int, float]]


class Taps:
    """Row o of W as ``rows[o]``: the positions in 0 ... extent - 1 and their weights."""

    def __init__(self, extent: int, rows: Sequence[Row]):
        self.extent, self.rows = extent, rows
        self._placed: dict[tuple[Device, str], list[tuple[Array, Array, Array]]] = {}

    def __repr__(self) -> str:
        return f"Taps({self.extent} -> {len(self.rows)})"

    @cached_property
    def transposed(self) -> Taps:
        """The map whose matrix is this one's, transposed."""
        columns: list[list[tuple[int, float]]] = [[] for _ in range(self.extent)]
        for o, row in enumerate(self.rows):
            for i, w in row:
                columns[i].append((o, w))
        return Taps(len(self.rows), columns)

    @cached_property
    def changes_nothing(self) -> bool:
        """Whether W is the identity."""
        same = len(self.rows) == self.extent
        return same and all(tuple(row) == ((o, 1.0),) for o, row in enumerate(self.rows))

    def apply(self, device: Device, x: Array, axis: int) -> Array:
        """W x along ``axis``."""
        y = None
        for at, w, there in self._columns(device, x.dtype):
            part = x.take(at, axis=axis)
            if w is not None:
                part = part * w.reshape(-1, *(1,) * (x.ndim - 1 - axis))
            if there is not None:  # select, never multiply: 0 * inf is NaN
                there = there.reshape(-1, *(1,) * (x.ndim - 1 - axis))
                part = device.xp.where(there, part, x.dtype.type(0))
            y = part if y is None else y.__iadd__(part)
        if y is None:
            return device.xp.zeros((*x.shape[:axis], len(self.rows), *x.shape[axis + 1 :]), x.dtype)
        return y

    def _columns(self, device: Device, dtype: Any) -> list[tuple[Any, Any, Any]]:
        """Per tap: positions; weights, None if all are 1; where there is one, None if everywhere"""
        key = device, dtype.name
        if key not in self._placed:
            columns = []
            for t in range(max(map(len, self.rows), default=0)):
                taps = [row[t] if t < len(row) else (0, 1.0) for row in self.rows]
                weights = [w for _, w in taps]
                there = [t < len(row) for row in self.rows]
                columns.append(
                    (
                        device.asarray([i for i, _ in taps], "int64"),
                        None if all(w == 1 for w in weights) else device.asarray(weights, dtype),
                        None if all(there) else device.asarray(there, "bool"),
                    )
                )
            self._placed[key] = columns
        return self._placed[key]


@lru_cache(maxsize=256)
def nearest(extent: int, size: int, step: float, exact: bool) -> Taps:
    """The one position below ``step * o``; ``exact``: below the middle of what o covers."""
    single = dtypes.float32.numpy.type  # as PyTorch counts: other roundings, other neighbours
    step, shift = single(step), single(0.5 if exact else 0.0)
    rows = [((min(int((single(o) + shift) * step), extent - 1), 1.0),) for o in range(size)]
    return Taps(extent, rows)


@lru_cache(maxsize=256)
def linear(extent: int, size: int, step: float, align_corners: bool) -> Taps:
    """The two neighbours, by their distances; the border goes on outside."""
    rows: list[Row] = []
    for o in range(size):
        x = step * o if align_corners else max(step * (o + 0.5) - 0.5, 0.0)
        i = min(int(x), extent - 1)
        right = min(max(x - i, 0.0), 1.0)
        rows.append(_merged([(i, 1 - right), (min(i + 1, extent - 1), right)]))
    return Taps(extent, rows)


@lru_cache(maxsize=256)
def cubic(extent: int, size: int, step: float, align_corners: bool) -> Taps:
    """Four neighbours, by Keys' kernel with a = -0.75; the border is repeated outside."""
    rows: list[Row] = []
    for o in range(size):
        x = step * o if align_corners else step * (o + 0.5) - 0.5
        i = math.floor(x)
        near = [(i + k, keys(x - i - k, -0.75)) for k in range(-1, 3)]
        rows.append(_merged([(min(max(j, 0), extent - 1), w) for j, w in near]))
    return Taps(extent, rows)


@lru_cache(maxsize=256)
def area(extent: int, size: int) -> Taps:
    """The mean of positions floor(o * extent / size) to ceil((o + 1) * extent / size)."""
    rows: list[Row] = []
    for o in range(size):
        span = range(o * extent // size, -(-(o + 1) * extent // size))
        rows.append([(i, 1 / len(span)) for i in span])
    return Taps(extent, rows)


@lru_cache(maxsize=256)
def smoothed(extent: int, size: int, step: float, kernel: str) -> Taps:
    """A kernel as wide as what o covers, so that making an image smaller loses no lines in between.

    "linear": a triangle; "cubic": Keys' kernel with a = -0.5. Weights are normalized to sum 1.
    """
    widen = max(step, 1.0)
    reach = (1.0 if kernel == "linear" else 2.0) * widen
    rows: list[Row] = []
    for o in range(size):
        middle = step * (o + 0.5)
        first, stop = max(int(middle - reach + 0.5), 0), min(int(middle + reach + 0.5), extent)
        away = [(i - middle + 0.5) / widen for i in range(first, stop)]
        weights = [max(1 - abs(d), 0) if kernel == "linear" else keys(d, -0.5) for d in away]
        total = sum(weights)
        rows.append([(first + k, w / total) for k, w in enumerate(weights) if w])
    return Taps(extent, rows)


def keys(distance: float, a: float) -> float:
    """Keys' cubic convolution kernel (1981)."""
    d = abs(distance)
    if d <= 1:
        return ((a + 2) * d - (a + 3)) * d * d + 1
    return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a if d < 2 else 0.0


def _merged(taps: list[tuple[int, float]]) -> Row:
    """Taps of one position as one, those of weight 0 left out."""
    weights: dict[int, float] = {}
    for i, w in taps:
        weights[i] = weights.get(i, 0.0) + w
    return [(i, w) for i, w in weights.items() if w] or [(taps[0][0], 1.0)]
