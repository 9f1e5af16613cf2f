"""The dropout family on the GPU: forward and backward beside a copy and PyTorch, and CPU : CUDA.

A dropout reads n elements and writes n, as a copy of the same bytes does, and its backward too;
the copy takes its turn in the same rounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

import lucid
from benchmarks.cuda_clock import Contender, Peer, free_memory, peer, release_memory, take_turns
from lucid import nn
from lucid.cli.gpu_document import Figure, NotMeasured
from lucid.testing.measure import copier, interleave, ratio

P = 0.3
LAYERS = ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout")
IMAGES = ("Dropout", "Dropout2d", "AlphaDropout", "FeatureAlphaDropout")  # known as channels_last
DTYPES = ("float32", "float16", "bfloat16")
SPACE = {"Dropout1d": (256,), "Dropout3d": (8, 8, 8)}
CHANNELS = 64
TENSORS = 16  # that both sides and the copy hold at once, at most; PyTorch's alpha dropout has 5


class Case(NamedTuple):
    """One layer on tensors of one kind."""

    layer: str
    dtype: str
    layout: str
    exponent: int

    def __str__(self) -> str:
        return f"{self.layer} {self.dtype} {self.layout} 2^{self.exponent}"

    @property
    def nbytes(self) -> int:
        return 2**self.exponent * getattr(lucid, self.dtype).itemsize

    @property
    def shape(self) -> tuple[int, ...]:
        if self.layer in ("Dropout", "AlphaDropout") and self.layout == "contiguous":
            return (2**self.exponent,)
        space = SPACE.get(self.layer, (16, 16))
        return (2**self.exponent // (CHANNELS * int(np.prod(space))), CHANNELS, *space)


def cases(exponents: tuple[int, ...], dtypes: tuple[str, ...] = DTYPES) -> Iterator[Case]:
    """Every layer, type and layout; the sizes in the order given."""
    for exponent in exponents:
        for dtype in dtypes:
            for layer in LAYERS:
                yield Case(layer, dtype, "contiguous", exponent)
                if layer in IMAGES:
                    yield Case(layer, dtype, "channels_last", exponent)


def bandwidth(case: Case, rounds: int) -> Iterator[Figure]:
    """GB/s forward and backward, shares of a copy, ratios to PyTorch."""
    release_memory()
    needed, free = TENSORS * case.nbytes, free_memory()
    if needed > 0.9 * free:
        raise NotMeasured(f"needs {needed / 2**30:.1f} GiB; {free / 2**30:.1f} GiB are free")
    where = lucid.device("cuda").concrete()
    contenders = {"copy": Contender(copier(where, case.nbytes))} | _lucid(case)
    other = peer()
    if other:
        contenders |= _torch(case, other)
    seconds = take_turns(contenders, rounds)
    del contenders
    about = case._asdict() | {"exponent": f"2^{case.exponent}"}
    for direction in ("forward", "backward"):
        mine, theirs = seconds[direction], seconds.get(f"torch {direction}")
        here = about | {"direction": direction}
        figures = {
            ("lucid", "GB/s"): _rate(case, mine),
            ("a copy", "GB/s"): _rate(case, seconds["copy"]),
            ("of the copy", "%"): [100 * c / s for c, s in zip(seconds["copy"], mine, strict=True)],
        }
        if theirs:
            figures["torch", "GB/s"] = _rate(case, theirs)
            figures["faster than torch", "x"] = [t / s for t, s in zip(theirs, mine, strict=True)]
        for (quantity, unit), values in figures.items():
            yield Figure.of("dropout", here, quantity, unit, values)


def cpu_to_cuda(layer: str, exponent: int, rounds: int) -> Iterator[Figure]:
    """How many times faster forward + backward is on the GPU than on lucid's own CPU path."""
    case = Case(layer, "float32", "contiguous", exponent)
    devices = ("cpu", "cuda")
    where = lucid.device("cuda").concrete()
    seconds = interleave(
        {device: _step(case, device) for device in devices}, rounds, synchronize=where.synchronize
    )
    about = {"layer": layer, "exponent": f"2^{exponent}", "dtype": "float32"}
    threads = f"cpu, {lucid.get_num_threads()} threads"
    for name, device in ((threads, "cpu"), ("cuda", "cuda")):
        milliseconds = [s * 1e3 for s in seconds[device]]
        yield Figure.of("dropout, CPU : CUDA", about, name, "ms", milliseconds)
    times = ratio(seconds["cpu"], seconds["cuda"])
    yield Figure("dropout, CPU : CUDA", about, "CUDA is faster", "x", *times, rounds)


def _rate(case: Case, seconds: list[float]) -> list[float]:
    """Both directions read n elements and write n."""
    return [2 * case.nbytes / s / 1e9 for s in seconds]


def _input(case: Case, device: str) -> Any:
    x = lucid.randn(case.shape, device=device, dtype=getattr(lucid, case.dtype))
    if case.layout == "channels_last":
        x = x.contiguous(memory_format=lucid.channels_last)
    return x.requires_grad_()


def _lucid(case: Case) -> dict[str, Contender]:
    drop, x = getattr(nn, case.layer)(P), _input(case, "cuda")
    _check(drop, x)
    y, dy = drop(x), x.detach()

    def backward() -> None:
        lucid.autograd.grad(y, x, dy, retain_graph=True)

    return {"forward": Contender(lambda: drop(x)), "backward": Contender(backward)}


def _torch(case: Case, other: Peer) -> dict[str, Contender]:
    torch = other.torch
    drop = getattr(torch.nn, case.layer)(P)
    x = torch.randn(case.shape, device=other.device, dtype=getattr(torch, case.dtype))
    if case.layout == "channels_last":
        x = x.contiguous(memory_format=torch.channels_last)
    x.requires_grad_()
    y, dy = drop(x), x.detach()

    def backward() -> None:
        torch.autograd.grad(y, x, dy, retain_graph=True)

    return {
        "torch forward": other.contender(lambda: drop(x)),
        "torch backward": other.contender(backward),
    }


def _step(case: Case, device: str) -> Any:
    drop, x = getattr(nn, case.layer)(P), _input(case, device)
    dy = x.detach()

    def step() -> None:
        x.grad = None
        drop(x).backward(dy)

    return step


def _check(drop: Any, x: Any) -> None:
    """The beginning is what the CPU makes of it: the same decisions, the same values."""
    few = 1 if x.ndim > 1 else min(len(x), 4096)
    with lucid.no_grad():
        lucid.manual_seed(0)
        got = drop(x)[:few].cpu().float().numpy()
        lucid.manual_seed(0)
        expected = drop(x[:few].cpu()).float().numpy()
    close = 2 * float(np.finfo(np.float16).eps) if x.dtype != lucid.bfloat16 else 2**-6
    np.testing.assert_allclose(got, expected, rtol=close, atol=close)
