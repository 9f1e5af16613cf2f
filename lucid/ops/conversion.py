"""From dtype to dtype, device to device, tensor to Python and back."""

from __future__ import annotations

from typing import Any

from lucid import dtypes
from lucid.backend import Device, resolve
from lucid.errors import DTypeError, ShapeError
from lucid.op import Op, as_number, inplace
from lucid.spec import Case, spec
from lucid.tensor import Tensor, tensor_method

__all__ = [
    "channels_last",
    "channels_last_3d",
    "clone",
    "contiguous_format",
    "memory_format",
    "preserve_format",
]


class memory_format:
    """An order of dimensions in memory: contiguous_format, channels_last, channels_last_3d.

    A channels_last tensor keeps its shape (N, C, H, W) but lies in memory as (N, H, W, C).
    """

    def __init__(self, name: str, ndim: int | None):
        self.name, self.ndim = name, ndim

    def __repr__(self) -> str:
        return f"lucid.{self.name}"

    def __reduce__(self) -> str:
        return self.name


contiguous_format = memory_format("contiguous_format", None)


preserve_format = memory_format("preserve_format", None)


channels_last = memory_format("channels_last", 4)


channels_last_3d = memory_format("channels_last_3d", 5)


def _arrange(xp: Any, x: Any, order: memory_format) -> Any:
    """x laid out in this order, copied only if it is not."""
    if order is preserve_format:
        return x
    if order.ndim is None:
        return x if x.flags.c_contiguous else xp.ascontiguousarray(x)
    if x.ndim != order.ndim:
        raise ShapeError(
            f"{order.name}: the tensor must have {order.ndim} dimensions; got shape {x.shape}"
        )
    last = xp.moveaxis(x, 1, -1)
    if last.flags.c_contiguous:
        return x
    return xp.moveaxis(xp.ascontiguousarray(last), -1, 1)


class Cast(Op):
    """Another element type; the gradient comes back in the old one."""

    promotes = False
    upcasts = False
    target: dtypes.dtype

    def forward(self, x):
        if x.dtype.kind in "fV" and self.target.category == 1 and x.dtype.itemsize == 2:
            x = x.astype(dtypes.float32.numpy)  # ml_dtypes casts to some integers only from float
        return x.astype(self.target.numpy, order=_order(x))

    def backward(self, dy):
        return dy.to(dtypes.of(self._dtypes[0]))


class Transfer(Op):
    """The same values on another device."""

    promotes = False
    upcasts = False
    target: Device
    non_blocking: bool = False

    def forward(self, x):
        self.source, self.device = self.device, self.target
        if self.non_blocking:
            return self.target.asarray(x, non_blocking=True)
        return self.target.asarray(x)

    def backward(self, dy):
        return dy.to(self.source)


class Clone(Op):
    """A copy of its own memory, in this order of dimensions."""

    promotes = False
    upcasts = False
    orders = True
    order: memory_format = preserve_format

    def forward(self, x):
        if self.order is preserve_format:
            return x.copy(order=_order(x))
        y = _arrange(self.xp, x, self.order)
        return x.copy(order="C") if y is x and self.order.ndim is None else _own(y, x)

    def backward(self, dy):
        return dy


def _order(x: Any) -> str:
    """A copy lies as x does; in C order where x repeats elements, and has no order of its own."""
    return "C" if 0 in x.strides else "K"


def _own(y: Any, x: Any) -> Any:
    return y.copy(order="K") if y is x else y


class Copy(Op):
    """Overwrite the first input with the second, cast and broadcast. In-place calls only."""

    promotes = False
    upcasts = False
    broadcasts = True

    def forward(self, x, source):
        if self.out is None:
            return self.xp.broadcast_to(source, x.shape).astype(x.dtype)
        self.out[...] = source
        return self.out

    def backward(self, dy):
        return (self._zeros(dy.shape, self._dtypes[0]) if self.needs[0] else None), dy


class Fill(Op):
    """Every element the same number. In-place calls only."""

    value: float
    promotes = False
    upcasts = False

    def forward(self, x):
        y = x if self.out is None else self.out
        y[...] = self.value
        return y

    def backward(self, dy):
        return self._zeros(dy.shape, self._dtypes[0])


@tensor_method("clone")
def clone(input: Tensor, *, memory_format: memory_format = preserve_format) -> Tensor:
    """A copy with memory of its own, in the graph. x: (*) -> y: (*)."""
    return Clone(memory_format)(input)


