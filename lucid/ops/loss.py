"""Cross entropy of scores with class labels or class probabilities.

Cross entropy with class labels is one op. With q the target distribution of a sample (one-hot,
mixed with label smoothing, times the class weights) its loss is -sum(q log softmax(x)), and its
gradient

    dx = softmax(x) sum(q) - q

so that nothing but the labels and two numbers per sample is kept beside x.
"""

from __future__ import annotations

from math import inf
from typing import Any, ClassVar

from lucid.backend.cpu import softmax
from lucid.backend.cpu.threads import parallel_for
from lucid.errors import ShapeError
from lucid.op import Op, casts, check_reduction, floating, labels, reduced
from lucid.op.conventions import whole
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = ["cross_entropy"]


class CrossEntropy(Op):
    """-sum(q log softmax(x)) for class labels, averaged, summed or per sample."""

    axis: int
    ignore: int
    smoothing: float
    reduction: str
    promotes = False
    by_rows: ClassVar[bool] = False  # this call went through _forward_rows

    def forward(self, x, target, weight):
        if self._has_plain_rows(x, target, weight):
            return self._forward_rows(x, target)
        xp, axis = self.xp, self.axis
        at, ignored, wrong = self._locate(target, x.shape)
        one = x.shape[:axis] + (1,) + x.shape[axis + 1 :]
        top, total = xp.empty(one, x.dtype), xp.empty(one, x.dtype)
        spread = xp.empty(one, x.dtype) if self.smoothing else None

        def rows(start, stop):
            part = slice(start, stop)
            z = x[part]
            highest = z.max(axis, keepdims=True)
            z = z - highest
            top[part] = highest
            if spread is not None:
                weighted = z if weight is None else z * self._along(weight, x.ndim)
                spread[part] = weighted.sum(axis, keepdims=True)
            total[part] = xp.log(xp.exp(z, out=z).sum(axis, keepdims=True))

        if axis and self.device.type == "cpu":
            parallel_for(rows, len(x), max(1, (1 << 15) * len(x) // max(1, x.size)))
        else:
            rows(None, None)
        share, mass = self._shares(target, at, ignored, weight, x.shape, x.dtype)
        losses = share * (total.squeeze(axis) - (x[at] - top.squeeze(axis)))
        if spread is not None:
            rest = (mass - share) * total.squeeze(axis)
            losses = losses + rest - self.smoothing / x.shape[axis] * spread.squeeze(axis)
        if ignored is not None:
            losses = xp.where(ignored, 0, losses)
        if wrong is not None:
            losses = xp.where(wrong, xp.nan, losses)
        divisor = None
        if self.reduction == "mean":
            divisor = self._divisor(at, ignored, weight, losses)
        if self.needs:
            flat = divisor  # a mean over no label is NaN, but ignored labels have no gradient
            if divisor is not None:
                flat = xp.where(divisor == 0, xp.asarray(inf, x.dtype), divisor)
            self.save(x, target, weight, top, total, flat)
        if self.reduction == "none":
            return losses.astype(x.dtype)
        loss = losses.sum()
        return (loss if divisor is None else loss / divisor).astype(x.dtype)

    def _has_plain_rows(self, x, target, weight):
        """Whether it is the usual case on the CPU: contiguous (N, C), all labels alike."""
        if self.device.type != "cpu" or x.ndim != 2 or weight is not None or self.smoothing:
            return False
        classes = x.shape[1]
        if 0 <= self.ignore < classes or not (x.flags.c_contiguous and target.size):
            return False
        return target.min() >= 0 and target.max() < classes

    def _forward_rows(self, x, target):
        xp, n = self.xp, len(x)
        top, total = softmax.log_sums(x)
        losses = total[:, 0] - (x.reshape(-1)[self._labels(target, x)] - top[:, 0])
        if self.needs:
            self.by_rows = True
            self.save(x, target, None, top, total, n if self.reduction == "mean" else None)
        if self.reduction == "none":
            return losses
        return xp.asarray(losses.sum() / (n if self.reduction == "mean" else 1), x.dtype)

    def _labels(self, target, x):
        """Where in x, as one row, the labels' scores are."""
        return self.xp.arange(0, x.size, x.shape[1]) + target

    def _backward_rows(self, dy):
        x, target, _, top, total, n = self.saved_arrays
        factor = dy.astype(top.dtype, copy=False) / self.xp.asarray(n or 1, top.dtype)
        dx = softmax.scaled(x, top, total, factor)
        dx.reshape(-1)[self._labels(target, x)] -= factor
        return dx, None, None

    def _locate(self, target, shape):
        return labels.locate(self, "cross_entropy", target, shape, self.axis, self.ignore)

    def _along(self, weight, ndim):
        """Class weights, broadcast along the classes of x."""
        return weight.reshape([-1 if i == self.axis else 1 for i in range(ndim)])

    def _shares(self, target, at, ignored, weight, shape, kind):
        """Per sample: q at its label without the smoothing's part, and sum(q)."""
        xp, eps = self.xp, self.smoothing
        share = (1 - eps) * (
            xp.ones(target.shape, kind) if weight is None else weight[at[self.axis]]
        )
        mass = share
        if eps:
            mass = share + (eps if weight is None else eps / shape[self.axis] * weight.sum())
        if ignored is not None:
            share, mass = xp.where(ignored, 0, share), xp.where(ignored, 0, mass)
        return share, mass

    def _divisor(self, at, ignored, weight, losses):
        """What mean divides by: the number of labels not ignored, or the sum of their weights."""
        if weight is None:
            count = losses.size if ignored is None else losses.size - ignored.sum()
            return self.xp.asarray(count, losses.dtype)
        weights = weight[at[self.axis]]
        return (weights if ignored is None else self.xp.where(ignored, 0, weights)).sum()

    def _target(self, shape, kind, target, weight):
        """at, share, and the gradient's other constants: mass, and q's part from smoothing."""
        at, ignored, _ = self._locate(target, shape)
        share, mass = self._shares(target, at, ignored, weight, shape, kind)
        even = None
        if self.smoothing:
            even = self.xp.full(1, self.smoothing / shape[self.axis], kind)
            if weight is not None:
                even = even * self._along(weight, len(shape))
            if ignored is not None:
                even = even * ~self.xp.expand_dims(ignored, self.axis)
        return at, share, self.xp.expand_dims(mass, self.axis), even

    def backward(self, dy):
        x, target, weight, top, _, divisor = self.saved
        at, share, mass, even = self._target(
            x.shape, top._array.dtype, target._array, getattr(weight, "_array", None)
        )
        q = self.xp.zeros(x.shape, share.dtype)
        q[at] = share
        if even is not None:
            q += even
        g = dy if divisor is None else dy / divisor
        if self.reduction == "none":
            g = g.unsqueeze(self.axis)
        return (x.softmax(self.axis) * self.wrap(mass) - self.wrap(q)) * g, None, None

    def _backward_arrays(self, dy):
        if self.by_rows:
            return self._backward_rows(dy)
        x, target, weight, top, total, divisor = self.saved_arrays
        xp = self.xp
        at, share, mass, even = self._target(x.shape, top.dtype, target, weight)
        g = dy.astype(top.dtype)
        if divisor is not None:
            g = g / divisor
        wide = xp.expand_dims(g, self.axis) if self.reduction == "none" else g
        factor = xp.broadcast_to(mass * wide, top.shape)
        dx = xp.empty_like(x, dtype=top.dtype)

        def rows(start, stop):
            part = slice(start, stop)
            p = xp.subtract(x[part], top[part], out=dx[part])
            p -= total[part]
            xp.exp(p, out=p)
            p *= factor[part]

        if self.axis and self.device.type == "cpu":
            parallel_for(rows, len(x), max(1, (1 << 15) * len(x) // max(1, x.size)))
        else:
            rows(None, None)
        if even is not None:
            dx -= even * wide
        dx[at] -= share * g
        return dx, None, None

    backward_cpu = _backward_arrays

    def forward_cuda(self, x, target, weight):
        loss, lse, divisor = self.device.kernels.cross_entropy(
            x, target, weight, self.axis, self.ignore, self.smoothing, self.reduction
        )
        if self.needs:
            self.save(x, target, weight, lse, None, divisor)
        return loss

    def backward_cuda(self, dy):
        x, target, weight, lse, _, divisor = self.saved_arrays
        settings = self.axis, self.ignore, self.smoothing
        gradient = self.device.kernels.cross_entropy_gradient
        return gradient(dy, x, target, weight, lse, divisor, *settings), None, None


@casts(cpu="float32", cuda="float32")
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log softmax(x)[label]: how surprised the scores x are by the labels.

    x: (N, C), (N, C, *) or (C,) with labels (N,), (N, *) or () -> y: (), or the labels' shape with
    reduction="none". A target of floating point numbers in x's shape holds class probabilities.

    A label equal to ``ignore_index`` counts for nothing; mean over no label at all is NaN. With
    ``weight`` (C,) the mean is weighted by the labels' weights. ``label_smoothing`` moves that
    share of each target evenly to all classes (Szegedy et al., 2015).

    >>> F.cross_entropy(Tensor([[2.0, 2.0]]), lucid.tensor([0]))
    Tensor(0.6931)
    """
    name = "cross_entropy"
    check_reduction(name, reduction)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"{name}: label_smoothing must be in [0, 1]; got {label_smoothing}")
    if target.is_floating_point():
        return _soft_cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)
    axis = labels.check(name, input, target, weight)
    weight = labels.constant(weight, input)
    ignore_index = whole("cross_entropy", "ignore_index", ignore_index)
    return CrossEntropy(axis, ignore_index, label_smoothing, reduction)(input, target, weight)


def _soft_cross_entropy(
    x: Tensor, q: Tensor, weight: Tensor | None, ignore_index: int, reduction: str, eps: float
) -> Tensor:
    """The target is a distribution over classes for each sample."""
    name = "cross_entropy"
    if x.shape != q.shape or x.ndim == 0:
        raise ShapeError(
            f"{name}: class probabilities must have the input's shape {x.shape}; got {q.shape}."
            " Hint: labels are integers, .long()"
        )
    floating(name, "input", x)
    if ignore_index >= 0:
        raise ValueError(
            f"{name}: ignore_index does not apply to class probabilities; got {ignore_index}"
        )
    axis = min(1, x.ndim - 1)
    classes = x.shape[axis]
    labels.check_weight(name, classes, weight)
    if eps:
        q = q * (1 - eps) + eps / classes
    if weight is not None:
        q = q * weight.reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    losses = -(x.log_softmax(axis) * q).sum(axis)
    return reduced(losses, reduction)


def _ce_reference(np: Any, x: Any, t: Any, weight: Any = None, **kwargs: Any) -> Any:
    """By the definition: q times minus the log of softmax, averaged by the labels' weights."""
    eps, ignore = kwargs.get("label_smoothing", 0.0), kwargs.get("ignore_index", -100)
    axis = min(1, x.ndim - 1)
    z = np.moveaxis(x, axis, -1)
    z = z - z.max(-1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(-1, keepdims=True))
    classes = logp.shape[-1]
    w = np.ones(classes) if weight is None else weight
    if t.dtype.kind == "f":
        q = np.moveaxis(t, axis, -1) * (1 - eps) + eps / classes
        losses, count = -(q * w * logp).sum(-1), t.size / classes
    else:
        q = np.eye(classes)[np.where(t == ignore, 0, t)] * (1 - eps) + eps / classes
        valid = t != ignore
        losses = -(q * w * logp).sum(-1) * valid
        count = (w[np.where(valid, t, 0)] * valid).sum()
    reduction = kwargs.get("reduction", "mean")
    return losses if reduction == "none" else losses.sum() / (count if reduction == "mean" else 1)


spec(
    cross_entropy,
    cases=[
        *labels.CASES,
        labels.case((5, 3), (5,), label_smoothing=0.2),
        labels.case((5, 3), (5,), (3,), label_smoothing=0.2, ignore_index=2),
        Case([(5, 3), (5, 3)], low=0),
        Case([(2, 3, 2), (2, 3, 2), (3,)], {"label_smoothing": 0.3, "reduction": "none"}, low=0),
    ],
    reference=_ce_reference,
    errors=[
        *labels.ERRORS,
        (labels.case((4, 3), (4,), label_smoothing=2.0), ValueError, "label_smoothing must be in"),
    ],
)
