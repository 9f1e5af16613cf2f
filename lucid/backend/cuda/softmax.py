"""softmax, log_softmax and their gradients along one axis of a CuPy array: kernels/softmax.cu."""

from __future__ import annotations

import math
from typing import Any

from lucid.backend.cuda.arrays import THREADS, dense, grid_over, per_vector, same_order
from lucid.backend.cuda.availability import cupy
from lucid.backend.cuda.kernel import Kernel

__all__ = ["softmax", "softmax_gradient"]

HELD = 1024  # elements of a row that a warp keeps in registers

_ROWS = "i64 rows, i64 length, int logarithm"
_COLUMNS = "i64 outer, i64 length, u32 inner, int logarithm"
_forward = {
    kind: Kernel("softmax.cu", f"softmax_{kind}_forward", f"const T* x, T* y, {sizes}")
    for kind, sizes in (("warp", _ROWS), ("block", _ROWS), ("column", _COLUMNS))
}
_backward = {
    kind: Kernel(
        "softmax.cu", f"softmax_{kind}_backward", f"const T* dy, const T* y, T* dx, {sizes}"
    )
    for kind, sizes in (("warp", _ROWS), ("block", _ROWS), ("column", _COLUMNS))
}


def softmax(x: Any, axis: int, logarithm: bool = False) -> Any:
    """exp(x) / sum(exp(x)) along the axis, or its logarithm, in x's order of memory; a copy is
    made only of what has gaps."""
    x = dense(x)
    y = cupy().empty_like(x)
    _launch(_forward, x.dtype, _view(x, axis), logarithm, x, y)
    return y


def softmax_gradient(dy: Any, y: Any, axis: int, logarithm: bool = False) -> Any:
    """The gradient of either, from its output y."""
    y = dense(y)
    dy = same_order(dy, y)
    dx = cupy().empty_like(y)
    _launch(_backward, y.dtype, _view(y, axis), logarithm, dy, y, dx)
    return dx


def _view(x: Any, axis: int) -> tuple[int, int, int]:
    """The dense x's memory as (outer, length, inner)."""
    if x.ndim == 0:
        return 1, 1, 1
    length = x.shape[axis]
    if x.flags.c_contiguous:
        return math.prod(x.shape[:axis]), length, math.prod(x.shape[axis + 1 :])
    step = x.strides[axis] if length > 1 else x.itemsize
    inner = step // x.itemsize
    return x.size // max(1, length * inner), length, inner


def _launch(kernels: dict, dtype: Any, view: tuple, logarithm: bool, *arrays: Any) -> None:
    outer, length, inner = view
    if not outer * length * inner:
        return
    if inner > 1:
        vector = per_vector(arrays[0]) if inner % per_vector(arrays[0]) == 0 else 1
        grid = grid_over(outer * inner, THREADS * vector)
        kernels["column"](grid, THREADS, dtype, *arrays, outer, length, inner, int(logarithm))
    elif length <= HELD:
        grid = grid_over(outer, THREADS // 32)
        kernels["warp"](grid, THREADS, dtype, *arrays, outer, length, int(logarithm))
    else:
        threads = THREADS if length <= 16 * HELD else 1024
        grid = grid_over(outer, 1)
        kernels["block"](grid, threads, dtype, *arrays, outer, length, int(logarithm))
