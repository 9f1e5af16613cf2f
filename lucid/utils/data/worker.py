"""A worker process: takes (epoch, number, indices), sends batches, ends when it reads EOF."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, NamedTuple

from lucid.backend.cpu import blas, threads
from lucid.utils.data import transport
from lucid.utils.data.fetch import Recipe
from lucid.utils.data.seeding import Seeds, set_seeds

START = -1  # in place of a batch's number: an epoch begins, with these Seeds
_LOOK_AFTER_PARENT = 1.0  # seconds
_FAREWELL = 30.0  # seconds to finish a batch that nobody will read


class WorkerInfo(NamedTuple):
    """What ``get_worker_info()`` tells a dataset about the process it is in."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


class Failure(NamedTuple):
    """An exception on its way to the main process."""

    error: bytes | None  # pickled, if it survives that
    summary: str
    report: str

    @staticmethod
    def of(error: BaseException, where: str) -> Failure:
        text = "".join(traceback.format_exception(error))
        # Control-flow exceptions mean something else in the main process.
        plain = isinstance(error, Exception) and not isinstance(error, StopIteration)
        return Failure(
            _pickled(error) if plain else None,
            f"{type(error).__name__}: {error}",
            f"Raised in DataLoader {where}. Its traceback:\n{text}",
        )

    def rebuild(self) -> Exception:
        """The exception with the worker's report as a note."""
        if self.error is None:
            error: Exception = RuntimeError(f"DataLoader: a worker raised {self.summary}")
        else:
            error = pickle.loads(self.error)
            error.__dict__.pop("__notes__", None)  # the report has them
        error.add_note(self.report)
        return error


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """id, num_workers, seed and dataset of the calling worker; None in the main process."""
    return _info


SPARED = (signal.SIGINT, signal.SIGTERM)  # signals that don't end a worker


def main(
    worker: int,
    workers: int,
    recipe: Recipe,
    worker_init_fn: Callable[[int], Any] | None,
    connection: Connection,
) -> None:
    """The life of a worker process."""
    # Ctrl-C and a scheduler's SIGTERM reach the whole group; the main process decides what they
    # mean, and may want more batches. A function, since what is ignored stays so in subprocesses.
    for name in SPARED:
        signal.signal(name, _pass)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SPARED)  # held back since before the fork
    inbox: SimpleQueue[bytes | None] = SimpleQueue()
    threading.Thread(target=_listen, args=(connection, inbox), daemon=True).start()
    threads.set_num_threads(1)  # the workers are the parallelism
    with blas.single_threaded():
        try:
            _serve(worker, workers, recipe, worker_init_fn, connection, inbox)
        except ConnectionError:
            return  # the main process has hung up in the middle of a batch


def _pass(*_: Any) -> None:
    pass


def _listen(connection: Connection, inbox: SimpleQueue[bytes | None]) -> None:
    """Take tasks off the socket at once: the main process never waits for a busy worker."""
    parent = os.getppid()
    try:
        while True:
            while not connection.poll(_LOOK_AFTER_PARENT):
                if os.getppid() != parent:  # it died, and some other process keeps the socket open
                    os._exit(1)
            inbox.put(connection.recv_bytes())
    except (EOFError, OSError):
        inbox.put(None)
    threading.Event().wait(_FAREWELL)
    os._exit(1)


def _serve(
    worker: int,
    workers: int,
    recipe: Recipe,
    worker_init_fn: Callable[[int], Any] | None,
    connection: Connection,
    inbox: SimpleQueue[bytes | None],
) -> None:
    fetch: Any = None
    seeds = Seeds(0, 0)
    broken: Failure | None = None  # beginning the epoch failed: the answer to every task
    while (message := inbox.get()) is not None:
        value: Any
        epoch, number, task = pickle.loads(message)
        try:
            if number == START:
                seeds, broken = pickle.loads(task), None
                fetch = _begin(worker, workers, recipe, worker_init_fn, seeds)
                continue
            set_seeds(seeds.of_batch(number))
            value = broken or fetch(pickle.loads(task))
            pickled = transport.dumps((epoch, number, value))
        except BaseException as error:
            if number == START:
                broken = Failure.of(
                    error, f"worker {worker} (pid {os.getpid()}), starting an epoch"
                )
                continue
            value = Failure.of(error, f"worker {worker} (pid {os.getpid()}), batch {number}")
            pickled = transport.dumps((epoch, number, value))
        transport.send(connection, *pickled)
        del value, pickled  # not alive while waiting for the next task


def _begin(
    worker: int,
    workers: int,
    recipe: Recipe,
    worker_init_fn: Callable[[int], Any] | None,
    seeds: Seeds,
) -> Callable[[Any], Any]:
    global _info
    seed = seeds.of_worker(worker)
    set_seeds(seed)
    first = _info is None
    _info = WorkerInfo(worker, workers, seed, recipe.dataset)
    if first and worker_init_fn is not None:
        worker_init_fn(worker)
    return recipe.start()


def _pickled(error: BaseException) -> bytes | None:
    """The exception as bytes, or None if it can't be made again from them."""
    try:
        data = pickle.dumps(error)
        again = pickle.loads(data)
    except Exception:
        return None
    return data if type(again) is type(error) else None
