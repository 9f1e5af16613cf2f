"""Processes: Python's ``multiprocessing`` under PyTorch's name, and ``spawn``.

All that the standard module has is here. Tensors that go from one process to another are copied:
there is no memory that processes share, so the sharing strategy has no effect.
"""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Callable
from multiprocessing import *  # noqa: F403
from multiprocessing import connection
from typing import Any

__all__ = [
    *multiprocessing.__all__,
    "ProcessContext",
    "ProcessException",
    "ProcessExitedException",
    "ProcessRaisedException",
    "SpawnContext",
    "get_all_sharing_strategies",
    "get_sharing_strategy",
    "set_sharing_strategy",
    "spawn",
    "start_processes",
]

_STRATEGIES = ("file_descriptor", "file_system")
_strategy = _STRATEGIES[0]


def get_all_sharing_strategies() -> set[str]:
    """PyTorch's names of them on Linux."""
    return set(_STRATEGIES)


def get_sharing_strategy() -> str:
    """The name that was set last."""
    return _strategy


def set_sharing_strategy(new_strategy: str) -> None:
    """Accepted for PyTorch's sake: tensors are copied."""
    global _strategy
    if new_strategy not in _STRATEGIES:
        raise ValueError(
            f"set_sharing_strategy: must be one of {', '.join(_STRATEGIES)}; got {new_strategy!r}"
        )
    _strategy = new_strategy


class ProcessException(Exception):
    """A process that ``spawn`` started has failed."""

    def __init__(self, message: str, error_index: int, pid: int | None):
        super().__init__(message)
        self.error_index, self.error_pid, self.pid = error_index, pid, pid


class ProcessRaisedException(ProcessException):
    """It raised an exception, whose traceback is in the message."""


class ProcessExitedException(ProcessException):
    """It ended by itself with an exit code, or by a signal."""

    def __init__(self, message: str, error_index: int, pid: int | None, exit_code: int | None):
        super().__init__(message, error_index, pid)
        self.exit_code = exit_code


def _run(function: Callable[..., Any], i: int, args: tuple, reports: Any) -> None:
    try:
        function(i, *args)
    except KeyboardInterrupt:
        pass  # the parent has had it, too
    except BaseException as error:
        if isinstance(error, SystemExit) and error.code in (None, 0):
            raise
        reports.send_bytes(traceback.format_exc().encode())
        raise SystemExit(1) from None


class ProcessContext:
    """The processes of one ``spawn``; ``join`` waits for them."""

    def __init__(self, processes: list[Any], reports: list[Any]):
        self.processes, self._reports = processes, reports
        self._left = dict(enumerate(processes))

    def pids(self) -> list[int | None]:
        """The processes' ids."""
        return [p.pid for p in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Wait until one ends, or for ``timeout`` seconds; True when all have ended well.

        If one fails the others are terminated (killed after ``grace_period``, 30 by default), and
        ProcessRaisedException or ProcessExitedException says which one it was.
        """
        if not self._left:
            return True
        ready = connection.wait([p.sentinel for p in self._left.values()], timeout)
        failed = None
        for i, process in list(self._left.items()):
            if process.sentinel in ready:
                process.join()
                del self._left[i]
                if process.exitcode != 0:
                    failed = i if failed is None else failed
        if failed is None:
            return not self._left
        for process in self._left.values():
            process.terminate()
        for process in self._left.values():
            process.join(30 if grace_period is None else grace_period)
            if process.is_alive():
                process.kill()
                process.join()
        self._left.clear()
        self._raise(failed)
        return False

    def _raise(self, i: int) -> None:
        process, report = self.processes[i], self._reports[i]
        try:
            told = report.recv_bytes().decode()
        except EOFError:  # it ended without a word
            told = ""
        if told:
            raise ProcessRaisedException(
                f"spawn: process {i} raised an error:\n\n{told}", i, process.pid
            )
        code = process.exitcode
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        raise ProcessExitedException(f"spawn: process {i} ended {how}", i, process.pid, code)


SpawnContext = ProcessContext


def start_processes(
    fn: Callable[..., Any],
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """``fn(i, *args)`` in ``nprocs`` processes, i = 0, 1, …; ``join`` waits until all are done.

    An error in one of them terminates the others and is raised here.
    """
    context: Any = multiprocessing.get_context(start_method)
    processes, reports = [], []
    for i in range(nprocs):
        receiving, sending = context.Pipe(duplex=False)
        process = context.Process(target=_run, args=(fn, i, args, sending), daemon=daemon)
        process.start()
        sending.close()
        processes.append(process)
        reports.append(receiving)
    started = ProcessContext(processes, reports)
    if not join:
        return started
    while not started.join():
        pass
    return None


def spawn(
    fn: Callable[..., Any],
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """start_processes, each in a fresh interpreter."""
    return start_processes(fn, args, nprocs, join, daemon, start_method)


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(multiprocessing, name)
