"""New tensors: from data, filled, and in patterns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lucid import dtypes
from lucid.backend import Device, dlpack, resolve
from lucid.errors import DTypeError, ShapeError
from lucid.op import as_number, explained
from lucid.op.arguments import shown
from lucid.tensor import Tensor, tensor_method, to_array

__all__ = [
    "as_tensor",
    "asarray",
    "empty",
    "empty_like",
    "from_dlpack",
    "from_numpy",
    "full",
    "full_like",
    "ones",
    "ones_like",
    "tensor",
    "zeros",
    "zeros_like",
]


def tensor(
    data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor with a copy of ``data``: a number, nested lists, an array or a tensor.

    Python floats become the default dtype (float32), ints int64; arrays keep their dtype.

    >>> lucid.tensor([[1, 2], [3, 4]]).dtype
    lucid.int64
    """
    array, where = to_array(data, dtype, device)
    if array is getattr(data, "_array", data) or where.xp.may_share_memory(
        array, _memory(data, where)
    ):
        array = array.copy()
    t = Tensor._wrap(array, where)
    return t.requires_grad_() if requires_grad else t


def _memory(data: Any, where: Device) -> Any:
    held = getattr(data, "_array", data)
    return held if isinstance(held, where.array_type) else where.xp.empty(0)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """``data`` as a tensor, sharing memory with it where dtype and device allow."""
    if isinstance(data, Tensor) and dtype is None and device is None:
        return data
    if isinstance(data, Tensor):
        return data.to(device=device, dtype=dtype)
    return Tensor._wrap(*to_array(data, dtype, device))


asarray = as_tensor


def from_numpy(ndarray: Any) -> Tensor:
    """A tensor that shares memory with a NumPy array. Both see each other's writes."""
    if not hasattr(ndarray, "__array_interface__"):
        raise DTypeError(f"from_numpy: expected a NumPy array; got {type(ndarray).__name__}")
    return Tensor._wrap(*to_array(ndarray, None, "cpu"))


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor that shares memory with any object that speaks DLPack (NumPy, torch, CuPy, JAX, …).

    bfloat16 too. ``ext_tensor`` may also be a DLPack capsule. Another ``device`` is a copy;
    ``copy=True`` always makes one, ``copy=False`` refuses what can't be shared. Read-only memory
    stays read-only: writing to the tensor in place is an error.

    >>> import numpy
    >>> array = numpy.zeros(2)
    >>> lucid.from_dlpack(array).add_(1)
    Tensor([1., 1.], dtype=lucid.float64)
    >>> array.tolist()
    [1.0, 1.0]
    """
    array, where = dlpack.take(ext_tensor, copy)
    t = Tensor._wrap(array, where)
    target = where if device is None else resolve(device)
    if target is not where and copy is False:
        raise ValueError(
            f"from_dlpack: memory on {where} can't be had on {target} without a copy; got"
            " copy=False. Hint: leave copy out"
        )
    return t.to(target)


def _shape(name: str, sizes: tuple) -> tuple[int, ...]:
    if len(sizes) == 1 and not isinstance(sizes[0], int) and hasattr(sizes[0], "__iter__"):
        sizes = tuple(sizes[0])
    try:
        shape = tuple(n.__index__() for n in sizes)
    except (AttributeError, DTypeError, ShapeError):
        raise DTypeError(f"{name}: sizes must be ints; got {shown(sizes)}") from None
    if any(n < 0 for n in shape):
        raise ShapeError(f"{name}: sizes must not be negative; got {shape}")
    return shape


def _new(
    name: str, sizes: Any, dtype: Any, device: Any, requires_grad: bool, value: Any = None
) -> Tensor:
    where = resolve(device)
    kind = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    shape = _shape(name, sizes)
    token = where.enter()
    try:
        if value is None:
            array = where.xp.empty(shape, kind.numpy)
        elif value == 0:
            array = where.xp.zeros(shape, kind.numpy)
        else:
            array = where.xp.full(shape, value, kind.numpy)
    finally:
        where.leave(token)
    t = Tensor._wrap(array, where)
    return t.requires_grad_() if requires_grad else t


def zeros(
    *sizes: Any,
    size: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of zeros: ``zeros(2, 3)``, ``zeros((2, 3))`` or ``zeros(size=(2, 3))``."""
    return _new("zeros", _given(sizes, size), dtype, device, requires_grad, 0)


def _given(sizes: tuple, size: Any) -> tuple:
    """Sizes one after the other, or all by name."""
    return sizes if size is None else (size,)


def ones(
    *sizes: Any,
    size: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of ones: ``ones(2, 3)``, ``ones((2, 3))`` or ``ones(size=(2, 3))``.

    >>> lucid.ones(4, 8).shape
    (4, 8)
    """
    return _new("ones", _given(sizes, size), dtype, device, requires_grad, 1)


def empty(
    *sizes: Any,
    size: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor whose values are whatever the memory held."""
    t = _new("empty", _given(sizes, size), dtype, device, requires_grad)
    return t if memory_format is None else t.contiguous(memory_format=memory_format)


def full(
    size: Sequence[int],
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor filled with a number; its dtype follows the number's type."""
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    if dtype is None and not isinstance(fill_value, float):
        dtype = dtypes._bool if isinstance(fill_value, bool) else dtypes.int64
    fill_value = as_number("full", "fill_value", fill_value)
    return _new("full", (size,), dtype, device, requires_grad, fill_value)


def _like(
    input: Tensor, value: Any, dtype: Any, device: Any, requires_grad: bool, memory_format: Any
) -> Tensor:
    """Another tensor of this shape, dtype, device and order of dimensions in memory."""
    where = input._device if device is None else resolve(device)
    kind = input._array.dtype if dtype is None else dtypes.as_dtype(dtype).numpy
    if where is input._device:
        order = "C" if 0 in input._array.strides else "K"  # repeated elements have no order
        array = where.xp.empty_like(input._array, dtype=kind, order=order)
    else:
        array = where.xp.empty(input.shape, kind)
    if value is not None:
        array[...] = value
    t = Tensor._wrap(array, where)
    if memory_format is not None:
        t = t.to(memory_format=memory_format)
    return t.requires_grad_() if requires_grad else t


def zeros_like(
    input: Tensor,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Zeros of the input's shape, dtype, device and memory order."""
    return _like(input, 0, dtype, device, requires_grad, memory_format)


def ones_like(
    input: Tensor,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Ones of the input's shape, dtype, device and memory order."""
    return _like(input, 1, dtype, device, requires_grad, memory_format)


def empty_like(
    input: Tensor,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Uninitialised memory of the input's shape, dtype, device and memory order."""
    return _like(input, None, dtype, device, requires_grad, memory_format)


def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A number in every place of the input's shape, dtype, device and memory order."""
    fill_value = as_number("full_like", "fill_value", fill_value)
    return _like(input, fill_value, dtype, device, requires_grad, memory_format)


def _constructor(name: str, function: Any) -> None:
    def method(
        self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
    ) -> Tensor:
        return function(
            *size,
            dtype=dtype or self.dtype,
            device=self._device if device is None else device,
            requires_grad=requires_grad,
        )

    method.__name__ = name
    method.__doc__ = f"{function.__name__} with this tensor's dtype and device."
    tensor_method(name)(explained(method))


for _name, _function in (
    ("new_zeros", zeros),
    ("new_ones", ones),
    ("new_empty", empty),
    ("new_full", full),
    ("new_tensor", tensor),
):
    _constructor(_name, _function)
