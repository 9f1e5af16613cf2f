"""as_strided: any steps through a tensor's memory, as a view."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from lucid.errors import ShapeError
from lucid.op import Op
from lucid.op.conventions import several
from lucid.spec import Case, spec
from lucid.tensor import Tensor, tensor_method

__all__ = ["as_strided"]


class AsStrided(Op):
    """Element (i, j, ...) is the one that lies at start + i * stride[0] + j * stride[1] + ..."""

    size: tuple
    stride: tuple
    start: int
    order: tuple  # the dimensions from the one with the largest steps to that with the least
    is_view = True
    upcasts = promotes = False

    def forward(self, x):
        flat = x.transpose(self.order).reshape(-1)  # as it lies in memory: a view
        steps = tuple(s * x.itemsize for s in self.stride)
        part = flat[self.start :] if prod(self.size) else flat[:0]
        return self.xp.lib.stride_tricks.as_strided(part, self.size, steps)

    def backward(self, dy):
        """The order is that of the dimensions: others are refused where there is a gradient."""
        places = self.xp.asarray(self.start)  # where in memory each element lies, in C order
        for n, step in zip(self.size, self.stride, strict=True):
            places = places[..., None] + self.xp.arange(n) * step
        zeros = self.wrap(self.xp.zeros(prod(self.shapes[0]), dy._array.dtype))
        flat = zeros.scatter_add(0, self.wrap(places.reshape(-1)), dy.reshape(-1))
        return flat.reshape(self.shapes[0])


def _order(x: Any) -> tuple[int, ...]:
    if x.flags.c_contiguous:
        return tuple(range(x.ndim))
    return tuple(sorted(range(x.ndim), key=lambda i: -x.strides[i]))


@tensor_method("as_strided")
def as_strided(
    input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """A view of this size and with these steps, in elements, through the tensor's memory.

    The first element lies ``storage_offset`` elements behind the beginning of the memory (of the
    tensor that ``input`` is a view of), by default where input's does. The tensor must lie without
    gaps, and the view within it. Elements that are shown twice collect both gradients; writing to
    them in place is up to you.

    >>> lucid.arange(5).as_strided((3, 2), (1, 2))
    Tensor([[0, 2],
            [1, 3],
            [2, 4]])
    """
    size, stride = several("as_strided", "size", size), several("as_strided", "stride", stride)
    if len(size) != len(stride) or any(n < 0 for n in (*size, *stride)):
        raise ShapeError(
            "as_strided: there must be one step for each size, none negative; got"
            f" size={size}, stride={stride}"
        )
    array, order = input._array, _order(input._array)
    gaps = array.size and not array.transpose(order).flags.c_contiguous
    if gaps or (input.requires_grad and order != tuple(range(input.ndim))):
        raise ShapeError(
            "as_strided: the tensor must lie without gaps, and in order where it requires grad; got"
            f" shape {input.shape}, strides {input.stride()}. Hint: .contiguous() first"
        )
    start = 0
    if storage_offset is not None:
        start = storage_offset - int(input.storage_offset())
    last = start + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if prod(size) and not 0 <= start <= last < array.size:
        raise ShapeError(
            f"as_strided: the view must lie within the {array.size} elements of the tensor; got"
            f" elements {start} to {last}"
        )
    return AsStrided(tuple(size), tuple(stride), start, order)(input)


spec(
    as_strided,
    cases=[
        Case([(12,)], {"size": (2, 3), "stride": (6, 2)}),
        Case([(12,)], {"size": (4, 3), "stride": (2, 1), "storage_offset": 1}),
        Case([(6,)], {"size": (), "stride": ()}),
    ],
    reference=lambda np, x, size, stride, storage_offset=0: np.array(
        np.lib.stride_tricks.as_strided(
            x.reshape(-1)[storage_offset:], size, [s * x.itemsize for s in stride]
        )
    ),
    errors=[
        (
            Case([(6,)], {"size": (4, 3), "stride": (2, 1)}),
            ShapeError,
            "as_strided: the view must lie within the 6 elements",
        )
    ],
)
