"""Line search: a step along a direction where the function falls enough and is flat enough.

The strong Wolfe conditions on a step t of a function f with slope f' along the direction:

    f(t) <= f(0) + c1 * t * f'(0)  and  |f'(t)| <= c2 * |f'(0)|

First steps grow until some interval must contain such a t, then the interval shrinks (Nocedal and
Wright, Numerical Optimization, 2006, algorithms 3.5 and 3.6).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from lucid.tensor import Tensor

C1, C2 = 1e-4, 0.9


class Point(NamedTuple):
    """A step, and what the function is there: value, gradient, slope along the direction."""

    t: float
    f: float
    g: Tensor
    slope: float


def search(
    at: Callable[[float], Point],
    zero: Point,
    t: float,
    size: float,
    tolerance: float,
    most: int,
) -> Point:
    """A point that satisfies the conditions, or the best after ``most`` further evaluations.

    ``at(t)`` evaluates; ``zero`` is the start, ``t`` the first step, ``size`` the direction's
    largest element: an interval shorter than tolerance / size ends the search.
    """

    def too_high(point: Point) -> bool:
        return point.f > zero.f + C1 * point.t * zero.slope

    def flat(point: Point) -> bool:
        return abs(point.slope) <= -C2 * zero.slope

    before, here, tries = zero, at(t), 0
    ends = None
    while tries < most:
        if too_high(here) or (tries > 1 and here.f >= before.f):
            ends = [before, here]
            break
        if flat(here):
            return here
        if here.slope >= 0:
            ends = [before, here]
            break
        t = minimum(before, here, here.t + 0.01 * (here.t - before.t), 10 * here.t)
        before, here = here, at(t)
        tries += 1
    if ends is None:
        return zero if zero.f <= here.f else here
    return _shrink(at, ends, size, tolerance, most - tries, too_high, flat)


def _shrink(
    at: Callable[[float], Point],
    ends: list[Point],
    size: float,
    tolerance: float,
    most: int,
    too_high: Callable[[Point], bool],
    flat: Callable[[Point], bool],
) -> Point:
    """The second half: ``ends`` enclose a point that satisfies the conditions."""
    low = 0 if ends[0].f <= ends[1].f else 1
    crept = False  # the last guess was very close to an end
    for _ in range(most):
        least, greatest = sorted(end.t for end in ends)
        if (greatest - least) * size < tolerance:
            break
        t = minimum(ends[0], ends[1], least, greatest)
        margin = 0.1 * (greatest - least)
        close = min(greatest - t, t - least) < margin
        if close and (crept or t >= greatest or t <= least):
            t = greatest - margin if abs(t - greatest) < abs(t - least) else least + margin
            close = False
        crept = close
        here = at(t)
        if too_high(here) or here.f >= ends[low].f:
            ends[1 - low] = here
            low = 0 if ends[0].f <= ends[1].f else 1
            continue
        if flat(here):
            return here
        if here.slope * (ends[1 - low].t - ends[low].t) >= 0:
            ends[1 - low] = ends[low]
        ends[low] = here
    return ends[low]


def minimum(a: Point, b: Point, low: float, high: float) -> float:
    """Where the cubic through two points, with their slopes, is least; kept within [low, high]."""
    if a.t > b.t:
        a, b = b, a
    middle = (low + high) / 2
    if a.t == b.t:
        return middle
    sum_ = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t)
    square = sum_**2 - a.slope * b.slope
    if not square >= 0:
        return middle
    root = math.sqrt(square)
    above, below = b.slope + root - sum_, b.slope - a.slope + 2 * root
    if below == 0:  # no cubic, and a parabola that has no least point
        return middle if above == 0 else low if above > 0 else high
    t = b.t - (b.t - a.t) * (above / below)
    return min(max(t, low), high)
