"""What the emulated machine is like, and what has happened on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields

DEVICE_NAME = "CUDA emulator (CPU)"


@dataclass
class Machine:
    """Change a field for a test with ``machine_with``."""

    mode: str = os.environ.get("CUDA_EMULATOR_MODE", "check")  # "fast": without the checks
    schedule: int = int(os.environ.get("CUDA_EMULATOR_SCHEDULE", "0"))  # -1 reversed, > 0 random
    devices: int = 1
    architecture: int = 90
    memory: int = 4 << 30  # bytes per device
    multiprocessors: int = 4
    order_streams: bool = True  # refuse what no event or synchronisation orders


# Dynamic shared memory that a block may have after opting in, by architecture.
SHARED_MEMORY = {
    75: 65536,
    80: 166912,
    86: 101376,
    89: 101376,
    90: 232448,
    100: 232448,
    120: 101376,
}

machine = Machine()


@contextmanager
def machine_with(**changes: object) -> Iterator[Machine]:
    """The machine with some fields changed, for the length of a block."""
    before = asdict(machine)
    for name, value in changes.items():
        if name not in before:
            raise TypeError(f"the emulated machine has no {name!r}")
        setattr(machine, name, value)
    try:
        yield machine
    finally:
        for name in changes:
            setattr(machine, name, before[name])


@dataclass
class Counters:
    """What a program asked of the device since the start, or within ``counting()``."""

    launches: int = 0  # raw kernels
    operations: int = 0  # CuPy's own kernels: ufuncs, reductions, fills, gathers
    graph_launches: int = 0
    h2d: int = 0
    d2h: int = 0
    pinned: int = 0  # of h2d and d2h, those from and to pinned memory
    d2d: int = 0  # plain copies
    synchronisations: int = 0  # the host waited
    allocations: int = 0  # asked of the pool
    device_allocations: int = 0  # asked of the driver, because the pool had nothing


counters = Counters()


@contextmanager
def counting() -> Iterator[Counters]:
    """``with counting() as c: step()``; then ``c.launches`` and the others are the step's."""
    before = asdict(counters)
    difference = Counters()
    try:
        yield difference
    finally:
        for field in fields(Counters):
            now = getattr(counters, field.name)
            setattr(difference, field.name, now - before[field.name])
