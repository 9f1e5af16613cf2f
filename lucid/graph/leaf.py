"""Leaf: where a path of the graph ends and a gradient is added to ``tensor.grad``."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

from lucid.graph.grad_mode import flags

# Two threads may walk back to one leaf; both read its grad, add, and write it.
_accumulating = threading.RLock()


class Leaf:
    """The end of a path in the graph: adds what arrives to ``tensor.grad``."""

    __slots__ = ("__weakref__", "after", "hooks", "tensor")
    edges: tuple = ()
    outputs = 1
    # What references() answers for a gradient nobody else has.
    alone: tuple[int, int, int] = (0, 0, 0)

    def __init__(self, tensor: Any):
        self.tensor = tensor
        self.hooks: dict[int, dict[int, Callable]] | None = None
        self.after: dict[int, Callable] | None = None  # run once the gradient has been added

    def pull(self, gradients: list[Any]) -> tuple:
        (g,) = gradients
        t = self.tensor
        with _accumulating:
            if t._grad is None:
                counts = references(g, gradients)  # before g is handed to anybody else
                t._grad = g if is_alone(g, counts) else _copy(g)
            elif flags.grad:
                t._grad = t._grad + g
            else:
                _add(t._grad, g)
        if self.after:
            for hook in list(self.after.values()):
                hook(t)
        return ()

    def release(self) -> None:
        """A leaf keeps nothing."""

    def name(self) -> str:
        return "AccumulateGrad"

    def __repr__(self) -> str:
        return f"<Leaf of shape {self.tensor.shape}>"


def references(g: Any, slots: list[Any]) -> tuple[int, int, int]:
    """How many references there are to a gradient, to its array, and to what that is a view of
    (0: nothing); ``slots`` loses its own.

    A leaf keeps a gradient without copying it if nobody else can see its memory: one that an op
    merely passed on (add's, a hook's, a saved one) is also held somewhere else. How many
    references the interpreter itself holds here differs between Python versions: see measure().
    """
    slots[0] = None
    base = 0 if _owns(g._array) else sys.getrefcount(g._array.base)
    return sys.getrefcount(g), sys.getrefcount(g._array), base


def measure(g: Callable[[], Any]) -> None:
    """Learn what ``references`` answers, called as pull calls it, for a view of a new array."""

    def pull(gradients: list[Any]) -> tuple[int, int, int]:
        (g,) = gradients
        return references(g, gradients)

    seen = pull([g()])
    # 3, 2 and 2 are CPython's counts up to 3.13; under a debugger there may be more.
    Leaf.alone = min(seen[0], 3), min(seen[1], 2), min(seen[2], 2)


def is_alone(g: Any, counts: tuple[int, int, int]) -> bool:
    """Whether nobody else can see a gradient's memory; ``counts`` is what references() answered."""
    (own, array, base), (most_own, most_array, most_base) = counts, Leaf.alone
    return own <= most_own and array <= most_array and base <= most_base and _is_fresh(g)


def _is_fresh(g: Any) -> bool:
    """Whether its memory may be its own: all of an array, as it lies or with dimensions swapped."""
    if flags.grad or g._base is not None:
        return False
    if _owns(g._array):
        return True
    base = g._array.base
    return base.__class__ is g._array.__class__ and _owns(base) and base.nbytes == g._array.nbytes


def _owns(array: Any) -> bool:
    """Whether it is no view: the memory is its own, or lent to it alone."""
    return array.base is None or getattr(array.base, "lent", False)


def _copy(g: Any) -> Any:
    if flags.grad:
        return g.clone()
    token = g._device.enter()  # a copy is made on the current device
    try:
        return g._wrap(g._array.copy(order="K"), g._device)
    finally:
        g._device.leave(token)


def _add(total: Any, g: Any) -> None:
    token = total._device.enter()
    try:
        total._array += g._array
    finally:
        total._device.leave(token)
    total._shared_counter()[0] += 1
