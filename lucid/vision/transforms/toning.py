"""Tones, pixel by pixel or by their distribution; and sharpness: what AutoAugment is made of.

PIL images go through Pillow's ImageOps and ImageEnhance; arrays and tensors are computed as
torchvision does with tensors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lucid.errors import DTypeError, ShapeError
from lucid.vision.transforms.geometry import pair
from lucid.vision.transforms.image import full_value, is_pil, planes

__all__ = [
    "adjust_gamma", "adjust_sharpness", "autocontrast", "equalize", "gaussian_blur", "invert",
    "posterize", "solarize",
]  # fmt: skip


def _operations() -> Any:
    from PIL import ImageOps

    return ImageOps


def invert(img: Any) -> Any:
    """White minus the image."""
    if is_pil(img):
        return _operations().invert(img)
    a, _, restore = planes("invert", img)
    return restore(_inverted("invert", a))


def _inverted(function: str, a: Any) -> Any:
    return (full_value(function, a.dtype) - a).astype(a.dtype)


def posterize(img: Any, bits: int) -> Any:
    """Only the upper ``bits`` of each value, of 8. uint8 images only."""
    if not 0 <= bits <= 8:
        raise ValueError(f"posterize: bits must be in [0, 8]; got {bits}")
    if is_pil(img):
        return _operations().posterize(img, bits)
    a, _, restore = planes("posterize", img)
    _need_bytes("posterize", a)
    return restore(a & np.uint8(256 - 2 ** (8 - bits)) if bits else a * np.uint8(0))


def solarize(img: Any, threshold: float) -> Any:
    """Values from ``threshold`` on inverted."""
    if is_pil(img):
        return _operations().solarize(img, threshold)
    a, xp, restore = planes("solarize", img)
    full = full_value("solarize", a.dtype)
    if threshold > full:
        raise ValueError(f"solarize: threshold must not exceed {full}; got {threshold}")
    return restore(xp.where(a >= threshold, _inverted("solarize", a), a))


def autocontrast(img: Any) -> Any:
    """Each channel stretched from black to white; a channel of one value stays."""
    if is_pil(img):
        return _operations().autocontrast(img)
    a, xp, restore = planes("autocontrast", img)
    full = full_value("autocontrast", a.dtype)
    work = a.astype(np.float64 if a.dtype == np.float64 else np.float32)
    low, high = work.min((-2, -1), keepdims=True), work.max((-2, -1), keepdims=True)
    flat = high == low
    scale = xp.where(flat, 1, full / xp.where(flat, 1, high - low)).astype(work.dtype)
    stretched = (work - xp.where(flat, 0, low)) * scale
    return restore(xp.clip(stretched, 0, full).astype(a.dtype))


def equalize(img: Any) -> Any:
    """Each channel's values spread so that all are about equally frequent. uint8 images only."""
    if is_pil(img):
        return _operations().equalize(img)
    a, xp, restore = planes("equalize", img)
    _need_bytes("equalize", a)
    out = a.copy()
    for i in np.ndindex(a.shape[:-2]):
        counts = xp.bincount(a[i].reshape(-1), minlength=256)
        used = counts[counts != 0]
        step = int(used[:-1].sum()) // 255
        if step:
            table = xp.zeros(256, a.dtype)
            levels = (xp.cumsum(counts)[:-1] + step // 2) // step
            table[1:] = xp.clip(levels, 0, 255).astype(a.dtype)
            out[i] = table[a[i]]
    return restore(out)


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """gain * x ** gamma of values in [0, 1]: above 1 shadows get darker, below 1 lighter."""
    if gamma < 0:
        raise ValueError(f"adjust_gamma: gamma must not be negative; got {gamma}")
    if is_pil(img):
        mode = img.mode
        grey = img.convert("RGB") if mode not in ("L", "RGB") else img
        levels = [int((255 + 1 - 1e-3) * gain * (v / 255.0) ** gamma) for v in range(256)]
        table = [min(v, 255) for v in levels]
        return grey.point(table * len(grey.getbands())).convert(mode)
    a, xp, restore = planes("adjust_gamma", img)
    full = full_value("adjust_gamma", a.dtype)
    work = a.astype(np.float64 if a.dtype == np.float64 else np.float32) / full
    out = xp.clip(gain * work**gamma, 0, 1)
    if a.dtype.kind in "iu":
        out = out * (full + 1 - 1e-3)  # as convert_image_dtype does
    return restore(out.astype(a.dtype))


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    """Blend with a blurred image: 0 is blurred, 1 the image, 2 sharper. Border pixels stay."""
    if not sharpness_factor >= 0:
        raise ValueError(
            f"adjust_sharpness: sharpness_factor must not be negative; got {sharpness_factor}"
        )
    if is_pil(img):
        from PIL import ImageEnhance

        return ImageEnhance.Sharpness(img).enhance(sharpness_factor)
    a, xp, restore = planes("adjust_sharpness", img)
    h, w = a.shape[-2:]
    if h <= 2 or w <= 2:
        return restore(a.copy())
    full = full_value("adjust_sharpness", a.dtype)
    work = a.astype(np.float64 if a.dtype == np.float64 else np.float32)
    blurred = work.copy()
    total = 4 * work[..., 1:-1, 1:-1]  # the middle counts five times
    for i in range(3):
        for j in range(3):
            total = total + work[..., i : i + h - 2, j : j + w - 2]
    inner = total / 13
    blurred[..., 1:-1, 1:-1] = xp.rint(inner) if a.dtype.kind in "iu" else inner
    out = sharpness_factor * work + (1.0 - sharpness_factor) * blurred
    return restore(xp.clip(out, 0, full).astype(a.dtype))


def gaussian_blur(
    img: Any, kernel_size: int | Sequence[int], sigma: float | Sequence[float] | None = None
) -> Any:
    """Each pixel the mean of its surroundings under a Gaussian; beyond the border it is mirrored.

    ``kernel_size``: (x, y) or one number, odd, in pixels. ``sigma``: one standard deviation or
    (x, y); None: 0.15 kernel_size + 0.35.
    """
    height, width = pair("gaussian_blur", "kernel_size", kernel_size)[::-1]
    if height < 1 or width < 1 or height % 2 == 0 or width % 2 == 0:
        raise ValueError(f"gaussian_blur: kernel_size must be odd and positive; got {kernel_size}")
    if sigma is None:
        sigmas = [0.3 * ((n - 1) * 0.5 - 1) + 0.8 for n in (width, height)]
    else:
        given = (sigma,) if isinstance(sigma, int | float) else tuple(sigma)
        sigmas = [float(given[0]), float(given[-1])]
    if min(sigmas) <= 0:
        raise ValueError(f"gaussian_blur: sigma must be positive; got {sigma}")
    a, xp, restore = planes("gaussian_blur", img)
    if a.shape[-2] <= height // 2 or a.shape[-1] <= width // 2:
        raise ShapeError(
            f"gaussian_blur: the image must be larger than half the kernel, {(height, width)}; got"
            f" {a.shape[-2:]}"
        )
    work = a.astype(np.float64 if a.dtype == np.float64 else np.float32)
    for axis, n, s in ((-1, width, sigmas[0]), (-2, height, sigmas[1])):
        work = _blurred(xp, work, axis, n, s)
    return restore((xp.rint(work) if a.dtype.kind in "iu" else work).astype(a.dtype))


def _blurred(xp: Any, a: Any, axis: int, n: int, sigma: float) -> Any:
    half = n // 2
    weights = [math.exp(-0.5 * ((i - half) / sigma) ** 2) for i in range(n)]
    borders = [(0, 0)] * a.ndim
    borders[axis] = (half, half)
    padded = xp.pad(a, borders, mode="reflect")
    size, out = a.shape[axis], xp.zeros_like(a)
    for i, weight in enumerate(weights):
        part = [slice(None)] * a.ndim
        part[axis] = slice(i, i + size)
        out += a.dtype.type(weight / sum(weights)) * padded[tuple(part)]
    return out


def _need_bytes(function: str, a: Any) -> None:
    if a.dtype != np.uint8:
        raise DTypeError(f"{function}: the image must be of uint8; got {a.dtype}")
