"""Losses: hold the reduction and weights, call one function.

``reduction`` is "mean", "sum" or "none". The older ``size_average`` and ``reduce`` still choose it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import ClassVar

from lucid.nn import functional as F
from lucid.nn.module import Module
from lucid.tensor import Tensor


def _reduction(name: str, size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    if size_average is not None or reduce is not None:
        reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
        warnings.warn(f"{name}: size_average and reduce are old; use reduction={reduction!r}")
    if reduction not in ("mean", "sum", "none", "batchmean"):
        raise ValueError(f"{name}: reduction must be mean, sum or none; got {reduction!r}")
    return reduction


class _Loss(Module):
    """A loss of input and target with nothing but a reduction."""

    function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ):
        super().__init__()
        self.reduction = _reduction(self._name(), size_average, reduce, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return type(self).function(input, target, reduction=self.reduction)


class _WeightedLoss(_Loss):
    """A loss with a weight per class or element, which moves with the module."""

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ):
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class L1Loss(_Loss):
    """|x - t|. x, t: (*) -> (), or (*) with reduction="none"."""

    function = staticmethod(F.l1_loss)


class MSELoss(_Loss):
    """(x - t)^2. x, t: (*) -> (), or (*) with reduction="none"."""

    function = staticmethod(F.mse_loss)


class SmoothL1Loss(_Loss):
    """(x - t)^2 / (2 beta) where |x - t| < beta, |x - t| - beta / 2 beyond. x, t: (*) -> ()."""

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        beta: float = 1.0,
    ):
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """d^2 / 2 where d = |x - t| < delta, delta * (d - delta / 2) beyond. x, t: (*) -> ()."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0):
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class KLDivLoss(_Loss):
    """t * (log t - x) for log-probabilities x; with ``log_target`` t is one too. x, t: (*) -> ().

    reduction="batchmean" divides by the first dimension: the divergence as defined.
    """

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        log_target: bool = False,
    ):
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class NLLLoss(_WeightedLoss):
    """-x[target] for log-probabilities x. x: (N, C, *), target: (N, *) -> ()."""

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ):
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )


class CrossEntropyLoss(_WeightedLoss):
    """-log softmax(x)[target]. x: (N, C, *), target: labels (N, *) -> ().

    The target may also be probabilities, (N, C, *).

    Labels equal to ``ignore_index`` do not count. ``label_smoothing`` s gives each class s / C of
    the target's probability.

    >>> loss = nn.CrossEntropyLoss()
    >>> round(loss(lucid.zeros(2, 4), lucid.tensor([0, 3])).item(), 4)
    1.3863
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ):
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(
            input, target, self.weight, ignore_index=self.ignore_index,
            reduction=self.reduction, label_smoothing=self.label_smoothing,
        )  # fmt: skip


class BCELoss(_WeightedLoss):
    """-(t log x + (1 - t) log(1 - x)) for probabilities x. x, t: (*) -> ()."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """BCELoss of sigmoid(x), without overflow; ``pos_weight`` weighs positives. x, t: (*) -> ()."""

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ):
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class PoissonNLLLoss(_Loss):
    """exp(x) - t x: counts t at the rate exp(x), or x without ``log_input``. x, t: (*) -> ().

    ``full`` adds an approximation of log t!.
    """

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: bool | None = None,
        eps: float = 1e-8,
        reduce: bool | None = None,
        reduction: str = "mean",
    ):
        super().__init__(size_average, reduce, reduction)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:
        return F.poisson_nll_loss(
            log_input, target, self.log_input, self.full, eps=self.eps, reduction=self.reduction
        )


class GaussianNLLLoss(_Loss):
    """(log var + (x - t)^2 / var) / 2, var a prediction too. x, t, var: (*) -> ().

    ``full`` adds log(2 pi) / 2.
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean"):
        super().__init__(reduction=reduction)
        self.full, self.eps = full, eps

    def forward(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:  # type: ignore[override]
        return F.gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction)
