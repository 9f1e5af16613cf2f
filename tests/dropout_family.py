"""What tests know about the dropout family, written down apart from the code that they test."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F

FLOOR = -1.7580993408473766  # -(SELU's scale * its alpha)


@dataclass(frozen=True)
class Member:
    """A function of the family, its layer, a usual input shape and the mask that belongs to it."""

    name: str
    layer: str
    shape: tuple[int, ...]
    mask: tuple[int, ...]

    @property
    def alpha(self) -> bool:
        return "alpha" in self.name

    @property
    def dims(self) -> int | None:
        """Leading dimensions with a decision for each index; None: each element has its own."""
        return None if self.name in ("dropout", "alpha_dropout") else 2

    def __call__(self, x: Any, p: float = 0.5, training: bool = True, **kwargs: Any) -> Any:
        return getattr(F, self.name)(x, p, training, **kwargs)

    def law(self, p: float) -> tuple[float, float, float]:
        """Kept elements become scale * x + shift, dropped ones fill."""
        if not self.alpha:
            return 1 / (1 - p), 0.0, 0.0
        a = ((1 - p) * (1 + p * FLOOR**2)) ** -0.5
        return a, -a * p * FLOOR, (1 - p) * a * FLOOR

    def expected(self, x: np.ndarray, drop: np.ndarray, p: float) -> np.ndarray:
        """The result in x's dtype: computed in float32 at least, rounded once."""
        scale, shift, fill = self.law(p)
        wide = x.dtype.type if x.dtype.itemsize > 2 else np.float32
        with np.errstate(all="ignore"):
            kept = (x.astype(wide) * wide(scale) + wide(shift)).astype(x.dtype)
        return np.where(drop, np.array(fill).astype(x.dtype), kept)

    def __str__(self) -> str:
        return self.name


FAMILY = [
    Member("dropout", "Dropout", (3, 5, 7), (3, 5, 7)),
    Member("dropout1d", "Dropout1d", (4, 6, 5), (4, 6, 1)),
    Member("dropout2d", "Dropout2d", (4, 6, 2, 3), (4, 6, 1, 1)),
    Member("dropout3d", "Dropout3d", (4, 6, 2, 1, 3), (4, 6, 1, 1, 1)),
    Member("alpha_dropout", "AlphaDropout", (3, 5, 7), (3, 5, 7)),
    Member("feature_alpha_dropout", "FeatureAlphaDropout", (4, 6, 2, 3), (4, 6, 1, 1)),
]
MEMBER = {m.name: m for m in FAMILY}
family = pytest.mark.parametrize("member", FAMILY, ids=str)

HALVES = ["float16", "bfloat16"]
FLOATS = [*HALVES, "float32", "float64"]


def dropped(shape: tuple[int, ...], p: float, seed: int = 0, offset: int = 0) -> np.ndarray:
    """The decisions of the definition: 16-bit lanes of NumPy's Philox, ties broken by their xor."""
    count = math.prod(shape)
    bits = np.random.Philox(key=np.array([seed, 0], np.uint64)).advance(offset)
    lanes = bits.random_raw(4 * -(-count // 16)).view(np.uint16).reshape(-1, 16)
    xor = np.bitwise_xor.reduce(lanes, axis=1, keepdims=True)
    words = lanes.astype(np.uint64) << np.uint64(16) | (lanes ^ xor)
    return (words.reshape(-1)[:count] < np.uint64(round(p * 2**32))).reshape(shape)


def sample(shape: tuple[int, ...], dtype: str = "float64", seed: int = 0) -> lucid.Tensor:
    """Normal numbers."""
    values = np.random.default_rng(seed).normal(size=shape)
    return lucid.tensor(values).to(getattr(lucid, dtype))


def to_numpy(t: Any) -> np.ndarray:
    return t.detach().cpu().numpy()


def same_bits(a: Any, b: Any) -> bool:
    """Equal to the last bit, signs of zeros and NaNs included."""
    a, b = (np.ascontiguousarray(to_numpy(t) if isinstance(t, lucid.Tensor) else t) for t in (a, b))
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def next_offset() -> int:
    """How many blocks the default generator has handed out."""
    return lucid.default_generator.get_offset()


def independent(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether the 2x2 table of two arrays of truth values looks like that of independent ones.

    The p-value must be above one in a million; seeds are fixed, so what passes passes always.
    """
    stats = pytest.importorskip("scipy.stats")
    table = np.bincount(2 * a.reshape(-1).astype(int) + b.reshape(-1).astype(int), minlength=4)
    return stats.chi2_contingency(table.reshape(2, 2), correction=False).pvalue > 1e-6
