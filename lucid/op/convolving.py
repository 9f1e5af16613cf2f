"""Convolution as ops, with cuDNN, matrix products or the CPU's own code behind them.

Convolution is linear in x and in w. It and its two gradients are three faces of one sum of products
x * w * y, each linear in two of them; so the gradients of each op here are the other two, and
derivatives of any order exist.
"""

from __future__ import annotations

from lucid import dtypes
from lucid.backend.cpu import convolution as cpu
from lucid.op.base import Op
from lucid.op.windows import by_offset, output_size, padded, product, windows


class Trilinear(Op):
    """What the three ops share: how x, w and y meet."""

    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]  # before and after; negative crops
    dilation: tuple[int, ...]
    groups: int

    @property
    def meeting(self):
        return self.stride, self.padding, self.dilation, self.groups

    def keep(self, a, b):
        """Each input is what the other's gradient is made of."""
        if self.needs:
            self.save(a if self.needs[1] else None, b if self.needs[0] else None)

    def fields(self, x, kernel):
        """The receptive fields of x: (N, groups, C / groups * kernel, points); and points' size."""
        size = output_size(x.shape[2:], kernel, self.stride, self.padding, self.dilation)
        x = padded(self.xp, x, self.padding)
        view = windows(self.xp, x, kernel, size, self.stride, self.dilation)
        field = x.shape[1] // self.groups * product(kernel)
        return view.reshape(x.shape[0], self.groups, field, product(size)), size

    def multiply(self, a, b):
        """a @ b on this device."""
        return (
            self.xp.matmul(a, b) if self.device.type == "cpu" else self.device.kernels.matmul(a, b)
        )

    def by_products(self, a, b, *rest):
        """forward, for CUDA without cuDNN: halves in float32, channels-last kept."""
        half = a.dtype.itemsize == 2
        arrays = [
            x.astype(dtypes.float32.numpy) if half and x is not None else x for x in (a, b, *rest)
        ]
        y = self.forward(*arrays)
        self.keep(a, b)  # not their float32 copies
        y = y.astype(a.dtype) if half else y
        return self.device.kernels.laid_out(y, self.device.kernels.is_channels_last(a))

    def points(self, y):
        """(N, O, *) as (N, groups, O / groups, points)."""
        n, channels, *size = y.shape
        return y.reshape(n, self.groups, channels // self.groups, product(size))


class Convolution(Trilinear):
    """x, w, bias or None -> y."""

    def forward(self, x, w, bias):
        self.keep(x, w)
        fields, size = self.fields(x, w.shape[2:])
        weights = w.reshape(self.groups, w.shape[0] // self.groups, fields.shape[2])
        y = self.multiply(weights, fields).reshape(x.shape[0], w.shape[0], *size)
        return y if bias is None else y + bias.reshape(-1, *(1,) * len(size))

    def forward_cpu(self, x, w, bias):
        self.keep(x, w)
        return cpu.convolve(x, w, *self.meeting, bias)

    def forward_cuda(self, x, w, bias):
        self.keep(x, w)
        size = output_size(x.shape[2:], w.shape[2:], self.stride, self.padding, self.dilation)
        y = self.device.kernels.convolve(x, w, self.meeting, size, bias)
        return self.by_products(x, w, bias) if y is None else y

    def backward(self, dy):
        x, w = self.saved
        size, kernel = self.shapes[0][2:], self.shapes[1][2:]
        dx = InputGradient(*self.meeting, size)(dy, w) if self.needs[0] else None
        dw = WeightGradient(*self.meeting, kernel)(x, dy) if self.needs[1] else None
        db = dy.sum((0, *range(2, dy.ndim))) if self.needs[2] else None
        return dx, dw, db


class InputGradient(Trilinear):
    """dy, w -> dx, of a given spatial size. With x for dy it is a transposed convolution."""

    size: tuple[int, ...]

    def forward(self, dy, w):
        self.keep(dy, w)
        batch, channels = dy.shape[0], w.shape[1] * self.groups
        kernel, size = w.shape[2:], dy.shape[2:]
        weights = w.reshape(self.groups, w.shape[0] // self.groups, w.shape[1] * product(kernel))
        fields = self.multiply(weights.transpose(0, 2, 1), self.points(dy))
        fields = fields.reshape(batch, channels, *kernel, *size)
        extent = [n + sum(p) for n, p in zip(self.size, self.padding, strict=True)]
        dx = self.xp.zeros((batch, channels, *extent), dy.dtype)
        for offset, at in by_offset(kernel, size, self.stride, self.dilation):
            dx[at] += fields[(slice(None), slice(None), *offset)]
        return padded(self.xp, dx, [(-before, -after) for before, after in self.padding])

    def forward_cpu(self, dy, w):
        self.keep(dy, w)
        shape = dy.shape[0], w.shape[1] * self.groups, *self.size
        return cpu.input_gradient(dy, w, shape, *self.meeting)

    def forward_cuda(self, dy, w):
        self.keep(dy, w)
        dx = self.device.kernels.convolve_input_gradient(dy, w, self.meeting, self.size)
        return self.by_products(dy, w) if dx is None else dx

    def backward(self, ddx):
        dy, w = self.saved
        kernel = self.shapes[1][2:]
        ddy = Convolution(*self.meeting)(ddx, w, None) if self.needs[0] else None
        return ddy, WeightGradient(*self.meeting, kernel)(ddx, dy) if self.needs[1] else None


class WeightGradient(Trilinear):
    """x, dy -> dw, of a given kernel size."""

    kernel: tuple[int, ...]

    def forward(self, x, dy):
        self.keep(x, dy)
        batch, groups, field, points = (fields := self.fields(x, self.kernel)[0]).shape
        rows = self.points(dy).transpose(1, 2, 0, 3)
        rows = rows.reshape(groups, dy.shape[1] // groups, batch * points)
        columns = fields.transpose(1, 0, 3, 2).reshape(groups, batch * points, field)
        dw = self.multiply(rows, columns)
        return dw.reshape(dy.shape[1], x.shape[1] // groups, *self.kernel)

    def forward_cpu(self, x, dy):
        self.keep(x, dy)
        shape = dy.shape[1], x.shape[1] // self.groups, *self.kernel
        return cpu.weight_gradient(x, dy, shape, *self.meeting)

    def forward_cuda(self, x, dy):
        self.keep(x, dy)
        dw = self.device.kernels.convolve_weight_gradient(x, dy, self.meeting, self.kernel)
        return self.by_products(x, dy) if dw is None else dw

    def backward(self, ddw):
        x, dy = self.saved
        size = self.shapes[0][2:]
        dx = InputGradient(*self.meeting, size)(dy, ddw) if self.needs[0] else None
        return dx, Convolution(*self.meeting)(x, ddw, None) if self.needs[1] else None
