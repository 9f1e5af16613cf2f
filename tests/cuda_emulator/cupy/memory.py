"""CuPy's pool of device memory with its statistics, limits and hooks."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..settings import counters, machine
from .allocation import Allocation, memcpy, memset, release
from .device import Device
from .errors import CUDARuntimeError, EmulationError, OutOfMemoryError
from .streams import Stream, current_device

GRANULARITY = 512  # of CuPy's pool

_thread = threading.local()


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


def memory_info(device_id: int) -> tuple[int, int]:
    """Free and total bytes of a device."""
    held = sum(pool._arena_of(device_id).total for pool in _pools)
    return machine.memory - held, machine.memory


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
        if release is not None:  # else the interpreter is ending
            self._release()

    def _release(self) -> None:
        for pointers in self._spare.values():
            for pointer in pointers:
                release(pointer)
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
