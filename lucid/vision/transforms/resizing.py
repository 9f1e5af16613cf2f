"""Transforms that make up pixels between pixels: other sizes, other angles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lucid.vision.transforms import functional as F
from lucid.vision.transforms.geometry import pair
from lucid.vision.transforms.image import image_size
from lucid.vision.transforms.randomness import Source, source
from lucid.vision.transforms.resampling import InterpolationMode

__all__ = ["RandomResizedCrop", "RandomRotation", "Resize"]

_ATTEMPTS = 10


class Resize:
    """The image at another size, antialiased; see ``functional.resize``."""

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ):
        self.size, self.interpolation = size, InterpolationMode(interpolation)
        self.max_size, self.antialias = max_size, antialias

    def __call__(self, img: Any) -> Any:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        return (
            f"Resize(size={self.size}, interpolation={self.interpolation.value},"
            f" max_size={self.max_size}, antialias={self.antialias})"
        )


class RandomResizedCrop:
    """A part of random area and shape from anywhere, at one size.

    The area is uniform in ``scale`` times the image's; the logarithm of width by height is uniform
    in that of ``ratio``. If ten draws don't fit into the image, its middle is taken.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ):
        self.size = pair("RandomResizedCrop", "size", size)
        for name, (low, high) in (("scale", scale), ("ratio", ratio)):
            if not 0 < low <= high:
                raise ValueError(
                    f"RandomResizedCrop: {name} must be 0 < low <= high; got {(low, high)}"
                )
        self.scale, self.ratio = tuple(scale), tuple(ratio)
        self.interpolation, self.antialias = InterpolationMode(interpolation), antialias

    @staticmethod
    def get_params(
        img: Any, scale: Sequence[float], ratio: Sequence[float], draw: Source | None = None
    ) -> tuple[int, int, int, int]:
        """A random (top, left, height, width)."""
        draw = draw or source()
        h, w = image_size("RandomResizedCrop", img)
        for _ in range(_ATTEMPTS):
            area = h * w * draw.uniform(scale[0], scale[1])
            aspect = math.exp(draw.uniform(math.log(ratio[0]), math.log(ratio[1])))
            width, height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < width <= w and 0 < height <= h:
                top = draw.integer(0, h - height + 1)
                return top, draw.integer(0, w - width + 1), height, width
        height, width = h, w
        if w / h < ratio[0]:
            height = round(w / ratio[0])
        elif w / h > ratio[1]:
            width = round(h * ratio[1])
        return (h - height) // 2, (w - width) // 2, height, width

    def __call__(self, img: Any) -> Any:
        part = self.get_params(img, self.scale, self.ratio, source())
        return F.resized_crop(img, *part, self.size, self.interpolation, self.antialias)

    def __repr__(self) -> str:
        scale, ratio = (tuple(round(v, 4) for v in pair) for pair in (self.scale, self.ratio))
        return (
            f"RandomResizedCrop(size={self.size}, scale={scale}, ratio={ratio},"
            f" interpolation={self.interpolation.value}, antialias={self.antialias})"
        )


class RandomRotation:
    """The image turned by an angle uniform in [-degrees, degrees), or [low, high): ``rotate``."""

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
    ):
        if isinstance(degrees, int | float):
            if degrees < 0:
                raise ValueError(f"RandomRotation: degrees must not be negative; got {degrees}")
            degrees = (-degrees, degrees)
        self.degrees = [float(d) for d in degrees]
        self.interpolation, self.expand = InterpolationMode(interpolation), expand
        self.center, self.fill = center, fill

    @staticmethod
    def get_params(degrees: Sequence[float], draw: Source | None = None) -> float:
        """A random angle."""
        return (draw or source()).uniform(degrees[0], degrees[1])

    def __call__(self, img: Any) -> Any:
        angle = self.get_params(self.degrees, source())
        return F.rotate(img, angle, self.interpolation, self.expand, self.center, self.fill)

    def __repr__(self) -> str:
        center = "" if self.center is None else f", center={self.center}"
        fill = "" if self.fill is None else f", fill={self.fill}"
        return (
            f"RandomRotation(degrees={self.degrees}, interpolation={self.interpolation.value},"
            f" expand={self.expand}{center}{fill})"
        )
