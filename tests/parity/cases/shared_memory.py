"""Tensors in shared memory: what moves along, what it keeps, what is not shared."""

from __future__ import annotations

import multiprocessing
from typing import Any

from tests.parity.compare import add
from tests.parity.library import Like, Side

KINDS = [
    Like((2, 3)), Like((2, 3), "bfloat16"), Like((2, 3), "int64"), Like((2, 3), "bool"), Like(()),
    Like((2, 3), layout="transposed"), Like((2, 3), layout="strided"), Like((0,)),
    Like((2, 3), layout="expanded"),
]  # fmt: skip


def shared(s: Side, like: Like) -> Any:
    x = s.tensor(like)
    before = x.is_shared(), x.tolist(), tuple(x.stride()), x.requires_grad
    answer = x.share_memory_()
    after = x.is_shared(), x.tolist(), tuple(x.stride()), x.requires_grad
    again = x.share_memory_() is x
    return (
        before, after, answer is x, again, x.clone().is_shared(), (x * 1).is_shared(),
        x.detach().is_shared(),
    )  # fmt: skip


def views(s: Side) -> Any:
    base = s.zeros(2, 6)
    row, turned = base[1], base.t()
    row.share_memory_()
    row.fill_(3)
    return base.is_shared(), turned.is_shared(), base, turned.contiguous(), base[0].is_shared()


def from_numpy(s: Side) -> Any:
    x = s.root.from_numpy(s.array((2, 3), "float32", -1, 1))
    return x.is_shared(), x.share_memory_().is_shared(), x


def parameter(s: Side) -> Any:
    p = s.nn.Parameter(s.tensor(Like((2, 3), grad=False)))
    (p * p).sum().backward()
    p.share_memory_()
    optimizer = s.optim.SGD([p], lr=0.1, momentum=0.9)
    optimizer.step()
    return p.detach(), p.is_shared(), p.grad.is_shared(), type(p).__name__


def _fill(x: Any) -> None:
    x.fill_(4)


def in_a_child(s: Side) -> Any:
    """What a forked child writes; with and without shared memory."""
    x, y = s.zeros(3).share_memory_(), s.zeros(3)
    for t in (x, y):
        child = multiprocessing.get_context("fork").Process(target=_fill, args=(t,))
        child.start()
        child.join(60)
    return x, y


for name in ("share_memory_", "is_shared"):
    for like in KINDS:
        add(f"Tensor.{name}", like, lambda s, x=like: shared(s, x))
    for f in (views, from_numpy, parameter, in_a_child):
        add(f"Tensor.{name}", f.__name__, f)
