"""Work along one axis, in blocks of whole rows that stay in cache, shared among the threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lucid.backend.cpu import arena
from lucid.backend.cpu.threads import parallel_for

__all__ = ["apply"]

_BLOCK = 1 << 15  # elements: as in blockwise


def apply(function: Callable[..., Any], arrays: tuple[np.ndarray, ...], axis: int) -> np.ndarray:
    """function(*arrays, axis), each row along the axis by itself; halves are computed in float32.

    The result has the shape, dtype and memory order of the first array.
    """
    first = arrays[0]
    if not first.size:
        return np.empty_like(first)
    if first.ndim == 0:
        arrays, axis = tuple([a.reshape(1) for a in arrays]), 0
    wide = first.dtype.itemsize == 2 and first.dtype.kind in "fV"
    if first.size <= _BLOCK and not wide:
        return function(*arrays, axis).reshape(first.shape)
    out = arena.empty_like(first)
    targets = [out.reshape(1) if first.ndim == 0 else out, *arrays]
    # The blocks cut the dimension with the longest step in memory; the axis itself stays whole.
    others = [i for i in range(targets[0].ndim) if i != axis]
    if not others:
        targets, axis, cut = [a[None] for a in targets], 1, 0
    else:
        cut = max(others, key=lambda i: targets[0].strides[i] * (targets[0].shape[i] > 1))
    targets = [np.moveaxis(a, cut, 0) for a in targets]
    axis = axis + 1 if axis < cut else axis

    def block(start: int, stop: int) -> None:
        target, *sources = [a[start:stop] for a in targets]
        if wide:
            sources = [a.astype(np.float32) for a in sources]
        target[...] = function(*sources, axis)

    count = targets[0].shape[0]
    parallel_for(block, count, max(1, _BLOCK * count // first.size))
    return out
