"""Device memory, CuPy's pool with its statistics and limits, and pinned host memory."""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy

from .. import build
from ..settings import counters, machine
from . import streams
from .errors import CUDARuntimeError, EmulationError, OutOfMemoryError, invalid
from .streams import Stream, current_device, enqueue, set_device, wait_for

GRANULARITY = 512  # of CuPy's pool

_libraries: list[Any] = []
_arena: list[tuple[int, numpy.ndarray]] = []
_live: weakref.WeakValueDictionary[int, Allocation] = weakref.WeakValueDictionary()
_thread = threading.local()


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
        stream = streams.current_stream()
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
                _libraries[0].emulator_free(self.ptr)
            else:
                self.owner._spare.setdefault(self.place, []).append(self.ptr)
            if self.owner is not None:
                self.owner._take_back(self.size, self.device_id)


def allocation_at(address: int) -> Allocation | None:
    """The live piece of device memory that holds this address."""
    arena()
    return _live.get(_libraries[0].emulator_piece(address) or 0)


class MemoryPointer:
    """A place in device memory; keeps the memory alive."""

    def __init__(self, mem: Any, offset: int):
        self.mem, self.ptr = mem, mem.ptr + offset

    @property
    def device_id(self) -> int:
        return self.mem.device_id

    @property
    def device(self) -> Device:
        return Device(self.mem.device_id)

    def __int__(self) -> int:
        return self.ptr

    def __add__(self, offset: int) -> MemoryPointer:
        return MemoryPointer(self.mem, self.ptr - self.mem.ptr + offset)

    __radd__ = __add__

    def copy_from_device_async(self, src: Any, size: int, stream: Stream | None = None) -> None:
        memcpy(self.ptr, int(src), size, "d2d", stream)

    def copy_from_host_async(self, mem: Any, size: int, stream: Stream | None = None) -> None:
        memcpy(self.ptr, int(getattr(mem, "value", mem)), size, "h2d", stream)

    def copy_to_host_async(self, mem: Any, size: int, stream: Stream | None = None) -> None:
        memcpy(int(getattr(mem, "value", mem)), self.ptr, size, "d2h", stream)

    def memset_async(self, value: int, size: int, stream: Stream | None = None) -> None:
        memset(self.ptr, value, size, stream)


# Copies.


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
        stream_ = stream or streams.current_stream()
        if stream_._graph is not None and not is_pinned(address, size):
            raise streams.not_while_capturing("a copy from or to pageable host memory")
    setattr(counters, kind, getattr(counters, kind) + 1)
    enqueue(lambda: ctypes.memmove(to, source, size), reads, writes, stream)


def memset(address: int, value: int, size: int, stream: Stream | None = None) -> None:
    if size:
        memory = _device_side(address, size, "memset")
        enqueue(lambda: ctypes.memset(address, value, size), [], [memory], stream)


# Devices.


class Device:
    """cupy.cuda.Device. As a context manager it becomes the current one."""

    def __init__(self, device: Any = None):
        self.id = current_device() if device is None else int(device)
        self._before: list[int] = []

    def __enter__(self) -> Device:
        self._before.append(current_device())
        set_device(self.id)
        return self

    def __exit__(self, *exc_info: object) -> None:
        set_device(self._before.pop())

    def use(self) -> None:
        set_device(self.id)

    def synchronize(self) -> None:
        wait_for(None, "Device.synchronize")

    @property
    def compute_capability(self) -> str:
        return str(machine.architecture)

    @property
    def attributes(self) -> dict[str, int]:
        from .runtime import _device_attributes

        return _device_attributes()

    @property
    def mem_info(self) -> tuple[int, int]:
        return memory_info(self.id)

    @property
    def pci_bus_id(self) -> str:
        return f"0000:{self.id:02x}:00.0"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __int__(self) -> int:
        return self.id

    def __repr__(self) -> str:
        return f"<CUDA Device {self.id}>"


def memory_info(device_id: int) -> tuple[int, int]:
    """Free and total bytes of a device."""
    held = sum(pool._arena_of(device_id).total for pool in _pools)
    return machine.memory - held, machine.memory


# The pool.


class _DeviceArena:
    """A pool's bytes on one device: in use, and taken from the driver altogether."""

    def __init__(self) -> None:
        self.used = self.total = self.blocks = self.limit = 0


_pools: weakref.WeakSet[MemoryPool] = weakref.WeakSet()


