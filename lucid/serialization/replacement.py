"""Replacing a file so that at every moment its name leads to the whole old or the whole new one."""

from __future__ import annotations

import glob
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def replacing(path: str) -> Iterator[BinaryIO]:
    """A file to write; it takes the name ``path`` when the block ends, and vanishes if it fails.

    It is written beside the target under a name of its own, synced to the disk, and renamed. The
    target keeps its permissions; a symbolic link stays, and what it leads to is replaced. A device
    or pipe is simply written to.
    """
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise FileNotFoundError(
            f"save: there is no folder {folder!r}. Hint: os.makedirs() makes it"
        )
    if os.path.isdir(target):
        raise IsADirectoryError(f"save: {path!r} is a folder. Hint: name a file in it")
    if os.path.exists(target) and not stat.S_ISREG(os.stat(target).st_mode):
        with open(target, "wb") as stream:
            yield stream
        return
    _remove_leftovers(target)
    try:
        file, temporary = _beside(target)
    except OSError as error:
        raise type(error)(error.errno, f"save: can't write {path!r}: {error.strerror}") from None
    try:
        with file:
            if os.path.exists(target) and hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), stat.S_IMODE(os.stat(target).st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _beside(target: str) -> tuple[BinaryIO, str]:
    """A new file in the target's folder, locked as long as it is open."""
    folder, name = os.path.split(target)
    while True:
        temporary = os.path.join(folder, f".{name}.{secrets.token_hex(4)}.tmp")
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)
        file = os.fdopen(descriptor, "w+b", buffering=0)
        if not _lock(file) or os.path.exists(temporary):
            return file, temporary
        file.close()  # swept away between making and locking it


def _remove_leftovers(target: str) -> None:
    """Unfinished files of processes that were killed: the lock of a living one can't be had."""
    if fcntl is None:
        return
    folder, name = os.path.split(target)
    for leftover in glob.glob(
        os.path.join(glob.escape(folder), glob.escape(f".{name}.") + "*.tmp")
    ):
        with suppress(OSError), open(leftover, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(leftover)


def _lock(file: BinaryIO) -> bool:
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # a filesystem without locks, or a sweeper has it just now
        return True
    return True


def _sync_folder(folder: str) -> None:
    """A rename is on the disk once the folder is."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # some network filesystems can't; the file itself is synced
        pass
    finally:
        os.close(descriptor)


_BINARY = getattr(os, "O_BINARY", 0)
