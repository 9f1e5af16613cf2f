"""A benchmark: check the contenders, let them take turns, relate them to the machine and to peers.

lucid.testing.measure keeps the time. This module turns it into rows that can be read, and written
as JSON: median and spread, GB/s, per cent of a copy made in the same rounds, ratio to each peer
measured in the same rounds. No row is an absolute time alone.
"""

from __future__ import annotations

import importlib.util
import json
import platform
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import pytest

import lucid
from lucid.testing.measure import Summary, copier, interleave, ratio

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).parent.parent
OURS = "lucid"


class Row(NamedTuple):
    """One contender of one benchmark."""

    name: str
    contender: str
    seconds: Summary
    gigabytes_per_second: float | None  # of what must be read and written
    of_copy: Summary | None  # share of the speed of a copy, which reads and writes as well
    ratio_to: dict[str, Summary]  # below 1: faster than that peer

    def __str__(self) -> str:
        text = f"{self.name:44s} {self.contender:10s}"
        if self.gigabytes_per_second is not None and self.of_copy is not None:
            text += f" {self.gigabytes_per_second:6.2f} GB/s {self.of_copy.median:6.1%} of a copy"
        for peer, times in self.ratio_to.items():
            text += f"   {times.median:.2f} ({times.low:.2f} to {times.high:.2f}) of {peer}'s time"
        return text + f"   {_time(self.seconds)}"


def compare(
    name: str,
    contenders: Mapping[str, Callable[[], Any]],
    *,
    nbytes: int | None = None,
    device: str = "cpu",
    rounds: int = 15,
) -> list[Row]:
    """Measure contenders that have been checked to agree. ``nbytes``: to be read and written."""
    where = lucid.device(device).concrete()
    calls = dict(contenders)
    if nbytes is not None:
        calls["copy"] = copier(where, nbytes // 2)
    seconds = interleave(calls, rounds, settle=device == "cpu", synchronize=where.synchronize)
    rows = []
    for contender in contenders:
        times = seconds[contender]
        middle = Summary.of(times)
        rows.append(
            Row(
                name,
                contender,
                middle,
                None if nbytes is None else nbytes / middle.median / 1e9,
                None if nbytes is None else ratio(seconds["copy"], times),
                {c: ratio(times, seconds[c]) for c in contenders if c not in (contender, OURS)},
            )
        )
    return rows


def machine(device: str = "cpu") -> dict[str, Any]:
    """What a number must be read with: device, versions, commit."""
    onednn = lucid.backends.onednn
    return {
        "device": lucid.cuda.get_device_name(device) if device != "cpu" else processor(),
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "torch": torch().__version__ if torch() else None,
        "onednn": onednn.version() if onednn.is_available() else None,
        "commit": commit(),
    }


def processor() -> str:
    """The maker's name for the CPU."""
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def commit() -> str:
    """The commit that was measured; "+" if files were changed since."""
    try:
        run = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"],
            capture_output=True, text=True, cwd=ROOT, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return run.stdout.strip()


def torch() -> Any:
    """PyTorch if it is installed, with as many threads as lucid; else None."""
    if importlib.util.find_spec("torch") is None:
        return None
    module = pytest.importorskip("torch")
    module.set_num_threads(threads())
    return module


def threads() -> int:
    """How many threads lucid computes with."""
    from lucid.backend.cpu.threads import get_num_threads

    return get_num_threads()


def write(rows: list[Row], path: Path) -> None:
    """The rows, and the machine, as JSON."""
    text = {"machine": machine() | {"threads": threads()}, "rows": [_plain(row) for row in rows]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(text, indent=1) + "\n")


def _plain(value: Any) -> Any:
    if hasattr(value, "_asdict"):
        return {k: _plain(v) for k, v in value._asdict().items()}
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return value


def _time(seconds: Summary) -> str:
    unit, size = next((u, s) for u, s in (("s", 1), ("ms", 1e-3), ("us", 1e-6)) if s <= 1e-6
                      or seconds.median >= s)  # fmt: skip
    return f"{seconds.median / size:.3g} {unit} ± {seconds.spread / 2:.0%}"
