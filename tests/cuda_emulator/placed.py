"""Arrays in the emulated device's memory, from the bare addresses that a library is given."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy

from .build import EmulationError
from .cupy.allocation import allocation_at, arena
from .cupy.streams import current_device

HALVES = (numpy.dtype("float16"), numpy.dtype(ml_dtypes.bfloat16))


def placed(what: str, address: int, shape: Any, strides: Any, dtype: Any) -> tuple[Any, Any]:
    """NumPy's view of device memory, and the memory; strides count elements."""
    dtype = numpy.dtype(dtype)
    memory = allocation_at(address)
    if memory is None:
        raise EmulationError(f"{what}: {address:#x} is not device memory")
    if memory.device_id != current_device():
        raise EmulationError(f"{what}: memory of device {memory.device_id} on another device")
    if address % dtype.itemsize:
        raise EmulationError(f"{what}: {address:#x} is not aligned to its {dtype.itemsize} bytes")
    reach = 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    if min(strides, default=0) < 0 or address + reach * dtype.itemsize > memory.ptr + memory.size:
        raise EmulationError(f"{what}: shape {shape}, strides {strides} reach past its memory")
    start, data = arena()
    in_bytes = [s * dtype.itemsize for s in strides]
    return numpy.ndarray(shape, dtype, data, address - start, in_bytes), memory
