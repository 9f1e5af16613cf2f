"""Streams and events.

Work is done as soon as it is queued, but streams are kept apart by vector clocks: to use on one
stream what another wrote, without an event or a synchronisation between them, is an error here,
where a GPU would sometimes be wrong. A stream that captures records instead: results are poison
until the graph is launched.
"""

from __future__ import annotations

import itertools
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from ..settings import counters, machine
from .errors import CUDARuntimeError, invalid, not_while_capturing
from .graphs import Graph as Graph
from .order import Clock, check_order, merge

_known_to_host: Clock = {}
_blocking: Clock = {}  # what all blocking streams have done, also those that are gone
_numbers = itertools.count()
_streams: weakref.WeakSet[Stream] = weakref.WeakSet()
_thread = threading.local()


# Devices: a number per thread.


def current_device() -> int:
    return getattr(_thread, "device", 0)


def set_device(index: int) -> None:
    if not 0 <= index < machine.devices:
        raise CUDARuntimeError(101, "cudaErrorInvalidDevice: invalid device ordinal")
    _thread.device = index


class Stream:
    """cupy.cuda.Stream; ``Stream.null`` is the legacy default stream."""

    null: Stream

    def __init__(
        self,
        null: bool = False,
        non_blocking: bool = False,
        ptds: bool = False,
        priority: int | None = None,
    ):
        self._number = next(_numbers)
        self.ptr = 0 if null else 0x5000 + self._number
        self.device_id = -1 if null else current_device()
        self.null_stream, self.non_blocking, self.ptds = null, non_blocking, ptds
        self.priority = priority or 0
        self._clock: Clock = {}
        self._graph: Graph | None = None
        _streams.add(self)

    @classmethod
    def from_external(cls, external: Any) -> Stream:
        raise NotImplementedError("stand-in: Stream.from_external")

    def _tick(self) -> int:
        """One operation is queued; what the host knows came before it."""
        merge(self._clock, _known_to_host)
        if not self.non_blocking:  # the legacy stream and all blocking ones wait for each other
            merge(self._clock, _blocking if self.ptr == 0 else Stream.null._clock)
        now = self._clock[self._number] = self._clock.get(self._number, 0) + 1
        if not self.non_blocking:
            _blocking[self._number] = now
        return now

    def __enter__(self) -> Stream:
        _stack().append(self)
        return self

    def __exit__(self, *exc_info: object) -> None:
        _stack().pop()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and other.ptr == self.ptr

    def __hash__(self) -> int:
        return hash(self.ptr)

    def use(self) -> Stream:
        _stack()[-1] = self
        return self

    def synchronize(self) -> None:
        wait_for(self, "Stream.synchronize")

    @property
    def done(self) -> bool:
        return True

    is_non_blocking = property(lambda self: self.non_blocking)

    def record(self, event: Event | None = None) -> Event:
        event = event or Event()
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        merge(self._clock, event._clock)

    def launch_host_func(self, callback: Callable[[Any], None], arg: Any) -> None:
        callback(arg)

    def begin_capture(self, mode: int | None = None) -> None:
        if self.ptr == 0:
            raise RuntimeError("cannot capture on the default (legacy) stream")
        if self._graph is not None:
            raise CUDARuntimeError(901, "cudaErrorIllegalState: the stream is capturing already")
        self._graph = Graph()

    def end_capture(self) -> Graph:
        if self._graph is None:
            raise CUDARuntimeError(401, "cudaErrorIllegalState: the stream is not capturing")
        graph, self._graph = self._graph, None
        if graph._broken:
            raise CUDARuntimeError(
                901,
                "cudaErrorStreamCaptureInvalidated: operation failed due to a previous error"
                " during capture",
            )
        return graph

    def is_capturing(self) -> bool:
        return self._graph is not None


class Event:
    def __init__(
        self, block: bool = False, disable_timing: bool = False, interprocess: bool = False
    ):
        self.ptr = 0x9000 + next(_numbers)
        self._clock: Clock = {}
        self._time: float | None = None
        self._timed = not disable_timing

    def record(self, stream: Stream | None = None) -> None:
        stream = stream or current_stream()
        merge(stream._clock, _known_to_host)
        self._clock, self._time = dict(stream._clock), time.perf_counter()

    def synchronize(self) -> None:
        refuse_if_forbidden("Event.synchronize")
        counters.synchronisations += 1
        merge(_known_to_host, self._clock)

    @property
    def done(self) -> bool:
        merge(_known_to_host, self._clock)
        return True


def get_elapsed_time(start: Event, end: Event) -> float:
    """Milliseconds; of the host's clock, so no statement about any GPU."""
    if start._time is None or end._time is None or not (start._timed and end._timed):
        raise invalid("an event was not recorded, or without timing")
    return (end._time - start._time) * 1e3


Stream.null = Stream(null=True)


def _stack() -> list[Stream]:
    """This thread's streams on its device; the last is the current one."""
    stacks = _thread.__dict__.setdefault("stacks", {})
    return stacks.setdefault(current_device(), [Stream.null])


def break_captures() -> None:
    """What is forbidden while a stream captures makes the capture worthless, too."""
    for stream in list(_streams):
        if stream._graph is not None:
            stream._graph._broken = True


def current_stream(device_id: int = -1) -> Stream:
    return _stack()[-1]


def wait_for(stream: Stream | None, what: str) -> None:
    """The host waits for the stream (None: for all), if it may."""
    refuse_if_forbidden(what)
    waited = list(_streams) if stream is None else [stream]
    if any(s._graph is not None for s in waited):
        raise not_while_capturing(what)
    counters.synchronisations += 1
    for s in waited:
        merge(_known_to_host, s._clock)


# cupyx.allow_synchronize


class DeviceSynchronized(RuntimeError):
    """The host waited for the device where cupyx.allow_synchronize(False) forbids it."""


class allow_synchronize:
    """cupyx.allow_synchronize: ``with allow_synchronize(False):`` nothing may wait."""

    def __init__(self, allow: bool):
        self.allow = allow

    def __enter__(self) -> None:
        self.before = getattr(_thread, "allow", True)
        _thread.allow = self.allow

    def __exit__(self, *exc_info: object) -> None:
        _thread.allow = self.before


def refuse_if_forbidden(what: str) -> None:
    if not getattr(_thread, "allow", True):
        raise DeviceSynchronized(f"{what} waits for the device")


# Doing things.


def enqueue(
    work: Callable[[], None],
    reads: Iterable[Any] = (),
    writes: Iterable[Any] = (),
    stream: Stream | None = None,
) -> bool:
    """Do ``work`` on a stream (the current one), which reads and writes these allocations.

    False if the stream captures: then the work has only been recorded.
    """
    stream = stream or current_stream()
    if stream._graph is not None:
        stream._graph._add(work, reads, writes)
        return False
    if machine.order_streams:
        check_order(stream, reads, writes)
    work()
    return True
