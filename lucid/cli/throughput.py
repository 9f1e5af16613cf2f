"""Time forward and backward of the dropout family, beside a copy and beside PyTorch."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import lucid
from lucid import nn
from lucid.cli.versions import processor
from lucid.errors import DTypeError
from lucid.testing.measure import Summary, copier, interleave, ratio

__all__ = ["LAYERS", "STEP", "Result", "checked_dtype", "measure"]

LAYERS = ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout")
DTYPES = ("float16", "bfloat16", "float32", "float64")
P = 0.3
CHANNELS = 64
STEP = CHANNELS * 64  # elements come in multiples of it: 64 channels of 4 x 4 x 4
PASSES = 4  # over the tensor's bytes: forward reads x and writes y, backward reads dy, writes dx


@dataclass(frozen=True)
class Result:
    """One layer on one device. Bandwidths are in bytes per second."""

    layer: str
    device: str
    device_name: str
    shape: tuple[int, ...]
    dtype: str
    seconds: Summary
    bandwidth: Summary
    copy: Summary  # bandwidth of a plain copy in the same rounds
    of_copy: Summary  # share of the copy's bandwidth, round by round
    torch_bandwidth: Summary | None  # bandwidth of PyTorch's layer of that name
    faster_than_torch: Summary | None  # 2: half the time


def measure(devices: Sequence[str], counts: Sequence[int], dtype: str, rounds: int) -> list[Result]:
    """Every layer on every device with each number of elements."""
    return [
        result
        for count in counts
        for device in devices
        for result in _measure(device, count, dtype, rounds)
    ]


def checked_dtype(name: str) -> str:
    """The name, if dropout takes tensors of that type."""
    if name not in DTYPES:
        raise DTypeError(f"bench: --dtype must be one of {', '.join(DTYPES)}; got {name}")
    return name


def _measure(device: str, count: int, dtype: str, rounds: int) -> list[Result]:
    where = lucid.device(device).concrete()
    nbytes = count * getattr(lucid, dtype).itemsize
    calls: dict[str, Callable[[], Any]] = {"copy": copier(where, nbytes)}
    torch, torch_wait = _torch(device)
    for layer in LAYERS:
        shape = _shape(layer, count)
        calls[layer] = _lucid_call(layer, shape, dtype, device)
        if torch is not None:
            calls[f"torch {layer}"] = _torch_call(torch, layer, shape, dtype, device)

    def wait() -> None:
        where.synchronize()
        torch_wait()

    seconds = interleave(calls, rounds, synchronize=wait)
    copy = Summary.of([2 * nbytes / s for s in seconds["copy"]])
    half_copies = [s * PASSES / 2 for s in seconds["copy"]]  # a copy makes two passes

    def bandwidth(times: Sequence[float]) -> Summary:
        return Summary.of([PASSES * nbytes / s for s in times])

    results = []
    for layer in LAYERS:
        mine, theirs = seconds[layer], seconds.get(f"torch {layer}")
        results.append(
            Result(
                layer=layer,
                device=str(where),
                device_name=processor() if device == "cpu" else lucid.cuda.get_device_name(),
                shape=_shape(layer, count),
                dtype=dtype,
                seconds=Summary.of(mine),
                bandwidth=bandwidth(mine),
                copy=copy,
                of_copy=ratio(half_copies, mine),
                torch_bandwidth=bandwidth(theirs) if theirs else None,
                faster_than_torch=ratio(theirs, mine) if theirs else None,
            )
        )
    return results


def _shape(layer: str, count: int) -> tuple[int, ...]:
    """``count`` elements in the shape that the layer is for."""
    if layer in ("Dropout", "AlphaDropout"):
        return (count,)
    space = {"Dropout1d": (64,), "Dropout3d": (4, 4, 4)}.get(layer, (8, 8))
    return (count // STEP, CHANNELS, *space)


def _lucid_call(layer: str, shape: tuple[int, ...], dtype: str, device: str) -> Callable[[], Any]:
    drop = getattr(nn, layer)(P)
    x = lucid.randn(shape, device=device).to(getattr(lucid, dtype)).requires_grad_()
    dy = lucid.ones_like(x)

    def call() -> None:
        x.grad = None
        drop(x).backward(dy)

    return call


def _torch_call(
    torch: Any, layer: str, shape: tuple[int, ...], dtype: str, device: str
) -> Callable[[], Any]:
    drop = getattr(torch.nn, layer)(P)
    x = torch.randn(shape, device=device).to(getattr(torch, dtype)).requires_grad_()
    dy = torch.ones_like(x)

    def call() -> None:
        x.grad = None
        drop(x).backward(dy)

    return call


def _torch(device: str) -> tuple[Any, Callable[[], Any]]:
    """PyTorch, if it is installed and knows the device, and how to wait for it."""
    if importlib.util.find_spec("torch") is None:
        return None, lambda: None
    torch = importlib.import_module("torch")
    if device == "cpu":
        return torch, lambda: None
    if not torch.cuda.is_available():
        return None, lambda: None
    return torch, torch.cuda.synchronize
