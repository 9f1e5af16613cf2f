"""Memory for large arrays that is used again when its array has died.

The first write to fresh memory costs a page fault for every 4 KiB, which takes longer than an
element by element op's arithmetic; and what malloc gives back to the system, as it does with large
blocks, is fresh again in the next training step. So arrays from ``LARGE`` bytes on come from here:

    y = arena.empty(shape, dtype)       as numpy.empty
    y = arena.empty_like(x)             as numpy.empty_like, in x's memory order

They are plain NumPy arrays whose ``base`` is the memory. It may be lent again when nothing but the
arena refers to it: every view, memoryview or DLPack capsule of an array keeps it from that, for as
long as it lives. Nothing happens when an array dies; it is noticed when memory is next asked for.

How much is kept: together, lent and idle, a quarter (and 32 MB) more than was lent at once; what
was not lent for a while goes back to the system, and ``release`` gives back all that is idle. As
nothing runs when an array dies, a process that drops its tensors and never computes again keeps
their memory until then. Without a GIL reference counts are no proof, and arrays are NumPy's own.

The alternative, to tell malloc to keep what it has (mallopt, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD),
is as fast, but changes the whole process that lucid is imported into, and only with glibc.
"""

from __future__ import annotations

import math
import mmap
import os
import sys
import threading
from contextlib import suppress
from typing import Any

import numpy as np

__all__ = ["LARGE", "empty", "empty_like", "lent", "release"]

LARGE = 1 << 18  # bytes: below, malloc has memory at hand
_HUGE = 1 << 22  # from here on pages of 2 MiB are asked for: 512 times fewer faults
_SLACK = 1 << 25  # bytes kept beyond a share of the most that was lent
_LOOSE = 3  # sizes up, an eighth each, that may stand in for the right one


class _Memory(np.ndarray):
    """Lent as a whole to one array at a time: see graph.leaf, which asks for ``lent``."""

    lent = True
    turn: int  # of the arena, when it was last lent


class _Arena:
    def __init__(self) -> None:
        self.lock = threading.RLock()  # a finalizer may run an op while this thread is in here
        self.shelves: dict[int, list[_Memory]] = {}
        self.total = 0  # bytes, lent or idle
        self.most = 0  # bytes lent at once
        self.turn = 0
        self.sweep_at = 1 << 10

    def take(self, nbytes: int) -> _Memory:
        with self.lock:
            self.turn += 1
            if self.turn >= self.sweep_at:
                self.sweep()
            size = _rounded(nbytes)
            memory = self.find(size)
            if memory is None:
                memory = self.fetch(size)
            memory.turn = self.turn
            return memory

    def find(self, size: int) -> _Memory | None:
        wanted = size
        for _ in range(1 + _LOOSE):
            shelf = self.shelves.get(wanted, [])
            counts = _references(shelf)
            if _IDLE in counts:
                return shelf[counts.index(_IDLE)]
            wanted = _rounded(wanted + 1)
        return None

    def fetch(self, size: int) -> _Memory:
        """New memory; idle memory of other sizes makes room for it."""
        idle = self.idle()
        self.most = max(self.most, self.total - sum(m.nbytes for m in idle) + size)
        limit = self.most + self.most // 4 + _SLACK
        for memory in sorted(idle, key=lambda memory: memory.turn):
            if self.total + size <= limit:
                break
            self.drop(memory)
        memory = _map(size)
        self.shelves.setdefault(size, []).append(memory)
        self.total += size
        return memory

    def idle(self) -> list[_Memory]:
        found = []
        for shelf in self.shelves.values():
            counts = _references(shelf)
            found += [m for m, count in zip(shelf, counts, strict=True) if count == _IDLE]
        return found

    def drop(self, memory: _Memory) -> None:
        shelf = self.shelves[memory.nbytes]
        shelf[:] = [other for other in shelf if other is not memory]
        self.total -= memory.nbytes

    def sweep(self) -> None:
        """Let go of what was idle for so many turns that a training step would have needed it."""
        idle = self.idle()
        lent = self.total - sum(memory.nbytes for memory in idle)
        for memory in idle:
            if memory.turn <= self.turn - self.patience():
                self.drop(memory)
        self.most = max(lent, self.most - self.most // 8)
        self.sweep_at = self.turn + self.patience()

    def patience(self) -> int:
        return max(1 << 10, 8 * sum(map(len, self.shelves.values())))


def empty(shape: int | tuple[int, ...], dtype: Any) -> np.ndarray:
    """An uninitialised array, as numpy.empty makes it."""
    dtype = np.dtype(dtype)
    shape = (shape,) if isinstance(shape, int) else shape
    nbytes = math.prod(shape) * dtype.itemsize
    if nbytes < LARGE or not _counts:
        return np.empty(shape, dtype)
    return np.ndarray(shape, dtype, _arena.take(nbytes))


def empty_like(
    x: np.ndarray, dtype: Any = None, shape: tuple[int, ...] | None = None
) -> np.ndarray:
    """An uninitialised array in x's memory order, as numpy.empty_like makes it."""
    shape = x.shape if shape is None else shape
    dtype = x.dtype if dtype is None else np.dtype(dtype)
    if math.prod(shape) * dtype.itemsize < LARGE or not _counts:
        return np.empty_like(x, dtype, shape=shape)
    if x.flags.c_contiguous or len(shape) != x.ndim:
        return empty(shape, dtype)
    # As NumPy: the axis with the longest step in x is the outermost, among equals the first.
    order = sorted(range(x.ndim), key=lambda i: -abs(x.strides[i]))
    return empty(tuple([shape[i] for i in order]), dtype).transpose(np.argsort(order))


def lent() -> int:
    """Bytes of memory that arrays have now."""
    with _arena.lock:
        return _arena.total - sum(memory.nbytes for memory in _arena.idle())


def release() -> int:
    """Give all idle memory back to the system; how many bytes that were."""
    with _arena.lock:
        before = _arena.total
        for memory in _arena.idle():
            _arena.drop(memory)
        _arena.most = _arena.total
        return before - _arena.total


def _rounded(nbytes: int) -> int:
    """Up to eight sizes from one power of two to the next."""
    step = 1 << max(0, (nbytes - 1).bit_length() - 4)
    return -(-nbytes // step) * step


def _map(size: int) -> _Memory:
    """Straight from the system where it can be: exactly that goes back again."""
    if not hasattr(mmap, "MAP_ANONYMOUS"):
        return np.ndarray.__new__(_Memory, size, np.uint8)
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if size >= _HUGE and hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a kernel without them
            pages.madvise(mmap.MADV_HUGEPAGE)
    return np.ndarray.__new__(_Memory, size, np.uint8, pages)


def _references(shelf: list[_Memory]) -> list[int]:
    """For each, with what the interpreter itself holds here, which differs between versions."""
    return [sys.getrefcount(memory) for memory in shelf]


def _forget() -> None:
    """In a forked child: the lock may have been held, and idle memory is the parent's to use."""
    global _arena
    _arena = _Arena()


_IDLE = _references([np.ndarray.__new__(_Memory, 1, np.uint8)])[0]  # on the shelf alone
_counts = getattr(sys, "_is_gil_enabled", lambda: True)()
_arena = _Arena()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
