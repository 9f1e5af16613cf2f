"""Batches from a worker to the main process: pickled, with large arrays in anonymous shared memory.

The memory is a memfd: a file without a name, whose descriptor travels over the socket. Nothing can
be left behind by any crash, the kernel frees it with its last user, and the size of /dev/shm does
not limit it. The main process maps it, so that the arrays of a batch are not copied. Where there
are no memfds (macOS, Windows), arrays go through the pipe.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import socket
import weakref
from contextlib import suppress
from multiprocessing import reduction
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

_SHARED_FROM = 1 << 18  # bytes; from here on memfds are faster: 2.3 times for batches of 16 MB
_ALIGN = 64
_MAPPED_AT_MOST = 256  # each mapping alive holds a descriptor, of 1024 that a process may have
_mapped: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()


class _Pickler(pickle.Pickler):
    """NumPy pickles bfloat16 element by element; this sends its bits like any other array."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is np.ndarray and value.dtype.kind == "V" and value.dtype.fields is None:
            bits = value.view(f"u{value.itemsize}")
            return np.ndarray.view, (bits, value.dtype)
        return NotImplemented


def dumps(value: Any) -> tuple[bytes, list[pickle.PickleBuffer]]:
    """A pickle, and the memory of the arrays in it."""
    buffers: list[pickle.PickleBuffer] = []
    file = io.BytesIO()
    _Pickler(file, protocol=5, buffer_callback=buffers.append).dump(value)
    return file.getvalue(), buffers


def send(connection: Connection, pickled: bytes, buffers: list[pickle.PickleBuffer]) -> None:
    """To be called with what ``dumps`` answered; ``receive`` is the other end."""
    raw = [buffer.raw() for buffer in buffers]
    sizes = [view.nbytes for view in raw]
    descriptor = _share(raw, sizes) if sum(sizes) >= _SHARED_FROM else None
    if descriptor is None:
        connection.send((pickled, None, [bytearray(view) for view in raw]))
        return
    try:
        connection.send((pickled, sizes, None))
        reduction.send_handle(connection, descriptor, None)
    finally:
        os.close(descriptor)


def _share(raw: list[memoryview], sizes: list[int]) -> int | None:
    """A memfd that holds these; None if the system has none, or none left."""
    if not hasattr(os, "memfd_create"):
        return None
    try:
        descriptor = os.memfd_create("lucid-batch", os.MFD_CLOEXEC)
    except OSError:
        return None
    try:
        for view, offset in zip(raw, _offsets(sizes), strict=True):
            while view.nbytes:
                written = os.pwrite(descriptor, view, offset)
                view, offset = view[written:], offset + written
        os.ftruncate(descriptor, _offsets(sizes)[-1] + sizes[-1])  # empty arrays at the end
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def receive(connection: Connection) -> tuple[bytes, list[Any]]:
    """A pickle and its buffers, for ``pickle.loads(pickled, buffers=buffers)``."""
    pickled, sizes, buffers = connection.recv()
    if sizes is None:
        return pickled, buffers
    descriptor = reduction.recv_handle(connection)
    try:
        offsets = _offsets(sizes)
        memory = _memory(descriptor, offsets[-1] + sizes[-1])
    finally:
        os.close(descriptor)
    return pickled, [memory[o : o + n] for o, n in zip(offsets, sizes, strict=True)]


def _memory(descriptor: int, size: int) -> memoryview:
    if len(_mapped) >= _MAPPED_AT_MOST:
        copy = np.empty(size, np.uint8).data  # writable, as a mapping is
        done = 0
        while done < size:
            done += os.preadv(descriptor, [copy[done:]], done) or size
        return copy
    mapping = mmap.mmap(descriptor, size)
    _mapped.add(mapping)
    return memoryview(mapping)


def _offsets(sizes: list[int]) -> list[int]:
    offsets, end = [], 0
    for size in sizes:
        offsets.append(end)
        end += -(-size // _ALIGN) * _ALIGN
    return offsets


def hang_up(connection: Connection) -> None:
    """Close for good: the other end reads EOF even if forked processes hold copies of this end."""
    if os.name == "posix":
        end = socket.fromfd(connection.fileno(), socket.AF_UNIX, socket.SOCK_STREAM)
        with end, suppress(OSError):  # the other end has gone already
            end.shutdown(socket.SHUT_RDWR)
    connection.close()
