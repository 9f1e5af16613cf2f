"""A training step on the GPU, and its memory, beside PyTorch eager and torch.compile.

SGD with momentum, cross entropy, float32, images on the device. Both sides start from the same
weights and must give the same logits in eval mode before anything is timed. Both keep their
defaults, which agree: TF32 in convolutions, none in matrix products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import lucid
from benchmarks.cuda_clock import Contender, Peer, peer, release_memory, take_turns
from benchmarks.networks import CLASSES, NETWORKS
from lucid import nn, optim
from lucid.backend.cuda import memory
from lucid.cli.gpu_document import Figure, Gap

SIZE = 32
MIB = 2**20


def step(
    network: str, batch: int, layout: str, rounds: int, compiled: bool = True, size: int = SIZE
) -> Iterator[Figure | Gap]:
    """Milliseconds per step and images per second; MiB at the peak beyond what lay there before."""
    release_memory()
    about = {"network": network, "batch": batch, "images": f"{size} x {size}", "layout": layout}
    images = np.random.default_rng(0).normal(size=(batch, 3, size, size)).astype(np.float32)
    labels = np.random.default_rng(1).integers(0, CLASSES, batch)
    model, mine = _lucid(network, images, labels, layout)
    contenders = {"lucid": Contender(mine)}
    yield Figure.of("memory of a training step", about, "lucid", "MiB", [_memory(mine)])
    other = peer()
    if other:
        eager, used = _torch(network, images, labels, layout, other, model)
        contenders["torch eager"] = eager
        yield Figure.of("memory of a training step", about, "torch eager", "MiB", [used])
        if compiled:
            # Compiling can fail for reasons of its own (no C compiler): that is no error of lucid.
            try:
                fast, _ = _torch(network, images, labels, layout, other, model, compiled=True)
            except Exception as error:
                text = f"{type(error).__name__}: {error}".splitlines()[0]
                yield Gap(f"torch.compile, {network} {batch} {layout}", text)
            else:
                contenders["torch.compile"] = fast
    seconds = take_turns(contenders, rounds, at_least=50e-3)
    for name, times in seconds.items():
        yield Figure.of("training step", about, name, "ms", [s * 1e3 for s in times])
    mine_seconds = seconds["lucid"]
    rate = [batch / s for s in mine_seconds]
    yield Figure.of("training step", about, "lucid", "images/s", rate)
    for name in [name for name in seconds if name != "lucid"]:
        values = [t / s for t, s in zip(seconds[name], mine_seconds, strict=True)]
        yield Figure.of("training step", about, f"faster than {name}", "x", values)


def _lucid(network: str, images: Any, labels: Any, layout: str) -> tuple[Any, Callable[[], Any]]:
    lucid.manual_seed(0)
    model = NETWORKS[network](nn).to("cuda")
    x, y = lucid.tensor(images, device="cuda"), lucid.tensor(labels, device="cuda")
    if layout == "channels_last":
        x = x.contiguous(memory_format=lucid.channels_last)
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def call() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    return model, call


def _memory(call: Callable[[], Any]) -> float:
    """MiB at the peak of a step beyond what is held between steps; the first one only warms up."""
    call()
    memory.forget_peak()
    before = memory.allocated()
    call()
    return (memory.most_allocated() - before) / MIB


def _torch(
    network: str, images: Any, labels: Any, layout: str, other: Peer, mine: Any,
    compiled: bool = False,
) -> tuple[Contender, float]:  # fmt: skip
    """The same step in PyTorch, and its MiB."""
    torch, device = other.torch, other.device
    model = NETWORKS[network](torch.nn)
    state = {name: torch.from_numpy(np.array(t.cpu().numpy())) for name, t in
             mine.state_dict().items()}  # fmt: skip
    model.load_state_dict(state)
    x, y = torch.from_numpy(images).to(device), torch.from_numpy(labels).to(device)
    if layout == "channels_last":
        model = model.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
    model = model.to(device)
    _check(mine, model, images, torch, device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    forward = torch.compile(model) if compiled else model

    def call() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(forward(x), y).backward()
        optimizer.step()

    call()
    return other.contender(call), other.memory(call) / MIB


def _check(mine: Any, theirs: Any, images: Any, torch: Any, device: str) -> None:
    """The logits agree in eval mode, to the precision of TF32, which both may use."""
    few = images[:8]
    mine.eval()
    theirs.eval()
    with lucid.no_grad(), torch.no_grad():
        got = mine(lucid.tensor(few, device="cuda")).cpu().numpy()
        expected = theirs(torch.from_numpy(few).to(device)).cpu().numpy()
    mine.train()
    theirs.train()
    scale = float(np.abs(expected).max())
    np.testing.assert_allclose(got, expected, rtol=2e-2, atol=2e-2 * scale)
