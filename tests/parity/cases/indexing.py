"""Reading and writing by index."""

from __future__ import annotations

from typing import Any

from tests.parity.compare import add, case
from tests.parity.library import LIKES, Like, Side

INDICES = {
    "0": lambda s: 0,
    "-1": lambda s: -1,
    "9": lambda s: 9,
    "1:": lambda s: slice(1, None),
    "::2": lambda s: slice(None, None, 2),
    "...,0": lambda s: (..., 0),
    "None": lambda s: None,
    ":,None,1": lambda s: (slice(None), None, 1),
    "0,1,2": lambda s: (0, 1, 2),
    "...": lambda s: ...,
    "[0,1]": lambda s: [0, 1],
    ":,[2,0,0]": lambda s: (slice(None), [2, 0, 0]),
    "tensor": lambda s: s.root.tensor([1, 0, -1]),
    "2d tensor": lambda s: s.root.tensor([[0, 1], [1, 1]]),
    "0-d tensor": lambda s: s.root.tensor(1),
    "two tensors": lambda s: (s.root.tensor([0, 1]), s.root.tensor([2, 1])),
    "apart": lambda s: (s.root.tensor([0, 1]), slice(None), s.root.tensor([3, 0])),
    "rows of bools": lambda s: s.root.tensor([True, False]),
    "True": lambda s: True,
    "mask": lambda s: s.root.tensor([[True, False, True], [False, False, True]]),
    "empty list": lambda s: [],
    "int32": lambda s: s.root.tensor([1, 0], dtype=s.root.int32),
    "uint8": lambda s: s.root.tensor([1, 0], dtype=s.root.uint8),
    "float": lambda s: s.root.tensor([1.0]),
    "too many": lambda s: (0, 0, 0, 0),
    "1:9": lambda s: slice(1, 9),
    "2:1": lambda s: slice(2, 1),
    "numpy": lambda s: __import__("numpy").array([1, 0]),
    "out of range": lambda s: s.root.tensor([5]),
}


def _assign(x: Any, index: Any, value: Any) -> Any:
    y = x.clone()
    y[index] = value
    return y


for label, index in INDICES.items():
    for like in LIKES[:6]:
        add(
            "Tensor.__getitem__",
            f"{like} [{label}]",
            lambda s, like=like, i=index: s.tensor(like)[i(s)],
        )
    for like in (LIKES[0], LIKES[1], LIKES[4]):
        add(
            "Tensor.__setitem__",
            f"{like} [{label}] = 5",
            lambda s, like=like, i=index: _assign(s.tensor(like), i(s), 5),
        )
        add(
            "Tensor.__setitem__",
            f"{like} [{label}] = 0-d",
            lambda s, like=like, i=index: _assign(s.tensor(like), i(s), s.tensor(Like(()))),
        )
add(
    "Tensor.__setitem__",
    "slices broadcast",
    lambda s: _assign(s.tensor(Like((2, 3, 4))), (slice(None), 1), s.tensor(Like((4,)))),
)
add(
    "Tensor.__setitem__",
    "does not fit",
    lambda s: _assign(s.tensor(Like((2, 3, 4))), 0, s.tensor(Like((5,)))),
)

AT = Like((2, 2, 4), "int64", low=0, high=1)
for like in [
    Like((2, 3, 4)),
    Like((2, 3, 4), "int64"),
    Like((2, 3, 4), layout="transposed"),
    Like((2, 3, 4), "float16"),
]:
    for dim in (0, 1, -1):
        add(
            "gather",
            f"{like} {dim}",
            lambda s, like=like, d=dim: s.gather(s.tensor(like), d, s.tensor(AT)),
        )
        add(
            "Tensor.gather",
            f"{like} {dim}",
            lambda s, like=like, d=dim: s.tensor(like).gather(d, s.tensor(AT)),
        )
        for name in ("scatter_", "scatter", "scatter_add_"):
            add(
                f"Tensor.{name}",
                f"{like} {dim}",
                lambda s, like=like, d=dim, n=name: getattr(s.tensor(like).clone(), n)(
                    d,
                    s.arange(2).reshape(2, 1, 1).expand(2, 2, 1),
                    s.tensor(Like((2, 3, 4), like.dtype)),
                ),
            )
        add(
            "Tensor.scatter_",
            f"{like} {dim} number",
            lambda s, like=like, d=dim: s.tensor(like).clone().scatter_(d, s.tensor(AT), 3),
        )
        add(
            "Tensor.scatter_",
            f"{like} {dim} value",
            lambda s, like=like, d=dim: s.tensor(like).clone().scatter_(d, s.tensor(AT), value=3),
        )
        add(
            "Tensor.index_select",
            f"{like} {dim}",
            lambda s, like=like, d=dim: s.tensor(like).index_select(d, s.root.tensor([1, 0, 1])),
        )
        add(
            "Tensor.index_add_",
            f"{like} {dim}",
            lambda s, like=like, d=dim: (
                s.tensor(like)
                .clone()
                .index_add_(
                    d,
                    s.root.tensor([1, 0, 1]),
                    s.tensor(
                        Like(
                            tuple(3 if i == d % 3 else n for i, n in enumerate((2, 3, 4))),
                            like.dtype,
                        )
                    ),
                )
            ),
        )
        add(
            "Tensor.index_copy_",
            f"{like} {dim}",
            lambda s, like=like, d=dim: (
                s.tensor(like)
                .clone()
                .index_copy_(
                    d,
                    s.root.tensor([1, 0]),
                    s.tensor(
                        Like(
                            tuple(2 if i == d % 3 else n for i, n in enumerate((2, 3, 4))),
                            like.dtype,
                        )
                    ),
                )
            ),
        )
        add(
            "Tensor.index_fill_",
            f"{like} {dim}",
            lambda s, like=like, d=dim: (
                s.tensor(like).clone().index_fill_(d, s.root.tensor([1, 0]), 7)
            ),
        )


@case("where")
def the_indices_of_nonzero_elements(s: Side) -> Any:
    return s.where(s.tensor(Like((3, 4), "int64")))


@case("Tensor.view")
def as_another_dtype(s: Side) -> Any:
    x = s.tensor(Like((2, 4), grad=False))
    return x.view(s.int32), x.view(s.int16), x.view(s.float64), x.view(s.uint8)


@case("Tensor.view")
def as_a_wider_dtype_that_does_not_fit(s: Side) -> Any:
    return s.tensor(Like((2, 3), grad=False)).view(s.float64)
