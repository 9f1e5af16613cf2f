"""One thread per BLAS call, so that lucid's own threads share the work.

A threaded OpenBLAS sums in another order for another number of threads, and its idle threads spin
for some 25 ms after each call on the cores that parallel_for's helpers need (measured: convolution
after a threaded product takes twice as long). NumPy's bundled OpenBLAS is told its number of
threads through ctypes. With any other BLAS nothing is changed and `single_threaded` says so.
"""

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lucid.backend.cpu.threads import parallel_for

__all__ = ["library", "share", "single_threaded"]


class _Control(NamedTuple):
    get: Callable[[], int]
    set: Callable[[int], None]


_lock = threading.Lock()
_inside = 0  # blocks of single_threaded now open, in all threads
_before = 1  # the number of threads to go back to


@contextmanager
def single_threaded() -> Iterator[bool]:
    """BLAS calls in this block, from any thread, run on one thread each. False: no such control."""
    global _inside, _before
    control = _control()
    if control is None:
        yield False
        return
    with _lock:
        if _inside == 0:
            _before = control.get()
            control.set(1)
        _inside += 1
    try:
        yield True
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                control.set(_before)


def share(function: Callable[[int, int], object], count: int, grain: int) -> None:
    """parallel_for for blocks that call BLAS; where BLAS can't be limited, BLAS threads itself."""
    with single_threaded() as limited:
        if limited:
            parallel_for(function, count, grain)
        else:
            for start in range(0, count, grain):
                function(start, min(start + grain, count))


@cache
def library() -> tuple[ctypes.CDLL, str] | None:
    """The OpenBLAS that came with NumPy's wheel, if it did, and how its names end: on "64_" where
    its integers have 64 bits."""
    package = Path(np.__file__).parent
    for folder in (package.parent / "numpy.libs", package / ".dylibs"):
        for path in sorted(folder.glob("*openblas*")):
            try:
                found = ctypes.CDLL(str(path))
            except OSError:
                continue
            for suffix in ("64_", ""):
                if hasattr(found, f"scipy_openblas_set_num_threads{suffix}"):
                    return found, suffix
    return None


@cache
def _control() -> _Control | None:
    known = library()
    if known is None:
        return None
    found, suffix = known
    get = getattr(found, f"scipy_openblas_get_num_threads{suffix}")
    set_ = getattr(found, f"scipy_openblas_set_num_threads{suffix}")
    get.restype, get.argtypes = ctypes.c_int, []
    set_.restype, set_.argtypes = None, [ctypes.c_int]
    return _Control(get, set_)
