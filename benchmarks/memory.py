"""Memory of a training step, in a process of its own: what it adds to what lay there before.

    python -m benchmarks.memory torch "seeds' CNN"     # prints {"held": MiB, "peak": MiB}

held: between forward and backward. peak: the most at any moment of three steps. Both are resident
memory as the kernel counts it, so what an allocator keeps for later counts; the baseline is the
process with its library loaded, the model and the images made, and one small batch gone through.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks import harness
from benchmarks.bench_training import STEPS
from benchmarks.training import batch, step

MIB = 2**20
STATUS, FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def measure(library: str, network: str) -> dict[str, float]:
    """The figures of one library, measured in a fresh process."""
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", library, network],
        capture_output=True, text=True, cwd=harness.ROOT, check=False,
    )  # fmt: skip
    if run.returncode:
        raise RuntimeError(f"benchmarks.memory {library} {network} failed:\n{run.stderr}")
    return json.loads(run.stdout)


def used(name: str, network: str) -> dict[str, float]:
    """In this process."""
    library: Any = import_module(name)
    library.set_num_threads(2)
    build, image, samples = STEPS[network]
    model = build(library.nn)
    step(library, model, batch(image, 2))()  # what is loaded or made once
    call = step(library, model, batch(image, samples))
    images, labels = (library.tensor(a) for a in batch(image, samples))
    before = _resident("VmRSS")
    loss = library.nn.functional.cross_entropy(model(images), labels)
    held = _resident("VmRSS") - before
    loss.backward()
    del loss
    FORGET.write_text("5")  # the kernel starts a new peak
    for _ in range(3):
        call()
    return {"held": held, "peak": _resident("VmHWM") - before}


def _resident(field: str) -> float:
    """VmRSS: resident now; VmHWM: the most so far. MiB."""
    line = next(li for li in STATUS.read_text().splitlines() if li.startswith(field))
    return int(line.split()[1]) * 1024 / MIB


if __name__ == "__main__":
    print(json.dumps(used(*sys.argv[1:])))
