"""Element by element work in blocks that stay in cache, shared among the threads.

A formula of five NumPy calls reads and writes memory five times when each call takes the whole
array; block by block its intermediate values never leave the second-level cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lucid.backend.cpu import arena
from lucid.backend.cpu.threads import parallel_for

__all__ = ["BLOCK", "LONG", "apply", "combine", "flatten"]

BLOCK = 1 << 15  # elements: 128 KiB of float32, so that four or five such arrays fit into 1 MiB
LONG = 1 << 18  # where nothing is allocated: a call takes a few microseconds at any length


def flatten(x: np.ndarray) -> np.ndarray | None:
    """A dense array as one row, in the order in which it lies in memory. None if it has gaps."""
    if not x.flags.c_contiguous:
        x = x.transpose(sorted(range(x.ndim), key=lambda i: (-x.strides[i], -x.shape[i])))
        if not x.flags.c_contiguous:
            return None
    return x.reshape(-1)


def apply(
    function: Callable[..., Any],
    arrays: tuple[np.ndarray, ...],
    out: np.ndarray | None = None,
    block: int = BLOCK,
) -> np.ndarray:
    """function(*arrays, out) by blocks. Halves are computed in float32 and rounded once.

    function may write its result to the array that it gets as ``out`` (None: it can't), or return
    another one. The result has the shape, dtype and memory order of the first array. ``block``:
    elements at once of a large array; of a smaller one an eighth, for threads to share, but at
    least half as many: the larger the block, the less there is to do for an element.
    """
    first = arrays[0]
    if out is None:
        out = arena.empty_like(first)
    rows = [out, *arrays]
    if all(a.shape == out.shape and a.strides == out.strides for a in arrays):
        flat = [flatten(a) for a in rows]
        if flat[0] is not None:
            rows = flat  # type: ignore[assignment]
    wide = first.dtype.itemsize == 2 and first.dtype.kind in "fV"

    def compute(target: np.ndarray, sources: list[np.ndarray]) -> None:
        if wide:
            target[...] = function(*[a.astype(np.float32) for a in sources], None)
            return
        result = function(*sources, target)
        if result is not target:
            target[...] = result

    def part(start: int, stop: int) -> None:
        compute(rows[0][start:stop], [a[start:stop] for a in rows[1:]])

    if rows[0] is out and out.ndim != 1:
        compute(out, list(arrays))
    else:
        parallel_for(part, first.size, max(BLOCK, block // 2, min(block, first.size >> 3)))
    return out


def combine(ufunc: Any, a: Any, b: Any) -> Any:
    """ufunc(a, b); large NumPy arrays that lie alike in memory of the arena, by blocks."""
    alike = a.__class__ is np.ndarray and a.dtype is b.dtype and a.shape == b.shape
    if not alike or a.strides != b.strides or a.dtype.char not in "fd" or a.nbytes < arena.LARGE:
        return ufunc(a, b)
    return apply(lambda a, b, out: ufunc(a, b, out=out), (a, b), None, LONG)
