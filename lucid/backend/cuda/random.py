"""Random numbers drawn on the device: the numbers of lucid.backend.philox, from the same keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from lucid.backend import philox
from lucid.backend.cuda.arrays import THREADS, grid_over
from lucid.backend.cuda.availability import cupy
from lucid.backend.cuda.kernel import Kernel

__all__ = ["KEY", "WORDS", "CapturedKey", "Draws", "draw", "key_arguments", "prepare"]

# A key as kernels take it, and kernels/include/philox.cuh puts it together.
KEY = "u64 seed, u64 stream, u64 offset_low, u64 offset_high, const u64*? base"

_uniform = Kernel("random.cu", "uniform", f"T* y, i64 count, {KEY}")
_normal = Kernel("random.cu", "normal", f"T* y, i64 count, {KEY}")
_decisions = Kernel("random.cu", "decisions", f"T* y, i64 count, u64 threshold, {KEY}", ("bool",))
_integers = Kernel(
    "random.cu", "integers", f"T* y, i64 count, i64 low, u64 range, {KEY}", ("int64",)
)
_words = Kernel("random.cu", "words", f"T* y, i64 count, {KEY}", ("uint64",))
_advance = Kernel("capture.cu", "advance", "T* words", ("uint64",))
WORDS = 6  # offset (2), seed, stream, blocks per replay (2)

_MASK64 = 2**64 - 1


class CapturedKey(philox.Key):
    """A key drawn while a graph was captured: every replay draws other numbers with it.

    ``base``, on the device: the generator's state as the last replay found it (low and high word of
    the offset, seed, stream). ``first``: the offset that this key's counts from.
    """

    base: Any = None
    first: int = 0


def key_arguments(key: philox.Key) -> tuple[int, int, int, int, Any]:
    """The arguments for KEY."""
    seed, stream, offset = key
    if isinstance(key, CapturedKey):
        offset -= key.first
        return seed, stream, offset & _MASK64, offset >> 64, key.base
    return seed, stream, offset & _MASK64, offset >> 64, None


class Draws:
    """The numbers that one captured graph draws from one generator.

    Their kernels read the generator's state from the device. A kernel in front of them moves the
    offset there on by what a replay draws, as the generator's own is moved on; the host writes only
    when somebody else drew or seeded in between.
    """

    def __init__(self, generator: Any, words: Any):
        self._generator, self._words = generator, words
        self._state = generator.state_tuple()
        self._total = 0
        _advance(1, 1, numpy.dtype(numpy.uint64), words)

    def key(self, blocks: int) -> CapturedKey:
        """The next draw's key."""
        seed, stream, first = self._state
        key = CapturedKey(seed, stream, first + self._total)
        key.base, key.first = self._words, first
        self._total += blocks
        return key

    def begin(self) -> None:
        """Nothing is captured any more: the next replay draws what the next step would."""
        self._write(*self._state)

    def replay(self) -> None:
        """Take a replay's numbers from the generator, before it is launched."""
        seed, stream, offset = self._generator.reserve(self._total)
        if (seed, stream, offset) != self._state:
            self._write(seed, stream, offset)
        self._state = seed, stream, offset + self._total

    def _write(self, seed: int, stream: int, offset: int) -> None:
        before = (offset - self._total) % 2**128
        total = self._total
        words = [before & _MASK64, before >> 64, seed, stream, total & _MASK64, total >> 64]
        self._words.set(numpy.array(words, numpy.uint64))


def prepare() -> None:
    """Load on the current device what a capture needs: loading may wait, which a capture can't."""
    _advance(1, 1, numpy.dtype(numpy.uint64), cupy().zeros(WORDS, numpy.uint64))


def draw(kind: str, key: philox.Key, *settings: Any) -> Any:
    """``count`` numbers, 1-D: philox's function for ``kind`` with these settings."""
    return _DRAWS[kind](key, *settings)


def _made(
    kernel: Kernel, key: philox.Key, count: int, dtype: Any, per_block: int, *more: Any
) -> Any:
    dtype = numpy.dtype(dtype)
    y = cupy().empty(count, dtype)
    if count:
        grid = grid_over(count, THREADS * per_block)
        kernel(grid, THREADS, dtype, y, count, *more, *key_arguments(key))
    return y


def _numbers(kernel: Kernel, key: philox.Key, count: int, dtype: Any) -> Any:
    return _made(kernel, key, count, dtype, 4 if numpy.dtype(dtype).itemsize == 8 else 8)


def decisions(key: philox.Key, count: int, threshold: int) -> Any:
    """True for a drop."""
    return _made(_decisions, key, count, numpy.bool_, 16, threshold)


def integers(key: philox.Key, count: int, low: int, high: int) -> Any:
    """In [low, high), int64."""
    if not -(2**63) <= low < high <= 2**63:
        raise ValueError(
            f"integers: low must be below high, both within int64; got low={low}, high={high}"
        )
    return _made(_integers, key, count, numpy.int64, 4, low, (high - low) & _MASK64)


def words(key: philox.Key, count: int) -> Any:
    """The draw's words themselves, uint64."""
    return _made(_words, key, count, numpy.uint64, 4)


def permutation(key: philox.Key, n: int) -> Any:
    """A random order of range(n), int64."""
    return cupy().argsort(words(key, n), kind="stable").astype(numpy.int64, copy=False)


_DRAWS: dict[str, Callable[..., Any]] = {
    "decisions": decisions,
    "uniform": lambda key, count, dtype: _numbers(_uniform, key, count, dtype),
    "normal": lambda key, count, dtype: _numbers(_normal, key, count, dtype),
    "integers": integers,
    "permutation": permutation,
    "words": words,
}
