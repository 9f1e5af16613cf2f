"""Convolution by oneDNN, y = w * x, and its two gradients: see lucid.backend.cpu.convolution.

Each function answers None where it does not take the problem. Arrays keep their layout: contiguous
ones are reordered, a task's part at a time, to what oneDNN likes best; channels-last ones are read
and written where they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from lucid.backend.cpu import arena
from lucid.backend.cpu.fields import Ints, Pairs
from lucid.backend.cpu.onednn.choice import worth
from lucid.backend.cpu.onednn.cut import LANES, Cut, by_result, by_sum
from lucid.backend.cpu.onednn.library import Library, library
from lucid.backend.cpu.onednn.parts import DATA, FORWARD, WEIGHTS, Part, Problem, part, strides
from lucid.backend.cpu.onednn.primitive import address, in_lines, room
from lucid.backend.cpu.onednn.setting import onednn
from lucid.backend.cpu.threads import parallel_for

__all__ = ["convolve", "input_gradient", "weight_gradient"]

_BYTES = 4  # of a float32


def convolve(
    x: np.ndarray,
    w: np.ndarray,
    stride: Ints,
    padding: Pairs,
    dilation: Ints,
    groups: int,
    bias: np.ndarray | None,
) -> np.ndarray | None:
    """The cross-correlation of x: (N, C, *) with w: (O, C / groups, *) -> y: (N, O, *)."""
    if not _fits(x, w):
        return None
    sides = zip(x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True)
    size = [(n + sum(p) - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in sides]
    x, last = _in_order(x)
    shape = (x.shape[0], w.shape[0], *size)
    how = _how(stride, padding, dilation, groups)
    plan = _plan(Problem(FORWARD, x.shape, w.shape, shape, *how, last, last, bias is not None))
    if plan is None:
        return None
    y = _empty(shape, last)
    plan.result(x, np.ascontiguousarray(w), y, bias)
    return y


def input_gradient(
    dy: np.ndarray,
    w: np.ndarray,
    x_shape: Ints,
    stride: Ints,
    padding: Pairs,
    dilation: Ints,
    groups: int,
) -> np.ndarray | None:
    """dx: x_shape from dy: (N, O, *); also the forward of a transposed convolution."""
    if not _fits(dy, w):
        return None
    dy, last = _in_order(dy)
    how = _how(stride, padding, dilation, groups)
    plan = _plan(Problem(DATA, tuple(x_shape), w.shape, dy.shape, *how, last, last, False))
    if plan is None:
        return None
    dx = _empty(tuple(x_shape), last)
    plan.result(dy, np.ascontiguousarray(w), dx, None)
    return dx


def weight_gradient(
    x: np.ndarray,
    dy: np.ndarray,
    w_shape: Ints,
    stride: Ints,
    padding: Pairs,
    dilation: Ints,
    groups: int,
) -> np.ndarray | None:
    """dw: w_shape, contiguous, from x: (N, C, *) and dy: (N, O, *)."""
    if not _fits(x, dy):
        return None
    (x, x_last), (dy, y_last) = _in_order(x), _in_order(dy)
    how = _how(stride, padding, dilation, groups)
    plan = _plan(Problem(WEIGHTS, x.shape, tuple(w_shape), dy.shape, *how, x_last, y_last, False))
    return None if plan is None else plan.sum(x, dy)


class _Task(NamedTuple):
    """A part, and in bytes where its x, w, y and bias begin."""

    part: Part
    x: int
    w: int
    y: int
    bias: int
    sum: int  # which partial sum of a weight gradient this is
    shared: int  # which of the weights that are reordered once; -1: none


class _Plan:
    """A problem's tasks and the primitives they need."""

    def __init__(self, lib: Library, problem: Problem, cut: Cut) -> None:
        self.lib, self.problem = lib, problem
        self.sums = len(cut.samples)
        self.tasks: list[_Task] = []
        self.shared: list[_Task] = []  # one for each of the shared weights
        for units in cut.units:
            first = self.add(cut.samples[0], units, 0, len(self.shared))
            many = problem.kind != WEIGHTS and self.sums > 1 and first.part.reorders[1] is not None
            if many:
                self.shared.append(first)
            for number, samples in enumerate(cut.samples):
                task = self.add(samples, units, number, first.shared)
                same = many and task.part.primitive.layouts[1] == first.part.primitive.layouts[1]
                self.tasks.append(task if same else task._replace(shared=-1))
        sizes = [in_lines(task.part.sizes[1]) for task in self.shared]
        self.room = max(sizes, default=0)  # for each of the shared weights

    def add(
        self, samples: tuple[int, int], units: tuple[int, int], number: int, shared: int
    ) -> _Task:
        problem = self.problem
        made = part(self.lib, problem, samples[1] - samples[0], units[1] - units[0])
        if made is None:
            raise NotImplementedError("oneDNN has no such primitive")
        (c, _), (o, _) = problem.channels(units)
        x, y = strides(problem.x, problem.x_last), strides(problem.y, problem.y_last)
        w = strides(problem.w, False)
        of_w = c * w[1] if problem.kind == DATA and not problem.by_group else o * w[0]
        of_x, of_y = samples[0] * x[0] + c * x[1], samples[0] * y[0] + o * y[1]
        at_x, at_w, at_y, at_bias = (_BYTES * i for i in (of_x, of_w, of_y, o))
        return _Task(made, at_x, at_w, at_y, at_bias, number, shared)

    def result(
        self, source: np.ndarray, w: np.ndarray, target: np.ndarray, bias: np.ndarray | None
    ) -> None:
        """y from x and w, or dx from dy and w."""
        forward = self.problem.kind == FORWARD
        at_w, at = address(w), (address(source), address(target))
        x, y = at if forward else at[::-1]
        shift = 0 if bias is None else address(bias := np.ascontiguousarray(bias))
        base = self.share_weights(at_w)

        def run(start: int, stop: int) -> None:
            with self.lib.one_thread():
                for task in self.tasks[start:stop]:
                    each = task.part
                    own = each.base()
                    if task.shared < 0:
                        weights = each.bring(1, at_w + task.w, own)
                    else:
                        weights = base + task.shared * self.room
                    if not forward:
                        ready = each.bring(2, y + task.y, own)
                        each.compute(own, x + task.x, weights, ready)
                        continue
                    ready = each.bring(0, x + task.x, own)
                    if shift:
                        each.compute(own, ready, weights, y + task.y, shift + task.bias)
                    else:
                        each.compute(own, ready, weights, y + task.y)

        parallel_for(run, len(self.tasks), 1)

    def share_weights(self, at: int) -> int:
        """Reorder once the weights that many tasks need; where they are."""
        if not self.shared:
            return 0
        base = room("onednn weights", len(self.shared) * self.room)

        def run(start: int, stop: int) -> None:
            with self.lib.one_thread():
                for task in self.shared[start:stop]:
                    reorder = task.part.reorders[1]
                    if reorder is not None:
                        reorder(at + task.w, base + task.shared * self.room)

        parallel_for(run, len(self.shared), 1)
        return base

    def sum(self, x: np.ndarray, dy: np.ndarray) -> np.ndarray:
        """dw: partial sums over some samples each, and these in order."""
        partial = arena.empty((self.sums, *self.problem.w), np.float32)
        at_x, at_w, at_y = address(x), address(partial), address(dy)
        size = partial.nbytes // self.sums

        def run(start: int, stop: int) -> None:
            with self.lib.one_thread():
                for task in self.tasks[start:stop]:
                    each = task.part
                    own = each.base()
                    ready = each.bring(0, at_x + task.x, own), each.bring(2, at_y + task.y, own)
                    each.compute(own, ready[0], at_w + task.w + task.sum * size, ready[1])

        parallel_for(run, len(self.tasks), 1)
        return partial[0] if self.sums == 1 else partial.sum(0)


