"""The CUDA device: CuPy arrays, one non-blocking stream per device."""

from __future__ import annotations

import threading
from collections import deque
from functools import cache
from types import ModuleType
from typing import Any

import numpy

from lucid.backend import capture
from lucid.backend.cuda import availability, memory
from lucid.backend.cuda.order import memory_order
from lucid.backend.device import Array, Device
from lucid.errors import DeviceError

# Smaller arrays arrive before pinned memory could be had for them.
_WORTH_PINNING = 1 << 16
_TOO_MUCH_TO_PIN = 1 << 28  # locked memory is taken from everybody else on the machine
_DEFAULT_STREAMS = 2  # CUDA's own: 0 and 1 are the legacy one, 2 is each thread's


class _Thread(threading.local):
    def __init__(self) -> None:
        self.adopted: set[int] = set()  # devices whose stream is this thread's current one there


_thread = _Thread()


@cache
def _kernels() -> ModuleType:
    """Imported when first asked for; an import statement costs 0.4 us each time."""
    from lucid.backend.cuda import kernels

    return kernels


class CudaDevice(Device):
    """CuPy arrays in the memory of one GPU. Without an index: the current one."""

    _stream: Any = None
    _under_way: deque[tuple[Any, Any]] | None = None  # (event, host array that is being copied)
    _get_device: Any = None
    _set_device: Any = None

    @property
    def xp(self) -> ModuleType:  # type: ignore[override]
        if self.index is not None and self.index not in _thread.adopted:
            self._adopt_stream()
        return availability.cupy()

    @property
    def kernels(self) -> ModuleType:
        """The family functions: ``device.kernels.softmax(x, axis)``."""
        return _kernels()

    @property
    def array_type(self) -> Any:
        return self.xp.ndarray

    def concrete(self) -> Device:
        """This device with an index, checked to exist."""
        runtime = availability.cupy().cuda.runtime
        if self.index is None:
            return Device("cuda", runtime.getDevice())
        if self._get_device is None:
            count = runtime.getDeviceCount()
            if self.index >= count:
                raise DeviceError(
                    f"cuda: this machine has {count} CUDA device{'s' if count > 1 else ''};"
                    f' got index {self.index}. Hint: lucid.device("cuda:{count - 1}")'
                )
            self._get_device, self._set_device = runtime.getDevice, runtime.setDevice
        return self

    # The stream.

    @property
    def stream(self) -> Any:
        """The stream on which lucid's work here is queued, unless another one was made current."""
        if self._stream is None:
            cuda = availability.cupy().cuda
            with cuda.Device(self.index):
                self._stream = cuda.Stream(non_blocking=True)
        return self._stream

    def _adopt_stream(self) -> None:
        """Make lucid's stream this thread's current one here, for good.

        A non-blocking stream is not ordered with CuPy's default one: an array filled there, by code
        outside of an op, could still be empty when an op reads it. From then on lucid follows CuPy:
        ``with stream:`` moves the work of both.
        """
        self.concrete()
        _thread.adopted.add(self.index)  # type: ignore[arg-type]
        memory.watch()
        cuda = availability.cupy().cuda
        with cuda.Device(self.index):
            if cuda.get_current_stream().ptr <= _DEFAULT_STREAMS:
                self.stream.use()

    def enter(self) -> Any:
        """Make this device current in this thread."""
        if self.index not in _thread.adopted:
            self._adopt_stream()
        before = self._get_device()
        if before == self.index:
            return None
        self._set_device(self.index)
        return before

    def leave(self, token: Any) -> None:
        if token is not None:
            self._set_device(token)

    def synchronize(self) -> None:
        """Wait for all streams of the device."""
        if capture.active:
            capture.refuse("synchronize: the host can't wait", "synchronize between replays")
        token = self.enter()
        try:
            self.xp.cuda.runtime.deviceSynchronize()
        finally:
            self.leave(token)

    # Copies.

    def asarray(self, value: Any, dtype: Any = None, non_blocking: bool = False) -> Array:
        """The copy is queued, not waited for: CuPy passes it through pinned memory of its own.

        ``non_blocking`` saves that detour for arrays in pinned memory; they must not change until
        the device is done with them.
        """
        token = self.enter()
        try:
            if capture.active and not isinstance(value, self.xp.ndarray):
                capture.refuse(
                    "numbers can't be sent to the device",
                    "make the tensor before; copy_ new values into it between replays",
                )
            if non_blocking and dtype in (None, getattr(value, "dtype", None)) and is_pinned(value):
                order = memory_order(value)
                if order is None:
                    return self._copied_from_pinned(value)
                return order.restore(self._copied_from_pinned(order.straight(value)))
            if isinstance(value, self.xp.ndarray) and value.data.device_id != self.index:
                value = self._copied_from(Device("cuda", value.data.device_id), value)
            back = memory_order(value) if isinstance(value, numpy.ndarray) else None
            if back is None:
                return self.xp.asarray(value, dtype)
            return back.restore(self.xp.asarray(back.straight(value), dtype))
        finally:
            self.leave(token)

    def _copied_from(self, other: Any, array: Array) -> Array:
        """The copy waits for the other device; what is queued there next waits for the copy."""
        here = self.xp.cuda.get_current_stream()
        token = other.enter()
        try:
            there = other.xp.cuda.get_current_stream()
            done = there.record()
        finally:
            other.leave(token)
        here.wait_event(done)
        copy = array.copy(order="K")
        there.wait_event(here.record())
        return copy

    def _copied_from_pinned(self, value: Any) -> Array:
        if self._under_way is None:
            self._under_way = deque()
        while self._under_way and self._under_way[0][0].done:
            self._under_way.popleft()
        if not value.flags.c_contiguous:
            return self.xp.asarray(value)
        array = self.xp.empty(value.shape, value.dtype)
        stream = self.xp.cuda.get_current_stream()
        array.set(value, stream=stream)
        self._under_way.append((stream.record(), value))
        return array

    def to_numpy(self, array: Array, non_blocking: bool = False) -> Any:
        """A copy in host memory; ``non_blocking``: filled when the device has been synchronized."""
        if capture.active:
            capture.refuse("values can't come to the host", "read them after the replay")
        back = memory_order(array)
        if back is not None:
            return back.restore(self.to_numpy(back.straight(array), non_blocking))
        token = self.enter()
        try:
            worth = _WORTH_PINNING <= array.nbytes <= _TOO_MUCH_TO_PIN
            if not (worth or (non_blocking and array.size)):
                return array.get()
            return array.get(out=self.pinned(array.shape, array.dtype), blocking=not non_blocking)
        finally:
            self.leave(token)

    def pinned(self, shape: Any, dtype: Any) -> Any:
        """A new NumPy array in pinned memory, which the device copies from and to by itself."""
        from importlib import import_module

        return import_module("cupyx").empty_pinned(shape, dtype)

    def pinned_copy(self, array: Any) -> Any:
        if not array.size:
            return array.copy()
        order = memory_order(array)
        if order is not None:
            return order.restore(self.pinned_copy(order.straight(array)))
        copy = self.pinned(array.shape, array.dtype)
        copy[...] = array
        return copy

    def is_pinned(self, array: Any) -> bool:
        return is_pinned(array)

    # What NumPy and CuPy spell differently.

    def scatter_add(self, target: Array, index: Any, value: Array) -> None:
        self.kernels.scatter_add(target, index, value)

    def erf(self, x: Array) -> Array:
        from importlib import import_module

        return import_module("cupyx.scipy.special").erf(x)

    def draw(self, kind: str, key: Any, *settings: Any) -> Array:
        token = self.enter()
        try:
            return self.kernels.draw(kind, key, *settings)
        finally:
            self.leave(token)

    def bernoulli_affine(self, x: Array, *settings: Any) -> Array:
        token = self.enter()
        try:
            return self.kernels.bernoulli_affine(x, *settings)
        finally:
            self.leave(token)


def is_pinned(value: Any) -> bool:
    """Whether a NumPy array lies in pinned memory that came from CuPy."""
    pointer = availability.cupy().cuda.PinnedMemoryPointer
    while value is not None:
        if isinstance(value, pointer):
            return True
        value = value.obj if isinstance(value, memoryview) else getattr(value, "base", None)
    return False
