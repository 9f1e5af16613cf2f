"""The same memory in another shape, in place: unsqueeze_, transpose_, resize_ and their kin.

The tensor itself becomes what the view of that name would be; nothing is copied. Views that were
made of it before keep showing the old shape; once a graph is involved they can't be written to.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from lucid import dtypes
from lucid.errors import GradError, ShapeError
from lucid.graph.grad_mode import flags
from lucid.op import sizes
from lucid.op.writing import check_writable
from lucid.tensor import Tensor, tensor_method

__all__ = []


def _adopt(name: str, x: Tensor, view: Any) -> Tensor:
    """x as ``view(x)``, in place."""
    if flags.grad:
        check_writable(name, x)
    leaf = x.requires_grad and x.is_leaf  # under no_grad: it stays one, in its new shape
    known = x._counter is not None  # views of x may be about
    if x._base is None and known and not leaf:
        _become_view(x)
    y = view(x.detach() if leaf else x)
    if x._base is not None:
        x._chain, x._epoch = y._chain, y._epoch
    x._array = y._array
    if not leaf:
        x._node, x._index, x._requires_grad = y._node, y._index, y._requires_grad
        x._leaf = None
    x._keep_retaining()
    return x


def _become_view(x: Tensor) -> None:
    """x as a view of a tensor in its old shape, so that writing to x reaches older views."""
    base = Tensor._wrap(x._array, x._device)
    base._node, base._index, base._requires_grad = x._node, x._index, x._requires_grad
    base._counter, base._epoch, base._inference = x._shared_counter(), x._epoch, x._inference
    x._base, x._chain = base, ()


@tensor_method("unsqueeze_")
def unsqueeze_(self: Tensor, dim: int) -> Tensor:
    """A new dimension of size 1 at ``dim``, in place.

    >>> lucid.ones(3).unsqueeze_(0).shape
    (1, 3)
    """
    return _adopt("unsqueeze_", self, lambda x: x.unsqueeze(dim))


@tensor_method("squeeze_")
def squeeze_(self: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """The dimensions of size 1 taken away in place: all of them, or those in ``dim``."""
    return _adopt("squeeze_", self, lambda x: x.squeeze(dim))


@tensor_method("transpose_", "swapdims_")
def transpose_(self: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged, in place."""
    return _adopt("transpose_", self, lambda x: x.transpose(dim0, dim1))


@tensor_method("swapaxes_")
def swapaxes_(self: Tensor, axis0: int, axis1: int) -> Tensor:
    """Two dimensions exchanged, in place: transpose_."""
    return transpose_(self, axis0, axis1)


@tensor_method("t_")
def t_(self: Tensor) -> Tensor:
    """The transpose of a matrix, in place; vectors stay. (M, N) -> (N, M)."""
    return _adopt("t_", self, lambda x: x.t())


@tensor_method("resize_")
def resize_(self: Tensor, *size: Any, memory_format: Any = None) -> Tensor:
    """Another size, in place: the elements that lie first in memory, then uninitialised ones.

    More elements than the memory holds take new memory, which older views don't show. Not for
    tensors that require grad. ``memory_format`` is how the result lies; rows in order by default.
    """
    shape = sizes("resize_", size)
    if any(n < 0 for n in shape):
        raise ShapeError(f"resize_: sizes must not be negative; got {shape}")
    if self.requires_grad:
        raise GradError(
            "resize_: a tensor that requires grad can't be resized; got shape"
            f" {self.shape}. Hint: use .detach().resize_(...)"
        )
    if shape != self.shape:
        flat, count = _flat_memory(self), prod(shape)
        if count > flat.size:
            more = self._device.xp.empty(count, flat.dtype)
            more[: flat.size] = flat
            flat, self._counter = more, None
        self._array, self._base = flat[:count].reshape(shape), None
    if memory_format is not None:
        self._array = self.contiguous(memory_format=memory_format)._array
    return self


def _flat_memory(x: Tensor) -> Any:
    """The elements in the order in which they lie in memory; a copy, where x has gaps."""
    array = x._array
    order = sorted(range(x.ndim), key=lambda i: -array.strides[i])
    lying = array.transpose(order)
    return lying.reshape(-1)


@tensor_method("resize_as_")
def resize_as_(self: Tensor, the_template: Tensor, *, memory_format: Any = None) -> Tensor:
    """resize_ to the size of another tensor."""
    return resize_(self, *the_template.shape, memory_format=memory_format)


@tensor_method("set_")
def set_(self: Tensor, source: Tensor | None = None) -> Tensor:
    """Show the memory of ``source`` from now on, with its shape; without it, no elements: (0,)."""
    if source is None:
        source = Tensor._wrap(self._device.xp.empty(0, self._array.dtype), self._device)
    if source._array.dtype != self._array.dtype:
        raise ShapeError(
            f"set_: both must have one dtype; got {self.dtype} and {dtypes.of(source._array.dtype)}"
        )
    if flags.grad:
        check_writable("set_", self)
    self._array, self._device = source._array, source._device
    self._base, self._chain, self._counter = None, (), source._shared_counter()
    return self


@tensor_method("new")
def new(self: Tensor, *data: Any, device: Any = None) -> Tensor:
    """A tensor of the same dtype and device: of sizes (uninitialised), or of numbers, or empty.

    PyTorch's old name for ``new_empty`` and ``new_tensor``.

    >>> lucid.ones(2, dtype=lucid.int64).new([1, 2])
    Tensor([1, 2])
    """
    return Tensor(*data, dtype=self.dtype, device=self._device if device is None else device)
