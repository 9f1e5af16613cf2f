"""Crops, borders, mirror images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lucid.errors import ShapeError
from lucid.vision.transforms import functional as F
from lucid.vision.transforms.geometry import pair, sides
from lucid.vision.transforms.image import image_size
from lucid.vision.transforms.randomness import Source, source

__all__ = ["CenterCrop", "Pad", "RandomCrop", "RandomHorizontalFlip", "RandomVerticalFlip"]


def check_p(name: str, p: float) -> float:
    """A probability."""
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: p must be in [0, 1]; got {p}")
    return p


class CenterCrop:
    """The middle part, (size, size) or (h, w); a smaller image gets a border of 0."""

    def __init__(self, size: int | Sequence[int]):
        self.size = pair("CenterCrop", "size", size)

    def __call__(self, img: Any) -> Any:
        return F.center_crop(img, self.size)

    def __repr__(self) -> str:
        return f"CenterCrop(size={self.size})"


class Pad:
    """A border around the image; see ``functional.pad``."""

    def __init__(self, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant"):
        sides("Pad", padding)
        self.padding, self.fill, self.padding_mode = padding, fill, padding_mode

    def __call__(self, img: Any) -> Any:
        return F.pad(img, self.padding, self.fill, self.padding_mode)

    def __repr__(self) -> str:
        return f"Pad(padding={self.padding}, fill={self.fill}, padding_mode={self.padding_mode})"


class RandomCrop:
    """A part of this size from anywhere, after ``padding`` the image as ``functional.pad`` does.

    ``pad_if_needed`` pads smaller images to the size, on both sides; otherwise they are an error.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ):
        self.size = pair("RandomCrop", "size", size)
        self.padding, self.pad_if_needed = padding, pad_if_needed
        self.fill, self.padding_mode = fill, padding_mode

    @staticmethod
    def get_params(
        img: Any, output_size: tuple[int, int], draw: Source | None = None
    ) -> tuple[int, int, int, int]:
        """A random (top, left, height, width)."""
        (h, w), (height, width) = image_size("RandomCrop", img), output_size
        if h < height or w < width:
            raise ShapeError(
                f"RandomCrop: the image must not be smaller than {(height, width)}; got {(h, w)}."
                " Hint: pad_if_needed=True"
            )
        if (h, w) == (height, width):
            return 0, 0, h, w
        draw = draw or source()
        return draw.integer(0, h - height + 1), draw.integer(0, w - width + 1), height, width

    def __call__(self, img: Any) -> Any:
        draw = source()
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        if self.pad_if_needed:
            (h, w), (height, width) = image_size("RandomCrop", img), self.size
            if w < width:
                img = F.pad(img, [width - w, 0], self.fill, self.padding_mode)
            if h < height:
                img = F.pad(img, [0, height - h], self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size, draw))

    def __repr__(self) -> str:
        return f"RandomCrop(size={self.size}, padding={self.padding})"


class RandomHorizontalFlip:
    """Left and right exchanged with probability p."""

    def __init__(self, p: float = 0.5):
        self.p = check_p("RandomHorizontalFlip", p)

    def __call__(self, img: Any) -> Any:
        return F.hflip(img) if source().uniform() < self.p else img

    def __repr__(self) -> str:
        return f"RandomHorizontalFlip(p={self.p})"


class RandomVerticalFlip:
    """Top and bottom exchanged with probability p."""

    def __init__(self, p: float = 0.5):
        self.p = check_p("RandomVerticalFlip", p)

    def __call__(self, img: Any) -> Any:
        return F.vflip(img) if source().uniform() < self.p else img

    def __repr__(self) -> str:
        return f"RandomVerticalFlip(p={self.p})"
