"""x[...] = y and y = x[...]: NumPy's indexing, as views where memory allows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from lucid import dtypes
from lucid.errors import DimensionError, DTypeError, GradError, IndexTypeError, ShapeError
from lucid.op import Op, inplace
from lucid.op.arguments import shown
from lucid.tensor import Tensor, tensor_method

__all__ = [
    "broadcast_shapes",
    "index_put",
    "index_put_",
    "masked_scatter",
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
    """Indexing with arrays of integers or bools: a copy, in C order."""

    index: Any
    upcasts = promotes = False

    def forward(self, x):
        *before, last = self.index
        if all(i == slice(None) for i in before if isinstance(i, slice)) and _along(before, last):
            return x.take(last, axis=len(before))
        y = x[self.index]
        return y if y.flags.c_contiguous else self.xp.ascontiguousarray(y)

    def backward(self, dy):
        return Unpick(self.index, self.shapes[0])(dy)


def _along(before: list[Any], last: Any) -> bool:
    """Whether only ``last`` picks, with integers, after full slices."""
    slices = all(isinstance(i, slice) for i in before)
    return slices and getattr(last, "dtype", None) is not None and last.dtype.kind in "iu"


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

    def label(self):
        return "index"

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
                raise IndexTypeError(
                    f"index: tensors used as an index must be integers or bool; got {part.dtype}"
                )
            if part.ndim == 0 and part.dtype.category == 1:
                translated.append(int(part.item()))
                continue
            part, picks = x._device.asarray(part._array), True
            _check_mask(x, index, part)
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
                raise IndexTypeError(
                    "index: must be of ints, slices, None, ..., lists and tensors; got"
                    f" {part!r:.60}"
                )
            part = part.__index__()
        translated.append(part)
    if not picks and Ellipsis not in translated:
        translated.append(Ellipsis)  # a single element stays a view, not a NumPy scalar
    return tuple(translated), picks


def _check_mask(x: Tensor, index: Any, part: Any) -> None:
    """NumPy takes an empty mask for any dimension."""
    empty = part.dtype == bool and part.ndim and not part.size and index.__class__ is not tuple
    if empty and part.shape != x.shape[: part.ndim]:
        raise DimensionError(
            "index: a mask must have the sizes of the dimensions that it stands for; got"
            f" {part.shape} for shape {x.shape}"
        )


def _checked(x: Tensor, index: Any, error: IndexError) -> DimensionError:
    """What NumPy has found wrong with an index, in our words."""
    text = str(error)
    rule = "an index is not there"
    if "too many" in text:
        rule = f"there are only {x.ndim} dimensions to index"
    elif "boolean" in text:
        rule = "a mask must have the sizes of the dimensions that it stands for"
    elif "broadcast" in text:
        rule = "tensors used as indices must have shapes that broadcast"
    elif found := re.search(r"index (-?\d+) is out of bounds for axis (\d+) with size (\d+)", text):
        at, axis, n = map(int, found.groups())
        rule = f"indices of dim {axis} must be in [{-n}, {n - 1}], not {at}"
        if not n:
            rule = f"dim {axis} has no elements, not one at {at}"
    return DimensionError(f"index: {rule}; got {shown_index(index)} for shape {x.shape}")


def shown_index(index: Any) -> str:
    """An index as an error names it: as it was written between brackets, tensors by their shape."""
    if isinstance(index, tuple):
        return ", ".join(map(shown_index, index))
    if isinstance(index, slice):
        ends = ["" if v is None else str(v) for v in (index.start, index.stop)]
        return ":".join(ends if index.step is None else [*ends, str(index.step)])
    return "..." if index is Ellipsis else shown(index)


def _stepwise(where: tuple) -> tuple[tuple, tuple] | None:
    """Numbers beside arrays: the index of a view first, then of arrays in that view.

    NumPy takes a number for an array of indices, so that x[0, :, array] begins with the array's
    dimensions; as two steps they stand in the place of what they index.
    """
    if not any(type(part) is int for part in where):
        return None
    view: list[Any] = []
    arrays: list[Any] = []
    for part in where:
        if type(part) is int:
            view.append(part)
        elif hasattr(part, "dtype") or isinstance(part, bool):
            mask = isinstance(part, bool) or part.dtype == bool
            view += [slice(None)] * (getattr(part, "ndim", 0) if mask else 1)
            arrays.append(part)
        else:
            view.append(part)
            arrays.append(part if part is Ellipsis else slice(None))
    if not any(part is Ellipsis for part in view):
        view.append(Ellipsis)
    return tuple(view), tuple(arrays)


@tensor_method("__getitem__")
def _getitem(self: Tensor, index: Any) -> Tensor:
    """``x[1, 2:, None, ..., mask]`` as in NumPy: a view for ints and slices, else a copy."""
    where, picks = _translate(self, index)
    try:
        if picks and (steps := _stepwise(where)):
            return Pick(steps[1])(Slice(steps[0])(self))
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
        if value is None or isinstance(value, str):
            raise DTypeError(f"index: what is assigned must be numbers; got {value!r:.60}")
        value = Tensor._wrap(self._device.asarray(value, self._array.dtype), self._device)
    if value.dtype is not self.dtype or value._device is not self._device:
        value = value.to(self._device, self.dtype)
    try:
        if not picks:
            part = Slice(where)(self)
            while value.ndim > part.ndim and value.shape[0] == 1:
                value = value.squeeze(0)
            part.copy_(value)
        elif steps := _stepwise(where):
            inplace(Put(steps[1]), Slice(steps[0])(self), value)
        else:
            inplace(Put(where), self, value)
    except (ShapeError, GradError):
        raise
    except IndexError as error:
        raise _checked(self, index, error) from None
    except ValueError as error:
        raise ShapeError(
            f"index: values must fit into x[{shown_index(index)}]; got shape {value.shape} for a"
            f" tensor of shape {self.shape}"
        ) from error


@tensor_method("take")
def take(input: Tensor, index: Tensor) -> Tensor:
    """Elements by their index in the flattened tensor. index: (*) -> y: (*)."""
    return Pick((index._array,))(input.reshape(-1))


@tensor_method("index_put_")
def index_put_(
    self: Tensor, indices: Sequence[Any], values: Tensor, accumulate: bool = False
) -> Tensor:
    """``self[indices] = values`` in place; with ``accumulate`` added, as often as one stands there.

    indices: a tuple of tensors, one per dimension; values broadcast to what they pick.
    """
    if values.dtype is not self.dtype:
        raise DTypeError(
            f"index_put_: values must have the tensor's dtype {self.dtype}; got {values.dtype}"
        )
    if not accumulate:
        self[tuple(indices)] = values
        return self
    where, picks = _translate(self, tuple(indices))
    if not picks:  # numbers only: a part that is a view
        self[tuple(indices)] = self[tuple(indices)] + values
        return self
    try:
        if steps := _stepwise(where):
            inplace(Put(steps[1], True), Slice(steps[0])(self), values)
        else:
            inplace(Put(where, True), self, values)
    except IndexError as error:
        raise _checked(self, tuple(indices), error) from None
    return self


@tensor_method("index_put")
def index_put(
    input: Tensor, indices: Sequence[Any], values: Tensor, accumulate: bool = False
) -> Tensor:
    """A copy of ``input`` with ``values`` at ``indices``: see index_put_."""
    return index_put_(input.clone(), indices, values, accumulate)


@tensor_method("masked_scatter_")
def masked_scatter_(self: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """The elements where ``mask`` is true replaced by those of ``source``, in order, in place.

    mask broadcasts to the tensor; source has at least as many elements as the mask has trues.

    >>> lucid.zeros(4).masked_scatter_(lucid.tensor([True, False, True, False]), lucid.arange(2.0))
    Tensor([0., 0., 1., 0.])
    """
    if mask.dtype is not dtypes._bool:
        raise DTypeError(f"masked_scatter_: mask must be a bool tensor; got {mask.dtype}")
    if source.dtype is not self.dtype:
        raise DTypeError(
            f"masked_scatter_: source must have the tensor's dtype {self.dtype}; got {source.dtype}"
        )
    mask = mask.expand(self.shape)
    count = int(mask.sum())
    if source.numel() < count:
        raise ShapeError(
            f"masked_scatter_: source needs an element for each of the {count} places where mask is"
            f" true; got {source.numel()}"
        )
    self[mask] = source.reshape(-1)[:count]
    return self


@tensor_method("masked_scatter")
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """A copy of ``input`` with elements of ``source`` where ``mask`` is true: masked_scatter_."""
    shape = broadcast_shapes(input.shape, mask.shape)
    return masked_scatter_(input.expand(shape).clone(), mask, source)


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The shape that tensors of these shapes broadcast to; an int counts as a shape (n,).

    >>> lucid.broadcast_shapes((2, 1), (3,))
    (2, 3)
    """
    wanted = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    ndim = max(map(len, wanted), default=0)
    result = []
    for sizes in zip(*[(1,) * (ndim - len(s)) + s for s in wanted], strict=True):
        size = next((n for n in sizes if n != 1), 1)
        if any(n not in (1, size) for n in sizes):
            raise ShapeError(
                "broadcast_shapes: sizes must be equal, counted from the last dimension, or 1; got"
                f" {', '.join(map(str, wanted))}"
            )
        result.append(size)
    return tuple(result)
