"""cupy.cuda.runtime: the few functions of it that a backend calls."""

from __future__ import annotations

from typing import Any

from ..settings import DEVICE_NAME, SHARED_MEMORY, machine
from . import memory, streams
from .errors import CUDARuntimeError as CUDARuntimeError
from .kernels import _stream_at

memcpyHostToHost, memcpyHostToDevice, memcpyDeviceToHost, memcpyDeviceToDevice = range(4)
memcpyDefault = 4
streamNonBlocking = 1
streamCaptureModeGlobal, streamCaptureModeThreadLocal, streamCaptureModeRelaxed = range(3)
is_hip = False

getDevice = streams.current_device
setDevice = streams.set_device


def getDeviceCount() -> int:
    return machine.devices


def runtimeGetVersion() -> int:
    return 13000


def driverGetVersion() -> int:
    return 13000


def _device_attributes() -> dict[str, int]:
    shared = SHARED_MEMORY[machine.architecture]
    return {
        "MultiProcessorCount": machine.multiprocessors,
        "MaxThreadsPerBlock": 1024,
        "MaxThreadsPerMultiProcessor": 2048,
        "MaxSharedMemoryPerBlock": 49152,
        "MaxSharedMemoryPerBlockOptin": shared,
        "MaxRegistersPerBlock": 65536,
        "WarpSize": 32,
        "ComputeCapabilityMajor": machine.architecture // 10,
        "ComputeCapabilityMinor": machine.architecture % 10,
    }


_ATTRIBUTES = {
    1: "MaxThreadsPerBlock", 8: "MaxSharedMemoryPerBlock", 10: "WarpSize",
    12: "MaxRegistersPerBlock", 16: "MultiProcessorCount", 39: "MaxThreadsPerMultiProcessor",
    75: "ComputeCapabilityMajor", 76: "ComputeCapabilityMinor", 97: "MaxSharedMemoryPerBlockOptin",
}  # fmt: skip
cudaDevAttrMultiProcessorCount = 16


def deviceGetAttribute(attribute: int, device: int) -> int:
    return _device_attributes()[_ATTRIBUTES[attribute]]


def getDeviceProperties(device: int) -> dict[str, Any]:
    if not 0 <= device < machine.devices:
        raise CUDARuntimeError(101, "cudaErrorInvalidDevice: invalid device ordinal")
    return {
        "name": DEVICE_NAME.encode(),
        "major": machine.architecture // 10,
        "minor": machine.architecture % 10,
        "totalGlobalMem": machine.memory,
        "multiProcessorCount": machine.multiprocessors,
        "warpSize": 32,
        "maxThreadsPerBlock": 1024,
        "maxThreadsPerMultiProcessor": 2048,
        "sharedMemPerBlock": 49152,
        "sharedMemPerBlockOptin": SHARED_MEMORY[machine.architecture],
        "regsPerBlock": 65536,
        "l2CacheSize": 50 << 20,
        "memoryBusWidth": 0,
        "memoryClockRate": 0,
        "clockRate": 0,
        "integrated": 0,
        "pciBusID": device,
    }


def memGetInfo() -> tuple[int, int]:
    return memory.memory_info(streams.current_device())


def deviceSynchronize() -> None:
    streams.wait_for(None, "deviceSynchronize")


def deviceCanAccessPeer(device: int, peer: int) -> int:
    return 0


def streamSynchronize(stream: int) -> None:
    streams.wait_for(_stream_at(stream), "streamSynchronize")


def streamWaitEvent(stream: int, event: int, flags: int = 0) -> None:
    raise NotImplementedError("stand-in: streamWaitEvent; use Stream.wait_event")


def streamIsCapturing(stream: int) -> bool:
    return _stream_at(stream).is_capturing()


_KINDS = {1: "h2d", 2: "d2h", 3: "d2d"}


def _kind(dst: int, src: int, kind: int) -> str:
    if kind == memcpyDefault:
        sides = ["h" if memory.allocation_at(a) is None else "d" for a in (src, dst)]
        return "2".join(sides)
    return _KINDS[kind]


def memcpyAsync(dst: int, src: int, size: int, kind: int, stream: int) -> None:
    memory.memcpy(dst, src, size, _kind(dst, src, kind), _stream_at(stream))


def memcpy(dst: int, src: int, size: int, kind: int) -> None:
    memory.memcpy(dst, src, size, _kind(dst, src, kind), streams.Stream.null)
    streams.wait_for(streams.Stream.null, "memcpy")


def memsetAsync(ptr: int, value: int, size: int, stream: int) -> None:
    memory.memset(ptr, value, size, _stream_at(stream))


def memset(ptr: int, value: int, size: int) -> None:
    memory.memset(ptr, value, size, streams.Stream.null)


def profilerStart() -> None:
    """No profiler listens."""


def profilerStop() -> None:
    """No profiler listens."""
