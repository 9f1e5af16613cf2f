"""Tensor types by name, PyTorch's older way: FloatTensor, LongTensor, x.type().

lucid.FloatTensor([1, 2])        a float32 tensor on the CPU
lucid.cuda.LongTensor(2, 3)      uninitialised memory, int64 on the current CUDA device
isinstance(x, lucid.FloatTensor)
"""

from __future__ import annotations

import builtins
from typing import Any

from lucid import dtypes
from lucid.backend import Device, set_default_device
from lucid.errors import DTypeError
from lucid.tensor import Tensor, tensor_method

__all__ = [
    "BFloat16Tensor",
    "BoolTensor",
    "ByteTensor",
    "CharTensor",
    "DoubleTensor",
    "FloatTensor",
    "HalfTensor",
    "IntTensor",
    "LongTensor",
    "ShortTensor",
    "is_floating_point",
    "is_tensor",
    "numel",
    "set_default_tensor_type",
    "typed",
]

_KINDS = {
    "FloatTensor": dtypes.float32,
    "DoubleTensor": dtypes.float64,
    "HalfTensor": dtypes.float16,
    "BFloat16Tensor": dtypes.bfloat16,
    "LongTensor": dtypes.int64,
    "IntTensor": dtypes.int32,
    "ShortTensor": dtypes.int16,
    "CharTensor": dtypes.int8,
    "ByteTensor": dtypes.uint8,
    "BoolTensor": dtypes._bool,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


class TensorType(builtins.type):
    """A dtype and a type of device as a class: tensors of both are its instances."""

    dtype: dtypes.dtype
    device: str

    def __call__(cls, *data: Any, device: Any = None) -> Tensor:
        where = cls.device if device is None else device
        if Device(where).type != cls.device:
            raise DTypeError(f"{cls.__name__}: makes tensors on {cls.device}; got device {where}")
        return Tensor(*data, dtype=cls.dtype, device=where)

    def __instancecheck__(cls, instance: Any) -> bool:
        if not isinstance(instance, Tensor):
            return False
        return instance.dtype is cls.dtype and instance._device.type == cls.device

    def __repr__(cls) -> str:
        return f"<class '{_type_name(cls.dtype, cls.device)}'>"


def typed(name: str, device: str = "cpu") -> Any:
    """The class called ``name`` ("FloatTensor", ...) for tensors on this type of device."""
    kind = _KINDS[name]
    where = "the CPU" if device == "cpu" else "a CUDA device"
    about = f"Tensors of {kind.name} on {where}; called with numbers or sizes it makes one."
    return TensorType(name, (), {"dtype": kind, "device": device, "__doc__": about})


FloatTensor = typed("FloatTensor")
DoubleTensor = typed("DoubleTensor")
HalfTensor = typed("HalfTensor")
BFloat16Tensor = typed("BFloat16Tensor")
LongTensor = typed("LongTensor")
IntTensor = typed("IntTensor")
ShortTensor = typed("ShortTensor")
CharTensor = typed("CharTensor")
ByteTensor = typed("ByteTensor")
BoolTensor = typed("BoolTensor")


def _type_name(kind: dtypes.dtype, device: str) -> str:
    return f"lucid.{'cuda.' if device == 'cuda' else ''}{_NAMES[kind]}"


def _parse(name: str) -> tuple[dtypes.dtype, str] | None:
    """A name such as "lucid.cuda.FloatTensor" as dtype and device; PyTorch's prefix counts, too."""
    *space, last = name.split(".")
    known = {(): "cpu", ("lucid",): "cpu", ("torch",): "cpu"}
    known |= {("lucid", "cuda"): "cuda", ("torch", "cuda"): "cuda"}
    if last not in _KINDS or tuple(space) not in known:
        return None
    return _KINDS[last], known[tuple(space)]


@tensor_method("type")
def _type(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The name of this tensor's type; or, given a type, this tensor as one of it.

    A type is a dtype, a class such as lucid.FloatTensor, or the name of one.

    >>> lucid.ones(2).type()
    'lucid.FloatTensor'
    >>> lucid.ones(2).type(lucid.LongTensor).dtype
    lucid.int64
    """
    if dtype is None:
        return _type_name(self.dtype, self._device.type)
    if isinstance(dtype, TensorType):
        return self.to(dtype.device, dtype.dtype)
    parsed = _parse(dtype) if isinstance(dtype, str) else None
    if parsed is not None:
        kind, device = parsed
        return self.to(device, kind) if device != self._device.type else self.to(kind)
    return self.to(dtypes.as_dtype(dtype))


def set_default_tensor_type(t: Any) -> None:
    """New floating point tensors are of this type, and new tensors on its type of device.

    ``t`` is a class such as lucid.DoubleTensor or its name. PyTorch's old way to say what
    set_default_dtype and set_default_device say.
    """
    parsed = (t.dtype, t.device) if isinstance(t, TensorType) else _parse(t) if t else None
    if parsed is None or not parsed[0].is_floating_point:
        raise DTypeError(
            f"set_default_tensor_type: t must be a floating point tensor type; got {t!r}."
            " Hint: lucid.FloatTensor"
        )
    dtypes.set_default_dtype(parsed[0])
    set_default_device(parsed[1])


@tensor_method("nelement")
def _nelement(self: Tensor) -> int:
    """The number of elements."""
    return self.numel()


def is_tensor(obj: Any) -> bool:
    """Whether obj is a Tensor."""
    return isinstance(obj, Tensor)


def is_floating_point(input: Tensor) -> bool:
    """Whether the elements are floating point numbers."""
    return input.is_floating_point()


def numel(input: Tensor) -> int:
    """The number of elements."""
    return input.numel()
