"""From tensors to Python, NumPy and DLPack."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lucid.errors import DTypeError, GradError, ShapeError
from lucid.tensor import Tensor, tensor_method

__all__ = []


@tensor_method("numpy")
def _numpy(self: Tensor, *, force: bool = False) -> Any:
    """The memory itself as a NumPy array. On CUDA, or with a graph, only with ``force``."""
    if force:
        return self._device.to_numpy(self._array)
    if self.requires_grad:
        raise GradError(
            "numpy: this tensor requires grad, and an array can't carry it."
            " Hint: use .detach().numpy()"
        )
    if self._device.type != "cpu":
        raise DTypeError(f"numpy: this tensor is on {self._device}. Hint: use .cpu().numpy()")
    return self._array


@tensor_method("item")
def _item(self: Tensor) -> Any:
    """The only element as a Python number."""
    if self._array.size != 1:
        raise ShapeError(
            f"item: only a tensor of one element is a number; got shape {self.shape}."
            " Hint: use .tolist()"
        )
    value = self._device.to_numpy(self._array).reshape(()).item()
    return float(value) if self.is_floating_point() else value


@tensor_method("tolist")
def _tolist(self: Tensor) -> Any:
    """Nested lists of Python numbers; a number for a 0-d tensor."""
    if self.ndim == 0:
        return self.item()
    host = self._device.to_numpy(self._array)
    return host.astype("float64").tolist() if self.is_floating_point() else host.tolist()


@tensor_method("__array__")
def _as_array(self: Tensor, dtype: Any = None, copy: bool | None = None) -> Any:
    array = self.numpy()
    if dtype is not None and array.dtype != dtype:
        return array.astype(dtype)
    return array.copy() if copy else array


@tensor_method("__dlpack__")
def _dlpack(self: Tensor, **kwargs: Any) -> Any:
    if self.requires_grad:
        raise GradError("__dlpack__: this tensor requires grad. Hint: use .detach()")
    return self._array.__dlpack__(**kwargs)


@tensor_method("__dlpack_device__")
def _dlpack_device(self: Tensor) -> Any:
    return self._array.__dlpack_device__()


@tensor_method("__float__")
def _float(self: Tensor) -> float:
    return float(self.item())


@tensor_method("__int__")
def _int(self: Tensor) -> int:
    return int(self.item())


@tensor_method("__index__")
def _index(self: Tensor) -> int:
    if self.dtype.category == 2:
        raise DTypeError(f"index: only integer tensors can be an index; got {self.dtype}")
    return int(self.item())


@tensor_method("__bool__")
def _bool(self: Tensor) -> bool:
    if self._array.size != 1:
        raise ShapeError(
            f"bool: the truth of a tensor of shape {self.shape} is ambiguous."
            " Hint: use .any() or .all()"
        )
    return bool(self.item())


@tensor_method("__len__")
def _len(self: Tensor) -> int:
    if self.ndim == 0:
        raise DTypeError("len: a 0-d tensor has no length")
    return self.shape[0]


@tensor_method("__iter__")
def _iter(self: Tensor) -> Iterator[Tensor]:
    if self.ndim == 0:
        raise DTypeError("iter: a 0-d tensor can't be iterated over")
    return iter(self.unbind(0))


@tensor_method("__contains__")
def _contains(self: Tensor, value: Any) -> bool:
    return bool((self == value).any())


@tensor_method("__format__")
def _format(self: Tensor, spec: str) -> str:
    return format(self.item(), spec) if self.ndim == 0 else format(repr(self), spec)
