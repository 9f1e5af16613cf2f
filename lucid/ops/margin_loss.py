"""Losses of margins: between two scores, of a distance, of a score's sign."""

from __future__ import annotations

from typing import Any

from lucid.errors import ShapeError
from lucid.op import Op, casts, check_reduction, reduced
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = [
    "hinge_embedding_loss", "margin_ranking_loss", "multilabel_soft_margin_loss",
    "soft_margin_loss",
]  # fmt: skip


class SoftMargin(Op):
    """log(1 + exp(-t x)), written so that it doesn't overflow."""

    to_float = broadcasts = True

    def forward(self, x, t):
        xp = self.xp
        self.save(x, t)
        z = -t * x
        return xp.maximum(z, 0) + xp.log1p(xp.exp(-xp.abs(z)))

    def backward(self, dy):
        x, t = self.saved
        g = -dy * (-(t * x)).sigmoid()
        return (g * t if self.needs[0] else None), (g * x if self.needs[1] else None)


@casts(cpu="float32", cuda="float32")
def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, *, reduction: str = "mean"
) -> Tensor:
    """max(0, margin - t (x1 - x2)): t = 1 wants x1 larger, t = -1 x2. x1, x2, t: (*) -> y: ().

    Shapes broadcast; y: (*) with reduction="none".
    """
    name = "margin_ranking_loss"
    check_reduction(name, reduction)
    if not input1.ndim == input2.ndim == target.ndim:
        raise ShapeError(
            f"{name}: input1, input2 and target must have as many dimensions; got shapes"
            f" {input1.shape}, {input2.shape} and {target.shape}"
        )
    return reduced((float(margin) - target * (input1 - input2)).clamp(min=0), reduction)


@casts(cpu="float32", cuda="float32")
def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, *, reduction: str = "mean"
) -> Tensor:
    """x where t is 1, max(0, margin - x) where it is -1: x a distance. x, t: (*) -> y: (), or (*).

    Where t is neither, both are added.
    """
    check_reduction("hinge_embedding_loss", reduction)
    near = input.masked_fill(target == -1, 0.0)
    far = (margin - input).clamp(min=0).masked_fill(target == 1, 0.0)
    return reduced(near + far, reduction)


@casts(cpu="float32", cuda="float32")
def soft_margin_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """log(1 + exp(-t x)) for t of -1 or 1. x, t: (*) -> y: (), or (*) with reduction="none".

    >>> F.soft_margin_loss(Tensor([0.0, 200.0]), Tensor([1.0, -1.0]), reduction="none")
    Tensor([  0.6931, 200.    ])
    """
    check_reduction("soft_margin_loss", reduction)
    return reduced(SoftMargin()(input, target), reduction)


@casts(cuda="float32")
def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """The mean over classes of log(1 + exp(-x)) where t is 1, log(1 + exp(x)) where it is 0.

    x, t: (*, C) -> y: (), or (*) with reduction="none". ``weight`` (C,) multiplies each class.
    """
    check_reduction("multilabel_soft_margin_loss", reduction)
    if not input.ndim:
        raise ShapeError("multilabel_soft_margin_loss: input must be (*, C); got shape ()")
    soft = SoftMargin()
    losses = target * soft(input, 1.0) + (1 - target) * soft.again()(input, -1.0)
    losses = losses if weight is None else losses * weight
    return reduced(losses.mean(-1), reduction)


def _reference(function: Any) -> Any:
    def reference(np: Any, *arrays: Any, reduction: str = "mean", **kwargs: Any) -> Any:
        return reduced(np.asarray(function(np, *arrays, **kwargs)), reduction)

    return reference


_three = [(3, 4)] * 3
_two = [(3, 4)] * 2
_ints = ("float32", "int64", "float32")
_sum, _none = {"reduction": "sum"}, {"reduction": "none"}
_refused = (Case(_two, {"reduction": "max"}), ValueError, "reduction must be one of none")
spec(
    margin_ranking_loss,
    cases=[Case(_three), Case(_three, {"margin": 0.5, **_none}), Case([(2, 1), (1, 3), (2, 3)])],
    reference=_reference(lambda np, a, b, t, margin=0: np.maximum(0, margin - t * (a - b))),
    errors=[
        (Case([(3,), (3,), (1, 3)]), ShapeError, "margin_ranking_loss: .* as many dimensions"),
        (Case(_three, {"reduction": "max"}), ValueError, "reduction must be one of none"),
    ],
)
spec(
    hinge_embedding_loss,
    cases=[
        Case(_two, low=-1, high=2, dtypes=_ints),
        Case(_two, {"margin": 0.3, **_none}),
        Case([(0, 3)] * 2, _sum),
    ],
    reference=_reference(
        lambda np, x, t, margin=1.0: x * (t != -1) + np.maximum(0, margin - x) * (t != 1)
    ),
    errors=[_refused],
)
spec(
    soft_margin_loss,
    cases=[Case(_two), Case(_two, _none, 5, 30), Case([(0, 2)] * 2, _sum)],
    reference=_reference(lambda np, x, t: np.logaddexp(0, -t * x)),
    errors=[_refused],
)
spec(
    multilabel_soft_margin_loss,
    cases=[Case(_two), Case([(2, 3, 4), (2, 3, 4), (4,)], _none), Case([(4,)] * 2, _sum)],
    reference=_reference(
        lambda np, x, t, weight=1: (
            (t * np.logaddexp(0, -x) + (1 - t) * np.logaddexp(0, x)) * weight
        ).mean(-1)
    ),
    errors=[_refused, (Case([(), ()]), ShapeError, r"multilabel_soft_margin_loss: input must be")],
)
