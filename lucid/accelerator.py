"""The accelerator of this machine, whichever it is: PyTorch's ``accelerator`` namespace.

lucid knows one kind, CUDA. Scripts that ask here instead of lucid.cuda run without one, too.

>>> device = lucid.accelerator.current_accelerator() or lucid.device("cpu")
"""

from __future__ import annotations

from typing import Any

from lucid import cuda
from lucid.backend import Device
from lucid.cuda import empty_cache as empty_cache
from lucid.cuda import is_available as is_available
from lucid.cuda import max_memory_allocated as max_memory_allocated
from lucid.cuda import max_memory_reserved as max_memory_reserved
from lucid.cuda import memory_allocated as memory_allocated
from lucid.cuda import memory_reserved as memory_reserved
from lucid.cuda import reset_peak_memory_stats as reset_peak_memory_stats


def device_count() -> int:
    """How many accelerators there are; 0 without one."""
    return cuda.device_count()


def current_accelerator(check_available: bool = False) -> Device | None:
    """The kind of accelerator, as a device without an index; None where there is none."""
    return Device("cuda") if is_available() else None


def current_device_index() -> int:
    """The index of the current accelerator."""
    return cuda.current_device()


current_device_idx = current_device_index


def set_device_index(device: Any) -> None:
    """Make this accelerator the current one of this thread."""
    cuda.set_device(device)


set_device_idx = set_device_index


def current_stream(device: Any = None) -> cuda.Stream:
    """The stream that this thread's work is queued on."""
    return cuda.current_stream(device)


def synchronize(device: Any = None) -> None:
    """Wait until the accelerator has done all that was queued."""
    cuda.synchronize(device)