@tensor_method("to")
def _to(
    self: Tensor,
    *args: Any,
    dtype: Any = None,
    device: Any = None,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: memory_format = preserve_format,
) -> Tensor:
    """This tensor with another dtype, device or memory order; itself if nothing changes.

    ``x.to("cuda")``, ``x.to(lucid.half)``, ``x.to(other_tensor)``; ``copy`` forces a copy.

    ``non_blocking``: between pinned host memory and a CUDA device the copy is queued, not waited
    for. What comes to the host so is there after ``lucid.cuda.synchronize()``, and what goes to the
    device must not change before.
    """
    for arg in args:
        if isinstance(arg, Tensor):
            device, dtype = arg.device, arg.dtype
        elif (
            isinstance(arg, (Device, int))
            and not isinstance(arg, bool)
            or isinstance(arg, str)
            and not dtypes.is_name(arg)
        ):
            device = arg
        elif isinstance(arg, bool):
            non_blocking = arg
        else:
            dtype = arg
    y = self
    if device is not None:
        where = resolve(device)
        if where is not self._device:
            # On the host a conversion would read what has not arrived.
            converts = dtype is not None or memory_format is not preserve_format
            y = Transfer(where, non_blocking and not (converts and where.type == "cpu"))(y)
    if dtype is not None:
        kind = dtypes.as_dtype(dtype)
        if y._array.dtype != kind.numpy:
            y = Cast(kind)(y)
    if memory_format is not preserve_format:
        y = y.contiguous(memory_format=memory_format)
    return Clone(memory_format)(y) if copy and y is self else y


@tensor_method("contiguous")
def _contiguous(self: Tensor, memory_format: memory_format = contiguous_format) -> Tensor:
    """This tensor, copied only if its memory is not in the given order already."""
    if _arrange(self._device.xp, self._array, memory_format) is self._array:
        return self
    return Clone(memory_format)(self)


@tensor_method("is_contiguous")
def _is_contiguous(self: Tensor, memory_format: memory_format = contiguous_format) -> bool:
    """Whether the elements lie in memory in this order, without gaps."""
    x = self._array
    if memory_format.ndim is None:
        return bool(x.flags.c_contiguous)
    if x.ndim != memory_format.ndim:
        return False
    return bool(self._device.xp.moveaxis(x, 1, -1).flags.c_contiguous)


@tensor_method("type_as")
def _type_as(self: Tensor, other: Tensor) -> Tensor:
    """This tensor with the dtype and device of ``other``."""
    if not isinstance(other, Tensor):
        raise DTypeError(f"type_as: other must be a Tensor; got {other!r:.60}")
    return self.to(other)


@tensor_method("cpu")
def _cpu(self: Tensor, memory_format: memory_format = preserve_format) -> Tensor:
    """This tensor in host memory."""
    return self.to("cpu", memory_format=memory_format)


@tensor_method("cuda")
def _cuda(
    self: Tensor,
    device: Any = None,
    non_blocking: bool = False,
    memory_format: memory_format = preserve_format,
) -> Tensor:
    """This tensor on a CUDA device, the current one by default."""
    where = "cuda" if device is None else device
    return self.to(where, non_blocking=non_blocking, memory_format=memory_format)


def _converter(name: str, kind: dtypes.dtype) -> None:
    def convert(self: Tensor, memory_format: memory_format = preserve_format) -> Tensor:
        return self.to(kind, memory_format=memory_format)

    convert.__name__ = name
    convert.__doc__ = f"This tensor as {kind!r}."
    tensor_method(name)(convert)


for _name, _kind in {
    "float": dtypes.float32,
    "double": dtypes.float64,
    "half": dtypes.float16,
    "bfloat16": dtypes.bfloat16,
    "bool": dtypes._bool,
    "byte": dtypes.uint8,
    "char": dtypes.int8,
    "short": dtypes.int16,
    "int": dtypes.int32,
    "long": dtypes.int64,
}.items():
    _converter(_name, _kind)


@tensor_method("copy_")
def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Overwrite the values with those of ``src``, cast and broadcast, in place."""
    if not isinstance(src, Tensor):
        if src is None or isinstance(src, str):
            raise DTypeError(f"copy_: src must be a Tensor or numbers; got {src!r:.60}")
        src = Tensor._wrap(self._device.asarray(src, self._array.dtype), self._device)
    if src._device is not self._device:
        src = src.to(self._device, non_blocking=non_blocking and self._device.type == "cuda")
    _check_fits("copy_", src.shape, self.shape)
    if src.dtype.category == 2 and self.dtype.category < 2:
        src = src.to(self.dtype)
    return inplace(Copy(), self, src)


def _check_fits(name: str, shape: tuple[int, ...], into: tuple[int, ...]) -> None:
    tail = into[len(into) - len(shape) :]
    if len(shape) > len(into) or any(a not in (1, b) for a, b in zip(shape, tail, strict=True)):
        raise ShapeError(
            f"{name}: sizes must be equal, counted from the last dimension, or 1 in the source; got"
            f" {shape} for {into}"
        )


@tensor_method("fill_")
def fill_(self: Tensor, value: Any) -> Tensor:
    """Every element ``value``, in place."""
    if isinstance(value, Tensor):
        if value.ndim:
            raise ShapeError(f"fill_: value must be a number; got shape {value.shape}")
        return self.copy_(value)
    if not isinstance(value, (int, float)):
        value = as_number("fill_", "value", value)
    return inplace(Fill(value), self)


@tensor_method("zero_")
def zero_(self: Tensor) -> Tensor:
    """Every element 0, in place."""
    return inplace(Fill(0), self)


spec(clone, cases=[Case([(3, 4)]), Case([()]), Case([(0,)])], reference=lambda np, x: x.copy())
