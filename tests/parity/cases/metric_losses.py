"""Losses of distances, of sequences and of distributions, as functions and as layers."""

from __future__ import annotations

from typing import Any

from tests.parity.compare import add, call
from tests.parity.library import Like, Side, second_gradients
from tests.parity.making import layer

F = "nn.functional."
D = "float64"
REDUCTIONS = ("mean", "sum", "none", "other")


def kinds(*shape: int, **more: Any) -> list[Like]:
    return [
        Like(shape, **more),
        Like(shape, D, **more),
        Like(shape, "float16", **more),
        Like(shape, "bfloat16", **more),
        Like(shape, layout="transposed", **more),
        Like(shape, layout="strided", **more),
        Like(shape, layout="expanded", **more),
        Like((0, *shape[1:]), **more),
    ]


def signs(s: Side) -> Any:
    return s.root.tensor([1.0, -1.0, 1.0, -1.0])


def twice(name: str, label: str, *inputs: Like, **kwargs: Any) -> None:
    """Second gradients."""
    add(F + name, f"{label} second gradients", lambda s: second_gradients(
        s, s.get(F + name)(*[s.tensor(x) for x in inputs], **kwargs)
    ))  # fmt: skip


for reduction in REDUCTIONS:
    kwargs = {"reduction": reduction}
    for x in kinds(4, 5):
        call(f"{F}margin_ranking_loss", x, x, x, **kwargs)
        call(f"{F}margin_ranking_loss", x, x, Like(x.shape, low=1, high=1), margin=0.5, **kwargs)
        call(f"{F}triplet_margin_loss", x, x, x, **kwargs)
        call(f"{F}triplet_margin_loss", x, x, x, margin=0.3, p=1, swap=True, **kwargs)
        y = Like(x.shape[:1], x.dtype, low=1, high=1, grad=False)
        for margin in (0.0, 0.4):
            call(f"{F}cosine_embedding_loss", x, x, y, margin=margin, **kwargs)
        counts = Like(x.shape, x.dtype, x.layout, 0, 6)
        for log_input in (True, False):
            call(f"{F}poisson_nll_loss", x, counts, log_input, **kwargs)
            call(f"{F}poisson_nll_loss", counts, counts, log_input, full=True, **kwargs)
        var = Like(x.shape, x.dtype, x.layout, 0.1, 2)
        call(f"{F}gaussian_nll_loss", x, x, var, **kwargs)
        call(f"{F}gaussian_nll_loss", x, x, var, full=True, eps=0.5, **kwargs)
    for mix in (
        (Like((4, 5)), Like((5,)), Like((4, 1))),
        (Like(()), Like((3,)), Like((3,))),
        (Like((2, 3)), Like((2, 3), D), Like((2, 3))),
        (Like((2, 3), "int64"),) * 3,
        (Like((2, 3)), Like((2, 4)), Like((2, 3))),
    ):
        for name in ("margin_ranking_loss", "triplet_margin_loss", "cosine_embedding_loss"):
            call(F + name, *mix, **kwargs)
    layer("MarginRankingLoss", [Like((4,)), Like((4,)), signs], margin=0.2, **kwargs)
    layer("TripletMarginLoss", [Like((4, 5))] * 3, **kwargs)
    layer("TripletMarginLoss", [Like((5,))] * 3, margin=0.4, p=3.0, swap=True, eps=1e-3, **kwargs)
    layer("CosineEmbeddingLoss", [Like((4, 5)), Like((4, 5)), signs], margin=0.1, **kwargs)
layer("MarginRankingLoss", [Like((4,), D), Like((4,), D), signs], second=True)
layer("TripletMarginLoss", [Like((4, 5), D)] * 3, second=True)
layer("TripletMarginLoss", [Like((4, 5), D)] * 3, p=3, swap=True, second=True)
layer("CosineEmbeddingLoss", [Like((4, 5), D), Like((4, 5), D), signs], second=True)
layer("TripletMarginLoss", [Like((4, 5))] * 3, margin=-1.0)
layer("TripletMarginLoss", [Like((4, 5))] * 3, margin=0)
for name, margin in (("MarginRankingLoss", -1.0), ("CosineEmbeddingLoss", 2.0)):
    layer(name, [Like((4, 5)), Like((4, 5)), signs], margin)
