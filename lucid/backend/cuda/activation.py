"""Activations on CuPy arrays of any layout: kernels/activation.cu."""

from __future__ import annotations

from typing import Any

from lucid.backend.cuda.arrays import (
    THREADS,
    dense,
    grid_over,
    per_vector,
    same_order,
)
from lucid.backend.cuda.availability import cupy
from lucid.backend.cuda.kernel import Kernel

__all__ = ["activation", "activation_gradient"]

NAMES = (
    "relu", "hardtanh", "leakyrelu", "elu", "eluoutput", "gelu", "gelutanh", "silu", "mish",
    "sigmoid", "tangent", "tanhshrink", "softplus", "logsigmoid", "softsign", "hardsigmoid",
    "hardswish", "softshrink", "hardshrink", "threshold",
)  # fmt: skip

_CONSTANTS = "i64 n, double a, double b, double c"
_forward = {
    n: Kernel("activation.cu", f"{n}_forward", f"const T* x, T* y, {_CONSTANTS}")
    for n in NAMES
    if n != "eluoutput"
}
_backward = {
    n: Kernel("activation.cu", f"{n}_backward", f"const T* dy, const T* kept, T* dx, {_CONSTANTS}")
    for n in NAMES
}

_forward["tanh"], _backward["tanh"] = _forward["tangent"], _backward["tangent"]


def activation(name: str, x: Any, out: Any = None, *constants: float) -> Any:
    """y = f(x) in x's order of memory; ``out`` may be x."""
    source = dense(x)
    y = out if out is not None and out.strides == source.strides else cupy().empty_like(source)
    if x.size:
        grid = grid_over(x.size, THREADS * per_vector(x))
        _forward[name](grid, THREADS, x.dtype, source, y, x.size, *_three(constants))
    if out is None or y is out:
        return y
    out[...] = y
    return out


def activation_gradient(name: str, dy: Any, kept: Any, *constants: float) -> Any:
    """dx = dy * f'(kept) in kept's order of memory."""
    kept = dense(kept)
    dy = same_order(dy, kept)
    dx = cupy().empty_like(kept)
    if dx.size:
        grid = grid_over(dx.size, THREADS * per_vector(dx))
        _backward[name](grid, THREADS, dx.dtype, dy, kept, dx, dx.size, *_three(constants))
    return dx


def _three(constants: tuple[float, ...]) -> tuple[float, ...]:
    return (*constants, 0.0, 0.0, 0.0)[:3]
