"""What the kernel families share: arrays as kernels want them to lie, kernels by width, grids."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy

from lucid.backend.cuda.availability import cupy
from lucid.backend.cuda.kernel import Kernel

THREADS = 256
_HALVES = ("float32", "float16", "bfloat16")
_FLOATING = {numpy.dtype(t) for t in ("float16", "float32", "float64", ml_dtypes.bfloat16)}


def is_floating(x: Any) -> bool:
    """Whether there are kernels for x's elements."""
    return x.dtype in _FLOATING


def wide(dtype: Any) -> numpy.dtype:
    """The type that kernels compute in: float64 for itself, float32 for all others."""
    return numpy.dtype("float64" if dtype == numpy.float64 else "float32")


def with_widths(file: str, entry: str, signature: str) -> Callable[..., None]:
    """A Kernel of which some pointers are of the type that T computes in, written W."""
    single = Kernel(file, entry, signature.replace("W*", "float*"), _HALVES)
    double = Kernel(file, entry, signature.replace("W*", "double*"), ("float64",))

    def launch(grid: Any, block: Any, dtype: Any, *args: Any, shared: int = 0) -> None:
        kernel = double if dtype == numpy.float64 else single
        kernel(grid, block, dtype, *args, shared=shared)

    return launch


def is_dense(x: Any) -> bool:
    """Whether x fills its memory without gaps, in some order of its dimensions."""
    if x.flags.c_contiguous:
        return True
    size = x.itemsize
    for step, n in sorted(zip(x.strides, x.shape, strict=True)):
        if n > 1:
            if step != size:
                return False
            size *= n
    return True


def dense(x: Any) -> Any:
    """x, or a contiguous copy if it has gaps."""
    return x if is_dense(x) else cupy().ascontiguousarray(x)


def contiguous(x: Any) -> Any:
    """x in C order."""
    return x if x.flags.c_contiguous else cupy().ascontiguousarray(x)


def same_order(x: Any, model: Any, dtype: Any = None) -> Any:
    """x (of the dense model's shape) in the model's order of memory; and of that dtype."""
    dtype = x.dtype if dtype is None else dtype
    if x.dtype == dtype:
        if x.flags.c_contiguous and model.flags.c_contiguous:
            return x
        pairs = zip(x.strides, model.strides, x.shape, strict=True)
        if x.itemsize == model.itemsize and all(a == b for a, b, n in pairs if n > 1):
            return x
    y = cupy().empty_like(model, dtype=dtype)
    y[...] = x
    return y


def is_channels_last(x: Any) -> bool:
    """Whether x (N, C, *) lies in memory as (N, *, C), and not as (N, C, *)."""
    if x.ndim < 3 or x.flags.c_contiguous:
        return False
    return bool(x.transpose(0, *range(2, x.ndim), 1).flags.c_contiguous)


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
