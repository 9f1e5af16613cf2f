"""From tensors to Python, NumPy and DLPack."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lucid.backend import dlpack
from lucid.errors import DTypeError, ExportError, GradError, ShapeError
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
    """What NumPy's functions see: the memory itself, or another dtype's copy of it."""
    array = self.numpy()
    if dtype is not None and array.dtype != dtype:
        if copy is False:
            raise ValueError(
                f"__array__: {self.dtype} can't be read as {dtype} without a copy; got copy=False"
            )
        return array.astype(dtype)
    return array.copy() if copy else array


@tensor_method("__dlpack__")
def _dlpack(
    self: Tensor,
    *,
    stream: int | None = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[int, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """A DLPack capsule of this memory, as the array API asks for it; bfloat16 too.

    ``stream``: the CUDA stream that will read, by its number; it waits for the tensor's. -1: it
    needs no waiting. None on the CPU. ``dl_device``: (1, 0) takes a copy of a CUDA tensor.
    """
    if self.requires_grad:
        raise ExportError(
            "__dlpack__: this tensor requires grad, and other libraries can't carry that."
            " Hint: use .detach()"
        )
    here = self.__dlpack_device__()
    if dl_device is not None and tuple(map(int, dl_device)) != here:
        if int(dl_device[0]) != dlpack.CPU or copy is False:
            raise ExportError(
                f"__dlpack__: the memory is on DLPack's device {here}; it can't be had on"
                f" {tuple(map(int, dl_device))}{' without a copy' if copy is False else ''}."
                " Hint: use .to(device)"
            )
        return self.cpu().__dlpack__(max_version=max_version)
    if copy:
        self = self.clone()
    wishes: dict[str, Any] = {"stream": stream}
    if self._device.type == "cpu":
        if stream not in (None, -1):
            raise ExportError(f"__dlpack__: the CPU has no streams; got stream={stream}")
        wishes["stream"] = None
    if max_version is not None:
        wishes["max_version"] = max_version
    return dlpack.export(self._array, self._device, **wishes)


@tensor_method("__dlpack_device__")
def _dlpack_device(self: Tensor) -> tuple[int, int]:
    """DLPack's (device type, index): (1, 0) for the CPU, (2, n) for cuda:n."""
    kind, index = self._array.__dlpack_device__()
    return int(kind), int(index)


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
    if self._array.size != 1:
        raise DTypeError(f"index: only one integer can be an index; got shape {self.shape}")
    return int(self.item())


@tensor_method("__bool__")
def _bool(self: Tensor) -> bool:
    if self._array.size != 1:
        raise ShapeError(
            f"bool: the truth of several elements, or of none, is ambiguous; got {self.shape}."
            " Hint: use .any() or .all()"
        )
    return bool(self.item())


@tensor_method("__len__")
def _len(self: Tensor) -> int:
    if self.ndim == 0:
        raise DTypeError("len: the tensor must have a dimension; got shape ()")
    return self.shape[0]


@tensor_method("__iter__")
def _iter(self: Tensor) -> Iterator[Tensor]:
    if self.ndim == 0:
        raise DTypeError("iter: a 0-d tensor can't be iterated over")
    return iter(self.unbind(0))


@tensor_method("__contains__")
def _contains(self: Tensor, value: Any) -> bool:
    return bool(self.eq(value).any())


@tensor_method("__format__")
def _format(self: Tensor, spec: str) -> str:
    return format(self.item(), spec) if self.ndim == 0 else format(repr(self), spec)
