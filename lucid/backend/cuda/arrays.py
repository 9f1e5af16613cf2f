"""What the kernel families share: arrays as kernels want them to lie, and grids."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import ml_dtypes
import numpy

from lucid.backend.cuda.availability import cupy
from lucid.backend.cuda.signature import wide as wide
from lucid.backend.cuda.signature import without_gaps

THREADS = 256
_FLOATING = {numpy.dtype(t) for t in ("float16", "float32", "float64", ml_dtypes.bfloat16)}


def is_floating(x: Any) -> bool:
    """Whether there are kernels for x's elements."""
    return x.dtype in _FLOATING


def is_contiguous(x: Any) -> bool:
    """Whether x is in C order. CuPy's field takes 0.04 us, ``x.flags.c_contiguous`` 0.5."""
    try:
        return bool(x._c_contiguous)
    except AttributeError:
        return bool(x.flags.c_contiguous)


def is_dense(x: Any) -> bool:
    """Whether x fills its memory without gaps, in some order of its dimensions."""
    return is_contiguous(x) or without_gaps(x.shape, x.strides, x.itemsize)


def dense(x: Any) -> Any:
    """x, or a contiguous copy if it has gaps."""
    return x if is_dense(x) else cupy().ascontiguousarray(x)


def contiguous(x: Any) -> Any:
    """x in C order."""
    return x if is_contiguous(x) else cupy().ascontiguousarray(x)


def same_order(x: Any, model: Any, dtype: Any = None) -> Any:
    """x (of the dense model's shape) in the model's order of memory; and of that dtype."""
    dtype = x.dtype if dtype is None else dtype
    if x.dtype == dtype:
        if is_contiguous(x) and is_contiguous(model):
            return x
        pairs = zip(x.strides, model.strides, x.shape, strict=True)
        if x.itemsize == model.itemsize and all(a == b for a, b, n in pairs if n > 1):
            return x
    y = cupy().empty_like(model, dtype=dtype)
    y[...] = x
    return y


def is_channels_last(x: Any) -> bool:
    """Whether x (N, C, *) lies in memory as (N, *, C), and not as (N, C, *)."""
    return x.ndim > 2 and not is_contiguous(x) and _channels_last(x.shape, x.strides, x.itemsize)


@lru_cache(4096)  # as of without_gaps
def _channels_last(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> bool:
    if 0 in shape:
        return True
    for dimension in (1, *range(len(shape) - 1, 1, -1), 0):
        if shape[dimension] > 1:
            if strides[dimension] != itemsize:
                return False
            itemsize *= shape[dimension]
    return True


def by_channels(x: Any) -> tuple[Any, int, int, int, bool]:
    """x or a copy, in one of the two orders, and (N, C, inner, channels last?)."""
    n, c = x.shape[:2]
    inner = x.size // max(1, n * c)
    if is_channels_last(x):
        return x, n, c, inner, True
    return contiguous(x), n, c, inner, inner == 1


def per_vector(x: Any) -> int:
    """Elements in 16 bytes."""
    return 16 // x.itemsize


def grid_over(n: int, per_block: int) -> int:
    """Blocks for n things; kernels walk on where the limit is reached."""
    return max(1, min(-(-n // per_block), 1 << 30))


def parameter(w: Any, x: Any) -> tuple[Any, Any]:
    """A layer's parameter as the kernels' pair: in x's type, in the computing type; one is None."""
    if w is None:
        return None, None
    w = contiguous(w)
    if w.dtype == x.dtype:
        return w, None
    return None, w.astype(wide(x.dtype), copy=False)
