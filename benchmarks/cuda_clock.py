"""Timing on a GPU by CUDA events, contenders taking turns; PyTorch as a peer where it has CUDA.

An event is a mark in a stream; the time between two of them is the device's own, without what the
host does before and after. lucid and PyTorch queue on streams of their own: each is timed on its
own, while the other one is idle.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import random
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

from lucid.backend.cuda import memory
from lucid.backend.cuda.stream import Event

Call = Callable[[], Any]
AT_LEAST = 5e-3  # seconds in one timing: the host's first call is then noise


class Contender(NamedTuple):
    """A call, and the class of the events which its work is timed with."""

    call: Call
    event: Callable[..., Any] = Event


class Peer(NamedTuple):
    """PyTorch, and the name of the device that it is to use."""

    torch: Any
    device: str = "cuda"

    def contender(self, call: Call) -> Contender:
        """A call of PyTorch's."""
        return Contender(call, self.torch.cuda.Event)

    def wait(self) -> None:
        """Until the device has done what PyTorch queued."""
        self.torch.cuda.synchronize()

    def memory(self, call: Call) -> int:
        """Bytes at the peak of a call beyond what was held before it."""
        self.torch.cuda.reset_peak_memory_stats()
        before = self.torch.cuda.memory_allocated()
        call()
        return self.torch.cuda.max_memory_allocated() - before

    def release_memory(self) -> None:
        """Give what nobody holds back to the driver."""
        self.torch.cuda.empty_cache()


@cache
def peer() -> Peer | None:
    """PyTorch in this process, if it is installed and finds the GPU."""
    if importlib.util.find_spec("torch") is None:
        return None
    torch = importlib.import_module("torch")
    return Peer(torch) if torch.cuda.is_available() else None


def take_turns(
    contenders: Mapping[str, Contender], rounds: int, at_least: float = AT_LEAST
) -> dict[str, list[float]]:
    """Seconds per call of each contender, a number for each round, in which all had their turn."""
    repeats = {name: _repeats(contender, at_least) for name, contender in contenders.items()}
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    order = list(contenders)
    shuffle = random.Random(0).shuffle
    gc.collect()
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            shuffle(order)
            for name in order:
                seconds[name].append(_time(contenders[name], repeats[name]))
    finally:
        if collecting:
            gc.enable()
    return seconds


def release_memory() -> None:
    """Give all that nobody holds back to the driver, so that the peer finds it."""
    gc.collect()
    memory.empty_cache()
    if other := peer():
        other.release_memory()


def free_memory() -> int:
    """Bytes that are free on the device."""
    return memory.info()[0]


def _time(contender: Contender, repeats: int) -> float:
    start, end = contender.event(enable_timing=True), contender.event(enable_timing=True)
    start.record()
    for _ in range(repeats):
        contender.call()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1e3 / repeats


def _repeats(contender: Contender, at_least: float) -> int:
    """How many calls fill ``at_least`` seconds; after two that only warm up (and compile)."""
    _time(contender, 2)
    repeats = 1
    while True:
        seconds = _time(contender, repeats) * repeats
        if seconds >= at_least:
            return repeats
        grow = at_least / seconds * 1.2 if seconds else 10.0
        repeats = max(repeats + 1, int(repeats * min(grow, 10.0)))
