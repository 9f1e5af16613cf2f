"""Which memory the arrays of an object share: each byte is saved once, and shared again.

An array is saved as the stretch of memory it covers. One that lies within the stretch of another,
as a tied weight, a transpose or a slice of it does, becomes a view: offset, shape and strides. An
array with gaps (every second column of something that is not itself saved) is copied together.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from lucid.backend import Array, Device


class View(NamedTuple):
    """An array as part of a stretch; offset and strides in bytes."""

    stretch: int
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def of(self, flat: Array, dtype: np.dtype, xp: Any) -> Array:
        """The array in the stretch's memory, given as bytes."""
        low, high = _reach(self.shape, self.strides, dtype.itemsize)
        if self.offset + low < 0 or self.offset + high > flat.size:
            raise ValueError("a view reaches beyond its memory")
        first = flat[self.offset : self.offset + dtype.itemsize].view(dtype)
        return xp.lib.stride_tricks.as_strided(first, self.shape, self.strides)


class Stretch(NamedTuple):
    """Memory to be saved: an array as it is if ``whole``, else from its first byte to its last."""

    device: Device
    array: Array
    whole: bool

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape if self.whole else self.flat().shape

    def flat(self) -> Array:
        """One-dimensional, of the array's dtype; not copied."""
        a = self.array
        if self.whole:
            return a.reshape(-1)
        a = a[tuple(slice(None, None, -1 if s < 0 else 1) for s in a.strides)]
        low, high = _reach(a.shape, a.strides, a.itemsize)
        strided = self.device.xp.lib.stride_tricks.as_strided
        return strided(a, ((high - low) // a.itemsize,), (a.itemsize,))

    def host(self) -> np.ndarray:
        return self.device.to_numpy(self.flat())


def place(arrays: Sequence[tuple[Device, Array]]) -> tuple[list[Stretch], list[View | int]]:
    """The stretches to save, and for each array its stretch, or its view of one.

    A stretch comes from the array that first covers it, the widest ones before the others.
    """
    placed: list[View | int] = [-1] * len(arrays)
    stretches: list[Stretch] = []
    owners: dict[Device, list[tuple[int, float, int]]] = {}  # (first address, end, stretch), sorted
    compacted: dict[tuple, int] = {}
    reach = [_extent(a) for _, a in arrays]
    has_gaps = [
        end - first > a.nbytes or any(s % a.itemsize for s in a.strides)
        for (first, end), (_, a) in zip(reach, arrays, strict=True)
    ]
    widest_first = sorted(
        range(len(arrays)), key=lambda i: (has_gaps[i], reach[i][0] - reach[i][1])
    )
    for i in widest_first:
        device, a = arrays[i]
        first, end = reach[i]
        known = owners.setdefault(device, [])
        if a.size == 0:
            stretches.append(Stretch(device, device.xp.empty(a.shape, a.dtype), True))
            placed[i] = len(stretches) - 1
            continue
        # No stretch lies within another, so the last that begins before this array ends last, too.
        before = bisect_right(known, (first, math.inf, 0)) - 1
        if before >= 0 and known[before][1] >= end:
            start, _, owner = known[before]
            placed[i] = _as_part(stretches[owner], owner, _address(a) - start, a)
            continue
        if has_gaps[i]:
            key = (device, _address(a), a.shape, a.strides, a.dtype)
            if key in compacted:
                placed[i] = placed[compacted[key]]
                continue
            compacted[key] = i
            a = a.copy(order="K")
        owner = len(stretches)
        stretches.append(Stretch(device, a, bool(a.flags.c_contiguous)))
        if not has_gaps[i]:
            insort(known, (first, end, owner))
        placed[i] = _as_part(stretches[owner], owner, _address(a) - _extent(a)[0], a)
    return stretches, placed


def _as_part(stretch: Stretch, index: int, offset: int, a: Array) -> View | int:
    same = stretch.whole and (a.shape, a.dtype) == (stretch.array.shape, stretch.array.dtype)
    if same and a.flags.c_contiguous:
        return index
    return View(index, offset, a.shape, a.strides)


def _address(a: Array) -> int:
    return a.ctypes.data if isinstance(a, np.ndarray) else a.data.ptr


def _extent(a: Array) -> tuple[int, int]:
    low, high = _reach(a.shape, a.strides, a.itemsize)
    return _address(a) + low, _address(a) + high


def _reach(shape: Sequence[int], strides: Sequence[int], itemsize: int) -> tuple[int, int]:
    """From the first element: (minus the) bytes before it, and up to the end; (0, 0) if empty."""
    if 0 in shape:
        return 0, 0
    steps = [(n - 1) * s for n, s in zip(shape, strides, strict=True)]
    return sum(s for s in steps if s < 0), sum(s for s in steps if s > 0) + itemsize