add(f"{F}cosine_embedding_loss", "of vectors", lambda s: s.nn.functional.cosine_embedding_loss(
    s.tensor(Like((5,))), s.tensor(Like((5,))), s.root.tensor(-1)
))  # fmt: skip
add(f"{F}cosine_embedding_loss", "integer targets", lambda s: [
    s.nn.functional.cosine_embedding_loss(
        s.tensor(Like((4, 5))), s.tensor(Like((4, 5))), signs(s).long(), 0.2
    )
])  # fmt: skip
twice("poisson_nll_loss", "log", Like((3, 4), D), Like((3, 4), D))
twice("poisson_nll_loss", "full", Like((3, 4), D, low=1), Like((3, 4), D, low=2, high=6),
      log_input=False, full=True)  # fmt: skip
twice("gaussian_nll_loss", "full", Like((3, 4), D), Like((3, 4), D), Like((3, 4), D, low=0.2),
      full=True)  # fmt: skip
for var in (Like((4, 1), low=0.1), Like((4,), low=0.1), Like((1, 5), low=0.1),
            Like((4, 5), low=-1), Like((3,), low=0.1), Like((2, 4, 5), low=0.1)):  # fmt: skip
    call(f"{F}gaussian_nll_loss", Like((4, 5)), Like((4, 5)), var)
for var in (0.5, -0.5, 0.0):
    call(f"{F}gaussian_nll_loss", Like((4, 5)), Like((4, 5)), var)
call(f"{F}gaussian_nll_loss", Like((4, 5)), Like((4, 1)), Like((4, 5), low=0.1))
call(f"{F}gaussian_nll_loss", Like((4, 5)), Like((3, 5)), Like((4, 5), low=0.1))
call(f"{F}poisson_nll_loss", Like((4, 5)), Like((5,)))
call(f"{F}poisson_nll_loss", Like((10,), special=True), Like((10,), low=0))

# Similarity and distance.

for x in (*kinds(4, 5), Like((5,)), Like(())):
    for args in ((), (0,), (-1, 0.5), (3,)):
        call(f"{F}cosine_similarity", x, x, *args)
    for args in ((), (1.0,), (3.0, 1e-3, True), (float("inf"),), (0.0,)):
        call(f"{F}pairwise_distance", x, x, *args)
for x, y in (
    (Like((4, 5)), Like((5,))),
    (Like((4, 1, 5)), Like((3, 5))),
    (Like((4, 5)), Like((4, 5), D)),
    (Like((4, 5)), Like((4, 6))),
    (Like((4, 5)), Like((1, 5))),
    (Like((4, 5), "int64"), Like((4, 5))),
    (Like((4, 5), "int64"), Like((4, 5), "int64")),
    (Like((2, 5), special=True), Like((2, 5))),
    (Like((2, 5), low=0, high=0), Like((2, 5))),
):
    call(f"{F}cosine_similarity", x, y)
    call(f"{F}cosine_similarity", x, y, dim=-1)
    call(f"{F}pairwise_distance", x, y)
twice("cosine_similarity", "of rows", Like((3, 4), D), Like((3, 4), D))
twice("pairwise_distance", "of rows", Like((3, 4), D), Like((3, 4), D))
twice("pairwise_distance", "cubic", Like((3, 4), D), Like((3, 4), D), p=3.0)
for name, shape in (("bilinear", ((4, 5), (4, 3), (2, 5, 3), (2,))),):
    for dtype in ("float32", D, "float16", "bfloat16"):
        like = [Like(n, dtype) for n in shape]
        call(F + name, *like)
        call(F + name, *like[:3])
    call(F + name, Like((2, 4, 5)), Like((2, 4, 3)), Like((2, 5, 3)))
    call(F + name, Like((5,)), Like((3,)), Like((2, 5, 3)))
    call(F + name, Like((0, 5)), Like((0, 3)), Like((2, 5, 3)))
    call(F + name, Like((4, 5), layout="transposed"), Like((4, 3), layout="expanded"),
         Like((2, 5, 3), layout="transposed"))  # fmt: skip
    call(F + name, Like((4, 5)), Like((3, 3)), Like((2, 5, 3)))
    call(F + name, Like((4, 5)), Like((4, 4)), Like((2, 5, 3)))
    call(F + name, Like((4, 5)), Like((4, 3)), Like((2, 5, 3)), Like((3,)))
    call(F + name, Like((4, 5)), Like((4, 3), D), Like((2, 5, 3)))
    twice(name, "all", *[Like(n, D) for n in shape])

