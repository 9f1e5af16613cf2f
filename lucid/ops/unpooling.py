"""Unpooling: the maxima that max pooling found go back to where they were, zeros elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lucid.errors import DimensionError, DTypeError, ShapeError
from lucid.op import casts, floating
from lucid.op.windows import Sizes, batched, per_dimension, product
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = ["max_unpool1d", "max_unpool2d", "max_unpool3d"]


@casts(cpu="float32")
def max_unpool1d(
    input: Tensor, indices: Tensor, kernel_size: Sizes, stride: Sizes | None = None,
    padding: Sizes = 0, output_size: Sequence[int] | None = None,
) -> Tensor:  # fmt: skip
    """Put x where ``indices`` says, zeros elsewhere. x, indices: (N, C, L) -> y: (N, C, L').

    As max_unpool2d, in one dimension.
    """
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


@casts(cpu="float32")
def max_unpool2d(
    input: Tensor, indices: Tensor, kernel_size: Sizes, stride: Sizes | None = None,
    padding: Sizes = 0, output_size: Sequence[int] | None = None,
) -> Tensor:  # fmt: skip
    """Put x where ``indices`` says, zeros elsewhere. x, indices: (N, C, H, W) -> (N, C, H', W').

    The indices are those of max_pool2d(..., return_indices=True): positions in the flattened H' and
    W'. H' = (H - 1) * stride - 2 * padding + K, unless ``output_size`` names another size that
    pools to H. Of several elements with one position the last one stays.

    >>> y, at = F.max_pool2d(lucid.arange(16.0).reshape(1, 4, 4), 2, return_indices=True)
    >>> F.max_unpool2d(y, at, 2)[0]
    Tensor([[ 0.,  0.,  0.,  0.],
            [ 0.,  5.,  0.,  7.],
            [ 0.,  0.,  0.,  0.],
            [ 0., 13.,  0., 15.]])
    """
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


@casts(cpu="float32")
def max_unpool3d(
    input: Tensor, indices: Tensor, kernel_size: Sizes, stride: Sizes | None = None,
    padding: Sizes = 0, output_size: Sequence[int] | None = None,
) -> Tensor:  # fmt: skip
    """Put x where ``indices`` says, zeros elsewhere: (N, C, D, H, W) -> (N, C, D', H', W').

    As max_unpool2d, in three dimensions.
    """
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)


def _unpool(
    d: int, input: Tensor, indices: Tensor, kernel_size: Sizes, stride: Any, padding: Sizes,
    output_size: Any,
) -> Tensor:  # fmt: skip
    name = f"max_unpool{d}d"
    x = batched(name, floating(name, "input", input), d)
    if indices.dtype.category != 1:
        raise DTypeError(f"{name}: indices must be integers; got {indices.dtype}. Hint: .long()")
    if indices.shape != input.shape:
        raise ShapeError(
            f"{name}: indices must have the input's shape {input.shape}; got {indices.shape}"
        )
    size = _size(name, d, x.shape[2:], kernel_size, stride, padding, output_size)
    places = product(size)
    at = indices.reshape(*x.shape[:2], product(x.shape[2:])).long()
    if at._device.type == "cpu" and at.numel():
        low, high = int(at._array.min()), int(at._array.max())
        if low < 0 or high >= places:
            raise DimensionError(
                f"{name}: indices must be in [0, {places - 1}], positions in an output of {size};"
                f" got {low if low < 0 else high}"
            )
    y = x.new_zeros((*x.shape[:2], places)).scatter(2, at, x.flatten(2))
    y = y.reshape(*x.shape[:2], *size)
    return y if x is input else y.squeeze(0)


def _size(
    name: str, d: int, given: tuple, kernel_size: Any, stride: Any, padding: Any, wanted: Any
) -> tuple[int, ...]:
    kernel = per_dimension(name, "kernel_size", kernel_size, d, 1)
    step = kernel if stride is None else per_dimension(name, "stride", stride, d, 1)
    around = per_dimension(name, "padding", padding, d, 0)
    sides = zip(given, kernel, step, around, strict=True)
    size = tuple((n - 1) * s - 2 * p + k for n, k, s, p in sides)
    if wanted is not None:
        wanted = tuple(wanted)[-d:] if len(wanted) == d + 2 else tuple(wanted)
        fits = len(wanted) == d and all(
            n - s < w < n + s for n, s, w in zip(size, step, wanted, strict=True)
        )
        if not fits:
            raise ValueError(
                f"{name}: output_size must be less than stride={step} away from {size} in each"
                f" dimension; got {wanted}"
            )
        size = wanted
    if any(n < 0 for n in size):
        raise ShapeError(f"{name}: padding must leave something; got an output of {size}")
    return size


def _reference(np: Any, x: Any, at: Any, kernel_size: int, **kwargs: Any) -> Any:
    size = kwargs.get("output_size") or [n * kernel_size for n in x.shape[2:]]
    y = np.zeros((*x.shape[:2], product(size)))
    for n, c in np.ndindex(*x.shape[:2]):
        y[n, c, at[n, c].ravel()] = x[n, c].ravel()
    return y.reshape(*x.shape[:2], *size)


_kinds = ("float32", "int64")
_three = [(1, 1, 2, 2)] * 2
spec(
    max_unpool1d,
    cases=[Case([(3, 2, 1)] * 2, {"kernel_size": 4}, 0, 4, _kinds)],
    reference=_reference,
)
spec(
    max_unpool2d,
    cases=[
        Case([(2, 3, 1, 1)] * 2, {"kernel_size": 3}, 0, 9, _kinds),
        Case([(2, 3, 1, 1)] * 2, {"kernel_size": 3, "output_size": (4, 5)}, 0, 20, _kinds),
        Case([(0, 3, 2, 2)] * 2, {"kernel_size": 2}, 0, 4, _kinds),
    ],
    reference=_reference,
    errors=[
        (Case(_three, {"kernel_size": 2}), DTypeError, "max_unpool2d: indices must be integers"),
        (
            Case([(1, 1, 2, 2), (1, 1, 2)], {"kernel_size": 2}, 0, 4, _kinds),
            ShapeError,
            "max_unpool2d: indices must have the input's shape",
        ),
        (
            Case(_three, {"kernel_size": 2, "output_size": (6, 4)}, 0, 4, _kinds),
            ValueError,
            r"max_unpool2d: output_size must be less than stride=\(2, 2\) away from \(4, 4\)",
        ),
        (
            Case(_three, {"kernel_size": 2}, 16, 20, _kinds, by_value=True),
            IndexError,
            r"max_unpool2d: indices must be in \[0, 15\]",
        ),
    ],
)
spec(
    max_unpool3d,
    cases=[Case([(2, 1, 1, 1, 1)] * 2, {"kernel_size": 2}, 0, 8, _kinds)],
    reference=_reference,
)
