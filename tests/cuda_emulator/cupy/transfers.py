"""An array's way to the host and back, and to other libraries."""

from __future__ import annotations

from typing import Any

import numpy

from lucid.backend import dlpack

from ..settings import counters
from .allocation import Allocation
from .array import ndarray
from .errors import not_while_capturing
from .pinned import is_pinned
from .streams import Stream, _streams, current_stream, enqueue, refuse_if_forbidden, wait_for


class _Held(numpy.ndarray):
    """An array that keeps its piece of device memory."""

    memory: Allocation


def _stream_of(number: int | None) -> Stream | None:
    """The stream of the array API's number for it; None and 1 are the legacy one, -1 none."""
    if number == -1:
        return None
    known = {s.ptr: s for s in list(_streams)}
    return Stream.null if number in (None, 1) else known[number]


def _dlpack_device(self: ndarray) -> tuple[int, int]:
    return 2, self._memory.device_id


def _dlpack(
    self: ndarray,
    *,
    stream: int | None = None,
    max_version: Any = None,
    dl_device: Any = None,
    copy: Any = None,
) -> Any:
    """A capsule as CuPy's: of memory that no CPU library will open."""
    if self.dtype.kind not in "uifcb":
        raise BufferError("dtype is not supported for dlpack export")
    if dl_device not in (None, self.__dlpack_device__()) or copy:
        raise NotImplementedError("stand-in: __dlpack__(dl_device=, copy=)")
    reading = _stream_of(stream)
    if reading not in (None, current_stream()):
        reading.wait_event(current_stream().record())
    held = self._array.view(_Held)  # what the capsule keeps alive
    held.memory = self._memory
    capsule = held.__dlpack__(max_version=max_version)
    tensor = dlpack.described(capsule)
    tensor.device_type, tensor.device_id = self.__dlpack_device__()
    return capsule


def _get(
    self: ndarray,
    stream: Stream | None = None,
    order: str = "C",
    out: Any = None,
    blocking: bool = True,
) -> numpy.ndarray:
    target = numpy.empty_like(self._array, order=order) if out is None else out
    stream = stream or current_stream()
    pinned = out is not None and is_pinned(out.ctypes.data, out.nbytes)
    if stream.is_capturing() and not (pinned and not blocking):
        raise not_while_capturing("ndarray.get")
    if blocking:
        refuse_if_forbidden("ndarray.get")
    counters.d2h += 1
    counters.pinned += pinned
    enqueue(lambda: numpy.copyto(target, self._array), [self._memory], [], stream)
    if blocking:
        wait_for(stream, "ndarray.get")
    return target


def _set(self: ndarray, arr: numpy.ndarray, stream: Stream | None = None) -> None:
    if not isinstance(arr, numpy.ndarray):
        raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
    if self.dtype != arr.dtype:
        raise TypeError(f"{arr.dtype} array cannot be set to {self.dtype} array")
    if self.shape != arr.shape:
        raise ValueError(f"Shape mismatch. Old shape: {self.shape}, new shape: {arr.shape}")
    if not (self._array.flags.c_contiguous or self._array.flags.f_contiguous):
        raise RuntimeError("Cannot set to non-contiguous array")
    stream = stream or current_stream()
    pinned = is_pinned(arr.ctypes.data, arr.nbytes)
    if stream.is_capturing() and not pinned:
        raise not_while_capturing("ndarray.set from pageable memory")
    counters.h2d += 1
    counters.pinned += pinned
    enqueue(lambda: numpy.copyto(self._array, arr), [], [self._memory], stream)


def _item(self: ndarray, *args: Any) -> Any:
    return self.get().item(*args)


def _tolist(self: ndarray) -> Any:
    return self.get().tolist()


def _tobytes(self: ndarray, order: str = "C") -> bytes:
    return self.get().tobytes(order)


def _format(self: ndarray, spec: str) -> str:
    return format(self.get(), spec)


ndarray.__dlpack_device__ = _dlpack_device
ndarray.__dlpack__ = _dlpack
ndarray.get = _get
ndarray.set = _set
ndarray.item = _item
ndarray.tolist = _tolist
ndarray.tobytes = _tobytes
ndarray.__format__ = _format
ndarray.__bool__ = lambda self: bool(self.get())
ndarray.__int__ = lambda self: int(self.get())
ndarray.__float__ = lambda self: float(self.get())
ndarray.__complex__ = lambda self: complex(self.get())
ndarray.__index__ = lambda self: self.get().__index__()
ndarray.__repr__ = lambda self: repr(self.get())
ndarray.__str__ = lambda self: str(self.get())
