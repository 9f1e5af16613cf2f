"""SELU and AlphaDropout or FeatureAlphaDropout in one pass: kernels/selu_dropout.cu.

The decisions are those of lucid.backend.cuda.dropout: one per element, or per index of the first
``channel_dims`` dimensions. Memory is C-contiguous; with decisions per channel it may be channels
last. In any other order the two functions run one after the other.
"""

from __future__ import annotations

import math
from typing import Any

from lucid.backend.cuda.activation import activation, activation_gradient
from lucid.backend.cuda.arrays import (
    THREADS,
    grid_over,
    is_channels_last,
    is_contiguous,
    same_order,
)
from lucid.backend.cuda.availability import cupy
from lucid.backend.cuda.by_channel import columns_launch, planes_launch
from lucid.backend.cuda.dropout import bernoulli_affine, rounded
from lucid.backend.cuda.kernel import Kernel
from lucid.backend.cuda.random import KEY, key_arguments
from lucid.backend.philox import Key

__all__ = ["selu_dropout", "selu_dropout_gradient"]

_SELU = 1.6732632423543772, 1.0507009873554805  # alpha and scale of elu
_REST = {"": f"double scale, double shift, double fill, u64 threshold, {KEY}"}
_REST["_backward"] = f"double scale, u64 threshold, {KEY}"
_ARRAYS = {"": "const T* x, T* y", "_backward": "const T* dy, const T* x, T* dx"}
_SIZES = {
    "selu_dropout": "i64 n",
    "selu_dropout_planes": "i64 n, u32 inner",
    "selu_dropout_columns": "i64 samples, i64 inner, u32 channels",
}
_kernels = {
    (walk, way): Kernel(
        "selu_dropout.cu", walk + way, f"{_ARRAYS[way]}, {_SIZES[walk]}, {_REST[way]}"
    )
    for walk in _SIZES
    for way in _REST
}


def selu_dropout(
    x: Any, key: Key, threshold: int, scale: float, shift: float, fill: float,
    channel_dims: int | None = None,
) -> Any:  # fmt: skip
    """keep ? scale * selu(x) + shift : fill. x: (*) -> y: (*), in x's order of memory."""
    walk = _walk(x, channel_dims)
    if walk is None:
        y = activation("elu", x, None, *_SELU, 1.0)
        return bernoulli_affine(y, key, threshold, scale, shift, fill, channel_dims, y)
    y = cupy().empty_like(x)
    _launch("", walk, (x, y), (scale, shift, rounded(fill, x.dtype)), key, threshold)
    return y


def selu_dropout_gradient(
    dy: Any, x: Any, key: Key, threshold: int, scale: float, channel_dims: int | None = None
) -> Any:
    """keep ? scale * dy * selu'(x) : 0, in x's order of memory."""
    walk = _walk(x, channel_dims)
    if walk is None:
        g = bernoulli_affine(dy, key, threshold, scale, channel_dims=channel_dims)
        return activation_gradient("elu", g, x, *_SELU, 1.0)
    dx = cupy().empty_like(x)
    _launch("_backward", walk, (same_order(dy, x), x, dx), (scale,), key, threshold)
    return dx


def _walk(x: Any, channel_dims: int | None) -> tuple[str, tuple[int, ...]] | None:
    """Which kernel walks over x, and its sizes; None if there is none for x's order."""
    inner = 1 if channel_dims is None else math.prod(x.shape[channel_dims:])
    if is_contiguous(x):
        if inner == 1:
            return "selu_dropout", (x.size,)
        return "selu_dropout_planes", (x.size, inner)
    if channel_dims == 2 and is_channels_last(x):
        return "selu_dropout_columns", (x.shape[0], inner, x.shape[1])
    return None


def _launch(
    way: str, walk: tuple[str, tuple[int, ...]], arrays: tuple, law: tuple, key: Key, threshold: int
) -> None:
    name, sizes = walk
    x = arrays[-1]
    if not x.size:
        return
    if name == "selu_dropout_columns":
        launch = columns_launch(x, *sizes)
    elif name == "selu_dropout_planes":
        launch = planes_launch(x, sizes[1])
    else:
        launch = grid_over(x.size, 512 * (THREADS // 32)), THREADS
    kernel = _kernels[name, way]
    kernel(*launch, x.dtype, *arrays, *sizes, *law, threshold, *key_arguments(key))
