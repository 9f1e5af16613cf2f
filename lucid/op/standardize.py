"""Standardize: y = (x - mean) / sqrt(var + eps) * w + b, with statistics of x itself.

The mathematics of batch, layer, group and instance normalization: they differ in the axes that the
statistics are taken over; w and b broadcast. With n the number of elements per mean,
xhat = (x - mean) / sqrt(var + eps) and g = w dy:

    dx = (g - sum(g) / n - xhat sum(g xhat) / n) / sqrt(var + eps)
    dw = sum(dy xhat)        db = sum(dy)

mean and var are outputs of the op as well, so the gradient is an expression of tensors that hang in
the graph, and can be differentiated again.
"""

from __future__ import annotations

import math

from lucid.errors import ShapeError
from lucid.op.base import Op
from lucid.tensor import Tensor


class Standardize(Op):
    """(y, mean, var) of x over the axes; var is the mean squared distance from the mean.

    The statistics are float32 for halves, and y has x's type whatever w's is.
    """

    axes: tuple[int, ...]
    eps: float
    promotes = upcasts = False

    def forward(self, x, w, b):
        xp = self.xp
        wide = x.astype(xp.float32) if x.dtype.itemsize == 2 else x
        mean = wide.mean(self.axes, keepdims=True)
        y = wide - mean
        var = (y * y).mean(self.axes, keepdims=True)
        scale = 1 / xp.sqrt(var + self.eps)
        y *= scale if w is None else scale * self._lined_up(w, x.ndim)
        if b is not None:
            y += self._lined_up(b, x.ndim)
        return self._keep(x, w, y.astype(x.dtype, copy=False), mean, var)

    def forward_cuda(self, x, w, b):
        if not (x.size and self._rows(x.ndim)):
            return self.forward(x, w, b)
        lead = self.axes[0]
        rows = math.prod(x.shape[:lead])
        sizes = rows, *_sharing(x, lead, w if b is None else b)
        y, mean, var = self.device.kernels.row_norm(x, w, b, *sizes, self.eps)
        shape = x.shape[:lead] + (1,) * len(self.axes)
        return self._keep(x, w, y, mean.reshape(shape), var.reshape(shape))

    def _rows(self, ndim):
        """Whether the axes are the last ones."""
        return self.axes == tuple(range(ndim - len(self.axes), ndim))

    def backward_cuda(self, dy, dmean, dvar):
        x, w, mean, var = self.saved_arrays
        if not (x.size and self._rows(x.ndim)):
            answers = self.backward(*[self.wrap(a) for a in (dy, dmean, dvar)])
            return tuple([getattr(a, "_array", None) for a in answers])
        one = next((s for s in self.shapes[1:] if s is not None), None)
        sharing = _sharing_of(x.shape, self.axes[0], one)
        gradient = self.device.kernels.row_norm_gradient
        dx, dw, db = gradient(dy, dmean, dvar, x, w, mean, var, *sharing, self.eps, self.needs)
        dw = None if dw is None else dw.reshape(self.shapes[1])
        return dx, dw, (None if db is None else db.reshape(self.shapes[2]))

    def _keep(self, x, w, y, mean, var):
        if self.needs:
            self.save(x, w, mean, var)
        return y, mean, var

    def backward(self, dy, dmean, dvar):
        x, w, mean, var = self.saved
        n = x.numel() // max(1, mean.numel())
        dy = dy.to(mean.dtype)
        scale = (var + self.eps).rsqrt()
        away = x - mean
        dx = dw = db = None
        if self.needs[0]:
            g = dy if w is None else dy * self._lined_up(w, x.ndim)
            along = (g * away).sum(self.axes, keepdim=True) * (scale * scale) - dvar * 2 / scale
            level = g.sum(self.axes, keepdim=True) * scale - dmean
            dx = g * scale - level / n - away * (along * (scale / n))
        if self.needs[1]:
            dw = self._total(dy * (away * scale), self.shapes[1])
        if self.needs[2]:
            db = self._total(dy, self.shapes[2])
        return dx, dw, db

    def _lined_up(self, parameter, ndim):
        """w or b, to broadcast with x."""
        return parameter

    def _total(self, terms, shape):
        """The gradient of a parameter of that shape."""
        return terms.sum_to_size(shape)


def _sharing(x, lead, parameter):
    return _sharing_of(x.shape, lead, None if parameter is None else parameter.shape)


def _sharing_of(shape: tuple, lead: int, parameter: tuple | None) -> tuple[int, int]:
    """How rows, over the axes from ``lead`` on, share w and b: after how many rows they repeat, and
    how many neighbours in a row have the same element."""
    if parameter is None:
        return 1, 1
    per = math.prod(parameter[lead - len(shape) :])
    return math.prod(parameter) // max(1, per), math.prod(shape[lead:]) // max(1, per)


def check_parameters(name: str, size: int, **tensors: Tensor | None) -> None:
    for what, t in tensors.items():
        if t is not None and t.shape != (size,):
            raise ShapeError(f"{name}: {what} must be ({size},), one per channel; got {t.shape}")
