"""Images side by side, and on disk: make_grid, save_image, in torchvision's names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lucid
from lucid.errors import ShapeError
from lucid.tensor import Tensor
from lucid.vision.transforms.image import pillow

__all__ = ["make_grid", "save_image"]


def make_grid(
    tensor: Tensor | Sequence[Tensor],
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """Images in rows of ``nrow``, ``padding`` pixels of ``pad_value`` around each: one image.

    (N, C, H, W), a list of (C, H, W), or one image; grey ones become (3, H, W). With ``normalize``
    values are moved into [0, 1], from ``value_range`` or the least and greatest that there are,
    of each image with ``scale_each``.

    >>> from lucid.vision import utils
    >>> utils.make_grid(lucid.zeros(6, 1, 4, 4), nrow=3).shape
    (3, 14, 20)
    """
    if not isinstance(tensor, Tensor):
        tensor = lucid.stack(list(tensor), 0)
    images = tensor.detach()
    if images.ndim not in (2, 3, 4):
        raise ShapeError(
            f"make_grid: images must be (N, C, H, W), (C, H, W) or (H, W); got {images.shape}"
        )
    while images.ndim < 4:
        images = images.unsqueeze(0)
    if images.shape[1] == 1:
        images = images.expand(-1, 3, -1, -1)
    if normalize:
        images = _normalized(images, value_range, scale_each)
    count, channels, height, width = images.shape
    if count < 2:
        return images.squeeze(0)
    columns = min(nrow, count)
    rows = math.ceil(count / columns)
    h, w = height + padding, width + padding
    shape = (channels, h * rows + padding, w * columns + padding)
    grid = lucid.full(shape, pad_value, dtype=images.dtype, device=images.device)
    for i in range(count):
        top, left = i // columns * h + padding, i % columns * w + padding
        grid[:, top : top + height, left : left + width] = images[i]
    return grid


def _normalized(images: Tensor, limits: tuple[float, float] | None, each: bool) -> Tensor:
    if limits is not None and len(limits) != 2:
        raise ValueError(f"make_grid: value_range must be (low, high); got {limits}")
    if not each:
        return _between(images, limits)
    return lucid.stack([_between(image, limits) for image in images], 0)


def _between(x: Tensor, limits: tuple[float, float] | None) -> Tensor:
    low, high = (float(x.min()), float(x.max())) if limits is None else limits
    return (x.clamp(low, high) - low) / max(high - low, 1e-5)


def save_image(
    tensor: Tensor | Sequence[Tensor], fp: Any, format: str | None = None, **kwargs: Any
) -> None:
    """Images as one file: ``make_grid`` of values in [0, 1], rounded to 8 bits.

    ``fp`` is a path or an open file, whose ``format`` must then be named; keywords are make_grid's.
    """
    grid = make_grid(tensor, **kwargs)
    pixels = (grid * 255 + 0.5).clamp(0, 255).permute(1, 2, 0).to("cpu", lucid.uint8)
    pillow("save_image").fromarray(pixels.contiguous().numpy()).save(fp, format=format)
