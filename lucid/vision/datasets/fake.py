"""Random images with random classes: for measuring and trying out, where no data is at hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from lucid.backend import philox
from lucid.random import Generator
from lucid.vision.datasets.vision import VisionDataset

__all__ = ["FakeData"]


class FakeData(VisionDataset):
    """``size`` random images (uint8, (H, W, C)) and classes; sample i is always the same.

    ``image_size`` is (C, H, W). Another ``random_offset`` gives other images.

    >>> from lucid.vision.datasets import FakeData
    >>> image, target = FakeData(10, image_size=(3, 8, 8))[0]
    >>> image.shape, image.dtype, target
    ((8, 8, 3), dtype('uint8'), 6)
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        random_offset: int = 0,
    ):
        super().__init__(None, transform=transform, target_transform=target_transform)
        self.size, self.image_size, self.num_classes = size, image_size, num_classes
        self.random_offset = random_offset

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not 0 <= index < self.size:
            raise IndexError(f"FakeData: index must be in [0, {self.size}); got {index}")
        source = Generator().manual_seed(self.random_offset)
        source.stream = index
        channels, height, width = self.image_size
        count = math.prod(self.image_size)
        words = philox.words(source.reserve(-(-count // 32)), -(-count // 8))  # 4 to a block
        image = words.view(np.uint8)[:count].reshape(height, width, channels)
        target = philox.integers(source.reserve(1), 1, 0, self.num_classes)
        return self._transformed(image, int(target[0]))
