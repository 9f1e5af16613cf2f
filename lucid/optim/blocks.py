"""All parameters' updates, block by block: a formula of flat arrays, and where it runs.

An optimizer writes its rule once, with in-place array operations. On the CPU it runs over blocks
that stay in cache, those of all parameters shared among threads; on a GPU over whole arrays. Half
types are computed in float32 and rounded once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from lucid import dtypes
from lucid.backend import Array, Device
from lucid.backend.cpu import vectors
from lucid.backend.cpu.blas import single_threaded
from lucid.backend.cpu.threads import parallel_for, scratch

# Elements. A NumPy call on a block takes 25 us, long against handing over the GIL. Two scratch
# blocks, parameter, gradient and two states are 6 MiB of float32, which the third level holds.
BLOCK = 1 << 18

Formula = Callable[..., None]  # (xp, settings, p, g, *states, t, u): t and u are scratch


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
    """Run ``formula`` on all parameters, in place; all arrays of a job have one shape.

    On a GPU ``fused`` names a kernel that does so in one launch. It divides gradients by ``scale``,
    and changes nothing where ``found`` is not 0.
    """
    here: list[Job] = []
    at_once: dict[Device, list[Job]] = {}
    for job in jobs:
        if job.device.type == "cpu":
            here.append(job)
        elif has_kernel(fused, job.device, job.p):
            at_once.setdefault(job.device, []).append(job)
        else:
            _update_whole(formula, job)
    apart = len({id(_memory(job.p)) for job in here}) == len(here)
    for some in [here] if apart else [[job] for job in here]:  # those that overlap, in their order
        _update_blocks(formula, some)
    for device, alike in at_once.items():
        token = device.enter()
        try:
            device.kernels.optimizer_step(fused, alike, scale, found)
        finally:
            device.leave(token)


def _update_blocks(formula: Formula, jobs: list[Job]) -> None:
    if not jobs:
        return
    device = jobs[0].device
    token = device.enter()
    try:
        flats, copied = [], []
        for job in jobs:
            flat, write_back = _flatten(job.p, job.g, job.states)
            flats.append(flat)
            copied += write_back
        tasks = _tasks(tuple([flat[0].size for flat in flats]), BLOCK)

        def run(start: int, stop: int) -> None:
            for task in tasks[start:stop]:
                for i, first, last in task:
                    part = flats[i]
                    if last - first < part[0].size:
                        part = [a[first:last] for a in part]
                    _run(device.xp, formula, jobs[i].settings, part, _scratch)

        with single_threaded():
            parallel_for(run, len(tasks), 1)
        _write_back(copied)
    finally:
        device.leave(token)


def _update_whole(formula: Formula, job: Job) -> None:
    token = job.device.enter()
    try:
        xp = job.device.xp
        flats, copied = _flatten(job.p, job.g, job.states)
        _run(xp, formula, job.settings, flats, lambda n, size, dtype: xp.empty((n, size), dtype))
        _write_back(copied)
    finally:
        job.device.leave(token)


@lru_cache(maxsize=16)
def _tasks(sizes: Sequence[int], block: int) -> list[list[tuple[int, int, int]]]:
    """Work for one thread at a time: (parameter, first, last) of a block, or of several small
    parameters that are about a block together."""
    tasks: list[list[tuple[int, int, int]]] = [[]]
    room = block
    for i, size in enumerate(sizes):
        for first in range(0, size, block):
            last = min(first + block, size)
            if last - first > room:
                tasks.append([])
                room = block
            tasks[-1].append((i, first, last))
            room -= last - first
    return tasks


def _memory(array: Array) -> Any:
    """What owns the memory that an array shows."""
    while (base := getattr(array, "base", None)) is not None:
        array = base
    return array


def has_kernel(fused: str, device: Device, p: Array) -> bool:
    """Whether the rule's kernel updates this parameter."""
    return bool(fused) and device.type == "cuda" and dtypes.of(p.dtype).is_floating_point


def _run(xp: Any, formula: Formula, settings: Any, arrays: list[Array], empty: Any) -> None:
    p = arrays[0]
    if p.dtype.itemsize > 2:
        formula(xp, settings, *arrays, *empty(2, p.size, p.dtype))
        return
    *widened, t, u = empty(len(arrays) + 2, p.size, dtypes.float32.numpy)
    for wide, narrow in zip(widened, arrays, strict=True):
        wide[...] = narrow
    formula(xp, settings, *widened, t, u)
    for i, (narrow, result) in enumerate(zip(arrays, widened, strict=True)):
        if i != 1:  # the gradient is only read
            narrow[...] = result


def _scratch(count: int, size: int, dtype: Any) -> list[Array]:
    memory = scratch("optim", count * BLOCK, dtype)
    return [memory[start : start + size] for start in range(0, count * BLOCK, BLOCK)]


def _flatten(p: Array, g: Array, states: list[Array]) -> tuple[list[Array], list]:
    """All arrays as 1-D in p's order of memory; those that had to be copied, with their copies."""
    if g.dtype != p.dtype:
        g = g.astype(p.dtype)
    arrays = [p, g, *states]
    if all([a.flags.c_contiguous for a in arrays]):
        return (arrays if p.ndim == 1 else [a.reshape(-1) for a in arrays]), []
    order = sorted(range(p.ndim), key=lambda i: -p.strides[i])
    arrays = [a.transpose(order) for a in arrays]
    flats = [a.reshape(-1) for a in arrays]
    copied = [
        (a, flat)
        for i, (a, flat) in enumerate(zip(arrays, flats, strict=True))
        if i != 1 and not a.flags.c_contiguous
    ]
    return flats, copied


def _write_back(copied: list[tuple[Array, Array]]) -> None:
    for array, flat in copied:
        array[...] = flat.reshape(array.shape)


def descent(xp: Any, settings: Mapping[str, Any], p: Array, g: Array, t: Array, u: Array) -> Array:
    """The gradient as the rules want it: negated to maximize, weight_decay * p added. May be t."""
    if settings["maximize"]:
        g = xp.negative(g, out=t)
    if settings["weight_decay"]:
        xp.multiply(p, settings["weight_decay"], out=u)
        g = xp.add(g, u, out=t)
    return g


def blend(xp: Any, y: Array, b: float, x: Array, a: float, u: Array) -> None:
    """y = b * y + a * x; u is scratch and may be x."""
    if not vectors.blend(y, b, x, a):
        if b != 1:
            y *= b
        y += xp.multiply(x, a, out=u)


def move_mean(xp: Any, mean: Array, x: Array, beta: float, u: Array) -> None:
    """mean = beta * mean + (1 - beta) * x; u is scratch."""
    blend(xp, mean, beta, x, 1 - beta, u)


def move_square(xp: Any, mean: Array, x: Array, beta: float, u: Array) -> None:
    """mean = beta * mean + (1 - beta) * x^2; u is scratch."""
    blend(xp, mean, beta, xp.multiply(x, x, out=u), 1 - beta, u)
