"""One function of lucid and the same one of PyTorch, on the same numbers, checked to agree.

    report("relu", contenders(lambda F, x: F.relu(x), [(64, 64, 16, 16)], backward=True))

The function is written once: both libraries use the same names, F is either's functional namespace.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import lucid
import lucid.nn.functional as F
from benchmarks import harness

Call = Callable[[], Any]


def contenders(
    function: Callable[..., Any],
    shapes: Sequence[tuple[int, ...]],
    *,
    backward: bool,
    channels_last: bool = False,
    tolerance: float = 1e-3,
    compared: bool = True,
) -> dict[str, Call]:
    """``function(F, *tensors)`` as calls, F being a library's functional namespace.

    Each shape is a tensor of normal numbers that requires grad. ``tolerance`` is relative to the
    largest element of what is compared: y, and each gradient. Random functions can't be compared.
    """
    random = np.random.default_rng(0)
    values = [random.normal(size=shape).astype(np.float32) for shape in shapes]
    calls, results = {}, {}
    libraries = [(harness.OURS, lucid, F)]
    if torch := harness.torch():
        libraries.append(("torch", torch, torch.nn.functional))
    for name, library, functional in libraries:
        tensors = [library.tensor(v) for v in values]
        if channels_last:
            tensors = [
                t.contiguous(memory_format=library.channels_last) if t.ndim == 4 else t
                for t in tensors
            ]
        calls[name] = _call(library, function, functional, tensors, backward)
        if compared:
            results[name] = _results(calls[name], tensors, backward)
    if compared and torch:
        for ours, theirs in zip(results[harness.OURS], results["torch"], strict=True):
            largest = np.abs(theirs).max()
            assert np.abs(ours - theirs).max() <= tolerance * largest, "the results differ"
    return calls


def _call(library: Any, function: Any, functional: Any, tensors: list[Any], backward: bool) -> Call:
    if not backward:
        return lambda: function(functional, *tensors)
    for t in tensors:
        t.requires_grad_()
    dy = function(functional, *tensors).detach().clone()  # of the result's memory order
    noise = np.random.default_rng(1).normal(size=dy.shape).astype(np.float32)
    dy.copy_(library.tensor(noise))

    def both() -> Any:
        for t in tensors:
            t.grad = None
        y = function(functional, *tensors)
        y.backward(dy)
        return y

    return both


def _results(call: Call, tensors: list[Any], backward: bool) -> list[np.ndarray]:
    y = call().detach().numpy()
    return [y, *(t.grad.numpy() for t in tensors)] if backward else [y]
