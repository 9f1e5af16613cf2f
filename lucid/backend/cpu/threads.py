"""A small thread pool: cut a range into blocks and share them among threads.

NumPy releases the GIL inside its loops, so Python threads do run side by side, provided each block
is long against the hand-over of the GIL (tens of microseconds). A result must never depend on which
thread computes a block; then it does not depend on their number either.
"""

import os
import threading
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import numpy as np

from lucid.backend.cpu import limit

__all__ = ["get_num_threads", "parallel_for", "scratch", "set_num_threads"]


@dataclass(slots=True)
class _Share:
    """What one helper is asked for."""

    seats: deque[None]  # who takes one helps; a call that is over has none left
    context: Context  # carries numpy.errstate
    work: Callable[[], None] | None
    ended: list[BaseException | None]  # how it went, for each helper that has ended
    bell: SimpleQueue[None]  # rung afterwards

    def take(self) -> None:
        try:
            self.seats.pop()
        except IndexError:  # too late
            return
        error = None
        try:
            self.context.run(self.work)  # type: ignore[arg-type]
        except BaseException as raised:
            error = raised
        self.ended.append(error)
        self.bell.put(None)


class _Pool:
    threads = 0  # 0: not decided yet
    helpers = 0  # threads that serve the queue
    queue: SimpleQueue[_Share] = SimpleQueue()
    lock = threading.Lock()


class _Thread(threading.local):
    busy = False  # inside a block of parallel_for

    def __init__(self) -> None:
        self.scratch: dict[str, np.ndarray] = {}


_pool = _Pool()
_thread = _Thread()


def get_num_threads() -> int:
    """Threads that share a large computation on the CPU, the calling one included.

    Until set_num_threads: LUCID_NUM_THREADS, else OMP_NUM_THREADS, else the CPUs of this process,
    within the limit of its container.
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
    if _thread.busy or get_num_threads() < 2:
        for start in range(0, count, grain):
            function(start, min(start + grain, count))
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

    _share(work, min(get_num_threads(), len(starts)) - 1)


def _share(work: Callable[[], None], helpers: int) -> None:
    """Run work() here and in up to so many helpers; those that come too late don't begin."""
    seats = deque([None] * helpers)
    ended: list[BaseException | None] = []
    bell: SimpleQueue[None] = SimpleQueue()
    shares: list[_Share] = []
    queue = _staffed(helpers)
    try:
        for _ in range(helpers):
            shares.append(_Share(seats, copy_context(), work, ended, bell))
            queue.put(shares[-1])
        work()
    finally:
        # No helper may still write when the caller has the result, or an exception.
        begun = helpers - _taken_back(seats)
        interrupt = None
        while len(ended) < begun:
            try:
                bell.get()
            except KeyboardInterrupt as error:
                interrupt = error
        for share in shares:
            share.work = None  # a helper that lingers, or comes too late, must not keep the arrays
        if interrupt is not None:
            raise interrupt
    for raised in ended:
        if raised is not None:
            raise raised


def _taken_back(seats: deque[None]) -> int:
    count = 0
    while seats:
        try:
            seats.pop()
        except IndexError:
            break
        count += 1
    return count


def _serve(queue: SimpleQueue[_Share]) -> None:
    """A helper's life."""
    while True:
        queue.get().take()


def scratch(name: str, count: int, dtype: Any) -> np.ndarray:
    """An uninitialised flat array of this thread, reused by the next call with the same name."""
    dtype = np.dtype(dtype)
    size = count * dtype.itemsize
    memory = _thread.scratch.get(name)
    if memory is None or memory.size < size:
        memory = _thread.scratch[name] = np.empty(size, np.uint8)
    return memory[:size].view(dtype)


def _staffed(helpers: int) -> SimpleQueue[_Share]:
    """The queue, served by that many threads at least. They wait in it until the process ends."""
    if _pool.helpers < helpers:
        with _pool.lock:
            while _pool.helpers < helpers:
                _pool.helpers += 1
                name = f"lucid_{_pool.helpers}"
                threading.Thread(target=_serve, args=(_pool.queue,), name=name, daemon=True).start()
    return _pool.queue


def _default_threads() -> int:
    own = os.environ.get("LUCID_NUM_THREADS")
    if own is not None:
        if not own.isdecimal() or int(own) < 1:
            raise ValueError(f"LUCID_NUM_THREADS: must be a positive integer; got {own!r}")
        return int(own)
    openmp = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]  # "4,2": the outermost level
    if openmp.isdecimal() and int(openmp) > 0:
        return int(openmp)
    return limit.cpus()


def _forget_pool() -> None:
    """In a forked child: threads do not survive a fork, and the lock may have been held."""
    _pool.helpers, _pool.queue, _pool.lock = 0, SimpleQueue(), threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
