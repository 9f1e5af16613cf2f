"""Sheared, moved and tilted images: each output pixel looks up where it came from.

PIL images are transformed by Pillow; arrays and tensors as torchvision does with tensors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lucid.vision.transforms.geometry import per_channel
from lucid.vision.transforms.image import is_pil, pillow, planes
from lucid.vision.transforms.resampling import InterpolationMode
from lucid.vision.transforms.rotation import bilinear, look_up, pil_color

__all__ = ["affine", "perspective"]

_NEAREST, _BILINEAR = InterpolationMode.NEAREST, InterpolationMode.BILINEAR


def affine(
    img: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    interpolation: InterpolationMode = _NEAREST,
    fill: Any = None,
    center: Sequence[float] | None = None,
) -> Any:
    """The image sheared, turned, scaled about ``center`` and moved; what comes in is ``fill``.

    ``angle`` and ``shear`` (of x; or [x, y], of which [x] makes two) are degrees, clockwise;
    ``translate`` (x, y) and ``center`` (x, y, from the upper left corner; None: the middle) are
    pixels.
    """
    _check_mode("affine", interpolation, (_NEAREST, _BILINEAR))
    if len(translate) != 2:
        raise ValueError(f"affine: translate must be (x, y); got {translate}")
    if scale <= 0:
        raise ValueError(f"affine: scale must be positive; got {scale}")
    shears = (shear,) if isinstance(shear, int | float) else tuple(shear)
    if len(shears) not in (1, 2):
        raise ValueError(f"affine: shear must be one number or two; got {shear}")
    tilt = (shears[0], 0.0 if isinstance(shear, int | float) else shears[-1])
    if is_pil(img):
        width, height = img.size
        middle = (width * 0.5, height * 0.5) if center is None else tuple(center)
        back = _inverse(middle, angle, translate, scale, tilt)
        module = pillow("affine")
        return img.transform(
            img.size,
            module.Transform.AFFINE,
            back,
            module.Resampling[interpolation.name],
            fillcolor=pil_color(img, fill),
        )
    a, xp, restore = planes("affine", img)
    h, w = a.shape[-2:]
    about = (0.0, 0.0) if center is None else (center[0] - w * 0.5, center[1] - h * 0.5)
    m = _inverse(about, angle, translate, scale, tilt)
    y = xp.arange(h, dtype=np.float64)[:, None] + (0.5 - h * 0.5)
    x = xp.arange(w, dtype=np.float64) + (0.5 - w * 0.5)
    column = m[0] * x + m[1] * y + (m[2] + w * 0.5 - 0.5)
    row = m[3] * x + m[4] * y + (m[5] + h * 0.5 - 0.5)
    return restore(_sampled("affine", a, xp, row, column, interpolation, fill))


def _inverse(
    center: tuple[float, ...],
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: tuple[float, float],
) -> list[float]:
    """(a, b, c, d, e, f): output (x, y) comes from (a x + b y + c, d x + e y + f).

    The way there is: to the centre, shear, turn, scale, back, translate.
    """
    turn, sx, sy = (math.radians(v) for v in (angle, *shear))
    a = math.cos(turn - sy) / math.cos(sy)
    b = -math.cos(turn - sy) * math.tan(sx) / math.cos(sy) - math.sin(turn)
    c = math.sin(turn - sy) / math.cos(sy)
    d = -math.sin(turn - sy) * math.tan(sx) / math.cos(sy) + math.cos(turn)
    m = [d / scale, -b / scale, 0.0, -c / scale, a / scale, 0.0]  # the determinant is 1
    # In this order: a last bit more or less moves some of Pillow's pixels by a level.
    x, y = center[0] + translate[0], center[1] + translate[1]
    m[2] = m[0] * -x + m[1] * -y + center[0]
    m[5] = m[3] * -x + m[4] * -y + center[1]
    return m


def perspective(
    img: Any,
    startpoints: Sequence[Sequence[float]],
    endpoints: Sequence[Sequence[float]],
    interpolation: InterpolationMode = _BILINEAR,
    fill: Any = None,
) -> Any:
    """The image tilted so that the four ``startpoints`` come to lie on the ``endpoints``.

    Points are (x, y) in pixels: upper left, upper right, lower right, lower left.
    """
    _check_mode("perspective", interpolation, (_NEAREST, _BILINEAR))
    if len(startpoints) != 4 or len(endpoints) != 4:
        raise ValueError(
            "perspective: startpoints and endpoints must be four points each; got"
            f" {len(startpoints)} and {len(endpoints)}"
        )
    k = _coefficients(startpoints, endpoints)
    if is_pil(img):
        module = pillow("perspective")
        return img.transform(
            img.size,
            module.Transform.PERSPECTIVE,
            k,
            module.Resampling[interpolation.name],
            fillcolor=pil_color(img, fill),
        )
    a, xp, restore = planes("perspective", img)
    h, w = a.shape[-2:]
    y, x = xp.arange(h, dtype=np.float64)[:, None] + 0.5, xp.arange(w, dtype=np.float64) + 0.5
    depth = k[6] * x + k[7] * y + 1.0
    column = (k[0] * x + k[1] * y + k[2]) / depth - 0.5
    row = (k[3] * x + k[4] * y + k[5]) / depth - 0.5
    return restore(_sampled("perspective", a, xp, row, column, interpolation, fill))


def _coefficients(
    startpoints: Sequence[Sequence[float]], endpoints: Sequence[Sequence[float]]
) -> list[float]:
    """Output (x, y) comes from ((a x + b y + c) / (g x + h y + 1), (d x + e y + f) / (...))."""
    rows, right = [], []
    for (x, y), (u, v) in zip(endpoints, startpoints, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
        right += [u, v]
    solved = np.linalg.lstsq(np.asarray(rows, np.float64), np.asarray(right, np.float64))[0]
    return solved.astype(np.float32).tolist()  # the digits that torchvision keeps


def _sampled(
    function: str, a: Any, xp: Any, row: Any, column: Any, mode: InterpolationMode, fill: Any
) -> Any:
    value = xp.asarray(per_channel(function, fill, a)).astype(np.float32)
    if mode is _NEAREST:
        picked, within = look_up(a, xp, xp.rint(row), xp.rint(column))
        return xp.where(within, picked, value.astype(a.dtype)).astype(a.dtype)
    out = bilinear(a, xp, row, column, None if fill is None else value)
    return (xp.rint(out) if a.dtype.kind in "iu" else out).astype(a.dtype)


def _check_mode(function: str, mode: Any, known: tuple[InterpolationMode, ...]) -> None:
    if mode not in known:
        names = " or ".join(m.name for m in known)
        raise ValueError(f"{function}: interpolation must be {names}; got {mode}")
