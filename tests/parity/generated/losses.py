"""Losses: reductions, weights, ignored classes, targets of both kinds, broadcast targets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy
from hypothesis import strategies as st

from .calls import Call
from .indexing import places
from .tensors import Draw, Drawn, maybe, pick, shapes, tensor, words

WIDE = ("float32", "float64", "float32", "bfloat16")
KINDS = ("plain", "ties", "special")
BETWEEN = words(
    """
    mse_loss l1_loss smooth_l1_loss huber_loss binary_cross_entropy kl_div soft_margin_loss
    binary_cross_entropy_with_logits poisson_nll_loss hinge_embedding_loss gaussian_nll_loss
    margin_ranking_loss cosine_embedding_loss triplet_margin_loss cosine_similarity
    pairwise_distance
    """
)
REDUCTIONS = ("mean", "sum", "none")


def signs(draw: Draw, shape: tuple[int, ...], dtype: str) -> Drawn:
    drawn = tensor(draw, shape, (dtype,), ("plain",), grad=False)
    return replace(drawn, base=numpy.where(drawn.base > 0, 1.0, -1.0))


def between(draw: Draw) -> Call:
    """Of predictions and targets of one shape."""
    name = pick(draw, *BETWEEN)
    dtype = pick(draw, *WIDE)
    shape = draw(shapes(0, 3))
    kinds = ("unit",) if name in ("binary_cross_entropy",) else KINDS
    x = tensor(draw, shape, (dtype,), kinds)
    given: dict[str, Any] = maybe(draw, {"reduction": lambda: pick(draw, *REDUCTIONS)})
    kinds = ("unit",) if "binary" in name or name == "kl_div" else KINDS
    other = shape[1:] if draw(st.integers(0, 15)) == 15 else shape  # it may broadcast
    y = tensor(draw, other, (dtype,), kinds, grad=draw(st.integers(0, 3)) == 3)
    if name in ("smooth_l1_loss", "huber_loss"):
        key = "beta" if name == "smooth_l1_loss" else "delta"
        given |= maybe(draw, {key: lambda: pick(draw, 0.5, 2.0, 1)})
    if "binary" in name:
        given |= maybe(
            draw, {"weight": lambda: tensor(draw, shape, (dtype,), ("positive",), False)}
        )
    if "logits" in name:
        last = shape[-1:]
        made = {"pos_weight": lambda: tensor(draw, last, (dtype,), ("positive",), False)}
        given |= maybe(draw, made)
    if name == "kl_div":
        given |= maybe(draw, {"log_target": lambda: True})
        given["reduction"] = pick(draw, "batchmean", *REDUCTIONS)
    if name == "poisson_nll_loss":
        given |= maybe(draw, {"log_input": lambda: False, "full": lambda: True})
    if name == "gaussian_nll_loss":
        given |= maybe(draw, {"full": lambda: True})
        var = tensor(draw, pick(draw, shape, (*shape[:-1], 1)), (dtype,), ("positive",))
        return Call(f"nn.functional.{name}", (x, y, var), given)
    if name in ("soft_margin_loss", "hinge_embedding_loss"):
        y = signs(draw, shape, dtype)
    if name == "margin_ranking_loss":
        given |= maybe(draw, {"margin": lambda: 0.5})
        return Call(f"nn.functional.{name}", (x, y, signs(draw, shape, dtype)), given)
    if name in ("cosine_embedding_loss", "triplet_margin_loss"):
        rows = draw(shapes(1, 2))
        a, b, c = (tensor(draw, rows, (dtype,), ("plain",)) for _ in "abc")
        given |= maybe(draw, {"margin": lambda: 0.5})
        third = c if name[0] == "t" else signs(draw, rows[:-1], dtype)
        return Call(f"nn.functional.{name}", (a, b, third), given)
    if name in ("cosine_similarity", "pairwise_distance"):
        y = tensor(draw, shape, (dtype,), ("plain",))
        x = tensor(draw, shape, (dtype,), ("plain",))
        given = {}
        if name == "cosine_similarity":
            given = maybe(draw, {"dim": lambda: draw(st.integers(-2, 2))})
        else:
            given = maybe(draw, {"p": lambda: pick(draw, 1, 3.0), "keepdim": lambda: True})
    return Call(f"nn.functional.{name}", (x, y), given)


def of_classes(draw: Draw) -> Call:
    """Scores of classes, and which class it is."""
    name = pick(draw, "cross_entropy", "cross_entropy", "nll_loss", "nll_loss", *OTHERS)
    dtype = pick(draw, *WIDE)
    count, classes = draw(st.integers(0, 3)), draw(st.integers(1, 4))
    size = draw(shapes(0, 2, 0, 3)) if name in ("cross_entropy", "nll_loss") else ()
    given: dict[str, Any] = maybe(draw, {"reduction": lambda: pick(draw, *REDUCTIONS)})
    alone = not size and draw(st.integers(0, 3)) == 3
    shape = (classes,) if alone else (count, classes, *size)
    kinds = KINDS if draw(st.integers(0, 4)) == 4 else ("plain", "ties")
    x = tensor(draw, shape, (dtype,), kinds)
    rows = () if alone else (count, *size)
    if name == "multilabel_soft_margin_loss":
        return Call(
            f"nn.functional.{name}", (x, tensor(draw, shape, (dtype,), ("unit",), False)), given
        )
    if name == "multilabel_margin_loss":
        y = tensor(draw, shape, ("int64",), ("plain",), plain=True)
        return Call(
            f"nn.functional.{name}",
            (x, replace(y, base=numpy.clip(y.base, -1, classes - 1))),
            given,
        )
    y = places(draw, rows, classes)
    weight = {"weight": lambda: tensor(draw, (classes,), (dtype,), ("positive",), False)}
    if name == "multi_margin_loss":
        given |= maybe(draw, {"margin": lambda: 0.5, "p": lambda: pick(draw, 1, 2), **weight})
        return Call(f"nn.functional.{name}", (x, y), given)
    made = {**weight, "ignore_index": lambda: draw(st.integers(-1, classes))}
    if name == "cross_entropy":
        made["label_smoothing"] = lambda: pick(draw, 0.1, 0.5, 1.0)
        if draw(st.integers(0, 3)) == 3:
            del made["ignore_index"]
            y = tensor(draw, shape, (dtype,), ("unit",))
    return Call(f"nn.functional.{name}", (x, y), given | maybe(draw, made))


OTHERS = ("multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss")
FAMILIES = {"between": between, "of classes": of_classes}
