"""Losses that ask each label's score to be larger than those of other classes by a margin."""

from __future__ import annotations

from math import nan
from typing import Any

from lucid.errors import DimensionError, DTypeError, ShapeError
from lucid.op import Op, casts, check_reduction, floating, reduced
from lucid.op.labels import check_weight
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = ["multi_margin_loss", "multilabel_margin_loss"]

_BLOCK = 1 << 22  # elements of the table of pairs that are worked on at a time


class MultilabelMargin(Op):
    """Per row of (N, C) the sum of max(0, 1 - x_j + x_i) / C over labels j and other classes i.

    The gradient is dy times a constant table: +1 at i and -1 at j of each pair within the margin.
    """

    apart = (1,)

    def forward(self, x, target):
        xp = self.xp
        n, c = x.shape
        rows = xp.arange(n)[:, None]
        listed = xp.cumsum(target < 0, axis=1) == 0  # those before the first negative one
        at = xp.where(listed & (target < c), target, 0)
        other = xp.ones((n, c + 1), bool)
        other[rows, xp.where(listed, at, c)] = False  # column c takes what is not listed
        other = other[:, :c]
        slopes = xp.zeros_like(x)
        y = xp.zeros(n, x.dtype)
        scores = x[rows, at]
        step = max(1, _BLOCK // max(1, n * c))
        for k in range(0, c, step):
            part = slice(k, k + step)
            within = 1 - scores[:, part, None] + x[:, None, :]
            active = (within > 0) & listed[:, part, None] & other[:, None, :]
            y += xp.where(active, within, 0).sum((1, 2))
            slopes += active.sum(1)
            self.device.scatter_add(slopes, (rows, at[:, part]), -active.sum(2).astype(x.dtype))
        if self.needs:
            self.save(slopes)
        return y / c

    def backward(self, dy):
        (slopes,) = self.saved
        return (dy / slopes.shape[1]).unsqueeze(1) * slopes, None


@casts(cpu="float32", cuda="float32")
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
) -> Tensor:
    """The sum over other classes j of max(0, margin - x_label + x_j)^p, divided by C.

    x: (N, C), labels: (N,) -> y: (), or (N,) with reduction="none"; or (C,), () -> (). p is 1 or 2.
    ``weight`` (C,) multiplies the losses by their labels' weights (the mean divides by N).
    """
    name = "multi_margin_loss"
    check_reduction(name, reduction)
    if p not in (1, 2):
        raise ValueError(f"{name}: p must be 1 or 2; got {p!r}")
    x, t = _rows(name, input, target, input.shape[:-1])
    classes = x.shape[1]
    check_weight(name, classes, weight)
    _check_labels(name, t, 0, classes)
    t = t.long().unsqueeze(1)
    wrong = (t < 0) | (t >= classes)  # on a GPU: their losses become NaN
    t = t.masked_fill(wrong, 0)
    within = (x - x.gather(1, t) + margin).relu()
    if p == 2:
        within = within * within
    if weight is not None:
        within = within * weight.to(x.dtype)[t]
    own = within.new_zeros((1, 1)).masked_fill(wrong, nan)
    losses = within.scatter(1, t, own).sum(1) / classes
    return reduced(losses if input.ndim == 2 else losses[0], reduction)


@casts(cpu="float32", cuda="float32")
def multilabel_margin_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """The sum of max(0, 1 - x_j + x_i) over labels j and other classes i, divided by C.

    x: (N, C), labels: (N, C) -> y: (), or (N,) with reduction="none"; or (C,), (C,) -> (). A row's
    labels end before the first -1.

    >>> x, labels = Tensor([0.1, 0.2, 0.4, 0.8]), lucid.tensor([3, 0, -1, 1])
    >>> F.multilabel_margin_loss(x, labels)
    Tensor(0.85)
    """
    name = "multilabel_margin_loss"
    check_reduction(name, reduction)
    x, t = _rows(name, input, target, input.shape)
    _check_labels(name, t, -1, x.shape[1])
    losses = MultilabelMargin()(x, t.long())
    return reduced(losses if input.ndim == 2 else losses[0], reduction)


