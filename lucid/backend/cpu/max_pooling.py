"""Max pooling on NumPy arrays, window element by window element instead of window by window.

The elements of one number, of all windows, are one contiguous pass (see phases.py). Maxima are
remembered by their number in the window (one byte each, up to 256 elements): a gradient is placed,
and taken back, by comparing numbers and selecting bits, exact for NaN and Inf too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lucid.backend.cpu import arena
from lucid.backend.cpu.fields import copy_rows
from lucid.backend.cpu.onednn import pooling as onednn
from lucid.backend.cpu.phases import Phases, PhaseSums, in_memory
from lucid.backend.cpu.pooling import (
    HALVES,
    Axis,
    by_first,
    by_planes,
    number_type,
    offsets,
    origins,
    uninitialised,
    widened,
)
from lucid.backend.cpu.threads import scratch

__all__ = ["max_pool", "place", "take"]

_INTEGERS = {4: np.int32, 8: np.int64}


def max_pool(
    x: np.ndarray, axes: tuple[Axis, ...], numbered: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """The maximum of each window, and its number in it: the first of equals, the first NaN."""
    taken = onednn.maximum(x, axes, numbered)
    if taken is not None:
        return taken
    y = uninitialised(x, axes)
    numbers = arena.empty_like(y, number_type(axes)) if numbered else None
    arrays = (y, x) if numbers is None else (y, x, numbers)
    memory = in_memory(*arrays)
    if memory is None:
        best, order = max_pool(np.ascontiguousarray(x), axes, numbered)
        y[...] = best
        if numbers is not None:
            numbers[...] = order
        return y, numbers
    if not numbered and (memory[0].shape[-1] > 1 or all(axis.disjoint() for axis in axes)):
        by_planes(_maxima(axes), y, x)
        return y, None
    phases = Phases(axes, memory[0].shape[-1])
    padded = any(axis.padding for axis in axes)
    start = np.asarray(origins(np, axes) if padded else 0)
    start = np.broadcast_to(start[..., None], (1, *phases.size, phases.unit))

    def block(y: np.ndarray, x: np.ndarray, numbers: np.ndarray | None = None) -> None:
        apart = phases.take_apart(widened(x), -np.inf)
        size = len(x) * phases.points
        usable = size - phases.longest
        shape = (len(x), *phases.size, phases.unit) if phases.in_place else (usable,)

        def memory(name: str, dtype: Any) -> np.ndarray:
            return scratch(name, size, dtype)[:usable].reshape(shape)

        def element(phase: tuple[int, ...], offset: int) -> np.ndarray:
            return apart[phase] if phases.in_place else apart[phase][offset : offset + usable]

        best = memory("best", next(iter(apart.values())).dtype)
        if numbers is not None:
            number = phases.windows(numbers, "number")
            number.fill(0)
            if padded:
                phases.in_windows(number, len(x))[...] = start
            number = memory("number", number.dtype)
            higher, candidate = memory("higher", np.bool_), memory("candidate", number.dtype)
        for k, phase, offset in phases.elements:
            values = element(phase, offset)
            if k == 0:
                np.copyto(best, values)
                continue
            if numbers is not None:
                np.greater(values, best, out=higher)
                np.multiply(higher.view(np.uint8), number.dtype.type(k), out=candidate)
                # Numbers ascend, so the last one that was higher is the largest.
                np.maximum(number, candidate, out=number)
            np.maximum(best, values, out=best)
        if numbers is not None and np.isnan(best).any():
            for k, phase, offset in reversed(phases.elements):
                number[np.isnan(element(phase, offset))] = k
        _from_windows(phases, y, scratch("best", size, best.dtype))
        if numbers is not None:
            _from_windows(phases, numbers, scratch("number", size, numbers.dtype))

    by_first(block, *memory)
    return y, numbers


def _maxima(axes: tuple[Axis, ...]) -> Callable[[np.ndarray, np.ndarray], None]:
    """Of views, without moving anything: fastest where nobody asks for numbers and rows are long,
    or no element is read twice."""
    elements = offsets(axes)

    def block(y: np.ndarray, x: np.ndarray) -> None:
        source = widened(x)
        best = y if y.dtype == source.dtype else np.empty_like(y, dtype=source.dtype)
        _, at_y, at_x = elements[0]
        if best[at_y].shape == best.shape:
            np.copyto(best, source[at_x])
            first = 1
        else:
            best.fill(-np.inf)
            first = 0
        for _, at_y, at_x in elements[first:]:
            np.maximum(best[at_y], source[at_x], out=best[at_y])
        if best is not y:
            y[...] = best

    return block


def _from_windows(phases: Phases, target: np.ndarray, flat: np.ndarray) -> None:
    """target = the windows among flat, in target's type."""
    source = phases.in_windows(flat, len(target))
    if target.shape[-1] == 1:
        target, source = target[..., 0], source[..., 0]
    if target.dtype == source.dtype:
        copy_rows(target, source)
    else:
        target[...] = source


