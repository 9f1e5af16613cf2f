"""Pinned host memory, which the device may copy from and to while it works."""

from __future__ import annotations

import ctypes
import weakref
from typing import Any

import numpy

_pinned: weakref.WeakSet[PinnedMemoryPointer] = weakref.WeakSet()


class PinnedMemoryPointer(bytearray):
    """Host memory that the device may copy from and to while it works; a buffer."""

    def __init__(self, size: int):
        super().__init__(max(size, 1))
        self.ptr = ctypes.addressof(ctypes.c_char.from_buffer(self))
        self.mem, self._size = self, size
        _pinned.add(self)

    __hash__ = object.__hash__
    __eq__ = object.__eq__

    def size(self) -> int:
        return self._size

    def __int__(self) -> int:
        return self.ptr


def is_pinned(address: int, size: int) -> bool:
    return any(p.ptr <= address and address + size <= p.ptr + len(p) for p in _pinned)


def pinned_array(shape: Any, dtype: Any, order: str = "C") -> numpy.ndarray:
    """A NumPy array in pinned memory."""
    dtype = numpy.dtype(dtype)
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    count = int(numpy.prod(shape, dtype=numpy.int64))
    held = numpy.frombuffer(PinnedMemoryPointer(count * dtype.itemsize), numpy.uint8)
    return held[: count * dtype.itemsize].view(dtype).reshape(shape, order=order)


class PinnedMemoryPool:
    def malloc(self, size: int) -> PinnedMemoryPointer:
        return PinnedMemoryPointer(size)

    def free_all_blocks(self) -> None:
        """Nothing is kept."""

    def n_free_blocks(self) -> int:
        return 0


pinned_pool = PinnedMemoryPool()
