"""Planes taken apart so that a pass over all windows is one pass over contiguous memory.

Windows with a stride of s meet every s-th element of a row: NumPy would walk along rows of a few
elements each, at ten times the cost. So a padded plane is cut into its phases: phase (a, b) has
the elements (s * h + a, s * w + b). Element (i, j) of all windows is then phase (i % s, j % s),
flat, from the offset (i // s) * width + j // s on. Windows that would run over the edge of a plane
are computed as well, and dropped.

In memory an array is (planes, *spatial, unit): unit is 1 if it is contiguous, and the number of
channels if it is channels-last.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from lucid.backend.cpu.fields import copy_rows
from lucid.backend.cpu.threads import scratch

__all__ = ["PhaseSums", "Phases", "in_memory"]


_LONG = 16  # elements of a unit that NumPy's loops are as fast on as on whole rows


def in_memory(*arrays: np.ndarray) -> tuple[np.ndarray, ...] | None:
    """(N, C, *) as (planes, *spatial, unit), views; None if one has gaps or another order."""
    if all(a.flags.c_contiguous for a in arrays):
        return tuple([a.reshape(a.shape[0] * a.shape[1], *a.shape[2:], 1) for a in arrays])
    last = tuple([np.moveaxis(a, 1, -1) for a in arrays])
    return last if all(a.flags.c_contiguous for a in last) else None


class Phases:
    """The phases of planes under windows, the same for every block of planes."""

    def __init__(self, axes: tuple[Any, ...], unit: int) -> None:
        self.axes, self.unit = axes, unit
        self.stride = tuple(axis.stride for axis in axes)
        self.size = tuple(axis.size for axis in axes)
        self.extent = tuple(
            max(
                axis.size + axis.dilation * (axis.kernel - 1) // axis.stride,
                -(-(axis.padding + axis.extent) // axis.stride),
            )
            for axis in axes
        )
        self.points = math.prod(self.extent) * unit  # of a plane in one phase
        steps = [math.prod(self.extent[d + 1 :]) * unit for d in range(len(axes))]
        # For each element of a window in order: its number, its phase, the offset into it.
        self.elements = []
        for number, k in enumerate(itertools.product(*(range(axis.kernel) for axis in axes))):
            reach = [axis.dilation * i for axis, i in zip(axes, k, strict=True)]
            phase = tuple(r % s for r, s in zip(reach, self.stride, strict=True))
            offset = sum(
                r // s * step for r, s, step in zip(reach, self.stride, steps, strict=True)
            )
            self.elements.append((number, phase, offset))
        self.longest = max(offset for _, _, offset in self.elements)
        # A step of single elements is taken on the whole flat array, apart from the other axes.
        self.combed = self.stride[-1] if unit == 1 else 1
        # Whether the phases are nothing but x's elements.
        self.exact = all(
            axis.padding == 0 and axis.extent == n * axis.stride
            for axis, n in zip(axes, self.extent, strict=True)
        )
        # Windows that share nothing, of long units: there is nothing to gain by moving them.
        self.in_place = self.exact and self.longest == 0 and unit >= _LONG

    def windows(self, a: np.ndarray, name: str, fill: Any = None) -> np.ndarray:
        """One value per window, flat, as far apart as the phases' elements; fill in between.

        Without a fill it is uninitialised memory for such values.
        """
        flat = scratch(name, len(a) * self.points, a.dtype)
        if fill is not None:
            if self.size == self.extent:
                return a.reshape(-1)
            flat.fill(fill)
            copy_rows(*_rows(self.in_windows(flat, len(a)), a))
        return flat

    def in_windows(self, flat: np.ndarray, planes: int) -> np.ndarray:
        """The windows among ``windows``: (planes, *size, unit)."""
        whole = flat.reshape(planes, *self.extent, self.unit)
        return whole[(slice(None), *(slice(0, n) for n in self.size))]

    def take_apart(self, x: np.ndarray, fill: float) -> dict[tuple[int, ...], np.ndarray]:
        """x (planes, *spatial, unit) -> each phase, flat; what is padding is the fill.

        ``in_place``: they are views (planes, *size, unit) of x.
        """
        phases = {}
        if self.in_place:
            for phase in itertools.product(*map(range, self.stride)):
                steps = zip(phase, self.stride, strict=True)
                phases[phase] = x[(slice(None), *(slice(a, None, s) for a, s in steps))]
            return phases
        for leading, lines, place, memory in self.lines(x):
            if not self.exact:
                memory.fill(fill)
            copy_rows(*_rows(place, lines))
            for b in range(self.combed):
                tooth, phase = memory[b :: self.combed], (*leading, b)[: len(self.axes)]
                if self.combed > 1:
                    memory_of_tooth = scratch(f"phase{phase}", tooth.size, x.dtype)
                    np.copyto(memory_of_tooth, tooth)
                    tooth = memory_of_tooth
                phases[phase] = tooth
        return phases

    def lines(self, x: np.ndarray) -> Iterator[tuple[Any, np.ndarray, np.ndarray, np.ndarray]]:
        """For each phase: its elements in x, their place in this thread's memory, that memory.

        If the last axis is combed it comes whole, for all its phases.
        """
        strides = self.stride if self.combed == 1 else (*self.stride[:-1], 1)
        extent = *self.extent[:-1], self.extent[-1] * self.combed
        for phase in itertools.product(*map(range, strides)):
            leading = phase if self.combed == 1 else phase[:-1]
            size = len(x) * math.prod(extent) * self.unit
            memory = scratch(f"lines{leading}", size, x.dtype)
            in_x: list[slice] = [slice(None)]
            in_memory: list[slice] = [slice(None)]
            for axis, a, stride in zip(self.axes, phase, strides, strict=True):
                first = (a - axis.padding) % stride
                start = (first + axis.padding) // stride
                in_x.append(slice(first, None, stride))
                in_memory.append(slice(start, start + len(range(first, axis.extent, stride))))
            whole = memory.reshape(len(x), *extent, self.unit)
            yield leading, x[tuple(in_x)], whole[tuple(in_memory)], memory


class PhaseSums:
    """What is added to the phases of x, one window's element after the other."""

    def __init__(self, phases: Phases, x: np.ndarray) -> None:
        self.phases, self.x = phases, x
        self.totals: dict[tuple[int, ...], np.ndarray] = {}

    def part(self, phase: tuple[int, ...], offset: int, size: int) -> np.ndarray:
        """Memory for one value per window, to be filled and given to ``add``."""
        dtype, name = self.x.dtype, "part"
        if phase not in self.totals:
            # Where nothing is combed a sum lies where finish wants it.
            where = "lines" if self.phases.combed == 1 else "phase"
            total = self.totals[phase] = scratch(f"{where}{phase}", size, dtype)
            if offset == 0:
                return total
            total.fill(0)
        return scratch(name, size, dtype)

    def add(self, phase: tuple[int, ...], offset: int, part: np.ndarray) -> None:
        """Add the values, one per window, to a phase from the offset on."""
        total = self.totals[phase]
        if not np.may_share_memory(total, part):  # the first ones are the sum itself
            total[offset:] += part[: part.size - offset]

    def finish(self) -> None:
        """Write the sums to x."""
        combed = self.phases.combed
        for leading, lines, place, memory in self.phases.lines(self.x):
            for b in range(combed):
                total = self.totals.get((*leading, b)[: len(self.phases.axes)])
                if total is None:
                    memory[b::combed] = 0
                elif combed > 1:
                    memory[b::combed] = total
            copy_rows(*_rows(lines, place))


def _rows(target: np.ndarray, source: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two arrays (*, length, unit) for copy_rows: the last two axes as one where they are."""
    if target.shape[-1] == 1:
        return target[..., 0], source[..., 0]
    return target, source
