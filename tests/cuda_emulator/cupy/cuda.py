"""cupy.cuda: devices, streams, memory, kernels."""

from __future__ import annotations

from . import driver as driver
from . import memory as memory
from . import runtime as runtime
from .device import Device as Device
from .kernels import Function as Function
from .memory import Memory as Memory
from .memory import MemoryHook as MemoryHook
from .memory import MemoryPointer as MemoryPointer
from .memory import MemoryPool as MemoryPool
from .memory import alloc as alloc
from .memory import get_allocator as get_allocator
from .memory import set_allocator as set_allocator
from .memory import using_allocator as using_allocator
from .pinned import PinnedMemoryPointer as PinnedMemoryPointer
from .pinned import PinnedMemoryPool as PinnedMemoryPool
from .pinned import pinned_pool
from .streams import Event as Event
from .streams import Graph as Graph
from .streams import Stream as Stream
from .streams import current_device as get_device_id
from .streams import current_stream as get_current_stream
from .streams import get_elapsed_time as get_elapsed_time

__all__ = ["get_current_stream", "get_device_id"]


def is_available() -> bool:
    return True


def alloc_pinned_memory(size: int) -> PinnedMemoryPointer:
    return pinned_pool.malloc(size)


def set_pinned_memory_allocator(allocator: object = None) -> None:
    """Pinned memory is not pooled here."""
