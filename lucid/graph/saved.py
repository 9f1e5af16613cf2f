"""What a node keeps between forward and backward, checked against in-place changes.

Kept is the array, never the tensor, so no cycle arises; ``restore`` makes a tensor of it again
that hangs in the graph where the old one did. ``saved_tensors_hooks`` can put something else in
the array's place: its name on disk, a half-precision copy, or nothing but a way to recompute it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from lucid.errors import GradError
from lucid.graph.grad_mode import flags


class Kept(NamedTuple):
    """One saved array. ``source``: i for input i, -1 - j for output j, None for neither."""

    array: Any
    source: int | None
    counter: list[int] | None
    version: int
    unpack: Callable[[Any], Any] | None = None


_new_tuple: Any = tuple.__new__  # a third of the time of Kept(...)


class _Hooks(threading.local):
    stack: tuple = ()


_hooks = _Hooks()


class saved_tensors_hooks:
    """Ops called in the block keep ``pack_hook(tensor)``; backward reads ``unpack_hook`` of it.

    >>> with lucid.autograd.graph.saved_tensors_hooks(lambda t: t.numpy(), lucid.tensor):
    ...     y = lucid.ones(3, requires_grad=True).exp()
    >>> y.sum().backward()
    """

    def __init__(self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]):
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        _hooks.stack = (*_hooks.stack, (self.pack_hook, self.unpack_hook))

    def __exit__(self, *exc_info: object) -> None:
        _hooks.stack = _hooks.stack[:-1]


def keep(node: Any, arrays: Sequence[Any], inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
    """The Kept of each array, which is an input's, an output's or neither's."""
    kept: list[Any] = []
    hooked = bool(_hooks.stack)
    for array in arrays:
        if array is None or array.__class__ in (float, int, bool):
            kept.append(array)
            continue
        if array is node._old:
            kept.append(Kept(array, 0, None, 0))
            continue
        source = owner = None
        for j, t in enumerate(outputs):
            if getattr(t, "_array", None) is array:
                source, owner = -1 - j, t
                break
        else:
            for i, x in enumerate(inputs):
                if getattr(x, "_array", None) is array:
                    source, owner = i, x
                    break
        if owner is None:
            entry = _new_tuple(Kept, (array, None, None, 0, None))
        else:
            if owner._inference:
                raise GradError(
                    f"{node.name()}: a tensor made under inference_mode can't be saved for"
                    " backward. Hint: use .clone() outside, or no_grad instead"
                )
            counter = owner._counter
            if counter is None:
                counter = owner._counter = [0]
            entry = _new_tuple(Kept, (array, source, counter, counter[0], None))
        kept.append(_pack(node, entry) if hooked else entry)
    return kept


def _pack(node: Any, entry: Kept) -> Kept:
    pack, unpack = _hooks.stack[-1]
    hooks, _hooks.stack = _hooks.stack, ()  # what the hook itself computes is kept plainly
    recording, flags.grad = flags.grad, False
    try:
        return entry._replace(array=pack(node.wrap(entry.array)), counter=None, unpack=unpack)
    finally:
        _hooks.stack, flags.grad = hooks, recording


def restore(node: Any) -> list[Any]:
    """The saved arrays as tensors in the graph. An error if one was overwritten since."""
    if node._saved is None:
        raise GradError(
            f"{node.name()}: the saved tensors were already freed by a backward walk."
            " Hint: call the first backward with retain_graph=True"
        )
    return [_restore_one(node, e) if e.__class__ is Kept else e for e in node._saved]


def _restore_one(node: Any, entry: Kept) -> Any:
    array, source, counter, version, unpack = entry
    if counter is not None and counter[0] != version:
        what = "an intermediate value" if source is None else "output" if source < 0 else "an input"
        raise GradError(
            f"{node.name()}: {what} of shape {array.shape} is needed for the gradient, but was"
            f" modified in place after it was used (version {counter[0]}, expected {version})."
            " Hint: use the out-of-place form, or .clone() before"
        )
    t = node.wrap(array) if unpack is None else unpack(array)
    edge = None if source is None else node.edges[source] if source >= 0 else (node, -1 - source)
    if edge is None:
        return t
    origin, index = edge
    leaf = getattr(origin, "tensor", None)
    if leaf is not None and leaf._array is t._array:
        return leaf
    if unpack is not None:
        t = node.wrap(t._array)  # the hook's tensor stays as it is
    t._node, t._index, t._requires_grad = origin, index, True
    return t
