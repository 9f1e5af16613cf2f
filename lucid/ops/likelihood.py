"""Losses of probabilities, element by element: binary cross entropy, KL, normal and Poisson."""

from __future__ import annotations

import math
from typing import Any

from lucid.errors import ShapeError
from lucid.op import Op, casts, check_reduction, reduced
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "gaussian_nll_loss", "kl_div",
    "poisson_nll_loss",
]  # fmt: skip


class BinaryCrossEntropy(Op):
    """-(t log x + (1 - t) log(1 - x)), each logarithm at least -100."""

    to_float = broadcasts = True

    def forward(self, x, t):
        xp = self.xp
        self.save(x, t)
        y = (t - 1) * xp.maximum(xp.log1p(-x), -100)
        y -= t * xp.maximum(xp.log(x), -100)
        return y

    def backward(self, dy):
        x, t = self.saved
        dx = dt = None
        if self.needs[0]:
            dx = dy * (x - t) / (x * (1 - x)).clamp(min=1e-12)
        if self.needs[1]:
            dt = dy * ((-x).log1p().clamp(min=-100.0) - x.log().clamp(min=-100.0))
        return dx, dt


class BinaryCrossEntropyWithLogits(Op):
    """(1 - t) x - (1 + (p - 1) t) log sigmoid(x), p the weight of positive examples."""

    to_float = broadcasts = True

    def forward(self, x, t, positive):
        xp = self.xp
        self.save(x, t, positive)
        loss = xp.log1p(xp.exp(-xp.abs(x)))  # minus log sigmoid(x) is this + max(-x, 0)
        if positive is None:
            loss += xp.maximum(x, 0)
            loss -= x * t
            return loss
        loss += xp.maximum(-x, 0)
        return (1 - t) * x + ((positive - 1) * t + 1) * loss

    def backward(self, dy):
        x, t, positive = self.saved
        s = x.sigmoid()
        dx = dt = dp = None
        if positive is None:
            return (dy * (s - t)), (-dy * x if self.needs[1] else None), None
        if self.needs[0]:
            dx = dy * (((positive - 1) * t + 1) * s - positive * t)
        if self.needs[1]:
            dt = dy * ((positive - 1) * _minus_log_sigmoid(x) - x)
        if self.needs[2]:
            dp = dy * t * _minus_log_sigmoid(x)
        return dx, dt, dp


def _minus_log_sigmoid(x: Tensor) -> Tensor:
    return (-x.abs()).exp().log1p() + (-x).clamp(min=0.0)


class KlDiv(Op):
    """t (log t - x), or exp(t) (t - x) for targets that are logarithms."""

    log_target: bool
    to_float = broadcasts = True

    def forward(self, x, t):
        xp = self.xp
        self.save(x if self.needs and self.needs[1] else None, t)
        if self.log_target:
            return xp.exp(t) * (t - x)
        return t * xp.log(xp.where(t == 0, xp.ones((), t.dtype), t)) - t * x  # 0 log 0 = 0

    def backward(self, dy):
        x, t = self.saved
        p = t.exp() if self.log_target else t
        dt = None
        if self.needs[1]:
            dt = dy * (p * (t - x + 1) if self.log_target else t.log() - x + 1)
        return -dy * p, dt


@casts(cpu="float32", cuda="refused")
def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """-(t log x + (1 - t) log(1 - x)) for probabilities x. x, t: (*) -> y: (), or (*).

    The logarithms are taken as at least -100, so a certain and wrong x costs 100.
    """
    name = "binary_cross_entropy"
    check_reduction(name, reduction)
    if input.shape != target.shape:
        raise ShapeError(
            f"{name}: input and target must have the same shape; got {input.shape} and"
            f" {target.shape}"
        )
    if input.numel() and input._device.type == "cpu":
        low, high = input._array.min(), input._array.max()
        if not (low >= 0 and high <= 1):
            raise ValueError(
                f"{name}: input must be probabilities in [0, 1]; got values from {low} to {high}."
                " Hint: binary_cross_entropy_with_logits takes any"
            )
    losses = BinaryCrossEntropy()(input, target)
    return reduced(losses if weight is None else losses * weight, reduction)


@casts(cpu="float32", cuda="float32")
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """binary_cross_entropy of sigmoid(x), for any x. x, t: (*) -> y: (), or (*).

    ``pos_weight``, broadcast along the last dimensions, weighs the part of the positive examples.
    """
    name = "binary_cross_entropy_with_logits"
    check_reduction(name, reduction)
    if input.shape != target.shape:
        raise ShapeError(
            f"{name}: input and target must have the same shape; got {input.shape} and"
            f" {target.shape}"
        )
    losses = BinaryCrossEntropyWithLogits()(input, target, pos_weight)
    return reduced(losses if weight is None else losses * weight, reduction)


