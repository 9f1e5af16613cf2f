"""Random numbers drawn on the device: the numbers of lucid.backend.philox, from the same keys."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy

from lucid.backend import philox
from lucid.backend.cuda.arrays import THREADS, grid_over
from lucid.backend.cuda.availability import cupy
from lucid.backend.cuda.kernel import Kernel

__all__ = ["KEY", "draw", "key_arguments", "offsets_from"]

# A key as kernels take it, and kernels/include/philox.cuh puts it together.
KEY = "u64 seed, u64 stream, u64 offset_low, u64 offset_high, const u64*? base"

_uniform = Kernel("random.cu", "uniform", f"T* y, i64 count, {KEY}")
_normal = Kernel("random.cu", "normal", f"T* y, i64 count, {KEY}")
_decisions = Kernel("random.cu", "decisions", f"T* y, i64 count, u64 threshold, {KEY}", ("bool",))
_integers = Kernel(
    "random.cu", "integers", f"T* y, i64 count, i64 low, u64 range, {KEY}", ("int64",)
)
_words = Kernel("random.cu", "words", f"T* y, i64 count, {KEY}", ("uint64",))

_MASK64 = 2**64 - 1


class _Thread(threading.local):
    base: tuple[int, Any] | None = None  # offset of the first draw, two words on the device


_thread = _Thread()


def key_arguments(key: philox.Key) -> tuple[int, int, int, int, Any]:
    """The arguments for KEY."""
    seed, stream, offset = key
    base = _thread.base
    if base is None:
        return seed, stream, offset & _MASK64, offset >> 64, None
    offset -= base[0]
    return seed, stream, offset & _MASK64, offset >> 64, base[1]


@contextmanager
def offsets_from(first: int, base: Any) -> Iterator[None]:
    """Within it, in this thread, kernels count offsets from two uint64 words on the device.

    For graph capture: ``first`` is the generator's offset when capture begins, and what the words
    (low one first) must hold for the same numbers to be drawn. Before each replay the host writes
    the generator's offset there. One generator, and no draw from before ``first``.
    """
    before, _thread.base = _thread.base, (first, base)
    try:
        yield
    finally:
        _thread.base = before


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
