"""target[index] += value where an index may stand twice, for every element type."""

from __future__ import annotations

from typing import Any

import numpy

from lucid.backend.cuda import options
from lucid.backend.cuda.availability import cupy

# The types for which CuPy has an atomic addition.
_ATOMIC = {numpy.dtype(t) for t in ("float16", "float32", "float64", "int32", "uint32", "uint64")}
_INT64, _UINT64 = numpy.dtype("int64"), numpy.dtype("uint64")


def scatter_add(target: Any, index: Any, value: Any) -> None:
    """In no fixed order: sums of floating point numbers may differ in their last bits."""
    xp, dtype = cupy(), target.dtype
    if dtype.kind in "fV":
        options.determinism.refuse("scatter_add")
    if dtype in _ATOMIC:
        xp.add.at(target, index, value)
    elif dtype == _INT64:  # additions modulo 2 to the 64 are the same with and without sign
        if hasattr(value, "dtype"):
            value = value.astype(_INT64, copy=False).view(_UINT64)
        else:
            value = int(value) % 2**64
        xp.add.at(target.view(_UINT64), index, value)
    else:
        wide = target.astype("int32" if dtype.kind in "iub" else "float32")
        xp.add.at(wide, index, value)
        target[...] = wide
