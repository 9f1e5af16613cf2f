"""The scale of a loss, adjusted on the device. kernels/loss_scale.cu."""

from __future__ import annotations

from typing import Any

from lucid.backend.cuda.kernel import Kernel

__all__ = ["adjust_loss_scale"]

_adjust = Kernel(
    "loss_scale.cu",
    "adjust_loss_scale",
    "T* scale, int* count, const T* found, double growth, double backoff, int interval",
    ("float32",),
)


def adjust_loss_scale(
    scale: Any, count: Any, found: Any, growth: float, backoff: float, interval: int
) -> None:
    """In place, 0-d arrays: scale *= backoff where found is not 0; else, at every ``interval``-th
    call in a row, scale *= growth. count (int32) counts them."""
    _adjust(1, 1, scale.dtype, scale, count, found, growth, backoff, interval)
