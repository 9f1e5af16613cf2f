"""x[...] = y and y = x[...]: NumPy's indexing, as views where memory allows."""

from __future__ import annotations

from typing import Any

from lucid import dtypes
from lucid.errors import DimensionError, DTypeError, GradError, ShapeError
from lucid.op import Op, inplace
from lucid.tensor import Tensor, tensor_method

__all__ = [
    "take",
]


class Slice(Op):
    """Basic indexing with ints, slices, None and Ellipsis: a view."""

    index: Any
    is_view = True
    upcasts = promotes = False

    def forward(self, x):
        return x[self.index]

    def backward(self, dy):
        return Unslice(self.index, self.shapes[0])(dy)


class Unslice(Op):
    """Zeros with ``dy`` written at the index: the gradient of Slice."""

    index: Any
    shape: tuple
    upcasts = promotes = False

    def forward(self, dy):
        dx = self.xp.zeros(self.shape, dy.dtype)
        dx[self.index] = dy
        return dx

    def backward(self, ddx):
        return Slice(self.index)(ddx)


class Pick(Op):
    """Indexing with arrays of integers or bools: a copy."""

    index: Any
    upcasts = promotes = False

    def forward(self, x):
        return x[self.index]

    def backward(self, dy):
        return Unpick(self.index, self.shapes[0])(dy)


class Unpick(Op):
    """Zeros with ``dy`` added at the index, where an element picked twice receives both."""

    index: Any
    shape: tuple
    promotes = False

    def forward(self, dy):
        dx = self.xp.zeros(self.shape, dy.dtype)
        self.device.scatter_add(dx, self.index, dy)
        return dx

    def backward(self, ddx):
        return Pick(self.index)(ddx)


class Put(Op):
    """The first input with the second written at an index of arrays, or added there."""

    index: Any
    accumulate: bool = False
    upcasts = promotes = False

    def forward(self, x, values):
        y = x.copy() if self.out is None else self.out
        if self.accumulate:
            self.device.scatter_add(y, self.index, self.xp.asarray(values, y.dtype))
        else:
            y[self.index] = values
        return y

    def backward(self, dy):
        dx = dy
        if self.needs[0] and not self.accumulate:
            dx = Put(self.index)(dy, self.wrap(self.xp.zeros((), dy._array.dtype)))
        dv = Pick(self.index)(dy).sum_to_size(self.shapes[1]) if self.needs[1] else None
        return (dx if self.needs[0] else None), dv


def _translate(x: Tensor, index: Any) -> tuple[Any, bool]:
    """The index with tensors as arrays on x's device; and whether it picks by arrays."""
    parts = index if isinstance(index, tuple) else (index,)
    picks = False
    translated: list[Any] = []
    for part in parts:
        if isinstance(part, Tensor):
            if part.dtype.category == 2:
                raise DTypeError(
                    f"index: tensors used as an index must be integers or bool; got {part.dtype}"
                )
            if part.ndim == 0 and part.dtype.category == 1:
                translated.append(int(part.item()))
                continue
            part, picks = x._device.asarray(part._array), True
            if part.dtype == dtypes.uint8.numpy:
                part = part.astype(bool)
        elif isinstance(part, list) or hasattr(part, "__array__"):
            part, picks = x._device.asarray(part), True
            if part.ndim == 0 and part.dtype.kind in "iu":
                part = int(part)
            elif part.size == 0 and part.dtype.kind == "f":
                part = part.astype(dtypes.int64.numpy)
        elif isinstance(part, bool):
            picks = True
        elif not (part is None or part is Ellipsis or isinstance(part, slice)):
            if not hasattr(part, "__index__"):
                raise DTypeError(
                    "index: expected ints, slices, None, ..., lists or tensors; got"
                    f" {type(part).__name__}"
                )
            part = part.__index__()
        translated.append(part)
    if not picks and Ellipsis not in translated:
        translated.append(Ellipsis)  # a single element stays a view, not a NumPy scalar
    return tuple(translated), picks


def _checked(x: Tensor, index: Any, error: IndexError) -> DimensionError:
    return DimensionError(f"index: {error}; got {index!r:.80} for a tensor of shape {x.shape}")


@tensor_method("__getitem__")
def _getitem(self: Tensor, index: Any) -> Tensor:
    """``x[1, 2:, None, ..., mask]`` as in NumPy: a view for ints and slices, else a copy."""
    where, picks = _translate(self, index)
    try:
        return Pick(where)(self) if picks else Slice(where)(self)
    except DimensionError:
        raise
    except IndexError as error:
        raise _checked(self, index, error) from None


@tensor_method("__setitem__")
def _setitem(self: Tensor, index: Any, value: Any) -> None:
    """``x[index] = value`` in place, broadcast and cast to x's dtype."""
    where, picks = _translate(self, index)
    if not isinstance(value, Tensor):
        value = Tensor._wrap(self._device.asarray(value, self._array.dtype), self._device)
    if value.dtype is not self.dtype or value._device is not self._device:
        value = value.to(self._device, self.dtype)
    try:
        if not picks:
            part = Slice(where)(self)
            while value.ndim > part.ndim and value.shape[0] == 1:
                value = value.squeeze(0)
            part.copy_(value)
        else:
            inplace(Put(where), self, value)
    except (ShapeError, GradError):
        raise
    except IndexError as error:
        raise _checked(self, index, error) from None
    except ValueError as error:
        raise ShapeError(
            f"index: values of shape {value.shape} don't fit into x[{index!r:.60}] of a tensor of"
            f" shape {self.shape}"
        ) from error


@tensor_method("take")
def take(input: Tensor, index: Tensor) -> Tensor:
    """Elements by their index in the flattened tensor. index: (*) -> y: (*)."""
    return Pick((index._array,))(input.reshape(-1))