class MemoryPool:
    """CuPy's pool by its numbers: what is freed stays taken until free_all_blocks().

    Fragmentation is not modelled: free bytes serve any request. Only a pool of somebody's own hands
    out again at once what it got back (of the same size, on the same stream), as graphs depend on
    it; what comes from the default pool rests, so that its use after being freed is found.
    """

    _is_default = property(lambda self: self is default_pool)

    def __init__(self, allocator: Callable | None = None):
        self._arenas: dict[int, _DeviceArena] = {}
        self._allocator = allocator
        self._spare: dict[tuple[int, int, int], list[int]] = {}
        self._graphs: weakref.WeakSet[Any] = weakref.WeakSet()
        _pools.add(self)

    def __del__(self) -> None:
        self._release()

    def _release(self) -> None:
        for pointers in self._spare.values():
            for pointer in pointers:
                _libraries[0].emulator_free(pointer)
        self._spare.clear()

    def _arena_of(self, device_id: int) -> _DeviceArena:
        return self._arenas.setdefault(device_id, _DeviceArena())

    @property
    def _here(self) -> _DeviceArena:
        return self._arena_of(current_device())

    def malloc(self, size: int) -> MemoryPointer:
        here, rounded = self._here, _rounded(size)
        counters.allocations += 1
        missing = rounded - (here.total - here.used)
        if missing > 0:
            if not self._fits(missing):
                if self._allocator is not None:
                    self._allocator(rounded)
                self.free_all_blocks()
                missing = rounded
                if not self._fits(missing):
                    raise OutOfMemoryError(rounded, here.total, here.limit)
            counters.device_allocations += 1
            here.total += missing
        here.used += rounded
        here.blocks += 1
        memory = Allocation(size, self)
        for hook in _hooks():
            hook.malloc_postprocess(
                device_id=memory.device_id,
                size=size,
                mem_size=rounded,
                mem_ptr=memory.ptr,
                pmem_id=0,
            )
        return MemoryPointer(memory, 0)

    def _fits(self, missing: int) -> bool:
        here = self._here
        if here.limit and here.total + missing > here.limit:
            return False
        return missing <= memory_info(current_device())[0]

    def _take_back(self, size: int, device_id: int) -> None:
        arena_ = self._arena_of(device_id)
        arena_.used -= _rounded(size)
        arena_.blocks -= 1
        for hook in _hooks():
            hook.free_postprocess(
                device_id=device_id, mem_size=_rounded(size), mem_ptr=0, pmem_id=0
            )

    def free_all_blocks(self, stream: Stream | None = None) -> None:
        if self._graphs and self._spare:
            raise EmulationError("free_all_blocks: a captured graph uses what the pool got back")
        self._release()
        self._here.total = self._here.used

    def free_all_free(self) -> None:
        self.free_all_blocks()

    def n_free_blocks(self) -> int:
        return int(self.free_bytes() > 0)

    def used_bytes(self) -> int:
        return self._here.used

    def free_bytes(self) -> int:
        return self._here.total - self._here.used

    def total_bytes(self) -> int:
        return self._here.total

    def set_limit(self, size: int | None = None, fraction: float | None = None) -> None:
        if (size is None) == (fraction is None) and size is not None:
            raise ValueError("size and fraction cannot be specified at one time")
        if fraction is not None:
            size = int(machine.memory * fraction)
        self._here.limit = size or 0

    def get_limit(self) -> int:
        return self._here.limit


class Memory:
    """cupy.cuda.Memory: bytes from the driver, which knows no pool. Here only for its errors."""

    def __init__(self, size: int):
        if size > memory_info(current_device())[0]:
            raise CUDARuntimeError(2, "cudaErrorMemoryAllocation: out of memory")
        raise NotImplementedError("stand-in: Memory(size) outside of a pool")


class MemoryHook:
    """Called when the pool gives and takes back, in the threads that entered it."""

    name = "MemoryHook"

    def __enter__(self) -> MemoryHook:
        if any(hook.name == self.name for hook in _hooks()):
            raise KeyError(f"memory hook {self.name} already exists")
        _hooks().append(self)
        return self

    def __exit__(self, *exc_info: object) -> None:
        _hooks().remove(self)

    def malloc_postprocess(self, **about: Any) -> None:
        """The pool gave a piece of memory."""

    def free_postprocess(self, **about: Any) -> None:
        """The pool took one back."""


def _hooks() -> list[MemoryHook]:
    return _thread.__dict__.setdefault("hooks", [])


def _rounded(size: int) -> int:
    return (size + GRANULARITY - 1) // GRANULARITY * GRANULARITY


default_pool = MemoryPool()
_allocator: list[Callable[[int], MemoryPointer]] = [default_pool.malloc]


def alloc(size: int) -> MemoryPointer:
    """Memory from the current allocator."""
    chosen = getattr(_thread, "allocators", None)
    return (chosen[-1] if chosen else _allocator[0])(size)


def get_allocator() -> Callable[[int], MemoryPointer]:
    chosen = getattr(_thread, "allocators", None)
    return chosen[-1] if chosen else _allocator[0]


def set_allocator(allocator: Callable[[int], MemoryPointer] | None = None) -> None:
    _allocator[0] = allocator or (lambda size: MemoryPointer(Allocation(size), 0))


@contextmanager
def using_allocator(allocator: Callable[[int], MemoryPointer] | None = None) -> Iterator[None]:
    stack = _thread.__dict__.setdefault("allocators", [])
    stack.append(allocator or (lambda size: MemoryPointer(Allocation(size), 0)))
    try:
        yield
    finally:
        stack.pop()


# Pinned host memory.

_pinned: weakref.WeakSet[PinnedMemoryPointer] = weakref.WeakSet()


class PinnedMemoryPointer(bytearray):
    """Host memory that the device may copy from and to while it works; a buffer."""

    def __init__(self, size: int):
        super().__init__(_rounded(max(size, 1)))
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
