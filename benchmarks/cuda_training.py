"""A training step on the GPU, and its memory, beside PyTorch eager and torch.compile.

``lucid captured`` and ``torch captured`` are the same step as a replayed CUDA graph.

SGD with momentum, cross entropy, float32, images on the device. Both sides start from the same
weights and must give the same logits in eval mode before anything is timed. Both keep their
defaults, which agree: TF32 in convolutions, none in matrix products.

Batch norm can be cuDNN's or lucid's own, which may be one with the relu behind it. ``lucid`` is the
default: fused where relu follows in a Sequential, else cuDNN's. ResNet-18 is timed with each of the
two alone as well (``BATCH_NORMS``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import lucid
from benchmarks.cuda_clock import Contender, Peer, peer, release_memory, take_turns
from benchmarks.networks import CLASSES, NETWORKS
from lucid import backends, nn, optim
from lucid.backend.cuda import memory
from lucid.cli.gpu_document import Figure, Gap

SIZE = 32
MIB = 2**20
CAPTURED = "lucid captured"
WARMUP = 3  # steps before a capture
# Who computes batch norm: backends.cudnn.batch_norm and backends.fusion.enabled.
BATCH_NORMS = {
    "lucid, all batch norm by cuDNN": (True, False),
    "lucid, all batch norm by lucid": (False, True),
}


def step(
    network: str, batch: int, layout: str, rounds: int, compiled: bool = True, size: int = SIZE
) -> Iterator[Figure | Gap]:
    """Milliseconds per step and images per second; MiB at the peak beyond what lay there before."""
    release_memory()
    about = {"network": network, "batch": batch, "images": f"{size} x {size}", "layout": layout}
    images = np.random.default_rng(0).normal(size=(batch, 3, size, size)).astype(np.float32)
    labels = np.random.default_rng(1).integers(0, CLASSES, batch)
    model, mine = _lucid(network, images, labels, layout)
    calls = {"lucid": mine}
    if network == "ResNet-18":
        calls |= {name: _chosen(mine, *choice) for name, choice in BATCH_NORMS.items()}
    contenders = {name: Contender(call) for name, call in calls.items()}
    contenders[CAPTURED] = Contender(_captured(network, images, labels, layout))
    for name, call in calls.items():
        yield Figure.of("memory of a training step", about, name, "MiB", [_memory(call)])
    other = peer()
    if other:
        eager, used = _torch(network, images, labels, layout, other, model)
        contenders["torch eager"] = eager
        yield Figure.of("memory of a training step", about, "torch eager", "MiB", [used])
        try:
            contenders["torch captured"] = _torch_captured(eager, other)
        except Exception as error:  # of PyTorch's, with what it chose for these shapes
            text = f"{type(error).__name__}: {error}".splitlines()[0]
            yield Gap(f"torch captured, {network} {batch} {layout}", text)
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
    for name in [name for name in seconds if name not in ("lucid", CAPTURED)]:
        values = [t / s for t, s in zip(seconds[name], seconds[CAPTURED], strict=True)]
        yield Figure.of("training step", about, f"captured, faster than {name}", "x", values)


def _captured(network: str, images: Any, labels: Any, layout: str) -> Callable[[], Any]:
    """The same step as a CUDA graph. Its loss is checked against the step's own."""
    _, call = _lucid(network, images, labels, layout)
    expected = [call() for _ in range(WARMUP + 1)][-1].item()
    _, call = _lucid(network, images, labels, layout)
    step = lucid.cuda.make_graphed_step(call, warmup=WARMUP)
    # Another order of cuDNN's sums, in TF32, through as many steps.
    np.testing.assert_allclose(step().item(), expected, rtol=2e-2)
    return step


def _lucid(network: str, images: Any, labels: Any, layout: str) -> tuple[Any, Callable[[], Any]]:
    lucid.manual_seed(0)
    model = NETWORKS[network](nn).to("cuda")
    x, y = lucid.tensor(images, device="cuda"), lucid.tensor(labels, device="cuda")
    if layout == "channels_last":
        x = x.contiguous(memory_format=lucid.channels_last)
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def call() -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return model, call


def _chosen(call: Callable[[], Any], by_cudnn: bool, fused: bool) -> Callable[[], Any]:
    """The same call, with batch norm computed by the one or the other."""

    def chosen() -> None:
        before = backends.cudnn.batch_norm, backends.fusion.enabled
        backends.cudnn.batch_norm, backends.fusion.enabled = by_cudnn, fused
        try:
            call()
        finally:
            backends.cudnn.batch_norm, backends.fusion.enabled = before

    return chosen


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


def _torch_captured(eager: Contender, other: Peer) -> Contender:
    """PyTorch's step as a CUDA graph, in the way that its documentation shows."""
    cuda = other.torch.cuda
    side = cuda.Stream()
    side.wait_stream(cuda.current_stream())
    with cuda.stream(side):
        for _ in range(WARMUP):
            eager.call()
    cuda.current_stream().wait_stream(side)
    graph = cuda.CUDAGraph()
    with cuda.graph(graph):
        eager.call()
    return other.contender(graph.replay)


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
