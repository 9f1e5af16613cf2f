"""DLPack's capsules, where NumPy and CuPy leave a gap: bfloat16, and capsules without an owner.

Neither library knows DLPack's bfloat16. So such an array goes out as the uint16 that it is in
memory, and the label in the capsule is changed; what comes in is relabelled the other way. The
memory, its owner and its deleter stay those of the library that made the capsule.

    DLTensor                  data, device, ndim, dtype, shape, strides, byte_offset
    DLManagedTensor           DLTensor, ...               capsule "dltensor"
    DLManagedTensorVersioned  version, ..., DLTensor      capsule "dltensor_versioned"
"""

from __future__ import annotations

import ctypes
from typing import Any

from lucid import dtypes
from lucid.backend.device import Array, Device
from lucid.errors import DeviceError, DTypeError

__all__ = ["CPU", "CUDA", "described", "export", "take"]

CPU, CUDA = 1, 2  # DLPack's numbers of devices, with
_CPU_LIKE = (CPU, 3)  # pinned host memory
_CUDA_LIKE = (CUDA, 13)  # managed memory
_UINT, _BFLOAT = 1, 4  # DLPack's numbers of kinds of elements
_NAMES = (b"dltensor_versioned", b"dltensor")


class DLTensor(ctypes.Structure):
    """The description of an array in a capsule."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("byte_offset", ctypes.c_uint64),
    )


class _Versioned(ctypes.Structure):
    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("manager", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", DLTensor),
    )


_is_valid = ctypes.pythonapi.PyCapsule_IsValid
_is_valid.argtypes, _is_valid.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_int
_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.argtypes, _pointer.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_void_p


def described(capsule: Any) -> DLTensor:
    """The DLTensor inside a capsule that nobody has opened yet. Lives as long as the capsule."""
    for name in _NAMES:
        if _is_valid(capsule, name):
            address: Any = _pointer(capsule, name)
            if name == b"dltensor":
                return DLTensor.from_address(address)
            managed = _Versioned.from_address(address)
            if managed.major > 1:  # beyond this nothing is known of the fields
                raise BufferError(f"from_dlpack: DLPack {managed.major} is newer than known here")
            return managed.tensor
    raise DTypeError(
        "from_dlpack: expected an object with __dlpack__, or a capsule that nobody has opened yet;"
        f" got {capsule!r:.80}. Hint: a capsule can be opened once only"
    )


class _Source:
    """An exporter as NumPy and CuPy can read it: bfloat16 is uint16, and ``bfloat16`` says so."""

    def __init__(self, exporter: Any):
        self.exporter = exporter
        self.bfloat16 = False

    def __dlpack_device__(self) -> tuple[int, int]:
        if hasattr(self.exporter, "__dlpack_device__"):
            kind, index = self.exporter.__dlpack_device__()
            return int(kind), int(index)
        tensor = described(self.exporter)
        return tensor.device_type, tensor.device_id

    def __dlpack__(self, **wishes: Any) -> Any:
        capsule = self.exporter
        if hasattr(capsule, "__dlpack__"):
            capsule = capsule.__dlpack__(**wishes)
        tensor = described(capsule)
        if (tensor.code, tensor.bits) == (_BFLOAT, 16):
            tensor.code, self.bfloat16 = _UINT, True
        return capsule


def take(exporter: Any, copy: bool | None = None) -> tuple[Array, Device]:
    """An exporter's memory, or that of a capsule, as an array; and the device it is on.

    ``copy``: True makes a copy, False refuses what the exporter can only give as one.
    """
    source = _Source(exporter)
    kind, index = source.__dlpack_device__()
    if kind not in _CPU_LIKE + _CUDA_LIKE:
        raise DeviceError(
            f"from_dlpack: the memory must be on the CPU or on an NVIDIA GPU; got DLPack's device"
            f" type {kind}. Hint: move it to the CPU there"
        )
    device = Device("cpu") if kind in _CPU_LIKE else Device("cuda", index)
    token = device.enter()  # on CUDA: the exporter is told the stream that reads here
    try:
        array = device.xp.from_dlpack(source, **({"copy": False} if copy is False else {}))
        if source.bfloat16:
            array = array.view(dtypes.bfloat16.numpy)
        dtypes.of(array.dtype)
        return (array.copy() if copy else array), device
    finally:
        device.leave(token)


def export(array: Array, device: Device, **wishes: Any) -> Any:
    """The capsule of an array; ``wishes`` are those of the array API's ``__dlpack__``."""
    token = device.enter()  # on CUDA: the reader's stream waits for this device's own
    try:
        if array.dtype != dtypes.bfloat16.numpy:
            return array.__dlpack__(**wishes)
        capsule = array.view("uint16").__dlpack__(**wishes)
        described(capsule).code = _BFLOAT
        return capsule
    finally:
        device.leave(token)
