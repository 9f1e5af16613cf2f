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
from typing import Any

from lucid.backend.cpu.group_norm import FEW, group_backward, group_forward
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
    takes_none = ("generic", "cpu", "cuda")

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
        one = w if b is None else b
        sizes = rows, *self._sharing(x.shape, None if one is None else one.shape)
        y, mean, var = self.device.kernels.row_norm(x, w, b, *sizes, self.eps)
        shape = x.shape[:lead] + (1,) * len(self.axes)
        return self._keep(x, w, y, mean.reshape(shape), var.reshape(shape))

    def _rows(self, ndim):
        """Whether the axes are the last ones."""
        return self.axes == tuple(range(ndim - len(self.axes), ndim))

    def backward_cuda(self, dy, dmean, dvar):
        x, w, mean, var = self.saved_arrays
        if not (x.size and self._rows(x.ndim)):
            return self.unfused(dy, dmean, dvar)
        one = next((s for s in self.shapes[1:] if s is not None), None)
        sharing = self._sharing(x.shape, one)
        gradient = self.device.kernels.row_norm_gradient
        arrays = dy, dmean, dvar, x, w, mean, var
        return gradient(*arrays, *sharing, self.eps, self.needs, one)

    def _keep(self, x, w, y, mean, var):
        if self.needs:
            self.save(x, w, mean, var)
        return y, mean, var

    def backward(self, dy, dmean, dvar):
        x, w, mean, var = self.saved[:4]
        n = x.numel() // max(1, mean.numel())
        dy = dy.to(mean.dtype)
        scale = (var + self.eps).rsqrt()
        away = x - mean
        dx = dw = db = None
        if self.needs[0]:
            g = dy if w is None else dy * self._lined_up(w, x.ndim)
            along = (g * away).sum(self.axes, keepdim=True) * (scale * scale)
            along = along if dvar is None else along - dvar * 2 / scale
            level = g.sum(self.axes, keepdim=True) * scale
            level = level if dmean is None else level - dmean
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

    def _lined_up_shape(self, shape, ndim):
        """The shape of ``_lined_up``."""
        return shape

    def _sharing(self, shape, parameter):
        """How rows, over the last axes of x, share w and b of this shape: after how many rows they
        repeat, and how many neighbours in a row have the same element."""
        if parameter is None:
            return 1, 1
        lead, size = self.axes[0], math.prod(parameter)
        per = math.prod(self._lined_up_shape(parameter, len(shape))[lead - len(shape) :])
        return size // max(1, per), math.prod(shape[lead:]) // max(1, per)


class PerGroup(Standardize):
    """Over the axes from 2 of x: (N, groups, C / groups, *); w and b: (C,)."""

    groups: int

    def forward_cpu(self, x, w, b):
        if not x.flags.c_contiguous or x.size < FEW:
            return self.forward(x, w, b)
        return self._keep(x, w, *group_forward(x, w, b, self.eps))

    def backward_cpu(self, dy, dmean, dvar):
        x, w, mean, var = self.saved_arrays
        if not (x.flags.c_contiguous and dy.flags.c_contiguous and x.size):
            return self.unfused(dy, dmean, dvar)
        channels = next((s[0] for s in self.shapes[1:] if s is not None), None)
        return group_backward(dy, dmean, dvar, x, w, mean, var, self.eps, self.needs, channels)

    def forward_cuda(self, x, w, b):
        one = w if b is None else b
        form = self.device.kernels.grouped_last(x, None if one is None else one.size)
        if form is None:
            return super().forward_cuda(x, w, b)
        y, mean, var = self.device.kernels.group_norm_last(x, w, b, form, self.eps)
        shape = x.shape[:2] + (1,) * (x.ndim - 2)
        return self._keep(x, w, y, mean.reshape(shape), var.reshape(shape))

    def backward_cuda(self, dy, dmean, dvar):
        x, w, mean, var = self.saved_arrays
        one = next((s for s in self.shapes[1:] if s is not None), None)
        form = self.device.kernels.grouped_last(x, None if one is None else one[0])
        if form is None:
            return super().backward_cuda(dy, dmean, dvar)
        gradient = self.device.kernels.group_norm_last_gradient
        return gradient(dy, dmean, dvar, x, w, mean, var, form, self.eps, self.needs)

    def _lined_up(self, parameter, ndim):
        return parameter.reshape(self._lined_up_shape(parameter.shape, ndim))

    def _lined_up_shape(self, shape, ndim):
        each = shape[0] // self.groups if self.groups else 1
        return (1, self.groups, each) + (1,) * (ndim - 3)

    def _total(self, terms, shape):
        return terms.sum_to_size(self._lined_up_shape(shape, terms.ndim)).reshape(shape)


class PerChannel(Standardize):
    """Over all axes but the second; w and b: (C,)."""

    def _lined_up(self, parameter, ndim):
        return along_channels(parameter, ndim)

    def _total(self, terms, shape):
        return terms.sum(self.axes)


def along_channels(values: Any, ndim: int) -> Any:
    """One value per channel, to broadcast with (N, C, *)."""
    return values.reshape((1, -1) + (1,) * (ndim - 2))


def check_parameters(name: str, size: int, **tensors: Tensor | None) -> None:
    for what, t in tensors.items():
        if t is not None and t.shape != (size,):
            raise ShapeError(f"{name}: {what} must be ({size},), one per channel; got {t.shape}")
