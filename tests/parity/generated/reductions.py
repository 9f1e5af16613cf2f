"""Reductions, running sums, order: over drawn dims, kept or not, into drawn dtypes."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from .calls import Call, Dtype
from .tensors import DTYPES, Draw, dim, maybe, pick, shapes, tensor, words

FLOATING = ("float32", "float64", "float16", "bfloat16")
SEVERAL = words("sum mean std var amax amin any all logsumexp count_nonzero std_mean var_mean")
ONE_DIM = words("prod argmax argmin max min median")
ALONG = words("cumsum cumprod softmax log_softmax sort argsort topk diff")


def reduction(draw: Draw) -> Call:
    name = pick(draw, *SEVERAL, *ONE_DIM)
    shape = draw(shapes())
    float_only = name in ("mean", "std", "var", "std_mean", "var_mean", "logsumexp")
    dtypes = FLOATING if float_only and draw(st.integers(0, 5)) else DTYPES
    x = tensor(draw, shape, dtypes)
    if draw(st.booleans()) and name not in ("std_mean", "var_mean"):
        name = f"Tensor.{name}"
    plain = name.rpartition(".")[2]
    given: dict[str, Any] = {}
    if plain in ONE_DIM:
        if draw(st.booleans()):
            given["dim"] = dim(draw, len(shape))
    elif draw(st.booleans()) or plain in ("logsumexp", "amax", "amin"):
        dims = draw(st.lists(st.just(0), min_size=0, max_size=3))
        several = tuple(dim(draw, len(shape)) for _ in dims)
        given["dim"] = pick(draw, several, dim(draw, len(shape)))
    if "dim" in given and plain != "count_nonzero":
        given |= maybe(draw, {"keepdim": lambda: True})
    if plain in ("std", "var", "std_mean", "var_mean"):
        given |= maybe(draw, {"correction": lambda: pick(draw, 0, 1, 2, 0.5)})
    if plain in ("sum", "mean", "prod"):
        given |= maybe(draw, {"dtype": lambda: Dtype(pick(draw, *DTYPES))})
    return Call(name, (x,), given)


def norm(draw: Draw) -> Call:
    shape = draw(shapes(0, 3))
    x = tensor(draw, shape, FLOATING)
    p = pick(draw, 2, 1, 0, 3, 0.5, float("inf"), -float("inf"), -1)
    several = tuple(dim(draw, len(shape)) for _ in range(draw(st.integers(1, 2))))
    at = pick(draw, None, dim(draw, len(shape)), several)
    name = pick(draw, "norm", "Tensor.norm", "linalg.vector_norm", "linalg.matrix_norm")
    given: dict[str, Any] = maybe(draw, {"keepdim": lambda: True})
    if name == "linalg.matrix_norm":
        return Call(name, (x,), {"ord": pick(draw, "fro", 1, float("inf"), -1), **given})
    if at is not None:
        given["dim"] = at
    return Call(name, (x,), {"p" if "linalg" not in name else "ord": p, **given})


def along(draw: Draw) -> Call:
    name = pick(draw, *ALONG)
    shape = draw(shapes(0, 4))
    float_only = name in ("softmax", "log_softmax")
    x = tensor(draw, shape, FLOATING if float_only and draw(st.integers(0, 5)) else DTYPES)
    at = dim(draw, len(shape))
    if draw(st.booleans()):
        name = f"Tensor.{name}"
    plain = name.rpartition(".")[2]
    given: dict[str, Any] = {"dim": at}
    if plain == "topk":
        size = shape[at] if -len(shape) <= at < len(shape) else 1
        given["k"] = draw(st.integers(0, size + (draw(st.integers(0, 9)) == 9)))
        given |= maybe(draw, {"largest": lambda: False})
    if plain in ("sort", "argsort"):
        given["stable"] = True
        given |= maybe(draw, {"descending": lambda: True})
    if plain in ("cumsum", "cumprod", "softmax", "log_softmax"):
        targets = ("float32", "float64") if float_only else DTYPES
        given |= maybe(draw, {"dtype": lambda: Dtype(pick(draw, *targets))})
    if plain == "diff":
        given |= maybe(draw, {"n": lambda: draw(st.integers(0, 3))})
    return Call(name, (x,), given)


def whole(draw: Draw) -> Call:
    """Of all elements: equal, allclose, unique, bincount, nonzero."""
    shape = draw(shapes(0, 3))
    name = pick(draw, "equal", "allclose", "unique", "bincount", "nonzero")
    if name in ("equal", "allclose"):
        dtype = pick(draw, *DTYPES)
        y = tensor(draw, draw(shapes(0, 2)) if draw(st.booleans()) else shape, (dtype,))
        return Call(name, (tensor(draw, shape, (dtype,)), y))
    if name == "bincount":
        x = tensor(draw, draw(shapes(1, 1)), ("int64", "uint8", "int32"), ("positive",))
        return Call(name, (x,), maybe(draw, {"minlength": lambda: draw(st.integers(0, 9))}))
    x = tensor(draw, shape, kinds=("ties",))
    if name == "nonzero":
        return Call(name, (x,), maybe(draw, {"as_tuple": lambda: True}))
    flags = {"return_inverse": lambda: True, "return_counts": lambda: True}
    given: dict[str, Any] = maybe(draw, flags)
    if shape and draw(st.booleans()):
        given["dim"] = dim(draw, len(shape))
    return Call(name, (x,), given)


FAMILIES = {"reductions": reduction, "norms": norm, "along": along, "whole": whole}
