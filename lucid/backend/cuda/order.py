"""The order in which an array's dimensions lie in memory: C order, channels-last, or any other."""

from __future__ import annotations

from typing import Any, NamedTuple

from lucid.backend.cuda.arrays import contiguous, is_channels_last, is_contiguous
from lucid.backend.cuda.availability import cupy


def new(shape: tuple, dtype: Any, channels_last: bool) -> Any:
    """An array (N, C, *), not filled."""
    xp = cupy()
    if not channels_last:
        return xp.empty(shape, dtype)
    n, c, *size = shape
    return xp.empty((n, *size, c), dtype).transpose(0, len(shape) - 1, *range(1, len(shape) - 1))


def laid_out(array: Any, channels_last: bool) -> Any:
    """The array, or a copy in the wanted order."""
    if not channels_last:
        return contiguous(array)
    if is_channels_last(array):
        return array
    turned = cupy().ascontiguousarray(array.transpose(0, *range(2, array.ndim), 1))
    return turned.transpose(0, array.ndim - 1, *range(1, array.ndim - 1))


def in_order_of(model: Any, array: Any) -> Any:
    """``array``; as a channels-last copy if the model is channels-last and it is in C order."""
    if is_channels_last(model) and is_contiguous(array):
        return laid_out(array, True)
    return array


class Order(NamedTuple):
    """Dimensions, the one with the largest step first, of an array without gaps."""

    dimensions: tuple[int, ...]

    def straight(self, array: Any) -> Any:
        """A view in C order of an array in this one."""
        return array.transpose(self.dimensions)

    def restore(self, array: Any) -> Any:
        """What ``straight`` answered, with its dimensions where they were."""
        inverse = sorted(range(array.ndim), key=self.dimensions.__getitem__)
        return array.transpose(inverse)


def memory_order(array: Any) -> Order | None:
    """The order of an array without gaps; None if it is C order, or there are gaps.

    CuPy copies between host and device in C order only: other arrays pass as views that have it.
    """
    if array.flags.c_contiguous:
        return None
    order = Order(tuple(sorted(range(array.ndim), key=lambda d: (-array.strides[d], d))))
    return order if order.straight(array).flags.c_contiguous else None
