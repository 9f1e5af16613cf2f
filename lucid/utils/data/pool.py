"""The main process's side of the workers: start, hand out tasks, collect in order, end.

Every worker has a socket of its own and shares nothing with the others, no queue and no lock, so
the death of one can't block anybody. Batch b always comes from worker b mod n.
"""

from __future__ import annotations

import pickle
import signal
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.util import Finalize
from typing import Any

from lucid.backend.cpu import blas
from lucid.utils.data import transport, worker
from lucid.utils.data.fetch import Exhausted, Recipe
from lucid.utils.data.seeding import Seeds

_GRACE = 1.0  # seconds that a worker has to finish its batch when the loader is closed
_CHECK = 1.0  # seconds between looks at the processes themselves


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """A child begun in here gets no SIGINT or SIGTERM before it is ready for them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, worker.SPARED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Worker:
    """A process and what has arrived from it."""

    def __init__(self, context: Any, arguments: tuple):
        self.id = arguments[0]
        self.connection, theirs = context.Pipe(duplex=True)
        self.arrived: deque[tuple[bytes, list[Any]]] = deque()
        self.exhausted = False
        self.process = context.Process(
            target=worker.main,
            args=(*arguments, theirs),
            name=f"lucid-worker-{self.id}",
            daemon=True,
        )
        try:
            with warnings.catch_warnings():
                # Python 3.12 warns of threads alive during a fork. Those of lucid's pool hold no
                # lock that a worker takes: threads and locks are made anew in a forked child.
                warnings.filterwarnings("ignore", ".*multi-threaded.*fork", DeprecationWarning)
                with _signals_held_back():
                    self.process.start()
        except BaseException:
            self.connection.close()
            raise
        finally:
            theirs.close()

    def tell(self, epoch: int, number: int, task: Any) -> None:
        """The task is a pickle in the pickle: what can't be read there still has a number."""
        with suppress(ConnectionError):  # it has died; what waits for its answer will say so
            self.connection.send((epoch, number, pickle.dumps(task)))


class WorkerPool:
    """Worker processes that make batches; ``close()`` ends them, and so does losing the pool."""

    def __init__(
        self,
        workers: int,
        recipe: Recipe,
        context: Any,
        worker_init_fn: Callable[[int], Any] | None,
        prefetch_factor: int,
        timeout: float,
    ):
        self.prefetch, self.timeout = prefetch_factor * workers, timeout
        self._epoch = 0
        self._workers: list[_Worker] = []
        # At exit this comes before multiprocessing's own way, which is to wait for all children.
        self._end = Finalize(self, _end, (self._workers,), exitpriority=10)
        try:
            # A forked worker finds BLAS on one thread, and the control for it looked up.
            with blas.single_threaded():
                for i in range(workers):
                    self._workers.append(_Worker(context, (i, workers, recipe, worker_init_fn)))
        except BaseException as error:
            self.close()
            if isinstance(error, pickle.PicklingError | AttributeError | TypeError):
                error.add_note(
                    "DataLoader: a spawned worker gets dataset, collate_fn and worker_init_fn by"
                    " pickle. Hint: define them at the top level of a module"
                )
            raise

    @property
    def open(self) -> bool:
        return self._end.still_active()

    def close(self) -> None:
        """Tell the workers to stop, give them a second, then kill those that did not."""
        self._end()

    def run(self, seeds: Seeds, tasks: Iterator[tuple[int, Any]]) -> Iterator[Any]:
        """The batches of one epoch, in the order of ``tasks``: (number, indices) pairs."""
        self._epoch += 1  # what is still under way from an epoch given up is told apart by it
        for w in self._workers:
            w.exhausted = False
            w.tell(self._epoch, worker.START, seeds)
        under_way: deque[int] = deque()
        while len(under_way) < self.prefetch and self._assign(tasks, under_way):
            pass
        while under_way:
            number = under_way.popleft()
            batch = self._batch(number)
            if batch is Exhausted:
                self._of(number).exhausted = True
            self._assign(tasks, under_way)
            if batch is not Exhausted:
                yield batch

    def _of(self, number: int) -> _Worker:
        return self._workers[number % len(self._workers)]

    def _assign(self, tasks: Iterator[tuple[int, Any]], under_way: deque[int]) -> bool:
        if all(w.exhausted for w in self._workers):
            return False
        for number, indices in tasks:
            if not self._of(number).exhausted:
                self._of(number).tell(self._epoch, number, indices)
                under_way.append(number)
                return True
        return False

    def _batch(self, number: int) -> Any:
        source = self._of(number)
        while True:
            self._receive(source, number)
            pickled, buffers = source.arrived.popleft()
            epoch, _, value = pickle.loads(pickled, buffers=buffers)
            if epoch == self._epoch:
                break
        if isinstance(value, worker.Failure):
            raise value.rebuild()
        return value

    def _receive(self, source: _Worker, number: int) -> None:
        """Wait until something of ``source`` has arrived; take what the others have sent, too."""
        begin = time.monotonic()
        owner = {w.connection: w for w in self._workers}
        ends = [w.process.sentinel for w in self._workers]
        pid = source.process.pid
        while not source.arrived:
            left = self.timeout - (time.monotonic() - begin) if self.timeout else _CHECK
            if left <= 0:
                self.close()
                raise RuntimeError(
                    f"DataLoader: worker {source.id} (pid {pid}) must deliver batch"
                    f" {number} within timeout={self.timeout} s. Hint: raise timeout, or look for"
                    " what blocks in the dataset with num_workers=0"
                )
            ready = wait([*owner, *ends], min(left, _CHECK))
            talking = [end for end in ready if isinstance(end, Connection)]
            for connection in talking:
                w = owner[connection]
                try:
                    w.arrived.append(transport.receive(connection))
                except (EOFError, OSError):
                    w.process.join(_GRACE)
                    raise self._died(w) from None
            if not talking:  # after all that dead workers had sent
                for w in self._workers:
                    if not w.process.is_alive():
                        raise self._died(w)

    def _died(self, w: _Worker) -> RuntimeError:
        cause = _cause(w.process.exitcode)
        self.close()
        return RuntimeError(f"DataLoader: worker {w.id} (pid {w.process.pid}) {cause}")


def _cause(code: int | None) -> str:
    if code is None or code >= 0:
        return (
            f"exited with code {code}. Hint: the dataset must not end the process; find the cause"
            " with num_workers=0"
        )
    names = {int(s): s.name for s in signal.Signals}
    name = names.get(-code, f"signal {-code}")
    if name in ("SIGKILL", "SIGBUS"):
        hint = "probably out of memory; use fewer workers or smaller batches"
    else:
        hint = "find the crash with num_workers=0 and python -X faulthandler"
    return f"was killed by {name}. Hint: {hint}"


def _end(workers: list[_Worker]) -> None:
    try:
        for w in workers:
            transport.hang_up(w.connection)
            w.arrived.clear()
        deadline = time.monotonic() + _GRACE
        for w in workers:
            w.process.join(max(0.0, deadline - time.monotonic()))
    finally:  # of a second Ctrl-C, too
        for w in workers:
            w.process.kill()  # nothing, if it has ended
        for w in workers:
            w.process.join(_GRACE)
        workers.clear()
