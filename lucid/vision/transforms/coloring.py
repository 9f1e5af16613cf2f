"""Brightness, contrast, saturation, hue, grey: the arithmetic of colours.

PIL images go through Pillow's ImageEnhance. For arrays and tensors an adjustment is a blend
``factor * image + (1 - factor) * other``, cut to the range and, for integers, cut to whole numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lucid.errors import ShapeError
from lucid.vision.transforms.image import full_value, is_pil, pillow, planes

__all__ = [
    "adjust_brightness", "adjust_contrast", "adjust_hue", "adjust_saturation", "rgb_to_grayscale",
]  # fmt: skip

_LUMA = (0.2989, 0.587, 0.114)  # how much red, green and blue count for grey (ITU-R BT.601)


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """Blend with black: 0 is black, 1 the image, 2 twice as bright."""
    _check_factor("adjust_brightness", "brightness_factor", brightness_factor)
    if is_pil(img):
        return _enhanced(img, "Brightness", brightness_factor)
    a, xp, restore = planes("adjust_brightness", img)
    return restore(_blend("adjust_brightness", xp, a, 0, brightness_factor))


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """Blend with the image's mean grey: 0 is that grey, 1 the image."""
    _check_factor("adjust_contrast", "contrast_factor", contrast_factor)
    if is_pil(img):
        return _enhanced(img, "Contrast", contrast_factor)
    a, xp, restore = planes("adjust_contrast", img)
    grey = _grey(a) if a.ndim > 2 and a.shape[-3] == 3 else a[..., None, :, :] if a.ndim == 2 else a
    mean = grey.astype(_working(a)).mean((-3, -2, -1), keepdims=True)
    if a.ndim == 2:
        mean = mean[0]
    return restore(_blend("adjust_contrast", xp, a, mean, contrast_factor))


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """Blend with the grey image: 0 is grey, 1 the image, 2 twice as colourful."""
    _check_factor("adjust_saturation", "saturation_factor", saturation_factor)
    if is_pil(img):
        return _enhanced(img, "Color", saturation_factor)
    a, xp, restore = planes("adjust_saturation", img)
    if _channels("adjust_saturation", a) == 1:
        return restore(a.copy())
    return restore(_blend("adjust_saturation", xp, a, _grey(a), saturation_factor))


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """Turn the colour circle by ``hue_factor`` of a full turn, from -0.5 to 0.5."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"adjust_hue: hue_factor must be in [-0.5, 0.5]; got {hue_factor}")
    if is_pil(img):
        return _hue_pil(img, hue_factor)
    a, xp, restore = planes("adjust_hue", img)
    if _channels("adjust_hue", a) == 1:
        return restore(a.copy())
    full = full_value("adjust_hue", a.dtype)
    work = a.astype(_working(a)) / full if a.dtype.kind in "iu" else a.astype(_working(a))
    hue, saturation, value = _to_hsv(xp, work)
    turned = _to_rgb(xp, (hue + hue_factor) % 1.0, saturation, value)
    if a.dtype.kind in "iu":
        turned = turned * (full + 1 - 1e-3)  # as convert_image_dtype does
    return restore(turned.astype(a.dtype))


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """0.2989 red + 0.587 green + 0.114 blue, in 1 channel or 3 equal ones."""
    if num_output_channels not in (1, 3):
        raise ValueError(
            f"rgb_to_grayscale: num_output_channels must be 1 or 3; got {num_output_channels}"
        )
    if is_pil(img):
        grey = img.convert("L")
        return grey if num_output_channels == 1 else pillow("").merge("RGB", (grey,) * 3)
    a, xp, restore = planes("rgb_to_grayscale", img)
    grey = a if _channels("rgb_to_grayscale", a) == 1 else _grey(a)
    if num_output_channels == 3:
        if grey.ndim == 2:
            grey = grey[None]
        grey = xp.broadcast_to(grey, (*grey.shape[:-3], 3, *grey.shape[-2:]))
    return restore(grey.copy())


def _channels(function: str, a: Any) -> int:
    count = a.shape[-3] if a.ndim > 2 else 1
    if count not in (1, 3):
        raise ShapeError(f"{function}: the image must have 1 or 3 channels; got {count}")
    return count


def _check_factor(function: str, name: str, factor: float) -> None:
    if not factor >= 0:
        raise ValueError(f"{function}: {name} must not be negative; got {factor}")


def _working(a: Any) -> Any:
    return np.float64 if a.dtype == np.float64 else np.float32


def _grey(a: Any) -> Any:
    """(..., 3, H, W) -> (..., 1, H, W) of the same type."""
    r, g, b = (a[..., i : i + 1, :, :].astype(_working(a)) for i in range(3))
    return (_LUMA[0] * r + _LUMA[1] * g + _LUMA[2] * b).astype(a.dtype)


def _blend(function: str, xp: Any, a: Any, other: Any, factor: float) -> Any:
    full = full_value(function, a.dtype)
    work = a.astype(_working(a)) * factor + other * (1.0 - factor)
    return xp.clip(work, 0, full).astype(a.dtype)


def _to_hsv(xp: Any, rgb: Any) -> tuple[Any, Any, Any]:
    """Hue, saturation, value, each in [0, 1]; (..., 3, H, W) -> three (..., H, W)."""
    r, g, b = rgb[..., 0, :, :], rgb[..., 1, :, :], rgb[..., 2, :, :]
    value, low = rgb.max(-3), rgb.min(-3)
    chroma = value - low
    grey = chroma == 0
    safe = xp.where(grey, 1, chroma)
    rc, gc, bc = (value - r) / safe, (value - g) / safe, (value - b) / safe
    sixth = xp.where(value == r, bc - gc, xp.where(value == g, 2 + rc - bc, 4 + gc - rc))
    hue = xp.where(grey, 0, (sixth / 6 + 1) % 1.0)
    return hue, xp.where(grey, 0, chroma / xp.where(grey, 1, value)), value


def _to_rgb(xp: Any, hue: Any, saturation: Any, value: Any) -> Any:
    """channel n is value - value * saturation * clip(min(k, 4 - k), 0, 1), k = (n + 6 hue) % 6."""
    planes = []
    for n in (5, 3, 1):
        k = (n + hue * 6) % 6
        planes.append(value - value * saturation * xp.clip(xp.minimum(k, 4 - k), 0, 1))
    return xp.clip(xp.stack(planes, -3), 0, 1)


def _enhanced(img: Any, kind: str, factor: float) -> Any:
    from PIL import ImageEnhance

    return getattr(ImageEnhance, kind)(img).enhance(factor)


def _hue_pil(img: Any, factor: float) -> Any:
    """Pillow's HSV has 256 hues; the shift is cut to whole ones."""
    if img.mode in ("L", "1", "I", "F"):
        return img
    module = pillow("adjust_hue")
    hue, saturation, value = img.convert("HSV").split()
    turned = np.asarray(hue) + np.uint8(int(factor * 255) % 256)  # wraps round
    merged = module.merge("HSV", (module.fromarray(turned), saturation, value))
    return merged.convert(img.mode)
