"""What the transforms compute, as functions, under torchvision's names."""

# ruff: noqa: F401

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lucid.errors import ShapeError
from lucid.tensor import Tensor
from lucid.vision.transforms.coloring import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    rgb_to_grayscale,
)
from lucid.vision.transforms.conversion import (
    convert_image_dtype,
    normalize,
    pil_to_tensor,
    to_pil_image,
    to_tensor,
)
from lucid.vision.transforms.geometry import center_crop, crop, erase, hflip, pad, pair, vflip
from lucid.vision.transforms.image import channels, image_size, is_pil, pillow, planes
from lucid.vision.transforms.resampling import InterpolationMode, resample
from lucid.vision.transforms.rotation import rotate
from lucid.vision.transforms.toning import (
    adjust_gamma,
    adjust_sharpness,
    autocontrast,
    equalize,
    gaussian_blur,
    invert,
    posterize,
    solarize,
)
from lucid.vision.transforms.warping import affine, perspective


def resize(
    img: Any,
    size: int | Sequence[int],
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """The image at another size: (h, w), or the shorter side by one number, in proportion.

    ``max_size`` limits the longer side then. ``antialias`` False picks samples when shrinking, as
    F.interpolate does; a PIL image is always antialiased, by Pillow. So are uint8 arrays, bit for
    bit as by Pillow (``resampling`` has one exception). Tensors and float arrays are resized as by
    F.interpolate, and integers rounded to the nearest; so is NEAREST for all but PIL images.
    """
    h, w = image_size("resize", img)
    height, width = _wanted(h, w, size, max_size)
    if is_pil(img):
        exact = interpolation is InterpolationMode.NEAREST_EXACT
        name = "NEAREST" if exact else interpolation.name
        return img.resize((width, height), pillow("resize").Resampling[name])
    if (height, width) == (h, w):
        return img
    a, xp, restore = planes("resize", img)
    exact = bool(antialias) and not isinstance(img, Tensor)
    return restore(resample(a, xp, height, width, interpolation, bool(antialias), exact))


def _wanted(h: int, w: int, size: Any, max_size: int | None) -> tuple[int, int]:
    values = (size,) if isinstance(size, int) else tuple(size)
    if len(values) not in (1, 2) or min(values) < 1:
        raise ValueError(f"resize: size must be a number or (h, w), positive; got {size!r}")
    if len(values) == 2:
        if max_size is not None:
            raise ValueError("resize: max_size needs size as one number; got size and max_size")
        return values[0], values[1]
    (shorter,) = values
    short, long = min(h, w), max(h, w)
    longer = int(shorter * long / short)
    if max_size is not None:
        if max_size <= shorter:
            raise ValueError(
                f"resize: max_size must be greater than size; got {max_size} and {shorter}"
            )
        if longer > max_size:
            shorter, longer = int(max_size * shorter / longer), max_size
    return (shorter, longer) if h <= w else (longer, shorter)


def resized_crop(
    img: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """``crop``, then ``resize``."""
    return resize(crop(img, top, left, height, width), size, interpolation, None, antialias)


def get_image_size(img: Any) -> list[int]:
    """[W, H]."""
    h, w = image_size("get_image_size", img)
    return [w, h]


def get_dimensions(img: Any) -> list[int]:
    """[C, H, W]."""
    return [channels("get_dimensions", img), *image_size("get_dimensions", img)]


to_grayscale = rgb_to_grayscale


def five_crop(img: Any, size: int | Sequence[int]) -> tuple[Any, ...]:
    """The upper left, upper right, lower left, lower right corner, and the middle."""
    height, width = pair("five_crop", "size", size)
    h, w = image_size("five_crop", img)
    if height > h or width > w:
        raise ShapeError(
            f"five_crop: the image must not be smaller than {(height, width)}; got {(h, w)}"
        )
    corners = [(top, left) for top in (0, h - height) for left in (0, w - width)]
    parts = [crop(img, top, left, height, width) for top, left in corners]
    return (*parts, center_crop(img, (height, width)))


def ten_crop(img: Any, size: int | Sequence[int], vertical_flip: bool = False) -> tuple[Any, ...]:
    """five_crop of the image, then of its mirror image (upside down with ``vertical_flip``)."""
    flipped = vflip(img) if vertical_flip else hflip(img)
    return (*five_crop(img, size), *five_crop(flipped, size))
