"""The order in which an array's dimensions lie in memory, as the dropout kernels see it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple


class Rotation(NamedTuple):
    """Logically (samples, channels, inner), in memory (samples, inner, channels)."""

    samples: int
    channels: int
    inner: int


def order_of(a: Any) -> list[int]:
    """The dimensions longer than 1, the one with the largest step in memory first."""
    long = [d for d, n in enumerate(a.shape) if n > 1]
    return sorted(long, key=lambda d: -a.strides[d])


def rotation(a: Any) -> Rotation | None:
    """How a dense array that is not C-contiguous is one by a rotation of its dimensions.

    channels_last is one, and so is a transposed matrix; an order such as (2, 1, 0) is not: None.
    """
    order = order_of(a)
    long = sorted(order)
    same = 0
    while order[same] == long[same]:
        same += 1
    moved = long.index(order[same])  # inner begins here
    if order[same:] != long[moved:] + long[same:moved]:
        return None
    shape = a.shape
    return Rotation(
        math.prod(shape[d] for d in long[:same]),
        math.prod(shape[d] for d in long[same:moved]),
        math.prod(shape[d] for d in long[moved:]),
    )
