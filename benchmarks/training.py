"""A training step of a network in lucid and in PyTorch, from the same weights, checked to agree."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

import lucid
from benchmarks import harness
from benchmarks.networks import CLASSES
from lucid.testing.measure import interleave

Call = Callable[[], Any]
Batch = tuple[np.ndarray, np.ndarray]


def batch(image: tuple[int, ...], samples: int) -> Batch:
    """Normal images and any labels."""
    images = np.random.default_rng(0).normal(size=(samples, *image)).astype(np.float32)
    return images, np.random.default_rng(1).integers(0, CLASSES, samples)


def contenders(
    build: Callable[[Any], Any], image: tuple[int, ...], samples: int
) -> dict[str, Call]:
    """Steps of SGD with momentum, from the same weights; in eval mode the logits must agree."""
    data = batch(image, samples)
    mine = build(lucid.nn)
    calls = {harness.OURS: step(lucid, mine, data)}
    if torch := harness.torch():
        theirs = build(torch.nn)
        theirs.load_state_dict(
            {name: torch.tensor(t.numpy()) for name, t in mine.state_dict().items()}
        )
        agree(logits(lucid, mine, data[0]), logits(torch, theirs, data[0]))
        calls["torch"] = step(torch, theirs, data)
    return calls


def step(library: Any, model: Any, data: Batch) -> Call:
    """Forward, cross entropy, backward, update."""
    x, y = library.tensor(data[0]), library.tensor(data[1])
    optimizer = library.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def call() -> None:
        optimizer.zero_grad()
        library.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    return call


def logits(library: Any, model: Any, images: np.ndarray) -> np.ndarray:
    """Without dropout; the model is left in training mode."""
    model.eval()
    with library.no_grad():
        result = model(library.tensor(images)).numpy()
    model.train()
    return result


def agree(mine: np.ndarray, theirs: np.ndarray) -> None:
    largest = np.abs(theirs).max()
    assert np.abs(mine - theirs).max() <= 1e-3 * largest, "the two networks compute something else"


def seconds_per_step(build: Callable[[Any], Any], data: Batch, rounds: int) -> float:
    """The median of lucid's step."""
    times = interleave({harness.OURS: step(lucid, build(lucid.nn), data)}, rounds)
    return median(times[harness.OURS])