@lru_cache(512)
def _plan(problem: Problem) -> _Plan | None:
    lib = library()
    crops = min(map(min, problem.padding)) < 0
    if lib is None or crops or 0 in (*problem.x, *problem.w, *problem.y) or not worth(problem):
        return None
    n, outputs, *size = problem.y
    work = n * math.prod(size) * math.prod(problem.w)
    weights = math.prod(problem.w) * _BYTES
    activations = (math.prod(problem.x) + math.prod(problem.y)) * _BYTES
    units, lanes = (problem.x if problem.kind == DATA else problem.y)[1], LANES
    if problem.by_group:
        units, lanes = problem.groups, max(1, LANES * problem.groups // min(outputs, problem.x[1]))
    cut: Callable[..., Cut] = by_sum if problem.kind == WEIGHTS else by_result
    try:
        return _Plan(lib, problem, cut(n, units, lanes, work, activations, weights))
    except NotImplementedError:
        return None


def _fits(*arrays: np.ndarray) -> bool:
    """Whether oneDNN is to be used for arrays of these types."""
    return onednn.enabled and library() is not None and all(a.dtype == np.float32 for a in arrays)


def _how(
    stride: Ints, padding: Pairs, dilation: Ints, groups: int
) -> tuple[Ints, Pairs, Ints, int]:
    """All of it hashable."""
    return tuple(stride), tuple((a, b) for a, b in padding), tuple(dilation), groups


def _in_order(a: np.ndarray) -> tuple[np.ndarray, bool]:
    """Contiguous or channels-last, and whether the latter."""
    if a.flags.c_contiguous:
        return a, False
    if np.moveaxis(a, 1, -1).flags.c_contiguous:
        return a, True
    return np.ascontiguousarray(a), False


def _empty(shape: Ints, last: bool) -> np.ndarray:
    if not last:
        return arena.empty(tuple(shape), np.float32)
    return np.moveaxis(arena.empty((shape[0], *shape[2:], shape[1]), np.float32), -1, 1)
