"""Transforms of colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lucid.vision.transforms import functional as F
from lucid.vision.transforms.image import channels
from lucid.vision.transforms.placing import check_p
from lucid.vision.transforms.randomness import Source, source

__all__ = ["ColorJitter", "Grayscale", "RandomGrayscale"]

Range = float | Sequence[float]
Interval = tuple[float, float] | None

_ADJUST = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)


class ColorJitter:
    """Brightness, contrast, saturation and hue changed at random, in random order.

    A number b stands for factors from max(0, 1 - b) to 1 + b (hue: from -b to b, at most 0.5); a
    pair for the factors from one to the other.
    """

    def __init__(
        self, brightness: Range = 0, contrast: Range = 0, saturation: Range = 0, hue: Range = 0
    ):
        self.brightness = _interval("brightness", brightness)
        self.contrast = _interval("contrast", contrast)
        self.saturation = _interval("saturation", saturation)
        self.hue = _interval("hue", hue, middle=0.0, low=-0.5, high=0.5)

    @staticmethod
    def get_params(
        brightness: Interval,
        contrast: Interval,
        saturation: Interval,
        hue: Interval,
        draw: Source | None = None,
    ) -> tuple[list[int], list[float | None]]:
        """A random order of the four, and their factors; None leaves one out."""
        draw = draw or source()
        order = draw.permutation(4)
        ranges = (brightness, contrast, saturation, hue)
        return order, [None if r is None else draw.uniform(*r) for r in ranges]

    def __call__(self, img: Any) -> Any:
        order, factors = self.get_params(
            self.brightness, self.contrast, self.saturation, self.hue, source()
        )
        for i in order:
            factor = factors[i]
            if factor is not None:
                img = _ADJUST[i](img, factor)
        return img

    def __repr__(self) -> str:
        return (
            f"ColorJitter(brightness={self.brightness}, contrast={self.contrast},"
            f" saturation={self.saturation}, hue={self.hue})"
        )


def _interval(
    name: str, value: Range, middle: float = 1.0, low: float = 0.0, high: float = float("inf")
) -> Interval:
    """(from, to), or None if nothing is to change."""
    if isinstance(value, int | float):
        if value < 0:
            raise ValueError(f"ColorJitter: {name} must not be negative; got {value}")
        ends = (middle - value, middle + value)
        ends = (max(ends[0], 0.0), ends[1]) if middle else ends
    else:
        ends = (float(value[0]), float(value[1]))
    if not low <= ends[0] <= ends[1] <= high:
        raise ValueError(f"ColorJitter: {name} must be within [{low}, {high}]; got {value}")
    return None if ends[0] == ends[1] == middle else ends


class Grayscale:
    """The grey image, in 1 channel or 3 equal ones."""

    def __init__(self, num_output_channels: int = 1):
        self.num_output_channels = num_output_channels

    def __call__(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, self.num_output_channels)

    def __repr__(self) -> str:
        return f"Grayscale(num_output_channels={self.num_output_channels})"


class RandomGrayscale:
    """The grey image with probability p, in as many channels as the image has."""

    def __init__(self, p: float = 0.1):
        self.p = check_p("RandomGrayscale", p)

    def __call__(self, img: Any) -> Any:
        if source().uniform() >= self.p:
            return img
        return F.rgb_to_grayscale(img, channels("RandomGrayscale", img))

    def __repr__(self) -> str:
        return f"RandomGrayscale(p={self.p})"
