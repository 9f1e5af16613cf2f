"""Changes to images that leave their meaning: more to learn from."""

from __future__ import annotations

import lucid
from lucid.errors import ShapeError
from lucid.random import Generator
from lucid.tensor import Tensor

__all__ = ["RandomShift"]


class RandomShift:
    """Move each image by up to ``pixels`` in x and in y; what comes in from outside is ``fill``.

    (N, C, H, W) -> (N, C, H, W), a draw for each image, or (C, H, W) -> (C, H, W). The draws come
    from ``generator`` (None: the default one) and are the same on every device.

    >>> from lucid.vision.transforms import RandomShift
    >>> _ = lucid.manual_seed(0)
    >>> RandomShift(1)(lucid.eye(3).reshape(1, 3, 3))
    Tensor([[[0., 0., 0.],
             [0., 1., 0.],
             [0., 0., 1.]]])
    """

    def __init__(self, pixels: int = 1, fill: float = 0.0, generator: Generator | None = None):
        if not isinstance(pixels, int) or pixels < 0:
            raise ValueError(f"RandomShift: pixels must be an integer >= 0; got {pixels!r}")
        self.pixels, self.fill, self.generator = pixels, fill, generator

    def __call__(self, x: Tensor) -> Tensor:
        if x.ndim == 3:
            return self(x[None])[0]
        if x.ndim != 4:
            raise ShapeError(
                f"RandomShift: x must be (N, C, H, W) or (C, H, W); got shape {x.shape}"
            )
        n, c, h, w = x.shape
        k, on = self.pixels, x.device
        padded = lucid.full((n, c, h + 2 * k, w + 2 * k), self.fill, dtype=x.dtype, device=on)
        padded[:, :, k : k + h, k : k + w] = x
        corner = lucid.randint(0, 2 * k + 1, (2, n, 1, 1), generator=self.generator, device=on)
        sample = lucid.arange(n, device=on).reshape(n, 1, 1)
        row = lucid.arange(h, device=on).reshape(1, h, 1) + corner[0]
        column = lucid.arange(w, device=on).reshape(1, 1, w) + corner[1]
        return padded[sample, :, row, column].permute(0, 3, 1, 2).contiguous()

    def __repr__(self) -> str:
        return f"RandomShift(pixels={self.pixels}, fill={self.fill})"