# Connectionist temporal classification: (T, N, C) log probabilities.


def ctc(s: Side, targets: Any, inputs: Any, lengths: Any, shape: tuple = (6, 3, 5),
        dtype: str = D, made: Any = None, **kwargs: Any) -> Any:  # fmt: skip
    x = s.tensor(Like(shape, dtype)).log_softmax(-1)
    tensor = s.root.tensor
    given = [tensor(targets), *(tensor(n) if made == "tensors" else n for n in (inputs, lengths))]
    if made == "layer":
        return s.nn.CTCLoss(**kwargs)(x, *given)
    return s.nn.functional.ctc_loss(x, *given, **kwargs)


PADDED = [[1, 2, 2], [3, 0, 0], [4, 1, 3]]
CTC: dict[str, tuple] = {
    "padded": (PADDED, [6, 5, 6], [3, 1, 3]),
    "in one row": ([1, 2, 2, 3, 4, 1, 3], [6, 5, 6], [3, 1, 3]),
    "tuples": (PADDED, (6, 6, 6), (3, 1, 3)),
    "no label": (PADDED, [6, 6, 6], [0, 1, 0]),
    "too short": (PADDED, [2, 5, 6], [3, 1, 3]),
    "too long": (PADDED, [7, 5, 6], [3, 1, 3]),
    "more labels than there are": (PADDED, [6, 5, 6], [4, 1, 3]),
    "two lengths": (PADDED, [6, 5], [3, 1]),
    "floats": ([[1.0, 2.0, 2.0]] * 3, [6, 5, 6], [3, 1, 3]),
}
for label, given in CTC.items():
    for reduction in ("mean", "sum", "none"):
        for kwargs in ({}, {"zero_infinity": True}, {"blank": 4}):
            more = {"reduction": reduction, **kwargs}
            shown = f"{label} {more}"
            if "blank" in kwargs and label != "padded":
                continue
            add(f"{F}ctc_loss", shown, lambda s, g=given, k=more: ctc(s, *g, **k))
            add("nn.CTCLoss", shown, lambda s, g=given, k=more: ctc(s, *g, made="layer", **k))
    add(f"{F}ctc_loss", f"{label}, tensors",
        lambda s, g=given: ctc(s, *g, made="tensors"))  # fmt: skip
add(f"{F}ctc_loss", "float32", lambda s: ctc(s, *CTC["padded"], dtype="float32"))
add(f"{F}ctc_loss", "float16", lambda s: ctc(s, *CTC["padded"], dtype="float16"))
add(f"{F}ctc_loss", "one sequence", lambda s: ctc(s, [1, 2], [6], [2], shape=(6, 5)))
add(f"{F}ctc_loss", "one sequence, a number", lambda s: ctc(
    s, [1, 2], 6, 2, shape=(6, 5), made="tensors"
))  # fmt: skip
add(f"{F}ctc_loss", "no sequences", lambda s: ctc(s, [[0]][:0], [], [], shape=(6, 0, 5)))
add(f"{F}ctc_loss", "negative blank", lambda s: ctc(s, *CTC["padded"], blank=-1))
add(f"{F}ctc_loss", "blank beyond", lambda s: ctc(s, *CTC["padded"], blank=5))
add(f"{F}ctc_loss", "negative length", lambda s: ctc(s, PADDED, [6, 5, -1], [3, 1, 3]))
for kwargs in ({}, {"blank": 2, "reduction": "sum", "zero_infinity": True}):
    layer("CTCLoss", [lambda s: s.tensor(Like((6, 3, 5))).log_softmax(-1),
                      lambda s: s.root.tensor([[1, 3, 3], [3, 1, 1], [4, 1, 3]]),
                      lambda s: s.root.tensor([6, 5, 6]), lambda s: s.root.tensor([3, 1, 3])],
          **kwargs)  # fmt: skip
