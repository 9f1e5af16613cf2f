"""Random numbers inside datasets: the same for any number of workers, and after a resume.

Every batch is fetched under seeds of its own, which follow from the epoch's key and the number of
the batch. So an augmentation that draws from ``random``, ``numpy.random`` or lucid's default
generator gives the same batch in whichever process it runs. The sample being fetched is noted, for
transforms that address their random numbers by it.
"""

from __future__ import annotations

import random as python_random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from lucid.backend import philox
from lucid.random import Generator, default_generator

_MASK64 = 2**64 - 1


class Seeds(NamedTuple):
    """Where an epoch's seeds begin: worker w has ``workers + w``, batch b has ``batches + b``."""

    workers: int
    batches: int

    @staticmethod
    def draw(generator: Generator) -> Seeds:
        """The seeds of the next epoch: one block of the generator."""
        return Seeds(*philox.words(generator.reserve(1), 2).tolist())

    def of_worker(self, worker: int) -> int:
        return (self.workers + worker) & _MASK64

    def of_batch(self, number: int) -> int:
        return (self.batches + number) & _MASK64


class Sample:
    """A sample on its way: its batch's seed, its index, how often the batch had it before."""

    __slots__ = ("calls", "index", "repeat", "seed")

    def __init__(self, index: int, repeat: int):
        self.seed, self.index, self.repeat = default_generator.initial_seed(), index, repeat
        self.calls = 0  # of random transforms, counted by them


class _Here(threading.local):
    sample: Sample | None = None


_here = _Here()


def current_sample() -> Sample | None:
    """The sample that a DataLoader is fetching in this thread; None elsewhere."""
    return _here.sample


@contextmanager
def fetching(index: int, repeat: int = 0) -> Iterator[None]:
    """Note which sample is being fetched: 1 us."""
    outer, _here.sample = _here.sample, Sample(index & _MASK64, repeat)
    try:
        yield
    finally:
        _here.sample = outer


def set_seeds(seed: int) -> None:
    """Seed ``random``, ``numpy.random`` and lucid's default generator: 20 us."""
    python_random.seed(seed)
    np.random.seed([seed & 0xFFFFFFFF, seed >> 32])
    default_generator.set_state_tuple((seed, 0, 0))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """``set_seeds`` for the length of the block; afterwards all three are as before."""
    states = (
        python_random.getstate(),
        np.random.get_state(legacy=False),
        default_generator.state_tuple(),
    )
    set_seeds(seed)
    try:
        yield
    finally:
        python_random.setstate(states[0])
        np.random.set_state(states[1])
        default_generator.set_state_tuple(states[2])
