"""A small thread pool: cut a range into blocks and share them among threads.

NumPy releases the GIL inside its loops, so Python threads do run side by side, provided each block
is long against the hand-over of the GIL (tens of microseconds). A result must never depend on which
thread computes a block; then it does not depend on their number either.
"""

import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Any

import numpy as np

__all__ = ["get_num_threads", "parallel_for", "scratch", "set_num_threads"]


class _Pool:
    threads = 0  # 0: not decided yet
    executor: ThreadPoolExecutor | None = None
    capacity = 0
    lock = threading.Lock()


class _Thread(threading.local):
    busy = False  # inside a block of parallel_for

    def __init__(self) -> None:
        self.scratch: dict[str, np.ndarray] = {}


_pool = _Pool()
_thread = _Thread()


def get_num_threads() -> int:
    """Threads that share a large computation on the CPU, the calling one included.

    Until set_num_threads: LUCID_NUM_THREADS, else OMP_NUM_THREADS, else the CPUs of this process.
    """
    if not _pool.threads:
        _pool.threads = _default_threads()
    return _pool.threads


def set_num_threads(threads: int) -> None:
    """Share large computations among this many threads; 1 computes in the calling thread only."""
    if not isinstance(threads, int) or threads < 1:
        raise ValueError(f"set_num_threads: threads must be a positive integer; got {threads!r}")
    _pool.threads = threads


def parallel_for(function: Callable[[int, int], object], count: int, grain: int) -> None:
    """Call function(start, stop) for the blocks of `grain` that cover range(count), in any order.

    Returns when all blocks are done. The first exception stops the blocks not yet begun and is
    raised here. Inside a block a further parallel_for runs in the same thread.
    """
    if count <= grain:
        if count:
            function(0, count)
        return
    starts = deque(range(0, count, grain))  # popleft is atomic: each start goes to one thread

    def work() -> None:
        _thread.busy = True
        try:
            while starts:
                try:
                    start = starts.popleft()
                except IndexError:  # another thread took the last one
                    return
                function(start, min(start + grain, count))
        finally:
            _thread.busy = False
            starts.clear()  # after an exception (Ctrl-C too) nobody begins another block

    if _thread.busy or get_num_threads() < 2:
        for start in starts:
            function(start, min(start + grain, count))
        return
    helpers = min(get_num_threads(), len(starts)) - 1
    executor = _executor(helpers)
    futures = []
    try:
        for _ in range(helpers):  # the context carries numpy.errstate to them
            futures.append(executor.submit(copy_context().run, work))
        work()
    finally:
        starts.clear()
        begun = [future for future in futures if not future.cancel()]
        wait(begun)  # no helper may still write when the caller has the result, or an exception
    for future in begun:
        future.result()


def scratch(name: str, count: int, dtype: Any) -> np.ndarray:
    """An uninitialised flat array of this thread, reused by the next call with the same name."""
    dtype = np.dtype(dtype)
    size = count * dtype.itemsize
    memory = _thread.scratch.get(name)
    if memory is None or memory.size < size:
        memory = _thread.scratch[name] = np.empty(size, np.uint8)
    return memory[:size].view(dtype)


def _executor(helpers: int) -> ThreadPoolExecutor:
    with _pool.lock:
        if _pool.executor is None or _pool.capacity < helpers:
            # A smaller pool is dropped, not shut down: another thread may still be using it.
            _pool.capacity = max(helpers, get_num_threads() - 1)
            _pool.executor = ThreadPoolExecutor(_pool.capacity, thread_name_prefix="lucid")
        return _pool.executor


def _default_threads() -> int:
    own = os.environ.get("LUCID_NUM_THREADS")
    if own is not None:
        if not own.isdecimal() or int(own) < 1:
            raise ValueError(f"LUCID_NUM_THREADS: must be a positive integer; got {own!r}")
        return int(own)
    openmp = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]  # "4,2": the outermost level
    if openmp.isdecimal() and int(openmp) > 0:
        return int(openmp)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _forget_pool() -> None:
    """In a forked child: threads do not survive a fork, and the lock may have been held."""
    _pool.executor = None
    _pool.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
