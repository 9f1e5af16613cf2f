"""Where random transforms get their numbers: from an address, not from a sequence.

Within a DataLoader the address of a draw is: the seed of the batch (which follows from the epoch's
key and the number of the batch), the index of the sample, the how-manyth call of a transform for
that sample, and the position of the transform in ``Compose`` and the like. So the numbers are the
same for any number of workers and after a resume; a transform that draws more, or is skipped by
``RandomApply``, changes nothing for those after it; and two calls for one sample (two views of an
image) differ. A sample that one batch holds twice gets different numbers for each.

Elsewhere every call from outside takes one block of the default generator, if anything in it is
random, and derives all its numbers from that.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from lucid.backend import philox
from lucid.backend.philox import Key
from lucid.random import Generator, default_generator
from lucid.utils.data import seeding

__all__ = ["Frame", "Source", "begin_call", "inside", "source"]

Node = tuple[int, int]  # seed and stream

_SAMPLES = 1 << 80  # offsets from here on are of samples; a generator's own draws don't come so far
_BLOCKS = 2  # of four words, fetched at a time: a crop needs two words, the erasing of a part six
_DRAWS = 1 << 48  # offsets from here on are a transform's draws; below are its parts' addresses


class Frame:
    """The address of a call, computed when something in it is random."""

    def __init__(self, make: Callable[[], Node]):
        self._make = make
        self._node: Node | None = None
        self.calls = 0  # begun within it

    @property
    def node(self) -> Node:
        if self._node is None:
            self._node = self._make()
        return self._node

    def at(self, position: int) -> Frame:
        """The address of the part at this position."""
        return Frame(lambda: _derived(Key(*self.node, position)))

    def source(self) -> Source:
        """The numbers of this call itself."""
        generator = Generator()
        generator.set_state_tuple((*self.node, _DRAWS))
        return Source(generator)


class _Here(threading.local):
    frame: Frame | None = None


_here = _Here()


def begin_call() -> Frame:
    """The address of a call that begins now, to be taken once for each call."""
    outer = _here.frame
    if outer is not None:
        outer.calls += 1
        return outer.at(outer.calls - 1)
    sample = seeding.current_sample()
    if sample is None:
        return Frame(lambda: _derived(default_generator.reserve(1)))
    sample.calls += 1
    offset = _SAMPLES + (sample.repeat << 32) + sample.calls
    return Frame(lambda: _derived(Key(sample.seed, sample.index, offset)))


@contextmanager
def inside(frame: Frame) -> Iterator[None]:
    """Calls begun within it have addresses within the frame."""
    outer, _here.frame = _here.frame, frame
    try:
        yield
    finally:
        _here.frame = outer


def source(generator: Generator | None = None) -> Source:
    """The numbers for one call of a random transform; ``generator`` is used in place of them."""
    return begin_call().source() if generator is None else Source(generator)


def _derived(key: Key) -> Node:
    seed, stream = philox.words(key, 2).tolist()
    return seed, stream


class Source:
    """Python numbers from a generator, for decisions about one image.

    A uniform number and an integer are made of one word each, as in ``lucid.backend.philox``; the
    words are fetched some at a time, 2 us, and the arithmetic is Python's.
    """

    def __init__(self, generator: Generator):
        self.generator = generator
        self._words: list[int] = []  # still to be used, the next one last

    def _word(self) -> int:
        if not self._words:
            words = philox.words(self.generator.reserve(_BLOCKS), 4 * _BLOCKS)
            self._words = words[::-1].tolist()
        return self._words.pop()

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A double in [low, high)."""
        return low + (high - low) * ((self._word() >> 11) * 2.0**-53)

    def integer(self, low: int, high: int) -> int:
        """An integer in [low, high)."""
        return low + (self._word() * (high - low) >> 64)

    def permutation(self, n: int) -> list[int]:
        """0, ..., n - 1 in random order."""
        key = self.generator.reserve(philox.blocks_for("permutation", n))
        return philox.permutation(key, n).tolist()

    def normal(self, shape: tuple[int, ...]) -> np.ndarray:
        """float32 from the standard normal distribution."""
        count = math.prod(shape)
        key = self.generator.reserve(philox.blocks_for("normal", count, np.float32))
        return philox.normal(key, count, np.float32).reshape(shape)

    def beta(self, alpha: float) -> float:
        """From Beta(alpha, alpha), as the share of one of two gamma variates."""
        one, two = self._log_gamma(alpha), self._log_gamma(alpha)
        return 1 / (1 + math.exp(min(two - one, 700.0)))  # exp(710) overflows

    def dirichlet(self, alpha: float, n: int) -> list[float]:
        """n shares of 1, from Dirichlet(alpha, ..., alpha)."""
        logs = [self._log_gamma(alpha) for _ in range(n)]
        sizes = [math.exp(v - max(logs)) for v in logs]
        return [v / sum(sizes) for v in sizes]

    def _log_gamma(self, alpha: float) -> float:
        """The logarithm of a Gamma(alpha) variate, which for small alpha is out of range itself.

        Marsaglia and Tsang, "A simple method for generating gamma variables", 2000.
        """
        if alpha < 1:
            return self._log_gamma(alpha + 1) + math.log(1 - self.uniform()) / alpha
        d = alpha - 1 / 3
        while True:
            # Box and Muller: a normal number from two uniform ones
            x = math.sqrt(-2 * math.log(1 - self.uniform())) * math.cos(math.tau * self.uniform())
            v = (1 + x / math.sqrt(9 * d)) ** 3
            if v > 0 and math.log(1 - self.uniform()) < x * x / 2 + d - d * v + d * math.log(v):
                return math.log(d * v)
