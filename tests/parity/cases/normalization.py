"""Normalization, linear maps, embeddings, activations with settings."""

from __future__ import annotations

from typing import Any

from tests.parity.compare import add, call
from tests.parity.library import Like

F = "nn.functional."


def image(*shape: int, **more: Any) -> Like:
    return Like(shape, **more)


NORMS = [
    image(4, 6),
    image(4, 6, 5),
    image(2, 6, 4, 3),
    Like((2, 6, 4, 3), "float16"),
    Like((2, 6, 4, 3), "float64"),
    Like((2, 6, 4, 3), layout="channels_last"),
    Like((2, 6, 4, 3), layout="transposed"),
    Like((0, 6, 4)),
]
for x in NORMS:
    w, b = Like((6,), x.dtype), Like((6,), x.dtype)
    m, v = Like((6,), x.dtype, grad=False), Like((6,), x.dtype, low=0.5, grad=False)
    for training in (True, False):
        call(f"{F}batch_norm", x, m, v, w, b, training=training, momentum=0.3)
        call(f"{F}batch_norm", x, m, v, training=training)
    call(f"{F}instance_norm", x, weight=w, bias=b)
    call(f"{F}group_norm", x, 3, w, b)
    call(f"{F}group_norm", x, 6)
    call(f"{F}group_norm", x, 4)
    call(f"{F}layer_norm", x, x.shape[-1:])
    call(f"{F}layer_norm", x, x.shape[1:], Like(x.shape[1:], x.dtype), Like(x.shape[1:], x.dtype))
    call(f"{F}layer_norm", x, (99,))
    call(f"{F}local_response_norm", x, 3)
    call(f"{F}local_response_norm", x, 2, alpha=0.5, beta=0.5, k=2.0)
    call(f"{F}normalize", x)
    call(f"{F}normalize", x, p=1, dim=0)
    call(f"{F}normalize", x, dim=-1, eps=1.0)
    call(
        f"{F}linear", Like((*x.shape[:-1], 5), x.dtype), Like((3, 5), x.dtype), Like((3,), x.dtype)
    )
    call(f"{F}linear", Like((*x.shape[:-1], 5), x.dtype), Like((3, 5), x.dtype))
call(f"{F}linear", image(5), image(3, 5))
call(f"{F}linear", image(4, 5), image(3, 6))
call(f"{F}linear", image(2, 5), image(5))
for x in (image(2, 3, 4), image(3, 4, 5, 5), image(4)):
    call(f"{F}prelu", x, Like((1,)))
    call(f"{F}prelu", x, Like((3,)))
    call(f"{F}glu", x)
for name in (
    "relu",
    "relu6",
    "elu",
    "selu",
    "celu",
    "silu",
    "mish",
    "hardswish",
    "hardsigmoid",
    "hardtanh",
    "leaky_relu",
):
    add(
        F + name,
        "inplace",
        lambda s, n=name: (y := s.tensor(Like((2, 3))).clone(), s.get(F + n)(y, inplace=True))[0],
    )

index = Like((4,), "int64", low=0, high=4)
for kwargs in ({}, {"padding_idx": 1}, {"max_norm": 1.0}, {"scale_grad_by_freq": True}):
    call(f"{F}embedding", index, Like((5, 3)), **kwargs)
    call(
        f"{F}embedding",
        Like((2, 2), "int64", low=0, high=4),
        Like((5, 3), grad=not kwargs.get("max_norm")),
        **kwargs,
    )
call(f"{F}embedding", Like((2,), "int64", low=7, high=9), Like((5, 3)))
call(f"{F}embedding", Like((0,), "int64"), Like((5, 3)))
for like in (
    index,
    Like((2, 3), "int64", low=0, high=4),
    Like((0,), "int64"),
    Like((), "int64", low=0, high=4),
    Like((3,)),
    Like((3,), "int32", low=0),
):
    call(f"{F}one_hot", like)
    call(f"{F}one_hot", like, num_classes=6)
    call(f"{F}one_hot", like, 1)
