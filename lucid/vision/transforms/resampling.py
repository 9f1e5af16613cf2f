"""Resizing: every output pixel is a weighted mean of the input pixels under a filter.

The filter stands at the output pixel's centre. With ``antialias`` it is as wide as the output
pixel's extent in the input, at least as wide as an input pixel; without, it has an input pixel's
width, and shrinking picks samples. One pass for each direction, horizontal first.

``exact`` is for uint8: integers with 22 fractional bits, rounded after each pass, which is bit for
bit what Pillow makes of the same pixels (but since 13.0 Pillow takes the vertical pass first where
the height shrinks much more than the width). Otherwise floats, rounded once for integer images: as
F.interpolate's antialiased bilinear and bicubic.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from typing import Any

import numpy as np

__all__ = ["InterpolationMode", "resample"]

_BITS = 22  # 8 for the pixel, 2 for overshooting: 32 in all


class InterpolationMode(Enum):
    """How pixels between pixels are made up."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(1 - abs(x), 0)


def _cubic(a: float) -> Callable[[np.ndarray], np.ndarray]:
    """Keys' cubic: a = -0.5 is his; -0.75 is what F.interpolate has without antialias."""

    def filter(x: np.ndarray) -> np.ndarray:
        x = abs(x)
        near = ((a + 2) * x - (a + 3)) * x * x + 1
        far = (((x - 5) * x + 8) * x - 4) * a
        return np.where(x < 1, near, np.where(x < 2, far, 0.0))

    return filter


def _box(x: np.ndarray) -> np.ndarray:
    return ((x > -0.5) & (x <= 0.5)).astype(np.float64)


def _hamming(x: np.ndarray) -> np.ndarray:
    value = np.sinc(x) * (0.54 + 0.46 * np.cos(np.pi * x))
    return np.where(abs(x) < 1, value, 0.0)


def _lanczos(x: np.ndarray) -> np.ndarray:
    return np.where((x >= -3) & (x < 3), np.sinc(x) * np.sinc(x / 3), 0.0)


_FILTERS: dict[InterpolationMode, tuple[Callable[[np.ndarray], np.ndarray], float]] = {
    InterpolationMode.BILINEAR: (_triangle, 1.0),
    InterpolationMode.BICUBIC: (_cubic(-0.5), 2.0),
    InterpolationMode.BOX: (_box, 0.5),
    InterpolationMode.HAMMING: (_hamming, 1.0),
    InterpolationMode.LANCZOS: (_lanczos, 3.0),
}


@lru_cache(256)
def _taps(
    size: int, wanted: int, mode: InterpolationMode, antialias: bool
) -> tuple[np.ndarray, np.ndarray]:
    """For each output pixel, which input pixels count and how much: two (taps, wanted) arrays."""
    scale = size / wanted
    if not antialias and mode is InterpolationMode.BICUBIC:
        return _cubic_taps(size, wanted, scale)
    filter, support = _FILTERS[mode]
    stretch = max(scale, 1.0) if antialias else 1.0
    reach = support * stretch
    centre = (np.arange(wanted) + 0.5) * scale
    first = np.maximum((centre - reach + 0.5).astype(np.int64), 0)
    last = np.minimum((centre + reach + 0.5).astype(np.int64), size)
    count = math.ceil(reach) * 2 + 1
    index = first + np.arange(count)[:, None]
    weight = filter((index - centre + 0.5) * (1 / stretch))
    weight[index >= last] = 0
    weight /= weight.sum(0)
    used = int((weight != 0).any(1).nonzero()[0].max()) + 1
    return np.minimum(index, size - 1)[:used], weight[:used]


def _cubic_taps(size: int, wanted: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Four taps; beyond the border the outermost pixel repeats."""
    centre = (np.arange(wanted) + 0.5) * scale - 0.5
    index = np.floor(centre).astype(np.int64) + np.arange(-1, 3)[:, None]
    return index.clip(0, size - 1), _cubic(-0.75)(index - centre)


def resample(
    a: Any,
    xp: Any,
    height: int,
    width: int,
    mode: InterpolationMode,
    antialias: bool = True,
    exact: bool = False,
) -> Any:
    """(..., H, W) -> (..., height, width), of the same type."""
    h, w = a.shape[-2:]
    if mode in (InterpolationMode.NEAREST, InterpolationMode.NEAREST_EXACT):
        shift = 0.0 if mode is InterpolationMode.NEAREST else 0.5
        rows, columns = (
            xp.asarray(np.minimum(((np.arange(m) + shift) * (n / m)).astype(np.int64), n - 1))
            for n, m in ((h, height), (w, width))
        )
        return xp.ascontiguousarray(a[..., rows[:, None], columns])
    dtype = a.dtype
    exact = exact and dtype == np.uint8
    if not exact:
        a = a.astype(np.float64 if dtype == np.float64 else np.float32)
    passed = a
    if width != w:
        turned = _pass(passed.swapaxes(-1, -2), xp, width, mode, antialias, exact)
        passed = turned.swapaxes(-1, -2)
    if height != h:
        passed = _pass(passed, xp, height, mode, antialias, exact)
    if not exact and dtype.kind in "iu":
        limits = np.iinfo(dtype)
        passed = xp.clip(xp.rint(passed), limits.min, limits.max)
    return xp.ascontiguousarray(passed.astype(dtype))


def _pass(
    a: Any, xp: Any, wanted: int, mode: InterpolationMode, antialias: bool, exact: bool
) -> Any:
    """Resize the rows: (..., H, W) -> (..., wanted, W)."""
    index, weight = _taps(a.shape[-2], wanted, mode, antialias)
    if exact:
        # Away from zero at a half, and an arithmetic shift at the end: as Pillow does.
        weight = np.trunc(weight * (1 << _BITS) + np.copysign(0.5, weight)).astype(np.int32)
        total = xp.full((*a.shape[:-2], wanted, a.shape[-1]), 1 << (_BITS - 1), np.int32)
    else:
        weight = weight.astype(a.dtype)
        total = xp.zeros((*a.shape[:-2], wanted, a.shape[-1]), a.dtype)
    for i, k in zip(index, weight, strict=True):
        total += a[..., xp.asarray(i), :] * xp.asarray(k)[:, None]
    return (total >> _BITS).clip(0, 255).astype(np.uint8) if exact else total
