"""What lucid wants to be on the CPU, each as a case that is measured: its time over PyTorch's.

``python -m benchmarks`` measures them. A case is written once, in the file of its family.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from math import prod
from typing import Any, NamedTuple

from benchmarks import (
    bench_activation,
    bench_convolution,
    bench_dropout,
    bench_loss,
    bench_normalization,
    bench_optimizer,
    bench_pooling,
    bench_training,
    harness,
    memory,
    training,
)
from lucid.testing.measure import Summary, interleave, ratio

Calls = Mapping[str, Callable[[], Any]]
LARGE = 2**24


class Target(NamedTuple):
    """At most ``at_most`` of PyTorch's time; of several cases, in the geometric mean."""

    name: str
    at_most: float
    cases: Mapping[str, Callable[[], Calls]]


class Result(NamedTuple):
    """One case, or the mean of several (their seconds are not one number, and left out)."""

    name: str
    at_most: float | None
    ratio: Summary
    seconds: Mapping[str, Summary]

    @property
    def met(self) -> bool | None:
        return None if self.at_most is None else self.ratio.median <= self.at_most


def targets() -> Iterator[Target]:
    """All that are ratios of times, in the order of the table."""

    def dropout(name: str, backward: bool) -> Calls:
        return bench_dropout.contenders(name, LARGE, backward=backward)[0]

    def activation(name: str) -> Calls:
        return bench_activation.contenders(name, backward=True)[0]

    for name, limits in {
        "dropout": (0.12, 0.18),
        "alpha_dropout": (0.20, 0.20),
        "dropout2d": (0.9, 0.9),
        "feature_alpha_dropout": (0.9, 0.9),
    }.items():
        for backward, limit in zip((False, True), limits, strict=True):
            what = f"{name} 2^24, {_way(backward)}"
            yield Target(what, limit, {what: partial(dropout, name, backward)})
    yield Target(
        "eight convolutions, forward + backward",
        1.3,
        {
            f"convolution {name}": partial(bench_convolution.contenders, name, backward=True)
            for name in bench_convolution.TYPICAL
        },
    )
    for what, case in {
        "batch norm": partial(bench_normalization.contenders, "batch_norm 32x32", backward=True),
        "ReLU": partial(activation, "relu"),
        "SELU": partial(activation, "selu"),
        "max pool 2 x 2": partial(bench_pooling.contenders, "max k2 s2 32x32", backward=True),
        "cross entropy 256 x 1000": partial(
            bench_loss.contenders, "cross_entropy 256x1000", backward=True
        ),
    }.items():
        name = f"{what}, forward + backward"
        yield Target(name, 1.2, {name: case})
    for kind in ("Adam", "SGD with momentum"):
        name = f"{kind}, step over ResNet-18"
        yield Target(name, 1.2, {name: partial(bench_optimizer.contenders, kind)})
    for network, parts in bench_training.STEPS.items():
        name = f"training step, {network}"
        limit = 1.3 if network == "ResNet-18" else 1.0
        yield Target(name, limit, {name: partial(training.contenders, *parts)})


def measured(target: Target, rounds: int) -> Iterator[Result]:
    """The target's result first, then its cases if there are several."""
    parts = [_measured(name, build(), rounds) for name, build in target.cases.items()]
    if len(parts) == 1:
        yield parts[0]._replace(at_most=target.at_most)
        return
    mean = Summary(*(prod(values) ** (1 / len(parts)) for values in
                     zip(*(part.ratio for part in parts), strict=True)))  # fmt: skip
    yield Result(target.name, target.at_most, mean, {})
    yield from parts


def _measured(name: str, calls: Calls, rounds: int) -> Result:
    seconds = interleave(calls, rounds, settle=True)
    ours = ratio(seconds[harness.OURS], seconds["torch"])
    return Result(name, None, ours, {who: Summary.of(times) for who, times in seconds.items()})


def peak_memory(network: str, rounds: int) -> Result:
    """The peak of a training step over PyTorch's, each in fresh processes that take turns."""
    pairs = [
        (memory.measure("lucid", network)["peak"], memory.measure("torch", network)["peak"])
        for _ in range(rounds)
    ]
    return Result(f"peak memory of a step, {network}", 1.0, ratio(*zip(*pairs, strict=True)), {})


def growth_with_batch(rounds: int) -> Result:
    """Of the seeds' CNN's step: 1 is linear. Not beside PyTorch."""
    build, image, _ = bench_training.STEPS["seeds' CNN"]
    slopes = []
    for _ in range(3):
        seconds = {
            n: training.seconds_per_step(build, training.batch(image, n), rounds)
            for n in bench_training.BATCHES
        }
        slopes.append(bench_training.growth(seconds))
    return Result("exponent of time in batch, seeds' CNN", 1.05, Summary.of(slopes), {})


def one_thread_over_two(rounds: int) -> Result:
    """Dropout's time on two threads over its time on one: at most 1 / 1.6. Not beside PyTorch."""
    import lucid
    import lucid.nn.functional as F

    x, before = lucid.ones(LARGE), harness.threads()

    def run(threads: int) -> None:
        lucid.set_num_threads(threads)
        F.dropout(x, bench_dropout.P, True)

    try:
        seconds = interleave({"1": partial(run, 1), "2": partial(run, 2)}, rounds)
    finally:
        lucid.set_num_threads(before)
    name = "dropout 2^24, two threads over one"
    return Result(name, 1 / 1.6, ratio(seconds["2"], seconds["1"]), {})


def _way(backward: bool) -> str:
    return "forward + backward" if backward else "forward"