def place(dy: np.ndarray, numbers: np.ndarray, axes: tuple[Axis, ...]) -> np.ndarray:
    """dx: each dy added to the element of its window that bears the number; zero elsewhere."""
    if dy.dtype in HALVES:
        return place(widened(dy), numbers, axes).astype(dy.dtype)
    taken = onednn.maximum_gradient(dy, numbers, axes)
    if taken is not None:
        return taken
    dx = arena.empty_like(dy, shape=(*dy.shape[:2], *(axis.extent for axis in axes)))
    arrays = in_memory(dx, dy, numbers)
    if arrays is None:
        dx[...] = place(np.ascontiguousarray(dy), np.ascontiguousarray(numbers), axes)
        return dx
    integer, phases = _INTEGERS[dy.itemsize], Phases(axes, arrays[0].shape[-1])
    last = (slice(None),) * (phases.unit > 1)
    places = [(k, at_y, (*at_x, *last)) for k, at_y, at_x in offsets(axes)]

    def block(dx: np.ndarray, dy: np.ndarray, numbers: np.ndarray) -> None:
        # Integers: a selected NaN stays what it is, others leave nothing.
        bits = phases.windows(dy, "bits", 0).view(integer)
        number = phases.windows(numbers, "number", 0)
        memory = scratch("mask", bits.size, np.bool_)
        sums = PhaseSums(phases, dx)
        for k, phase, offset in phases.elements:
            part = sums.part(phase, offset, bits.size)
            chosen = part.view(integer)
            np.copyto(chosen, _mask(number, k, memory))
            chosen &= bits
            sums.add(phase, offset, part)
        sums.finish()

    def apart(dx: np.ndarray, dy: np.ndarray, numbers: np.ndarray) -> None:
        """As block, where each element lies in one window: in its place at once."""
        bits, placed = dy.view(integer), dx.view(integer)
        memory, part = scratch("mask", dy.size, np.bool_), scratch("part", dy.size, integer)
        for k, _, at_x in places:
            np.copyto(part, _mask(numbers.reshape(-1), k, memory))
            np.bitwise_and(bits, part.reshape(dy.shape), out=placed[at_x])

    if not all(axis.covers() for axis in axes):
        by_first(block, *arrays)
    elif phases.unit > 1:
        by_first(apart, *arrays)
    else:
        by_first(apart, *(a[..., 0] for a in arrays))
    return dx


def take(x: np.ndarray, numbers: np.ndarray, axes: tuple[Axis, ...]) -> np.ndarray:
    """y: the element of each window that bears the number."""
    if x.dtype in HALVES:
        return take(widened(x), numbers, axes).astype(x.dtype)
    y = uninitialised(x, axes)
    integer, elements = _INTEGERS[x.itemsize], offsets(axes)

    def block(y: np.ndarray, x: np.ndarray, numbers: np.ndarray) -> None:
        y.fill(0)
        bits, chosen = x.view(integer), y.view(integer)
        memory, part = _scratch("mask", y, np.bool_), _scratch("part", y, integer)
        for k, at_y, at_x in elements:
            mask = _mask(numbers, k, memory)
            np.bitwise_and(bits[at_x], mask[at_y], out=part[at_y])
            chosen[at_y] |= part[at_y]

    by_planes(block, y, x, numbers)
    return y


def _mask(numbers: np.ndarray, k: int, memory: np.ndarray) -> np.ndarray:
    """-1, all bits, where the number is k; 0 elsewhere."""
    np.equal(numbers, k, out=memory)
    mask = memory.view(np.int8)
    return np.negative(mask, out=mask)


def _scratch(name: str, like: np.ndarray, dtype: Any) -> np.ndarray:
    """This thread's memory, as many elements as `like` and in its memory order."""
    order = sorted(range(like.ndim), key=lambda i: -like.strides[i])
    memory = scratch(name, like.size, dtype).reshape([like.shape[i] for i in order])
    return memory.transpose(np.argsort(order))
