"""Many elements to fewer: sums, extrema, norms, orders."""

from __future__ import annotations

from typing import Any

from tests.parity.compare import add, case
from tests.parity.library import FLOATS, Like, Side

TYPES = [Like((2, 3), d) for d in (*FLOATS, "int64", "int32", "uint8", "bool")]
SHAPES = [
    Like((2, 3, 4)),
    Like((3, 1)),
    Like((5,)),
    Like(()),
    Like((0, 3)),
    Like((2, 0)),
    Like((3, 4), layout="transposed"),
    Like((3, 4), layout="strided"),
    Like((3, 4), layout="expanded"),
    Like((2, 3, 4, 5), layout="channels_last"),
    Like((2, 5), special=True),
]
WAYS: list[dict[str, Any]] = [{}, {"dim": 0}, {"dim": -1}, {"dim": 0, "keepdim": True}]
SEVERAL: list[dict[str, Any]] = [
    {"dim": (0, -1)},
    {"dim": (0, 1), "keepdim": True},
    {"dim": None, "keepdim": True},
    {"dim": ()},
    {"dim": 5},
    {"dim": (0, 0)},
]


def _call(path: str, like: Like, kwargs: dict[str, Any]) -> Any:
    def run(s: Side) -> Any:
        given = {k: v for k, v in kwargs.items() if k != "dtype_"}
        if "dtype_" in kwargs:
            given["dtype"] = getattr(s.root, kwargs["dtype_"])
        return s.get(path)(s.tensor(like), **given)

    return run


def sweep(path: str, likes: list[Like], ways: list[dict[str, Any]]) -> None:
    for like in likes:
        for kwargs in ways:
            add(path, f"{like} {kwargs or ''}", _call(path, like, kwargs))


for path in ("sum", "mean", "Tensor.sum", "Tensor.mean"):
    sweep(path, [*TYPES, *SHAPES], [*WAYS, *SEVERAL])
for path in ("std", "var", "Tensor.std", "Tensor.var"):
    ways = [*WAYS, *SEVERAL, {"correction": 0}, {"unbiased": False}, {"dim": 0, "correction": 2}]
    sweep(path, [*TYPES[:5], *SHAPES], ways)
for path in ("prod", "Tensor.prod"):
    sweep(path, [*TYPES, *SHAPES], WAYS)
for path in ("max", "min", "Tensor.max", "Tensor.min"):
    sweep(path, [*TYPES, *SHAPES], WAYS)
for path in ("argmax", "argmin", "Tensor.argmax", "Tensor.argmin"):
    sweep(path, [*TYPES, *SHAPES], WAYS)
for path in ("any", "all", "Tensor.any", "Tensor.all"):
    sweep(path, [*TYPES, *SHAPES], [*WAYS, {"dim": (0, 1)}])
for path in ("sum", "mean", "prod"):
    sweep(
        path,
        [Like((2, 3), d) for d in ("float32", "int64", "bool", "float16")],
        [{"dtype_": "float64"}, {"dtype_": "float32"}],
    )
for path in ("cumsum", "Tensor.cumsum"):
    sweep(path, [*TYPES, *SHAPES], [{"dim": 0}, {"dim": -1}])
for path in ("norm", "Tensor.norm"):
    ways = [
        *WAYS,
        *[
            {"p": p, **w}
            for p in (0, 1, 2, 3, "fro", float("inf"), -float("inf"))
            for w in ({}, {"dim": 0}, {"dim": (0, 1)}, {"dim": 0, "keepdim": True})
        ],
    ]
    sweep(path, [*TYPES[:5], *SHAPES], ways)
for path in (
    "softmax",
    "log_softmax",
    "nn.functional.softmax",
    "nn.functional.log_softmax",
    "nn.functional.softmin",
):
    sweep(path, [*TYPES[:5], *SHAPES], [{"dim": 0}, {"dim": -1}])
for path in ("isfinite", "isnan"):
    sweep(path, TYPES, [{}])
for path in ("sort", "argsort", "Tensor.sort"):
    ways = [{"stable": True}, {"dim": 0, "stable": True}, {"descending": True, "stable": True}]
    sweep(path, [*TYPES, *SHAPES], ways)
for path in ("topk", "Tensor.topk"):
    # Values only: which of two equal ones comes first is left open.
    for like in [*TYPES[:6], *SHAPES]:
        for kwargs in ({"k": 2}, {"k": 1, "dim": 0}, {"k": 2, "largest": False}, {"k": 9}):
            add(
                path,
                f"{like} {kwargs}",
                lambda s, p=path, like=like, k=kwargs: s.get(p)(s.tensor(like), **k)[0],
            )
for path in ("topk", "Tensor.topk"):
    for like in (Like((7,)), Like((3, 6)), Like((3, 4), layout="transposed")):
        add(
            path,
            f"{like} both",
            lambda s, p=path, like=like: s.get(p)(
                s.tensor(like), 2, 1 if like.shape[1:] else 0, True, True
            ),
        )


for like in [*TYPES, *SHAPES]:
    add(
        "equal",
        like,
        lambda s, like=like: (s.equal(x := s.tensor(like), x.clone()), s.equal(x, x + 1)),
    )
    add(
        "allclose",
        like,
        lambda s, like=like: s.allclose(x := s.tensor(like), x.clone(), equal_nan=True),
    )


@case("equal")
def different_shapes(s: Side) -> Any:
    return s.equal(s.ones(2), s.ones(3)), s.equal(s.ones(2, 1), s.ones(2))


@case("allclose")
def tolerances(s: Side) -> Any:
    x = s.tensor(Like((3,)))
    return (
        s.allclose(x, x + 1e-3),
        s.allclose(x, x + 1e-3, atol=1e-2),
        s.allclose(x, x * 1.001, rtol=1e-2),
    )


for path in ("sum", "mean"):

    @case(path)
    def both_ways_of_naming_a_dim(s: Side, path: str = path) -> Any:
        x = s.tensor(Like((2, 3, 4)))
        return s.get(path)(x, 1), s.get(path)(x, [0, 2]), s.get(path)(x, (1,), True)
