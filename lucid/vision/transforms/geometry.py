"""Parts and mirror images: every pixel stays what it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lucid.errors import ShapeError
from lucid.vision.transforms.image import image_size, planes

__all__ = ["center_crop", "crop", "erase", "hflip", "pad", "vflip"]

_MODES = {"edge": "edge", "reflect": "reflect", "symmetric": "symmetric"}


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """The part of this size from (top, left) on; what lies outside the image is 0."""
    a, xp, restore = planes("crop", img)
    h, w = a.shape[-2:]
    bottom, right = top + height, left + width
    if top >= 0 and left >= 0 and bottom <= h and right <= w:
        return restore(a[..., top:bottom, left:right].copy(order="K"))
    out = _empty_like(xp, a, height, width)
    out[...] = 0
    y0, y1, x0, x1 = max(top, 0), min(bottom, h), max(left, 0), min(right, w)
    if y0 < y1 and x0 < x1:
        out[..., y0 - top : y1 - top, x0 - left : x1 - left] = a[..., y0:y1, x0:x1]
    return restore(out)


def center_crop(img: Any, output_size: int | Sequence[int]) -> Any:
    """The middle part, (size, size) or (h, w); a smaller image gets a border of 0."""
    height, width = pair("center_crop", "output_size", output_size)
    h, w = image_size("center_crop", img)
    if height > h or width > w:
        left, top = max(0, width - w) // 2, max(0, height - h) // 2
        right, bottom = (max(0, width - w) + 1) // 2, (max(0, height - h) + 1) // 2
        img = pad(img, [left, top, right, bottom])
        h, w = image_size("center_crop", img)
    return crop(img, round((h - height) / 2), round((w - width) / 2), height, width)


def hflip(img: Any) -> Any:
    """Left and right exchanged."""
    a, _, restore = planes("hflip", img)
    return restore(a[..., ::-1].copy(order="K"))


def vflip(img: Any) -> Any:
    """Top and bottom exchanged."""
    a, _, restore = planes("vflip", img)
    return restore(a[..., ::-1, :].copy(order="K"))


def pad(
    img: Any, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant"
) -> Any:
    """A border around the image.

    ``padding``: one number for all sides, (left and right, top and bottom), or (left, top, right,
    bottom). ``padding_mode``: "constant" (``fill``, one number or one for each channel), "edge",
    "reflect" (without the edge), "symmetric" (with it).
    """
    left, top, right, bottom = sides("pad", padding)
    if padding_mode != "constant" and padding_mode not in _MODES:
        raise ValueError(
            f"pad: padding_mode must be constant, edge, reflect or symmetric; got {padding_mode!r}"
        )
    if min(left, top, right, bottom) < 0:
        h, w = image_size("pad", img)
        cut = crop(
            img, max(0, -top), max(0, -left), h - max(0, -top) - max(0, -bottom),
            w - max(0, -left) - max(0, -right),
        )  # fmt: skip
        more = [max(0, n) for n in (left, top, right, bottom)]
        return pad(cut, more, fill, padding_mode)
    a, xp, restore = planes("pad", img)
    borders = [(0, 0)] * (a.ndim - 2) + [(top, bottom), (left, right)]
    if padding_mode != "constant":
        h, w = a.shape[-2:]
        most = {"reflect": -1, "symmetric": 0}.get(padding_mode)
        if most is not None and (max(top, bottom) > h + most or max(left, right) > w + most):
            raise ShapeError(
                f"pad: {padding_mode} padding must not exceed the image; got {padding} for {(h, w)}"
            )
        return restore(xp.pad(a, borders, mode=_MODES[padding_mode]))
    value = per_channel("pad", fill, a)
    h, w = a.shape[-2:]
    out = _empty_like(xp, a, top + h + bottom, left + w + right)
    out[...] = xp.asarray(value).astype(a.dtype)
    out[..., top : top + h, left : left + w] = a
    return restore(out)


def erase(img: Any, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Any:
    """The rectangle from (i, j) on, h high and w wide, replaced by ``v``.

    ``v`` is a number or what broadcasts to (C, h, w). ``inplace`` writes to an array or tensor.
    """
    a, xp, restore = planes("erase", img)
    value = xp.asarray(getattr(v, "_array", v)).astype(a.dtype)
    if not inplace or not getattr(a, "flags", None) or not a.flags.writeable:
        a = a.copy()
        a[..., i : i + h, j : j + w] = value
        return restore(a)
    a[..., i : i + h, j : j + w] = value
    return img


def _empty_like(xp: Any, a: Any, height: int, width: int) -> Any:
    """New planes of another size, in a's order in memory: twice as fast for (H, W, C) arrays."""
    if a.ndim == 3 and a.strides[0] < a.strides[2]:
        return xp.empty((height, width, a.shape[0]), a.dtype).transpose(2, 0, 1)
    return xp.empty((*a.shape[:-2], height, width), a.dtype)


def per_channel(function: str, fill: Any, a: Any) -> Any:
    """``fill`` as a number, or as a nested list that broadcasts over (..., C, H, W)."""
    if fill is None:
        return 0
    if isinstance(fill, int | float):
        return fill
    values = list(fill)
    count = a.shape[-3] if a.ndim > 2 else 1
    if len(values) == 1:
        return values[0]
    if len(values) != count:
        raise ValueError(
            f"{function}: fill must be a number or one for each of {count} channels; got {fill}"
        )
    return [[[v]] for v in values]


def pair(function: str, name: str, value: Any) -> tuple[int, int]:
    """(h, w) from one number or two."""
    if isinstance(value, int):
        return value, value
    values = tuple(value)
    if len(values) not in (1, 2):
        raise ValueError(f"{function}: {name} must be a number or (h, w); got {value!r}")
    return values[0], values[-1]


def sides(function: str, padding: Any) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) from one number, two or four."""
    values = (padding,) if isinstance(padding, int) else tuple(padding)
    if len(values) not in (1, 2, 4):
        raise ValueError(
            f"{function}: padding must be a number, (left and right, top and bottom) or (left, top,"
            f" right, bottom); got {padding!r}"
        )
    left, top, *rest = values * (2 if len(values) == 1 else 1)
    right, bottom = rest or (left, top)
    return left, top, right, bottom
