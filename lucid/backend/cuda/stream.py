"""Streams and events, with PyTorch's names for what CuPy offers."""

from __future__ import annotations

from typing import Any

from lucid.backend import capture
from lucid.backend.cuda.availability import cupy
from lucid.backend.device import Device


class Stream:
    """A queue of work on a device. ``with lucid.cuda.stream(s):`` queues on it.

    Streams run side by side: what one reads and another wrote must be ordered, by an event,
    ``wait_stream`` or ``synchronize``.
    """

    def __init__(self, device: Any = None, priority: int = 0, *, _handle: Any = None):
        self.device: Any = Device("cuda" if device is None else device).concrete()
        if _handle is None:
            token = self.device.enter()
            try:
                # Only an asked for priority is passed on: CuPy's default is the driver's.
                settings = {"priority": priority} if priority else {}
                _handle = cupy().cuda.Stream(non_blocking=True, **settings)
            finally:
                self.device.leave(token)
        self._handle = _handle
        self._entered: list[Any] = []

    @property
    def cuda_stream(self) -> int:
        """The address that CUDA libraries take."""
        return int(self._handle.ptr)

    def synchronize(self) -> None:
        """Wait until all that was queued here is done."""
        _refuse_waiting()
        self._handle.synchronize()

    def query(self) -> bool:
        """Whether all that was queued here is done."""
        return bool(self._handle.done)

    def record_event(self, event: Event | None = None) -> Event:
        """An event that happens when all that was queued until now is done."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """What is queued from now on begins after the event. The host does not wait."""
        if event._handle is not None:  # one that was never recorded has happened
            self._handle.wait_event(event._handle)

    def wait_stream(self, stream: Stream) -> None:
        """What is queued from now on begins after all that is queued there now."""
        self.wait_event(stream.record_event())

    def __enter__(self) -> Stream:
        """Queue on this stream; its device becomes the current one."""
        token = self.device.enter()
        self._handle.__enter__()
        self._entered.append(token)
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._handle.__exit__(*exc_info)
        self.device.leave(self._entered.pop())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and other.cuda_stream == self.cuda_stream

    def __hash__(self) -> int:
        return hash(self.cuda_stream)

    def __repr__(self) -> str:
        return f"lucid.cuda.Stream(device={self.device}, cuda_stream={self.cuda_stream:#x})"


class Event:
    """A mark in a stream, to be waited for or, with ``enable_timing``, to measure time."""

    def __init__(
        self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False
    ):
        self._settings = {
            "block": blocking,
            "disable_timing": not enable_timing,
            "interprocess": interprocess,
        }
        self._handle: Any = None

    def record(self, stream: Stream | None = None) -> None:
        """Put the mark behind all that is queued on the stream, else on the current one."""
        stream = current_stream() if stream is None else stream
        if self._handle is None:
            token = stream.device.enter()
            try:
                self._handle = cupy().cuda.Event(**self._settings)
            finally:
                stream.device.leave(token)
        self._handle.record(stream._handle)

    def wait(self, stream: Stream | None = None) -> None:
        """Let the stream, else the current one, wait for the mark."""
        (current_stream() if stream is None else stream).wait_event(self)

    def synchronize(self) -> None:
        """Wait until the mark is reached."""
        _refuse_waiting()
        if self._handle is not None:
            self._handle.synchronize()

    def query(self) -> bool:
        """Whether the mark is reached, or was never set."""
        return self._handle is None or bool(self._handle.done)

    def elapsed_time(self, end: Event) -> float:
        """Milliseconds from this mark to that one; both reached, both with ``enable_timing``."""
        if self._handle is None or end._handle is None:
            raise RuntimeError("elapsed_time: both events must have been recorded")
        return float(cupy().cuda.get_elapsed_time(self._handle, end._handle))


def _refuse_waiting() -> None:
    if capture.active:
        capture.refuse("synchronize: the host can't wait", "synchronize between replays")


def current_stream(device: Any = None) -> Stream:
    """The stream on which work of this thread is queued on the device, else on the current one."""
    where: Any = Device("cuda" if device is None else device).concrete()
    token = where.enter()
    try:
        return Stream(where, _handle=cupy().cuda.get_current_stream())
    finally:
        where.leave(token)


def default_stream(device: Any = None) -> Stream:
    """lucid's own stream of the device: the current one unless another was entered."""
    where: Any = Device("cuda" if device is None else device).concrete()
    return Stream(where, _handle=where.stream)
