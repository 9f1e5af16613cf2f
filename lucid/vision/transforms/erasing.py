"""Rectangles taken out of images: RandomErasing (Zhong et al. 2020), Cutout (DeVries 2017)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lucid.vision.transforms import functional as F
from lucid.vision.transforms.image import planes
from lucid.vision.transforms.placing import check_p
from lucid.vision.transforms.randomness import Source, source

__all__ = ["Cutout", "RandomErasing"]

_ATTEMPTS = 10


class RandomErasing:
    """A random rectangle replaced by ``value``, with probability p.

    The rectangle's area is uniform in ``scale`` times the image's, the logarithm of height by width
    uniform in that of ``ratio``. ``value``: a number, one for each channel, or "random" for normal
    noise. If ten draws don't fit into the image, it stays as it is.
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0,
        inplace: bool = False,
    ):
        if isinstance(value, str) and value != "random":
            raise ValueError(f"RandomErasing: value must be numbers or 'random'; got {value!r}")
        if not 0 <= scale[0] <= scale[1] <= 1:
            raise ValueError(f"RandomErasing: scale must be within [0, 1]; got {scale}")
        if not 0 < ratio[0] <= ratio[1]:
            raise ValueError(f"RandomErasing: ratio must be 0 < low <= high; got {ratio}")
        self.p = check_p("RandomErasing", p)
        self.scale, self.ratio, self.value, self.inplace = scale, ratio, value, inplace

    def _rectangle(self, h: int, w: int, draw: Source) -> tuple[int, int, int, int] | None:
        low, high = (math.log(r) for r in self.ratio)
        for _ in range(_ATTEMPTS):
            area = h * w * draw.uniform(self.scale[0], self.scale[1])
            aspect = math.exp(draw.uniform(low, high))
            height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if height < h and width < w:
                i, j = draw.integer(0, h - height + 1), draw.integer(0, w - width + 1)
                return i, j, height, width
        return None

    def __call__(self, img: Any) -> Any:
        draw = source()
        if draw.uniform() >= self.p:
            return img
        a, _, _ = planes("RandomErasing", img)
        part = self._rectangle(a.shape[-2], a.shape[-1], draw)
        if part is None:
            return img
        i, j, height, width = part
        count = a.shape[-3] if a.ndim > 2 else 1
        value: Any = self.value
        if value == "random":
            value = draw.normal((count, height, width))
        elif not isinstance(value, int | float):
            if len(value) not in (1, count):
                raise ValueError(
                    f"RandomErasing: value must be 1 or {count} numbers for this image; got {value}"
                )
            value = np.asarray(value).reshape(-1, 1, 1)
        if a.ndim == 2 and isinstance(value, np.ndarray):
            value = value[0]
        return F.erase(img, i, j, height, width, value, self.inplace)

    def __repr__(self) -> str:
        return (
            f"RandomErasing(p={self.p}, scale={self.scale}, ratio={self.ratio},"
            f" value={self.value}, inplace={self.inplace})"
        )


class Cutout:
    """``n_holes`` squares of ``length`` pixels replaced by ``fill``; their centres are anywhere.

    So a square may lie partly outside the image, as in the paper.
    """

    def __init__(self, length: int, n_holes: int = 1, fill: float = 0):
        if length < 1 or n_holes < 0:
            raise ValueError(
                f"Cutout: length must be positive, n_holes not negative; got {length}, {n_holes}"
            )
        self.length, self.n_holes, self.fill = length, n_holes, fill

    def __call__(self, img: Any) -> Any:
        draw = source()
        h, w = planes("Cutout", img)[0].shape[-2:]
        for _ in range(self.n_holes):
            y, x = draw.integer(0, h) - self.length // 2, draw.integer(0, w) - self.length // 2
            top, left = max(y, 0), max(x, 0)
            bottom, right = min(y + self.length, h), min(x + self.length, w)
            img = F.erase(img, top, left, bottom - top, right - left, self.fill)
        return img

    def __repr__(self) -> str:
        return f"Cutout(length={self.length}, n_holes={self.n_holes}, fill={self.fill})"
