"""The processes of `lucid gpu-report`: the test suite, compute-sanitizer, and the benchmarks."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from threading import Timer
from typing import Any

__all__ = ["Budget", "ProcessDied", "measure", "run_sanitizer", "run_suite", "start_process"]

GRACE = 60.0  # seconds that a benchmark may take longer than was thought, before it is stopped
SHOWN = 40  # lines of a process's output that are kept when it fails
FOUND = 86  # compute-sanitizer's exit code when it found something
ELSEWHERE = Path("/usr/local/cuda/bin")  # where the toolkit lies if PATH doesn't know it

Event = dict[str, Any]


class Budget:
    """The time that a report may take."""

    def __init__(self, minutes: float, clock: Callable[[], float] = time.monotonic):
        self.seconds, self._clock = 60 * minutes, clock
        self._start = clock()

    def left(self) -> float:
        """Seconds; none left is 0."""
        return max(0.0, self._start + self.seconds - self._clock())

    def share(self, fraction: float) -> float:
        """Seconds that something may take which is worth this fraction of all of it."""
        return min(self.left(), fraction * self.seconds)


class ProcessDied(Exception):
    """The benchmarks' process ended without a word; the message says how."""


def run_suite(root: Path, device: str, tests: Sequence[str], seconds: float) -> dict[str, Any]:
    """pytest --device ``device``: counts, names of failures, and how it ended."""
    with tempfile.TemporaryDirectory() as folder:
        outcomes = Path(folder, "outcomes")
        words = ["--device", device, "-p", "benchmarks.outcomes", "--outcomes", str(outcomes)]
        command = [sys.executable, "-m", "pytest", "-q", *words, *_in_parallel(), *tests]
        code, output, took = _run(command, root, seconds)
        lines = outcomes.read_text(encoding="utf-8").splitlines() if outcomes.exists() else []
    found = [json.loads(line) for line in lines]
    counts = Counter(one["outcome"] for one in found)
    failures = sorted({one["test"] for one in found if one["outcome"] == "failed"})
    ok = code == 0 and bool(counts["passed"])
    ended = "complete" if code in (0, 1) else f"pytest's exit code {code}"
    return {
        "ran": True,
        "ok": ok,
        "passed": counts["passed"],
        "failed": len(failures),
        "skipped": counts["skipped"],
        "failures": failures,
        "seconds": took,
        "ended": ended if code is not None else f"stopped after {took:.0f} s: the time was up",
        "command": f"pytest --device {device} {' '.join(tests)}".rstrip(),
        **({} if ok else {"output": output.splitlines()[-SHOWN:]}),
    }


def run_sanitizer(root: Path, seconds: float) -> dict[str, Any]:
    """compute-sanitizer's memcheck over tests/kernels, if the tool is there.

    It sees what leaves an allocation; inside the blocks of CuPy's pool only the emulator does.
    """
    tool = shutil.which("compute-sanitizer") or shutil.which(
        "compute-sanitizer", path=str(ELSEWHERE)
    )
    if tool is None:
        return {"ran": False, "why": "compute-sanitizer is not installed (CUDA toolkit)"}
    words = ["--tool", "memcheck", "--error-exitcode", str(FOUND)]
    tests = ["-m", "pytest", "-q", "--device", "cuda", "tests/kernels"]
    code, output, took = _run([tool, *words, sys.executable, *tests], root, seconds)
    summary = re.findall(r"ERROR SUMMARY: (.*)", output)
    result = summary[-1] if summary else f"exit code {code}"
    ok = code == 0
    return {
        "ran": True,
        "ok": ok,
        "result": result if code is not None else "stopped: the time was up",
        "seconds": took,
        **({} if ok else {"output": output.splitlines()[-SHOWN:]}),
    }


def start_process(root: Path, extent: str, budget: Budget) -> Callable[[Sequence[str]], Any]:
    """What runs jobs by name in a process of their own, and yields its events."""

    def start(jobs: Sequence[str]) -> Iterator[Event]:
        left = budget.left()
        words = ["-m", "benchmarks.cuda_jobs", "--plan", extent, "--seconds", f"{left:.0f}"]
        with (
            tempfile.TemporaryFile("w+", errors="replace") as errors,
            subprocess.Popen(
                [sys.executable, *words, *jobs],
                cwd=root, stdout=subprocess.PIPE, stderr=errors, text=True,
            ) as process,
        ):  # fmt: skip
            late = Timer(left + GRACE, process.kill)
            late.daemon = True
            late.start()
            try:
                for line in process.stdout or ():
                    if line.startswith("{"):  # what libraries print is none of ours
                        yield json.loads(line)
                code = process.wait()
            finally:
                late.cancel()
                process.kill()
            if code:
                errors.seek(0)
                last = [line for line in errors.read().splitlines() if line.strip()][-1:]
                raise ProcessDied(f"its process ended with {_name(code)} {' '.join(last)}".strip())

    return start


def measure(
    names: Sequence[str],
    start: Callable[[Sequence[str]], Iterator[Event]],
    record: Callable[[Event], None],
    budget: Budget,
) -> None:
    """Run all jobs; one that raises or kills its process is recorded, a new process goes on."""
    waiting = list(names)
    while waiting:
        if not budget.left():
            for name in waiting:
                record({"event": "left out", "job": name, "why": "the time was up"})
            return
        running: str | None = None
        before = len(waiting)
        death = "it ended before its time"
        try:
            for event in start(list(waiting)):
                if event["event"] == "begin":
                    running = event["job"]
                elif event["event"] in ("end", "error", "left out"):
                    waiting.remove(event["job"])
                    running = None
                record(event)
        except ProcessDied as error:
            death = str(error)
        if running is not None:
            waiting.remove(running)
            record({"event": "error", "job": running, "error": death})
        elif len(waiting) == before:  # it never began: the next one wouldn't, either
            job = f"all {before} benchmarks that were left"
            record({"event": "error", "job": job, "error": death})
            return


def _run(command: Sequence[str], root: Path, seconds: float) -> tuple[int | None, str, float]:
    """(exit code or None if it had to be stopped, output, seconds)."""
    start = time.monotonic()
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        process = subprocess.Popen(
            command, cwd=root, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        code: int | None
        try:
            code = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # its own children too
                process.wait()
        output.seek(0)
        return code, output.read(), time.monotonic() - start


def _in_parallel() -> list[str]:
    """Four processes where there are cores for them: more would only share the GPU's memory."""
    if find_spec("xdist") is None or (os.cpu_count() or 1) < 8:
        return []
    return ["-n", "4", "--dist", "worksteal"]


def _name(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}:"
