"""One number for every dimension, or one for each: PyTorch's helpers, for scripts that use them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def _ntuple(n: int, name: str = "parse") -> Callable[[Any], tuple]:
    """A function that answers n copies of a number, and any iterable as a tuple.

    >>> lucid.nn.modules.utils._ntuple(2)(3)
    (3, 3)
    """

    def parse(x: Any) -> tuple:
        return tuple(x) if isinstance(x, Iterable) else (x,) * n

    parse.__name__ = name
    return parse


_single = _ntuple(1, "_single")
_pair = _ntuple(2, "_pair")
_triple = _ntuple(3, "_triple")
_quadruple = _ntuple(4, "_quadruple")


def _reverse_repeat_tuple(t: Iterable[Any], n: int) -> tuple:
    """(a, b) -> (b, b, a, a) for n = 2: sizes per dimension as padding per side."""
    return tuple(x for x in reversed(tuple(t)) for _ in range(n))
