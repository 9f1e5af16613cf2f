"""One parameter's update, block by block: a formula of flat arrays, and where it runs.

An optimizer writes its rule once, with in-place array operations. On the CPU it runs over blocks
that stay in cache, shared among threads; on a GPU over whole arrays. Half types are computed in
float32 and rounded once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from lucid import dtypes
from lucid.backend import Array, Device
from lucid.backend.cpu.threads import parallel_for, scratch

# Two scratch blocks, parameter, gradient and two states: 6 * 64 KiB of float32 stay in L2.
BLOCK = 16_384

Formula = Callable[..., None]  # (xp, settings, p, g, *states, t, u): t and u are scratch


def update(
    device: Device,
    formula: Formula,
    settings: Mapping[str, Any],
    p: Array,
    g: Array,
    states: list[Array],
) -> None:
    """Run ``formula`` on p (and its states) in place. All have p's shape."""
    token = device.enter()
    try:
        flats, write_back = _flatten(p, g, states)
        if device.type != "cpu":
            _run(device.xp, formula, settings, flats, device.xp.empty)
        elif p.size <= BLOCK:
            _run(device.xp, formula, settings, flats, _scratch)
        else:

            def block(start: int, stop: int) -> None:
                part = [a[start:stop] for a in flats]
                _run(device.xp, formula, settings, part, _scratch)

            parallel_for(block, p.size, BLOCK)
        for array, flat in write_back:
            array[...] = flat.reshape(array.shape)
    finally:
        device.leave(token)


class Job(NamedTuple):
    """One parameter's update: arrays, and the numbers that the rule takes."""

    device: Device
    settings: Mapping[str, Any]
    p: Array
    g: Array
    states: list[Array]


def update_all(
    formula: Formula, fused: str, jobs: list[Job], scale: Array = None, found: Array = None
) -> None:
    """Run ``formula`` on all parameters; on a GPU ``fused`` names a kernel that does so in one.

    The kernel divides gradients by ``scale``, and changes nothing where ``found`` is not 0.
    """
    at_once: dict[Device, list[Job]] = {}
    for job in jobs:
        if has_kernel(fused, job.device, job.p):
            at_once.setdefault(job.device, []).append(job)
        else:
            update(job.device, formula, job.settings, job.p, job.g, job.states)
    for device, some in at_once.items():
        token = device.enter()
        try:
            device.kernels.optimizer_step(fused, some, scale, found)
        finally:
            device.leave(token)


def has_kernel(fused: str, device: Device, p: Array) -> bool:
    """Whether the rule's kernel updates this parameter."""
    return bool(fused) and device.type == "cuda" and dtypes.of(p.dtype).is_floating_point


def _run(xp: Any, formula: Formula, settings: Any, arrays: list[Array], empty: Any) -> None:
    p = arrays[0]
    if p.dtype.itemsize > 2:
        t, u = empty((2, p.size), p.dtype)
        formula(xp, settings, *arrays, t, u)
        return
    wide = dtypes.float32.numpy
    t, u = empty((2, p.size), wide)
    widened = [a.astype(wide) for a in arrays]
    formula(xp, settings, *widened, t, u)
    for i, (narrow, result) in enumerate(zip(arrays, widened, strict=True)):
        if i != 1:  # the gradient is only read
            narrow[...] = result


def _scratch(shape: tuple[int, int], dtype: Any) -> Array:
    return scratch("optim", shape[0] * shape[1], dtype).reshape(shape)


def _flatten(p: Array, g: Array, states: list[Array]) -> tuple[list[Array], list]:
    """All arrays as 1-D in p's order of memory; those that had to be copied, with their copies."""
    if g.dtype != p.dtype:
        g = g.astype(p.dtype)
    arrays = [p, g, *states]
    if not all(a.flags.c_contiguous for a in arrays):
        order = sorted(range(p.ndim), key=lambda i: -p.strides[i])
        arrays = [a.transpose(order) for a in arrays]
    flats = [a.reshape(-1) for a in arrays]
    write_back = [
        (a, flat)
        for i, (a, flat) in enumerate(zip(arrays, flats, strict=True))
        if i != 1 and not a.flags.c_contiguous
    ]
    return flats, write_back


def descent(xp: Any, settings: Mapping[str, Any], p: Array, g: Array, t: Array, u: Array) -> Array:
    """The gradient as the rules want it: negated to maximize, weight_decay * p added. May be t."""
    if settings["maximize"]:
        g = xp.negative(g, out=t)
    if settings["weight_decay"]:
        xp.multiply(p, settings["weight_decay"], out=u)
        g = xp.add(g, u, out=t)
    return g


def move_mean(xp: Any, mean: Array, x: Array, beta: float, u: Array) -> None:
    """mean = beta * mean + (1 - beta) * x; u is scratch."""
    xp.subtract(x, mean, out=u)
    u *= 1 - beta
    mean += u


def move_square(xp: Any, mean: Array, x: Array, beta: float, u: Array) -> None:
    """mean = beta * mean + (1 - beta) * x^2; u is scratch."""
    mean *= beta
    xp.multiply(x, x, out=u)
    u *= 1 - beta
    mean += u
