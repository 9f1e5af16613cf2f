"""Digits: 1,797 real 8 x 8 scans of handwritten digits that come with scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from lucid.errors import LucidError
from lucid.tensor import Tensor
from lucid.utils.data.dataset import Dataset

__all__ = ["Digits"]

TEST_EVERY = 5  # of each digit, every fifth scan is a test image


class Digits(Dataset[tuple[Tensor, Tensor]]):
    """Images (1, 8, 8), float32 in [0, 1], with labels 0 to 9; nothing is downloaded.

    Every fifth scan of each digit is a test image: 1,442 to train and 355 to test, always the same
    ones. ``transform`` is applied to an image (1, 8, 8), or to a batch (N, 1, 8, 8) when several
    are asked for at once: ``digits[3]``, ``digits[[3, 4]]``. ``digits.images`` and
    ``digits.labels`` hold all of them as they are.

    The scans are from E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, 1998.
    """

    def __init__(self, train: bool = True, transform: Callable[[Tensor], Tensor] | None = None):
        images, labels = _load()
        chosen = _is_test(labels) != train
        self.train, self.transform = train, transform
        self.images = Tensor(images[chosen], device="cpu")
        self.labels = Tensor(labels[chosen], device="cpu")

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Any) -> tuple[Tensor, Tensor]:
        image = self.images[index]
        return (self.transform(image) if self.transform else image), self.labels[index]

    def __repr__(self) -> str:
        return f"Digits(train={self.train}, {len(self):,} images)"


@cache
def _load() -> tuple[np.ndarray, np.ndarray]:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise LucidError(
            "Digits: the scans come with scikit-learn, which is not installed."
            " Hint: pip install 'lucid-cupy[train]'"
        ) from None
    scans = load_digits()
    return scans.images[:, None].astype(np.float32) / 16, scans.target.astype(np.int64)


def _is_test(labels: np.ndarray) -> np.ndarray:
    test = np.zeros(len(labels), bool)
    for digit in range(10):
        test[np.flatnonzero(labels == digit)[TEST_EVERY - 1 :: TEST_EVERY]] = True
    return test
