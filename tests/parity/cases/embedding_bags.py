"""Bags of embeddings: rows, offsets, weights, padding, and what is refused."""

from __future__ import annotations

from typing import Any

from tests.parity.compare import add
from tests.parity.library import Like, Side
from tests.parity.making import layer, shown

F = "nn.functional."
D = "float64"

rows, short = Like((3, 4), "int64", low=0, high=5), Like((7,), "int64", low=0, high=5)
table = Like((6, 3), D)


def offsets(s: Side) -> Any:
    return s.root.tensor([0, 2, 2, 5])


def inclusive(s: Side) -> Any:
    return s.root.tensor([0, 2, 2, 7])


def bag(s: Side, indices: Like, weights: Any = None, starts: Any = None, **kwargs: Any) -> Any:
    given = s.tensor(indices), s.tensor(table), starts and starts(s)
    weights = weights and s.tensor(weights)
    return s.nn.functional.embedding_bag(*given, per_sample_weights=weights, **kwargs)


for mode in ("sum", "mean", "max"):
    for kwargs in ({}, {"padding_idx": 2}, {"padding_idx": -1}):
        given = {"mode": mode, **kwargs}
        add(f"{F}embedding_bag", f"rows {given}", lambda s, k=given: bag(s, rows, **k))
        add(f"{F}embedding_bag", f"offsets {given}",
            lambda s, k=given: bag(s, short, None, offsets, **k))  # fmt: skip
        add(f"{F}embedding_bag", f"inclusive {given}", lambda s, k=given: bag(
            s, short, None, inclusive, include_last_offset=True, **k
        ))  # fmt: skip
        add(f"{F}embedding_bag", f"weighted {given}",
            lambda s, k=given: bag(s, rows, Like((3, 4), D), **k))  # fmt: skip
        add(f"{F}embedding_bag", f"weighted, offsets {given}",
            lambda s, k=given: bag(s, short, Like((7,), D), offsets, **k))  # fmt: skip
        layer("EmbeddingBag", [rows], 6, 3, double=True, **given)
        layer("EmbeddingBag", [short, offsets], 6, 3, double=True, **given)
    layer("EmbeddingBag", [rows], 6, 3, max_norm=1.0, mode=mode)
    layer("EmbeddingBag", [rows], 6, 3, max_norm=1.0, norm_type=1.0, mode=mode)
    layer("EmbeddingBag", [Like((0, 4), "int64")], 6, 3, mode=mode)
    layer("EmbeddingBag", [short, inclusive], 6, 3, mode=mode, include_last_offset=True)
layer("EmbeddingBag", [rows, None, Like((3, 4))], 6, 3, mode="sum")
layer("EmbeddingBag", [Like((3, 4), "int32", low=0, high=5)], 6, 3)
add(f"{F}embedding_bag", "scaled by frequency",
    lambda s: bag(s, rows, scale_grad_by_freq=True, mode="sum"))  # fmt: skip
for label, run in {
    "unknown mode": lambda s: bag(s, rows, mode="min"),
    "offsets of a matrix": lambda s: bag(s, rows, None, offsets),
    "no offsets": lambda s: bag(s, short),
    "late offsets": lambda s: bag(s, short, None, lambda s: s.root.tensor([1, 2])),
    "offsets beyond": lambda s: bag(s, short, None, lambda s: s.root.tensor([0, 9])),
    "index beyond": lambda s: bag(s, Like((2, 2), "int64", low=7, high=9)),
    "index below": lambda s: bag(s, Like((2, 2), "int64", low=-9, high=-7)),
    "floats": lambda s: bag(s, Like((2, 2))),
    "weights of another shape": lambda s: bag(s, rows, Like((3, 3), D), mode="sum"),
    "three dimensions": lambda s: bag(s, Like((2, 2, 2), "int64", low=0, high=4)),
}.items():
    add(f"{F}embedding_bag", label, run)
layer("EmbeddingBag", [rows], 6, 3, mode="min")
layer("EmbeddingBag", [rows], 6, 3, padding_idx=6)
layer("EmbeddingBag", [rows], 6, 3, padding_idx=-7)
add("nn.EmbeddingBag", "from_pretrained", lambda s: (
    m := s.nn.EmbeddingBag.from_pretrained(s.tensor(Like((6, 3), grad=False)), mode="sum"),
    m(s.tensor(rows)), shown(m),
)[1:])  # fmt: skip
