"""The benchmarks of `lucid gpu-report`, the most important first, and the process that runs them.

    python -m benchmarks.cuda_jobs --plan full --seconds 600 "launch overhead" ...

writes one line of JSON per event to stdout. After an error it stops: a CUDA error spoils all that
follows in its process, so the report starts another one for what is left.
"""

from __future__ import annotations

import argparse
import json
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

from benchmarks import cuda_dropout, cuda_overhead, cuda_training
from lucid.cli.gpu_document import Figure, Gap, NotMeasured

__all__ = ["Job", "events", "plan"]

LARGE = 256 * 2**20  # bytes from which on no cache helps


class Job(NamedTuple):
    """One benchmark. ``seconds``: about what it takes on a large GPU, with PyTorch beside it."""

    name: str
    seconds: float
    run: Callable[[], Iterator[Figure | Gap]]
    important: bool = True


class Extent(NamedTuple):
    """How much is measured."""

    exponents: tuple[int, ...]
    steps: tuple[tuple[str, int, str], ...]
    rounds: int
    compiled: bool
    ratio: int  # exponent of CPU : CUDA
    dtypes: tuple[str, ...] = cuda_dropout.DTYPES
    image: int = cuda_training.SIZE


_BATCHES = [("seed CNN", 64), ("ResNet-18", 128), ("seed CNN", 256), ("ResNet-18", 256),
            ("seed CNN", 128)]  # fmt: skip
_BOTH = ("contiguous", "channels_last")
EXTENTS = {
    "full": Extent(
        exponents=(28, 26, 30, 24, 22, 20, 18, 16),
        steps=tuple((*pair, layout) for pair in _BATCHES for layout in _BOTH),
        rounds=15,
        compiled=True,
        ratio=24,
    ),
    "quick": Extent(
        exponents=(28, 20),
        steps=tuple((*pair, "contiguous") for pair in _BATCHES[:2]),
        rounds=5,
        compiled=False,
        ratio=22,
    ),
    "emulated": Extent(
        exponents=(15,),
        steps=(("seed CNN", 1, "channels_last"),),
        rounds=2,
        compiled=False,
        ratio=15,
        dtypes=("bfloat16",),
        image=4,
    ),
}


def plan(extent: str) -> list[Job]:
    """All jobs of an extent, in the order in which they are to run."""
    size = EXTENTS[extent]
    dropout = [
        Job(
            f"dropout: {case}",
            4,
            partial(cuda_dropout.bandwidth, case, size.rounds),
            important=case.nbytes >= LARGE,
        )
        for case in cuda_dropout.cases(size.exponents, size.dtypes)
    ]
    others = [
        Job(
            f"training step: {network} {batch} {layout}",
            45 if size.compiled else 15,
            partial(
                cuda_training.step,
                network,
                batch,
                layout,
                size.rounds,
                size.compiled,
                size.image,
            ),
        )
        for network, batch, layout in size.steps
    ]
    others += [
        Job("launch overhead", 5, partial(cuda_overhead.launch, size.rounds)),
        Job("small ops", 5, partial(cuda_overhead.small_ops, size.rounds)),
    ]
    others += [
        Job(
            f"dropout, CPU : CUDA: {layer}",
            8,
            partial(cuda_dropout.cpu_to_cuda, layer, size.ratio, size.rounds),
        )
        for layer in cuda_dropout.LAYERS
    ]
    large = [job for job in dropout if job.important]
    return [*large, *others, *(job for job in dropout if not job.important)]


def events(jobs: Iterable[Job], seconds_left: Callable[[], float]) -> Iterator[dict[str, Any]]:
    """What happens, as dicts for JSON; after an error, nothing more."""
    for job in jobs:
        left = seconds_left()
        if left < job.seconds:
            why = f"the time was up: {job.seconds:g} s needed"
            yield {"event": "left out", "job": job.name, "why": why}
            continue
        yield {"event": "begin", "job": job.name}
        try:
            for item in job.run():
                yield {"event": "figure" if isinstance(item, Figure) else "gap", **item._asdict()}
        except NotMeasured as reason:
            yield {"event": "left out", "job": job.name, "why": str(reason)}
            continue
        except Exception as error:
            yield {
                "event": "error",
                "job": job.name,
                "error": f"{type(error).__name__}: {error}",
                "traceback": traceback.format_exc(),
            }
            return
        yield {"event": "end", "job": job.name}


def main() -> None:
    """The process that measures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--plan", choices=EXTENTS, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("jobs", nargs="+")
    asked = parser.parse_args()
    end = time.monotonic() + asked.seconds
    known = {job.name: job for job in plan(asked.plan)}
    for event in events([known[name] for name in asked.jobs], lambda: end - time.monotonic()):
        print(json.dumps(event), flush=True)


if __name__ == "__main__":
    main()
