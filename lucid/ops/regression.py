"""Losses of the distance between a prediction and a number: mse, l1, smooth l1, huber."""

from __future__ import annotations

from typing import Any

from lucid.errors import ShapeError, warn
from lucid.op import Op, casts, check_reduction, reduced
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = ["huber_loss", "l1_loss", "mse_loss", "smooth_l1_loss"]


class _Distance(Op):
    """value(x - t), averaged, summed or as it is. Keeps the inputs only."""

    reduction: str
    to_float = broadcasts = True

    def value(self, d):
        raise NotImplementedError

    def slope(self, d, g):
        """g times the derivative of value; g is a scalar, or has d's shape."""
        raise NotImplementedError

    def forward(self, x, t):
        self.save(x, t)
        y = self.value(x - t)
        if self.reduction == "none":
            return y
        return y.sum() / y.size if self.reduction == "mean" else y.sum()

    def backward(self, dy):
        x, t = self.saved
        d = x - t
        g = dy / d.numel() if self.reduction == "mean" else dy
        dx = self.slope(d, g)
        return dx, (-dx if self.needs[1] else None)


class SquaredError(_Distance):
    def value(self, d):
        return self.xp.multiply(d, d)

    def slope(self, d, g):
        return d * (g * 2)


class AbsoluteError(_Distance):
    def value(self, d):
        return self.xp.abs(d)

    def slope(self, d, g):
        return d.sign() * g


class Huber(_Distance):
    """scale * (d² / 2 within delta of 0, beyond that the tangent)."""

    delta: float
    scale: float

    def value(self, d):
        xp = self.xp
        size = xp.abs(d)
        near = xp.minimum(size, self.delta)
        return near * (size - near * 0.5) * self.scale

    def slope(self, d, g):
        return d.clamp(-self.delta, self.delta) * (g * self.scale)


def _check(name: str, x: Tensor, t: Tensor, reduction: str, weight: Tensor | None = None) -> None:
    check_reduction(name, reduction)
    if x.shape != t.shape:
        warn(
            f"{name}: input {x.shape} and target {t.shape} are broadcast; the same shape was"
            " probably meant. Hint: reshape one of them"
        )
    if weight is not None and weight.shape != x.shape:
        raise ShapeError(
            f"{name}: weight must have the input's shape {x.shape}; got {weight.shape}"
        )


@casts(cpu="float32", cuda="float32")
def mse_loss(
    input: Tensor, target: Tensor, *, reduction: str = "mean", weight: Tensor | None = None
) -> Tensor:
    """(x - t)². x, t: (*) -> y: (), or (*) with reduction="none".

    With ``weight`` (*) the mean is the weighted one.

    >>> F.mse_loss(Tensor([1.0, 2.0]), Tensor([1.0, 4.0]))
    Tensor(2.)
    """
    _check("mse_loss", input, target, reduction, weight)
    return _weighted(SquaredError, input, target, reduction, weight)


@casts(cpu="float32", cuda="float32")
def l1_loss(
    input: Tensor, target: Tensor, *, reduction: str = "mean", weight: Tensor | None = None
) -> Tensor:
    """|x - t|. x, t: (*) -> y: (), or (*) with reduction="none".

    With ``weight`` (*) the mean is the weighted one.
    """
    _check("l1_loss", input, target, reduction, weight)
    return _weighted(AbsoluteError, input, target, reduction, weight)


def _weighted(op: Any, x: Tensor, t: Tensor, reduction: str, weight: Tensor | None) -> Tensor:
    if weight is None:
        return op(reduction)(x, t)
    losses = op("none")(x, t) * weight
    if reduction == "mean":
        return losses.sum() / weight.sum()
    return losses if reduction == "none" else losses.sum()


@casts(cpu="float32", cuda="float32")
def smooth_l1_loss(
    input: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0
) -> Tensor:
    """d² / (2 beta) where d = |x - t| is below beta, else d - beta / 2. x, t: (*) -> y: (), or (*).

    beta = 0 is l1_loss. Girshick, Fast R-CNN, 2015.
    """
    _check("smooth_l1_loss", input, target, reduction)
    if not beta >= 0:
        raise ValueError(f"smooth_l1_loss: beta must not be negative; got {beta}")
    if beta == 0:
        return AbsoluteError(reduction)(input, target)
    return Huber(reduction, beta, 1 / beta)(input, target)


@casts(cpu="float32", cuda="float32")
def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """d² / 2 where d = |x - t| is below delta, else delta (d - delta / 2). (*), (*) -> (), or (*).

    ``weight`` (*) multiplies the losses; the mean stays the plain one, as in PyTorch.
    """
    _check("huber_loss", input, target, reduction, weight)
    if not delta > 0:
        raise ValueError(f"huber_loss: delta must be positive; got {delta}")
    if weight is None:
        return Huber(reduction, delta, 1.0)(input, target)
    losses = Huber("none", delta, 1.0)(input, target) * weight
    return reduced(losses, reduction)


_cases = [
    Case([(3, 4), (3, 4)]),
    Case([(3, 4), (3, 4)], {"reduction": "sum"}),
    Case([(3, 4), (3, 4)], {"reduction": "none"}),
    Case([(), ()]),
]


def _huber(np: Any, d: Any, delta: float) -> Any:
    d = np.abs(d)
    return np.where(d < delta, d * d / 2, delta * (d - delta / 2))


_refused = (Case([(2,), (2,)], {"reduction": "max"}), ValueError, "reduction must be one of none")
spec(
    mse_loss,
    cases=_cases,
    reference=lambda np, x, t, reduction="mean": reduced((x - t) ** 2, reduction),
    errors=[_refused],
)
spec(
    l1_loss,
    cases=_cases,
    reference=lambda np, x, t, reduction="mean": reduced(np.abs(x - t), reduction),
    errors=[_refused],
)
spec(
    smooth_l1_loss,
    cases=[*_cases, Case([(3, 4), (3, 4)], {"beta": 0.3}), Case([(5,), (5,)], {"beta": 0.0})],
    reference=lambda np, x, t, reduction="mean", beta=1.0: reduced(
        _huber(np, x - t, beta) / beta if beta else np.abs(x - t), reduction
    ),
    errors=[(Case([(2,), (2,)], {"beta": -1}), ValueError, "smooth_l1_loss: beta must not be")],
)
spec(
    huber_loss,
    cases=[*_cases, Case([(3, 4), (3, 4)], {"delta": 0.3})],
    reference=lambda np, x, t, reduction="mean", delta=1.0: reduced(
        _huber(np, x - t, delta), reduction
    ),
    errors=[(Case([(2,), (2,)], {"delta": 0}), ValueError, "huber_loss: delta must be positive")],
)
