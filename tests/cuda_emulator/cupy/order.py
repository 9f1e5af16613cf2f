"""Vector clocks: what one stream does must be ordered after what others did to the same memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .errors import EmulationError

if TYPE_CHECKING:
    from .streams import Stream

Clock = dict[int, int]  # stream number -> how many of its operations are known to be finished
DEFAULT = 0  # the number of the legacy default stream, which is the first to be made


def merge(into: Clock, other: Clock) -> None:
    for stream, time_ in other.items():
        if into.get(stream, 0) < time_:
            into[stream] = time_


def check_order(stream: Stream, reads: Iterable[Any], writes: Iterable[Any]) -> None:
    now = stream._tick()
    for memory in reads:
        if memory.written is not None:
            _require_before(stream, *memory.written, "read", "written")
        memory.read[stream._number] = now
    for memory in writes:
        if memory.written is not None:
            _require_before(stream, *memory.written, "write", "written")
        for number, time_ in memory.read.items():
            _require_before(stream, number, time_, "write", "read")
        memory.written, memory.read = (stream._number, now), {}


def _require_before(stream: Stream, number: int, time_: int, doing: str, done: str) -> None:
    if number != stream._number and stream._clock.get(number, 0) < time_:
        name = {DEFAULT: "the default stream"}
        raise EmulationError(
            f"stream race: {doing} on {name.get(stream._number, f'stream {stream._number}')}, last"
            f" {done} on {name.get(number, f'stream {number}')}, and nothing orders the two"
            " (no event, wait_event or synchronize between them)"
        )
