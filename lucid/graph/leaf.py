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
    alone: tuple[int, int] = (0, 0)  # what references() answers for a gradient nobody else has

    def __init__(self, tensor: Any):
        self.tensor = tensor
        self.hooks: dict[int, dict[int, Callable]] | None = None
        self.after: dict[int, Callable] | None = None  # run once the gradient has been added

    def pull(self, gradients: list[Any]) -> tuple:
        (g,) = gradients
        t = self.tensor
        with _accumulating:
            if t._grad is None:
                own = _is_fresh(g) and _within(references(g, gradients), Leaf.alone)
                t._grad = g if own else _copy(g)
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


def references(g: Any, slots: list[Any]) -> tuple[int, int]:
    """How many references there are to a gradient and to its array; ``slots`` loses its own.

    A leaf keeps a gradient without copying it if nobody else can see its memory: one that an op
    merely passed on (add's, a hook's, a saved one) is also held somewhere else. How many
    references the interpreter itself holds here differs between Python versions: see measure().
    """
    slots[0] = None
    return sys.getrefcount(g), sys.getrefcount(g._array)


def measure(g: Callable[[], Any]) -> None:
    """Learn what ``references`` answers, called as pull calls it, for a gradient just made."""

    def pull(gradients: list[Any]) -> tuple[int, int]:
        (g,) = gradients
        return references(g, gradients)

    seen = pull([g()])
    # 3 and 2 are CPython's counts up to 3.13; under a debugger there may be more.
    Leaf.alone = min(seen[0], 3), min(seen[1], 2)


def _within(counts: tuple[int, int], limits: tuple[int, int]) -> bool:
    return counts[0] <= limits[0] and counts[1] <= limits[1]


def _is_fresh(g: Any) -> bool:
    return not flags.grad and g._base is None and g._array.base is None


def _copy(g: Any) -> Any:
    return g.clone() if flags.grad else g._wrap(g._array.copy(order="K"), g._device)


def _add(total: Any, g: Any) -> None:
    token = total._device.enter()
    try:
        total._array += g._array
    finally:
        total._device.leave(token)
    total._shared_counter()[0] += 1