@casts(cpu="float32", cuda="float32")
def kl_div(
    input: Tensor, target: Tensor, *, reduction: str = "mean", log_target: bool = False
) -> Tensor:
    """t (log t - x): the Kullback-Leibler divergence, for x the logarithms of probabilities.

    x, t: (*) -> y: (), or (*) with reduction="none". ``log_target``: t holds logarithms too. Only
    reduction="batchmean" (the sum divided by x.shape[0]) is the divergence per sample; "mean"
    divides by the number of elements.
    """
    check_reduction("kl_div", reduction, ("batchmean",))
    losses = KlDiv(log_target)(input, target)
    if reduction == "batchmean":
        return losses.sum() / (input.shape[0] if input.ndim else 1)
    return reduced(losses, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """(log var + (x - t)² / var) / 2: minus the log likelihood of t under a normal distribution.

    x, t: (*), var: (*), or one per sample, or a number -> y: (), or (*). var is taken as at least
    eps. ``full`` adds the constant log(2 pi) / 2.
    """
    name = "gaussian_nll_loss"
    check_reduction(name, reduction)
    if not isinstance(var, Tensor):
        var = input.new_full((1,), float(var))
    elif var.shape != input.shape:
        if var.shape == input.shape[:-1]:
            var = var.unsqueeze(-1)
        pairs = zip(var.shape, input.shape, strict=False)
        if var.ndim != input.ndim or sum(v for v, n in pairs if v != n) != 1:
            raise ShapeError(
                f"{name}: var must have the input's shape {input.shape}, or that with one dimension"
                f" of 1, or without the last; got {var.shape}"
            )
    if bool((var < 0).any()):
        raise ValueError(f"{name}: var must not be negative")
    var = var + (var.detach().clamp(min=eps) - var.detach())  # the gradient passes, as in PyTorch
    losses = (var.log() + (input - target).square() / var) * 0.5
    if full:
        losses = losses + 0.5 * math.log(2 * math.pi)
    return reduced(losses, reduction)


@casts(cpu="float32", cuda="float32")
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    *,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """exp(x) - t x: minus the log likelihood of counts t at the rate exp(x). x, t: (*) -> y: ().

    ``log_input=False``: x is the rate itself, x - t log(x + eps). ``full`` adds Stirling's
    approximation of log t! where t > 1.
    """
    check_reduction("poisson_nll_loss", reduction)
    losses = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        t = target.clamp(min=1.0)
        stirling = t * t.log() - t + 0.5 * (t * (2 * math.pi)).log()
        losses = losses + stirling.masked_fill(target <= 1, 0.0)
    return reduced(losses, reduction)


def _reduced(y: Any, reduction: str, n: int = 1) -> Any:
    if reduction == "batchmean":
        return y.sum() / n
    return y if reduction == "none" else getattr(y, reduction)()


def _two(low: float, high: float, **kwargs: Any) -> list[Case]:
    shapes: list[Any] = [[(3, 4), (3, 4)], [(0, 3), (0, 3)], [(), ()]]
    modes = [{}, {"reduction": "none"}, {"reduction": "sum"}]
    return [Case(s, {**kwargs, **m}, low, high) for s, m in zip(shapes, modes, strict=True)]


def _logits_reference(np: Any, x: Any, t: Any, weight: Any = 1.0, **kwargs: Any) -> Any:
    positive = kwargs.get("pos_weight", 1.0)
    y = positive * t * np.logaddexp(0, -x) + (1 - t) * np.logaddexp(0, x)
    return _reduced(y * weight, kwargs.get("reduction", "mean"))


_one_shape = (Case([(3,), (2,)]), ShapeError, "input and target must have the same shape")
_refused = (Case([(2,), (2,)], {"reduction": "max"}), ValueError, "reduction must be one of none")
spec(
    binary_cross_entropy,
    cases=[*_two(0.05, 0.95), Case([(3, 4), (3, 4), (4,)], low=0.05, high=0.95)],
    reference=lambda np, x, t, weight=1.0, reduction="mean": _reduced(
        -(t * np.log(x) + (1 - t) * np.log(1 - x)) * weight, reduction
    ),
    errors=[
        _one_shape,
        _refused,
        (
            Case([(2,), (2,)], low=2, high=3, by_value=True),
            ValueError,
            r"input must be probabilities in \[0, 1\]",
        ),
    ],
)
spec(
    binary_cross_entropy_with_logits,
    cases=[*_two(-3, 3), Case([(3, 4), (3, 4), (4,)]), *_two(-3, 3, pos_weight=2.5)],
    reference=_logits_reference,
    errors=[_one_shape, _refused],
)
spec(
    kl_div,
    cases=[*_two(0.1, 2), Case([(3, 4), (3, 4)], {"reduction": "batchmean", "log_target": True})],
    reference=lambda np, x, t, reduction="mean", log_target=False: _reduced(
        np.exp(t) * (t - x) if log_target else t * (np.log(t) - x),
        reduction,
        x.shape[0] if x.ndim else 1,
    ),
    errors=[_refused],
)
spec(
    gaussian_nll_loss,
    cases=[Case([(3, 4)] * 3, low=0.5), Case([(3, 4)] * 3, {"full": True}, low=0.5)],
    reference=lambda np, x, t, var, full=False: np.mean(
        (np.log(var) + (x - t) ** 2 / var + (np.log(2 * np.pi) if full else 0)) / 2
    ),
)
spec(
    poisson_nll_loss,
    cases=[Case([(3, 4)] * 2, low=0.5), Case([(3, 4)] * 2, {"log_input": False}, low=0.5)],
    reference=lambda np, x, t, log_input=True: np.mean(
        np.exp(x) - t * x if log_input else x - t * np.log(x + 1e-8)
    ),
)
