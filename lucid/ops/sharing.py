"""Tensors in memory that several processes see: parameters that all of them train."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from multiprocessing.reduction import ForkingPickler
from typing import Any

from lucid.backend import Device
from lucid.backend.cpu import shared
from lucid.errors import ShapeError
from lucid.tensor import Tensor, tensor_method

__all__: list[str] = []


@tensor_method("share_memory_")
def _share_memory_(self: Tensor) -> Tensor:
    """Move the elements to memory that other processes see. Returns the tensor itself.

    A forked child has it; to others it is sent, as an argument or through a queue of
    ``multiprocessing``: not the values, but the place. Every tensor that looks at the same elements
    moves along; arrays that were taken by ``numpy()`` stay behind. Nothing on a CUDA device, where
    all memory counts as shared.

    >>> x = lucid.zeros(3).share_memory_()
    >>> x.is_shared()
    True
    """
    share_memory([self])
    return self


@tensor_method("is_shared")
def _is_shared(self: Tensor) -> bool:
    """Whether other processes can see the elements; on a CUDA device always."""
    return self._device.type == "cuda" or shared.block_of(self._array) is not None


def share_memory(tensors: Iterable[Tensor]) -> None:
    """Move tensors to one block of shared memory, with all others that look at their elements."""
    wanted: dict[int, Tensor] = {}
    for t in tensors:
        if t._device.type != "cpu":
            continue
        if not isinstance(t._array, t._device.array_type):
            raise ShapeError(
                "share_memory_: a parameter or buffer of a lazy module has no memory yet; got"
                f" {type(t).__name__}. Hint: call the model once, on an example"
            )
        ForkingPickler.register(type(t), _reduced)
        if not t.is_shared():
            wanted[id(t)] = t
    if not wanted:
        return
    moving = list(_with_their_views(wanted))
    for t, array in zip(moving, shared.move([t._array for t in moving]), strict=True):
        t._array = array


def _with_their_views(wanted: dict[int, Tensor]) -> Iterable[Tensor]:
    """The tensors, and all others whose elements overlap with theirs, or with such a one's."""
    kind = Device("cpu").array_type
    alive = {id(t): t for t in gc.get_objects() if issubclass(type(t), Tensor)} | wanted
    ends = [
        (*shared.span(t._array), t)
        for t in alive.values()
        if isinstance(getattr(t, "_array", None), kind)
    ]
    ends.sort(key=lambda entry: entry[:2])
    cluster: list[Tensor] = []
    end, taken = -1, False
    for low, high, t in ends:
        if low >= end:
            if taken:
                yield from cluster
            cluster, taken = [], False
        cluster.append(t)
        taken = taken or id(t) in wanted
        end = max(end, high)
    if taken:
        yield from cluster


def _reduced(t: Tensor) -> tuple[Any, ...]:
    """How multiprocessing sends a tensor: its place, if it is shared, else its values."""
    if t._device.type != "cpu" or not t.is_shared():
        return t.__reduce__()
    return _received, (type(t), t._requires_grad, shared.sent(t._array))


def _received(kind: type[Tensor], requires_grad: bool, sent: tuple[Any, ...]) -> Tensor:
    ForkingPickler.register(kind, _reduced)
    t = object.__new__(kind)
    t._array, t._device = shared.received(*sent), Device("cpu").concrete()
    t._requires_grad = requires_grad
    return t
