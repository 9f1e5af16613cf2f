"""Images of a batch mixed with each other, and their labels with them.

MixUp: weighted means (Zhang et al. 2018). CutMix: a rectangle of another image (Yun et al. 2019).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from lucid.errors import DTypeError, ShapeError
from lucid.graph.grad_mode import no_grad
from lucid.nn import functional as F
from lucid.tensor import Tensor
from lucid.utils.data.collate import default_collate
from lucid.vision.transforms.randomness import Source, source

__all__ = ["CutMix", "MixUp", "MixedCollate"]


class _Mix:
    """Every image with the one before it in the batch, the first with the last."""

    def __init__(self, *, alpha: float = 1.0, num_classes: int | None = None):
        if not alpha > 0:
            raise ValueError(f"{type(self).__name__}: alpha must be positive; got {alpha}")
        self.alpha, self.num_classes = float(alpha), num_classes

    @no_grad
    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) floats and (N,) or (N, num_classes) -> the same and (N, num_classes)."""
        name = type(self).__name__
        if images.ndim < 3 or not images.is_floating_point():
            raise ShapeError(
                f"{name}: images must be floats (N, ..., H, W); got {images.dtype} {images.shape}"
            )
        if labels.shape[:1] != images.shape[:1] or labels.ndim not in (1, 2):
            raise ShapeError(
                f"{name}: labels must be (N,) or (N, num_classes) for N ="
                f" {images.shape[0]}; got {labels.shape}"
            )
        if labels.ndim == 1:
            if self.num_classes is None:
                raise DTypeError(f"{name}: labels of whole numbers need num_classes; got None")
            labels = F.one_hot(labels, self.num_classes)
        labels = labels.to(images.dtype)
        mixed, share = self._mixed(images, images.roll(1, 0), source())
        return mixed, labels * share + labels.roll(1, 0) * (1 - share)

    def _mixed(self, images: Tensor, others: Tensor, draw: Source) -> tuple[Tensor, float]:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}(alpha={self.alpha}, num_classes={self.num_classes})"


class MixUp(_Mix):
    """share * image + (1 - share) * another, and the labels likewise.

    One share for a batch, from Beta(alpha, alpha). ``MixUp(num_classes=10)(images, labels)``:
    (N, C, H, W), (N,) -> (N, C, H, W), (N, 10).
    """

    def _mixed(self, images: Tensor, others: Tensor, draw: Source) -> tuple[Tensor, float]:
        share = draw.beta(self.alpha)
        return images * share + others * (1 - share), share


class CutMix(_Mix):
    """A rectangle of another image; the labels are mixed by the areas.

    One rectangle for a batch: its area is 1 - share of the image's, share from Beta(alpha, alpha),
    its centre anywhere, and what lies outside is cut off. Shapes as of ``MixUp``.
    """

    def _mixed(self, images: Tensor, others: Tensor, draw: Source) -> tuple[Tensor, float]:
        h, w = images.shape[-2:]
        half = 0.5 * math.sqrt(1 - draw.beta(self.alpha))
        row, column = draw.integer(0, h), draw.integer(0, w)
        dy, dx = int(half * h), int(half * w)
        top, bottom = max(row - dy, 0), min(row + dy, h)
        left, right = max(column - dx, 0), min(column + dx, w)
        mixed = images.clone()
        mixed[..., top:bottom, left:right] = others[..., top:bottom, left:right]
        return mixed, 1 - (bottom - top) * (right - left) / (h * w)


class MixedCollate:
    """A ``collate_fn``: the samples as a batch (images, labels), then ``mix`` of it.

    ``DataLoader(dataset, 128, collate_fn=MixedCollate(MixUp(num_classes=10)))``. With several,
    put them into ``mix`` by a function of your own that chooses one.
    """

    def __init__(
        self,
        mix: Callable[[Tensor, Tensor], Any],
        collate: Callable[[Any], Any] = default_collate,
    ):
        self.mix, self.collate = mix, collate

    def __call__(self, samples: Any) -> Any:
        images, labels = self.collate(samples)
        return self.mix(images, labels)

    def __repr__(self) -> str:
        return f"MixedCollate({self.mix!r})"
