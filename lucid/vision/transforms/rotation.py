"""Rotation by any angle: each output pixel looks up where it came from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lucid.vision.transforms.geometry import per_channel
from lucid.vision.transforms.image import is_pil, pillow, planes
from lucid.vision.transforms.resampling import InterpolationMode

__all__ = ["bilinear", "look_up", "pil_color", "rotate"]

_TINY = 1e-4  # pixels: a corner this little beyond a pixel does not make the image larger


def rotate(
    img: Any,
    angle: float,
    interpolation: InterpolationMode = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Any = None,
) -> Any:
    """The image turned by ``angle`` degrees counter-clockwise; what comes in is ``fill``.

    ``interpolation`` NEAREST or BILINEAR. ``expand`` makes room for all of the image, turned about
    its middle. ``center``: (x, y) in pixels from the upper left corner; None is the middle. A PIL
    image is turned by Pillow; arrays and tensors as by torchvision's rotate for tensors.
    """
    if interpolation not in (InterpolationMode.NEAREST, InterpolationMode.BILINEAR):
        raise ValueError(f"rotate: interpolation must be NEAREST or BILINEAR; got {interpolation}")
    if is_pil(img):
        return _rotate_pil(img, angle, interpolation, expand, center, fill)
    a, xp, restore = planes("rotate", img)
    h, w = a.shape[-2:]
    turn = math.radians(angle)
    cos, sin = math.cos(turn), math.sin(turn)
    height, width = _expanded(h, w, cos, sin) if expand else (h, w)
    middle = center is None or expand
    cx, cy = (0.0, 0.0) if middle else (center[0] - w * 0.5, center[1] - h * 0.5)  # type: ignore[index]
    # About the centre, the source of (x, y) is (x, y) turned back; y points down.
    y = xp.arange(height, dtype=np.float64)[:, None] + (0.5 - height * 0.5) - cy
    x = xp.arange(width, dtype=np.float64) + (0.5 - width * 0.5) - cx
    column = cos * x - sin * y + (cx + w * 0.5 - 0.5)
    row = sin * x + cos * y + (cy + h * 0.5 - 0.5)
    value = xp.asarray(per_channel("rotate", fill, a)).astype(np.float32)
    if interpolation is InterpolationMode.NEAREST:
        picked, within = look_up(a, xp, xp.rint(row), xp.rint(column))
        return restore(xp.where(within, picked, value.astype(a.dtype)).astype(a.dtype))
    out = bilinear(a, xp, row, column, None if fill is None else value)
    return restore((xp.rint(out) if a.dtype.kind in "iu" else out).astype(a.dtype))


def bilinear(a: Any, xp: Any, row: Any, column: Any, fill: Any) -> Any:
    """The weighted mean of four pixels; those outside count as 0.

    With ``fill`` a share of it takes the place of what lies outside, and what lies inside counts by
    the share that does, once more: so torchvision blends, which darkens the border a little.
    """
    top, left = xp.floor(row), xp.floor(column)
    down, across = row - top, column - left
    out: Any = 0
    inside: Any = 0
    for i, wy in ((0, 1 - down), (1, down)):
        for j, wx in ((0, 1 - across), (1, across)):
            picked, within = look_up(a, xp, top + i, left + j)
            weight = xp.where(within, wy * wx, 0).astype(np.float32)
            out, inside = out + weight * picked, inside + weight
    return out if fill is None else out * inside + (1 - inside) * fill


def look_up(a: Any, xp: Any, row: Any, column: Any) -> tuple[Any, Any]:
    """The pixels at whole places, and whether these lie within the image."""
    h, w = a.shape[-2:]
    within = (row >= 0) & (row < h) & (column >= 0) & (column < w)
    i = row.clip(0, h - 1).astype(np.int64)
    j = column.clip(0, w - 1).astype(np.int64)
    return a[..., i, j], within


def _expanded(h: int, w: int, cos: float, sin: float) -> tuple[int, int]:
    """The size in whole pixels, on the image's own grid, that holds all corners."""
    sizes = []
    for size, extent in ((h, abs(sin) * w + abs(cos) * h), (w, abs(cos) * w + abs(sin) * h)):
        low, high = (size - extent) / 2, (size + extent) / 2
        sizes.append(math.ceil(high - _TINY) - math.floor(low + _TINY))
    return sizes[0], sizes[1]


def _rotate_pil(
    img: Any,
    angle: float,
    interpolation: InterpolationMode,
    expand: bool,
    center: Sequence[float] | None,
    fill: Any,
) -> Any:
    resampling = pillow("rotate").Resampling[interpolation.name]
    color = pil_color(img, fill)
    return img.rotate(angle, resampling, expand, center, fillcolor=color)


def pil_color(img: Any, fill: Any) -> Any:
    """``fill`` as Pillow wants it for this image: one value for each band, whole numbers."""
    if fill is None:
        return None
    bands = len(img.getbands())
    values = [fill] * bands if isinstance(fill, int | float) else list(fill)
    values = values * bands if len(values) == 1 else values
    values = values if img.mode == "F" else [int(v) for v in values]
    return tuple(values) if bands > 1 else values[0]
