"""Batch norm in training on CuPy arrays, by cuDNN. Channels-last stays so.

Each function answers None where cuDNN is not used: not there, switched off, no engine for the
problem, float64, no weight or bias. The op then uses lucid's own kernels, which know all cases.
"""

from __future__ import annotations

from typing import Any

from lucid.backend.cuda import cudnn, options
from lucid.backend.cuda.arrays import by_channels, contiguous, grid_over, same_order
from lucid.backend.cuda.availability import cupy
from lucid.backend.cuda.kernel import Kernel

__all__ = ["cudnn_batch_norm", "cudnn_batch_norm_gradient"]

_DTYPES = ("float32", "float16", "bfloat16")

_variance = Kernel(
    "batch_norm_variance.cu", "variance",
    "const T* inverse, T* var, i64 channels, double eps", ("float32",),
)  # fmt: skip


def cudnn_batch_norm(x: Any, w: Any, b: Any, eps: float) -> tuple[Any, Any, Any, Any] | None:
    """(y, mean, var, 1 / sqrt(var + eps)), the statistics float32: (C,). w, b: (C,)."""
    if b is None or (w is not None and w.dtype != b.dtype):
        return None
    asked = _plan("forward", x, w, eps)
    if asked is None:
        return None
    plan, x = asked
    xp, channels = cupy(), w.size
    y = xp.empty_like(x)
    mean, inverse = xp.empty(channels, "float32"), xp.empty(channels, "float32")
    plan.run(x, *(cudnn.aligned(contiguous(a)) for a in (w, b)), y, mean, inverse)
    return y, mean, variance(inverse, eps), inverse


def variance(inverse: Any, eps: float) -> Any:
    """var of inverse = 1 / sqrt(var + eps): (C,) -> (C,)."""
    var = cupy().empty_like(inverse)
    _variance(grid_over(var.size, 256), 256, var.dtype, inverse, var, var.size, eps)
    return var


def cudnn_batch_norm_gradient(
    dy: Any, x: Any, w: Any, mean: Any, inverse: Any
) -> tuple[Any, Any, Any] | None:
    """(dx, dw, db), of the types of x, w and w."""
    asked = _plan("backward", x, w, 0.0)
    if asked is None:
        return None
    plan, x = asked
    xp = cupy()
    dx = xp.empty_like(x)
    # Apart: a leaf takes over a gradient that is nobody else's memory, and copies others.
    dw, db = xp.empty(w.shape, w.dtype), xp.empty(w.shape, w.dtype)
    dy, w = cudnn.aligned(same_order(dy, x)), cudnn.aligned(contiguous(w))
    plan.run(x, dy, w, mean, inverse, dx, dw, db)
    return dx, dw, db


def _plan(kind: str, x: Any, w: Any, eps: float) -> tuple[Any, Any] | None:
    """The plan, and x or a copy of it without gaps in one of the two orders."""
    owner, wanted = cudnn.library(), options.cudnn.batch_norm
    if owner is None or not wanted or w is None or not x.size or x.dtype.name not in _DTYPES:
        return None
    if w.dtype.name not in (x.dtype.name, "float32"):
        return None
    x, n, c, inner, last = by_channels(x)
    if wanted == "channels_last" and not last:
        return None
    shape = x.shape if x.ndim in (4, 5) else (n, c, 1, inner)
    problem = cudnn.BatchNorm(
        kind, x.dtype.name, w.dtype.name, cudnn.layout_of(shape, last), eps,
        options.cudnn.deterministic,
    )  # fmt: skip
    plan = cudnn.plan_if_supported(owner, problem)
    return None if plan is None else (plan, cudnn.aligned(x))
