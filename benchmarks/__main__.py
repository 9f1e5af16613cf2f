"""``python -m benchmarks``: every target of the CPU beside PyTorch, as a table, a picture and JSON.

    python -m benchmarks                                # some minutes; two threads
    python -m benchmarks --only "training step" --rounds 5
    python -m benchmarks --page docs/cpu_speed.md       # writes the page, and its picture beside it

Exit status 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import lucid
from benchmarks import harness, page
from benchmarks.targets import (
    Result,
    growth_with_batch,
    measured,
    one_thread_over_two,
    peak_memory,
    targets,
)


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    if harness.torch() is None:
        print("benchmarks: PyTorch is what lucid is measured against, and is not installed. "
              "Hint: pip install torch", file=sys.stderr)  # fmt: skip
        return 2
    lucid.set_num_threads(options.threads)
    harness.torch()  # as many threads
    about = harness.machine() | {"threads": options.threads, "rounds": options.rounds}
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    results = []
    for result in _results(options.only, options.rounds):
        print(page.line(result), flush=True)
        results.append(result)
    if not results:
        print(f"benchmarks: --only {options.only!r} is part of no target's name", file=sys.stderr)
        return 2
    missed = [r.name for r in results if r.met is False]
    print(f"{len(missed)} of {sum(r.met is not None for r in results)} targets missed",
          *missed, sep="\n  ")  # fmt: skip
    if options.page:
        page.write(options.page, results, about)
    return bool(missed)


def _results(only: str, rounds: int) -> Iterator[Result]:
    """Of the targets whose name contains ``only``."""
    for target in targets():
        if only in target.name:
            yield from measured(target, rounds)
    alone = {
        "peak memory of a step": lambda: peak_memory("seeds' CNN", max(3, rounds // 3)),
        "exponent of time in batch": lambda: growth_with_batch(rounds),
        "dropout 2^24, two threads over one": lambda: one_thread_over_two(rounds),
    }
    for name, measure in alone.items():
        if only in name:
            yield measure()


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Every target of the CPU, beside PyTorch in the same run.",
    )
    parser.add_argument("--only", default="", help="targets whose name contains this")
    parser.add_argument("--rounds", type=int, default=11, help="timings of each contender")
    parser.add_argument("--threads", type=int, default=2, help="of lucid and of PyTorch")
    parser.add_argument("--page", type=Path, help="write this Markdown file, an .svg and a .json")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
