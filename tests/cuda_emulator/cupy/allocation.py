"""Device memory: one arena, cut in pieces that are watched, and what copies between them."""

from __future__ import annotations

import atexit
import ctypes
import weakref
from typing import TYPE_CHECKING, Any

import numpy

from .. import build
from ..settings import counters
from .errors import EmulationError, OutOfMemoryError, invalid, not_while_capturing
from .pinned import is_pinned
from .streams import Stream, current_device, current_stream, enqueue

if TYPE_CHECKING:
    from .memory import MemoryPool

_libraries: list[Any] = []
atexit.register(_libraries.clear)  # what lives until then is nobody's to give back
_arena: list[tuple[int, numpy.ndarray]] = []
_live: weakref.WeakValueDictionary[int, Allocation] = weakref.WeakValueDictionary()


def arena() -> tuple[int, numpy.ndarray]:
    """Address and bytes of all device memory."""
    if not _arena:
        library, size = build.library(), ctypes.c_size_t()
        start = library.emulator_arena(ctypes.byref(size))
        data = numpy.frombuffer((ctypes.c_char * size.value).from_address(start), numpy.uint8)
        _libraries.append(library)
        _arena.append((start, data))
    return _arena[0]


class Allocation:
    """One piece of the arena, given back when nobody holds it any more."""

    __slots__ = (
        "__weakref__", "device_id", "owner", "place", "ptr", "read", "size", "written",
    )  # fmt: skip

    def __init__(self, size: int, owner: MemoryPool | None = None):
        arena()
        self.ptr: Any = None
        stream = current_stream()
        self.place = current_device(), stream.ptr, size
        private = owner is not None and not owner._is_default
        if private and owner._spare.get(self.place):
            self.ptr = owner._spare[self.place].pop()
            ctypes.memset(self.ptr, 0xFF, size)
        else:
            self.ptr = _libraries[0].emulator_malloc(size)
        if not self.ptr:
            raise OutOfMemoryError(size, 0)
        self.size, self.owner, self.device_id = size, owner, current_device()
        self.written: tuple[int, int] | None = None  # by which stream, at what time
        self.read: dict[int, int] = {}
        _live[self.ptr] = self
        if private and stream._graph is not None:
            # In each replay anybody else of the graph may have had it before.
            ptr = self.ptr
            stream._graph._add(lambda: ctypes.memset(ptr, 0xFF, size), [], [self])

    def __del__(self) -> None:
        if self.ptr and _libraries:
            if self.owner is None or self.owner._is_default:
                release(self.ptr)
            else:
                self.owner._spare.setdefault(self.place, []).append(self.ptr)
            if self.owner is not None:
                self.owner._take_back(self.size, self.device_id)


def release(pointer: int) -> None:
    """Give a piece back that nobody holds."""
    if _libraries:
        _libraries[0].emulator_free(pointer)


def allocation_at(address: int) -> Allocation | None:
    """The live piece of device memory that holds this address."""
    arena()
    return _live.get(_libraries[0].emulator_piece(address) or 0)


def _device_side(address: int, size: int, what: str) -> Allocation:
    memory = allocation_at(address)
    if memory is None:
        raise invalid(f"{what}: {address:#x} is not device memory")
    if address + size > memory.ptr + memory.size:
        raise EmulationError(f"{what}: {size} bytes reach past the end of the device memory")
    return memory


def memcpy(to: int, source: int, size: int, kind: str, stream: Stream | None = None) -> None:
    """Copy ``size`` bytes, both addresses checked against what ``kind`` says they are."""
    if not size:
        return
    reads = [_device_side(source, size, "memcpy from")] if kind[0] == "d" else []
    writes = [_device_side(to, size, "memcpy to")] if kind[2] == "d" else []
    for address in [to] * (kind[2] == "h") + [source] * (kind[0] == "h"):
        if allocation_at(address) is not None:
            raise invalid(f"memcpy: {address:#x} is device memory, said to be host memory")
        stream_ = stream or current_stream()
        if stream_._graph is not None and not is_pinned(address, size):
            raise not_while_capturing("a copy from or to pageable host memory")
    setattr(counters, kind, getattr(counters, kind) + 1)
    enqueue(lambda: ctypes.memmove(to, source, size), reads, writes, stream)


def memset(address: int, value: int, size: int, stream: Stream | None = None) -> None:
    if size:
        memory = _device_side(address, size, "memset")
        enqueue(lambda: ctypes.memset(address, value, size), [], [memory], stream)


def count_upload(what: str) -> None:
    if current_stream().is_capturing():
        raise not_while_capturing(f"{what}: a copy from pageable memory")
    counters.h2d += 1
