"""NVIDIA GPUs: PyTorch's ``cuda`` namespace, a thin face on lucid.backend.cuda.

Nothing happens before the first call that needs a device; without one, each says what is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from lucid import ops, random
from lucid.backend import Device
from lucid.backend.cuda import memory as _memory
from lucid.backend.cuda.availability import cupy as _cupy
from lucid.backend.cuda.availability import is_available as is_available
from lucid.backend.cuda.availability import why_unavailable as why_unavailable
from lucid.backend.cuda.memory import OutOfMemoryError as OutOfMemoryError
from lucid.backend.cuda.stream import Event as Event
from lucid.backend.cuda.stream import Stream as Stream
from lucid.backend.cuda.stream import current_stream as current_stream
from lucid.backend.cuda.stream import default_stream as default_stream
from lucid.tensor import Tensor

# Devices.


def device_count() -> int:
    """How many CUDA devices there are; 0 without CuPy or driver."""
    return int(_cupy().cuda.runtime.getDeviceCount()) if is_available() else 0


def current_device() -> int:
    """The index of the device that "cuda" means."""
    return int(_cupy().cuda.runtime.getDevice())


def set_device(device: Any) -> None:
    """Make this the device that "cuda" means, in this thread, from now on."""
    _cupy().cuda.runtime.setDevice(_device(device).index)


class device:
    """``with lucid.cuda.device(1):`` "cuda" means that device, in this thread. None: no change."""

    def __init__(self, device: Any):
        self._chosen = None if device is None else _device(device)
        self._tokens: list[Any] = []

    def __enter__(self) -> device:
        self._tokens.append(self._chosen.enter() if self._chosen is not None else None)
        return self

    def __exit__(self, *exc_info: object) -> None:
        token = self._tokens.pop()
        if self._chosen is not None:
            self._chosen.leave(token)


class DeviceProperties(NamedTuple):
    """What a device is like."""

    name: str
    major: int
    minor: int
    total_memory: int  # bytes
    multi_processor_count: int
    warp_size: int
    max_threads_per_multi_processor: int
    shared_memory_per_block: int
    regs_per_multiprocessor: int
    L2_cache_size: int


def get_device_properties(device: Any = None) -> DeviceProperties:
    """Name, compute capability, memory and sizes of a device."""
    about = _cupy().cuda.runtime.getDeviceProperties(_device(device).index)
    return DeviceProperties(
        about["name"].decode(),
        about["major"],
        about["minor"],
        about["totalGlobalMem"],
        about["multiProcessorCount"],
        about["warpSize"],
        about["maxThreadsPerMultiProcessor"],
        about["sharedMemPerBlock"],
        about["regsPerBlock"],
        about["l2CacheSize"],
    )


def get_device_name(device: Any = None) -> str:
    """What the maker calls the device, e.g. "NVIDIA H200"."""
    return get_device_properties(device).name


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """The compute capability, e.g. (9, 0)."""
    about = get_device_properties(device)
    return about.major, about.minor


def is_bf16_supported() -> bool:
    """Always: below compute capability 8.0 bfloat16 is emulated by integer instructions."""
    return is_available()


def synchronize(device: Any = None) -> None:
    """Wait until the device has done all that was queued."""
    _device(device).synchronize()


@contextmanager
def stream(stream: Stream | None) -> Iterator[None]:
    """Queue this thread's work on a stream. None: no change."""
    if stream is None:
        yield
        return
    with stream:
        yield


# Memory.


def memory_allocated(device: Any = None) -> int:
    """Bytes that arrays hold on the device."""
    return _on(device, _memory.allocated)


def max_memory_allocated(device: Any = None) -> int:
    """The largest that memory_allocated has been, since the start or reset_peak_memory_stats."""
    return _on(device, _memory.most_allocated)


def reset_peak_memory_stats(device: Any = None) -> None:
    """Let max_memory_allocated begin again from now."""
    _on(device, _memory.forget_peak)


def memory_reserved(device: Any = None) -> int:
    """Bytes taken from the driver: held by arrays, or kept for the next ones."""
    return _on(device, _memory.reserved_bytes)


def memory_summary(device: Any = None) -> str:
    """The memory statistics as text, with the layers and operations that hold most."""
    return _on(device, _memory.summary)


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """(free, total) bytes of the device, as the driver sees it."""
    return _on(device, _memory.info)


def empty_cache() -> None:
    """Give memory that no array holds back to the driver."""
    if is_available():
        _on(None, _memory.empty_cache)


# Random numbers. One generator serves all devices: its state is nobody's in particular.


def manual_seed(seed: int) -> None:
    """Seed the default generator, which all devices share: the same as ``lucid.manual_seed``."""
    random.manual_seed(seed)


def manual_seed_all(seed: int) -> None:
    """Seed the default generator, which all devices share: the same as ``lucid.manual_seed``."""
    random.manual_seed(seed)


def seed() -> None:
    """Seed the default generator from the operating system's entropy."""
    random.seed()


seed_all = seed


def initial_seed() -> int:
    """The seed of the default generator."""
    return random.initial_seed()


def get_rng_state(device: Any = "cuda") -> Tensor:
    """The default generator's state, which is the same for every device: a uint8 CPU tensor."""
    return ops.sampling.get_rng_state()


def get_rng_state_all() -> list[Tensor]:
    """get_rng_state once per device."""
    return [get_rng_state() for _ in range(device_count())]


def set_rng_state(new_state: Tensor, device: Any = "cuda") -> None:
    """Set the default generator's state, and so that of every device."""
    ops.sampling.set_rng_state(new_state)


def set_rng_state_all(new_states: Iterable[Tensor]) -> None:
    """Set the state; all must be alike, as get_rng_state_all gives them."""
    states = list(new_states)
    if any(s.tolist() != states[0].tolist() for s in states):
        raise ValueError("set_rng_state_all: one generator serves all devices; got several states")
    for state in states[:1]:
        set_rng_state(state)


def _device(device: Any) -> Any:
    chosen = Device("cuda" if device is None else device)
    if chosen.type != "cuda":
        raise ValueError(f"cuda: expected a CUDA device; got {chosen}")
    return chosen.concrete()


def _on(device: Any, function: Any) -> Any:
    chosen = _device(device)
    token = chosen.enter()
    try:
        return function()
    finally:
        chosen.leave(token)
