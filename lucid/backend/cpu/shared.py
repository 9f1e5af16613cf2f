"""Memory that several processes see: what one writes there, all read.

A block is a file without a name, mapped into each process. A forked child has it from its parent;
any other process is sent the file's descriptor. It is gone with the last process that holds it.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import tempfile
import weakref
from collections.abc import Sequence
from multiprocessing import context, reduction
from typing import Any

import numpy

from lucid.errors import DeviceError

__all__ = ["Block", "block_of", "move", "received", "sent", "span"]

_ALIGNMENT = 64  # a line of the cache: no two clusters share one


class Block(mmap.mmap):
    """The mapped bytes; arrays that lie here have it as their last ``base``."""

    file: int
    address: int

    @classmethod
    def mapped(cls, file: int, size: int) -> Block:
        """The block of an open file, which it will close; a known one is not mapped again."""
        about = os.fstat(file)
        block = _mapped.get((about.st_dev, about.st_ino))
        if block is not None:
            if file != block.file:
                os.close(file)
            return block
        block = _mapped[about.st_dev, about.st_ino] = cls(file, size)
        block.file = file
        block.address = numpy.frombuffer(block, numpy.uint8).ctypes.data
        weakref.finalize(block, os.close, file)
        return block


_mapped: weakref.WeakValueDictionary[tuple[int, int], Block] = weakref.WeakValueDictionary()


def block_of(array: Any) -> Block | None:
    """The block that an array lies in, or None."""
    base = array
    while isinstance(base, numpy.ndarray):
        base = base.base
    return base if isinstance(base, Block) else None


def span(array: Any) -> tuple[int, int]:
    """The addresses of an array's first byte and of the one behind its last."""
    low, high = numpy.lib.array_utils.byte_bounds(array)
    return (low, high) if array.size else (low, low)


def move(arrays: Sequence[Any]) -> list[Any]:
    """The arrays in one new block; those that overlap do so there."""
    spans = [span(a) for a in arrays]
    places, size = _places(spans)
    block = _made(max(size, 1))
    moved = []
    for array, (low, high), place in zip(arrays, spans, places, strict=True):
        ctypes.memmove(block.address + place, low, high - low)
        first = place + array.ctypes.data - low if array.size else place  # strides may be negative
        moved.append(_at(block, array.shape, array.dtype, first, array.strides, array.flags))
    return moved


def _at(block: Block, shape: Any, dtype: Any, first: int, strides: Any, flags: Any) -> Any:
    array: Any = numpy.ndarray(shape, dtype, block, first, strides)
    array.flags.writeable = flags if isinstance(flags, bool) else flags.writeable
    return array


def _places(spans: list[tuple[int, int]]) -> tuple[list[int], int]:
    """Where each span begins in the block, and the block's size. What overlaps stays together."""
    places = [0] * len(spans)
    end, size, shift = -1, 0, 0
    for i in sorted(range(len(spans)), key=spans.__getitem__):
        low, high = spans[i]
        if low >= end:
            size = -(-size // _ALIGNMENT) * _ALIGNMENT
            shift = size - low
        end = max(end, high)
        places[i] = low + shift
        size = max(size, end + shift)
    return places, size


def _made(size: int) -> Block:
    if not hasattr(os, "fork"):
        raise DeviceError(
            "share_memory_: this system's files can't be handed to another process; got"
            f" {os.name}. Hint: send copies"
        )
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("lucid")
    else:
        with tempfile.TemporaryFile() as opened:
            file = os.dup(opened.fileno())
    os.ftruncate(file, size)
    return Block.mapped(file, size)


def sent(array: Any) -> tuple[Any, ...]:
    """What ``received`` makes the array of, in another process."""
    block = block_of(array)
    if block is None:
        raise ValueError("share_memory_: an array that is sent must lie in shared memory; got None")
    offset = array.ctypes.data - block.address
    place = array.shape, array.dtype, offset, array.strides, array.flags.writeable
    return _descriptor(block.file), len(block), place


def _descriptor(file: int) -> Any:
    """What multiprocessing sends for an open file; a process that is started inherits it once."""
    started = context.get_spawning_popen()
    if started is None:
        return reduction.DupFd(file)
    known = _inherited.setdefault(started, {})
    if file not in known:
        known[file] = reduction.DupFd(file)
    return known[file]


_inherited: weakref.WeakKeyDictionary[Any, dict[int, Any]] = weakref.WeakKeyDictionary()


def received(descriptor: Any, size: int, place: tuple[Any, ...]) -> Any:
    """The array that was sent: the same memory."""
    return _at(Block.mapped(descriptor.detach(), size), *place)