def _rows(name: str, x: Tensor, target: Tensor, expected: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Scores as (N, C) and their labels alike, made from (C,) if need be."""
    if x.ndim not in (1, 2) or not x.shape[-1]:
        raise ShapeError(f"{name}: input must be (N, C) or (C,), C > 0; got shape {x.shape}")
    floating(name, "input", x)
    if target.shape != expected and not (expected == () and target.shape == (1,)):
        raise ShapeError(
            f"{name}: labels for an input of shape {x.shape} must be of shape {expected}; got"
            f" {target.shape}"
        )
    if target.dtype.category != 1:
        raise DTypeError(f"{name}: labels must be integers; got {target.dtype}. Hint: .long()")
    return (x, target) if x.ndim == 2 else (x.unsqueeze(0), target.reshape(1, *expected))


def _check_labels(name: str, target: Tensor, low: int, classes: int) -> None:
    """Labels out of range are an error on the CPU; on a GPU nobody waits for the answer."""
    labels = target._array
    if target._device.type == "cpu" and labels.size:
        least, most = int(labels.min()), int(labels.max())
        if least < low or most >= classes:
            raise DimensionError(
                f"{name}: labels must be in [{low}, {classes - 1}]; got {least} to {most}"
            )


def _multi(
    np: Any, x: Any, t: Any, p: int = 1, margin: float = 1.0, reduction: str = "mean"
) -> Any:
    scores, labels = np.atleast_2d(x), np.atleast_1d(t)
    rows = np.arange(len(scores))
    losses = np.maximum(0, margin - scores[rows, labels][:, None] + scores) ** p
    losses[rows, labels] = 0
    return reduced(losses.mean(1).reshape(x.shape[:-1]), reduction)


def _multilabel(np: Any, x: Any, t: Any, reduction: str = "mean") -> Any:
    losses = []
    for row, named in zip(np.atleast_2d(x), np.atleast_2d(t), strict=True):
        stop = np.flatnonzero(named < 0)
        own = named[: stop[0]] if len(stop) else named
        other = np.setdiff1d(np.arange(len(row)), own)
        pairs = np.maximum(0, 1 - row[own][:, None] + row[other])
        losses.append(pairs.sum() / len(row))
    return reduced(np.reshape(losses, x.shape[:-1]), reduction)


_ints = ("float32", "int64")
_sum, _none = {"reduction": "sum"}, {"reduction": "none"}
spec(
    multi_margin_loss,
    cases=[
        Case([(5, 3), (5,)], {}, 0, 3, _ints),
        Case([(5, 3), (5,)], {"p": 2, "margin": 0.7, **_none}, 0, 3, _ints),
        Case([(3,), ()], {}, 0, 3, _ints),
        Case([(0, 3), (0,)], _sum, 0, 3, _ints),
    ],
    reference=_multi,
    errors=[
        (Case([(5, 3), (5,)], {"p": 3}, 0, 3, _ints), ValueError, "p must be 1 or 2; got 3"),
        (Case([(5, 3), (4,)], {}, 0, 3, _ints), ShapeError, "labels for an input of shape"),
        (Case([(5, 3), (5,)]), DTypeError, "multi_margin_loss: labels must be integers"),
        (
            Case([(9, 2), (9,)], {}, 0, 5, _ints, by_value=True),
            DimensionError,
            r"multi_margin_loss: labels must be in \[0, 1\]; got ",
        ),
    ],
)
spec(
    multilabel_margin_loss,
    cases=[
        Case([(4, 5)] * 2, {}, -1, 5, _ints),
        Case([(4, 3)] * 2, _none, -1, 3, _ints),
        Case([(5,)] * 2, _sum, 0, 5, _ints),
        Case([(0, 3)] * 2, _sum, 0, 3, _ints),
    ],
    reference=_multilabel,
    errors=[
        (Case([(5, 3), (5,)], {}, 0, 3, _ints), ShapeError, "labels for an input of shape"),
        (
            Case([(4, 2)] * 2, {}, 0, 3, _ints, by_value=True),
            DimensionError,
            r"multilabel_margin_loss: labels must be in \[-1, 1\]; got ",
        ),
    ],
)
