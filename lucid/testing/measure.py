"""Timing that survives a noisy machine: contenders take turns, and a copy runs beside them.

An absolute time says little about code: it says which machine it was, and how busy. So contenders
are called in turns, round after round, in a new order each time; slow minutes fall on all of them.
What is reported is the median with its quartiles, the ratio of two contenders round by round, and
the share of the bandwidth that a plain copy reached in the same minute.

    copy = copier(device, x.nbytes)
    seconds = interleave({"copy": copy, "lucid": f, "torch": g}, synchronize=device.synchronize)
    Summary.of(seconds["lucid"])                        # seconds per call
    ratio(seconds["lucid"], seconds["torch"])           # below 1: lucid is faster
    ratio(seconds["copy"], seconds["lucid"])            # share of the copy's speed
"""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Mapping, Sequence
from statistics import quantiles
from time import perf_counter
from typing import Any, NamedTuple

from lucid.backend import Device

__all__ = ["Summary", "copier", "copy_bandwidth", "interleave", "ratio"]

Call = Callable[[], Any]


class Summary(NamedTuple):
    """The middle of some measurements: median, lower and upper quartile."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Summary:
        """Of one value it is that value, three times."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, median, high = quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)

    @property
    def spread(self) -> float:
        """Between the quartiles, as a fraction of the median: above 0.1 the machine was noisy."""
        return (self.high - self.low) / self.median


def interleave(
    contenders: Mapping[str, Call],
    rounds: int = 15,
    *,
    at_least: float = 2e-3,
    settle: bool = False,
    synchronize: Call | None = None,
) -> dict[str, list[float]]:
    """Seconds per call of each contender, one number for each of ``rounds``, in which all ran.

    One timing repeats a call as often as ``at_least`` seconds need, in a bare loop whose own cost
    (20 ns a turn) stays in. ``synchronize`` waits until the device has done what was queued; it
    is called before the clock starts and before it stops. The collector of cyclic garbage is off.

    ``settle``: each timing is made twice, and the first is thrown away. Another library's idle
    threads still spin for milliseconds after its turn; they'd be counted as this contender's time.
    """
    wait = synchronize or _nothing
    repeats = {name: _repeats(call, at_least, wait) for name, call in contenders.items()}
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    order = list(contenders)
    shuffle = random.Random(0).shuffle
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            shuffle(order)
            for name in order:
                for _ in range(1 + settle):
                    timing = _time(contenders[name], repeats[name], wait)
                seconds[name].append(timing)
    finally:
        if collecting:
            gc.enable()
    return seconds


def ratio(numerator: Sequence[float], denominator: Sequence[float]) -> Summary:
    """The quotients round by round: noise that lasts longer than a round cancels."""
    return Summary.of([a / b for a, b in zip(numerator, denominator, strict=True)])


def copier(device: Device, nbytes: int) -> Call:
    """A call that copies ``nbytes`` from one array of the device to another, at its best speed.

    On the CPU it is shared among as many threads as lucid's own work is.
    """
    xp = device.xp
    source, target = xp.ones(nbytes, "uint8"), xp.empty(nbytes, "uint8")
    target[...] = source  # its memory is now there
    if device.type != "cpu":
        return lambda: xp.copyto(target, source)
    from lucid.backend.cpu.threads import parallel_for

    def copy(start: int, stop: int) -> None:
        target[start:stop] = source[start:stop]

    return lambda: parallel_for(copy, nbytes, 1 << 20)


def copy_bandwidth(device: Device, nbytes: int, rounds: int = 15) -> Summary:
    """Bytes per second, read and written ones both counted, of a copy of ``nbytes``."""
    calls = {"copy": copier(device, nbytes)}
    times = interleave(calls, rounds, synchronize=device.synchronize)["copy"]
    return Summary.of([2 * nbytes / seconds for seconds in times])


def _time(call: Call, repeats: int, wait: Call) -> float:
    turns = range(repeats)
    wait()
    start = perf_counter()
    for _ in turns:
        call()
    wait()
    return (perf_counter() - start) / repeats


def _repeats(call: Call, at_least: float, wait: Call) -> int:
    """How many calls take ``at_least`` seconds. Their running is the warm-up."""
    repeats = 1
    while True:
        seconds = _time(call, repeats, wait) * repeats
        if seconds >= at_least:
            return repeats
        grow = at_least / seconds * 1.2 if seconds else 10.0
        repeats = max(repeats + 1, int(repeats * min(grow, 10.0)))


def _nothing() -> None:
    pass
