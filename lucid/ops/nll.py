"""The negative log likelihood of class labels."""

from __future__ import annotations

from typing import Any

from lucid.op import Op, casts, check_reduction, labels, reduced
from lucid.op.conventions import whole
from lucid.spec import spec
from lucid.tensor import Tensor

__all__ = ["nll_loss"]


class PickLabel(Op):
    """Per sample the element of x that its label names; 0 where the label is ignored."""

    axis: int
    ignore: int
    promotes = upcasts = False

    def forward(self, x, target):
        at, ignored, wrong = self._locate(target, x.shape)
        self.save(target)
        y = x[at]
        if ignored is not None:
            y = self.xp.where(ignored, self.xp.zeros((), x.dtype), y)
        return (
            y if wrong is None else self.xp.where(wrong, self.xp.asarray(float("nan"), x.dtype), y)
        )

    def _locate(self, target, shape):
        return labels.locate(self, "nll_loss", target, shape, self.axis, self.ignore)

    def backward(self, dy):
        (target,) = self.saved
        return PlaceLabel(self.axis, self.ignore, self.shapes[0])(dy, target), None


class PlaceLabel(Op):
    """The gradient of PickLabel: zeros, with dy where the labels are."""

    axis: int
    ignore: int
    shape: tuple
    promotes = upcasts = False

    def forward(self, dy, target):
        at, ignored, _ = labels.locate(self, "nll_loss", target, self.shape, self.axis, self.ignore)
        self.save(target)
        dx = self.xp.zeros(self.shape, dy.dtype)
        dx[at] = dy if ignored is None else self.xp.where(ignored, self.xp.zeros((), dy.dtype), dy)
        return dx

    def backward(self, ddx):
        (target,) = self.saved
        return PickLabel(self.axis, self.ignore)(ddx, target), None


class LabelWeights(Op):
    """Per label the weight of its class (1 without weights), 0 if it is ignored."""

    ignore: int
    promotes = False
    differentiable = False

    def forward(self, x, target, weight):
        ignored = target == self.ignore
        if weight is None:
            return (~ignored).astype(x.dtype)
        return self.xp.where(ignored, 0, weight[self.xp.where(ignored, 0, target)])


@casts(cpu="float32", cuda="float32")
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """-x[label], for x the logarithms of probabilities (see log_softmax).

    x: (N, C), (N, C, *) or (C,), labels: (N,), (N, *) or () -> y: (), or the labels' shape with
    reduction="none". weight and ignore_index as in cross_entropy.
    """
    check_reduction("nll_loss", reduction)
    ignore_index = whole("nll_loss", "ignore_index", ignore_index)
    axis = labels.check("nll_loss", input, target, weight)
    weight = labels.constant(weight, input)
    losses = -PickLabel(axis, ignore_index)(input, target)
    if weight is None and reduction != "mean":
        return reduced(losses, reduction)
    weights = LabelWeights(ignore_index)(input, target, weight)
    losses = losses if weight is None else losses * weights
    return losses.sum() / weights.sum() if reduction == "mean" else reduced(losses, reduction)


spec(
    nll_loss,
    cases=labels.CASES,
    reference=lambda np, x, t, weight=None, **kwargs: _nll_reference(np, x, t, weight, **kwargs),
    errors=labels.ERRORS,
)


def _nll_reference(np: Any, x: Any, t: Any, weight: Any, **kwargs: Any) -> Any:
    z = np.moveaxis(x, min(1, x.ndim - 1), -1)
    valid = t != kwargs.get("ignore_index", -100)
    label = np.where(valid, t, 0)
    w = (np.ones(z.shape[-1]) if weight is None else weight)[label] * valid
    losses = -np.take_along_axis(z, label[..., None], -1)[..., 0] * w
    reduction = kwargs.get("reduction", "mean")
    return losses if reduction == "none" else losses.sum() / (w.sum() if reduction == "mean" else 1)
