"""Batch norm in training, relu and dropout of channels as one op; or without the dropout.

    z = keep ? factor max(y, 0) : 0        y = (x - mean) / sqrt(var + eps) * w + b

with the batch's mean and var per channel and one decision per (n, c). Kept for backward are x,
mean, var, w, a copy of b, and the key: y, relu's output and the mask are found again. Apart, the
three keep relu's output as well, and make two more passes over memory in each direction.

``nn.Sequential`` calls it where the three stand in a row: lucid/nn/fusion.py.
"""

from __future__ import annotations

from typing import Any

from lucid import random
from lucid.backend import philox
from lucid.backend.philox import Key
from lucid.op.standardize import PerChannel, along_channels
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__: list[str] = []


class NormReluDropout(PerChannel):
    """(z, mean, var) of x: (N, C, *) over all axes but the second; w and b: (C,)."""

    key: Key | None = None  # None: no dropout
    threshold: int = 0
    factor: float = 1.0
    running: Any = None  # on CUDA: what forward moves, as kernels.training_statistics takes it

    def forward(self, x, w, b):
        _, mean, var = super().forward(x, None, None)
        y, passes = self._line(x, w, mean, var, b)
        y *= self.factor
        z = self.xp.where(passes, y, self.xp.zeros((), y.dtype)).astype(x.dtype, copy=False)
        return self._keep_all(x, w, z, mean, var, None if b is None else b.copy())

    def forward_cuda(self, x, w, b):
        kernels, running = self.device.kernels, self.running
        self.running = None
        mean, var, kept = kernels.training_statistics(x, running, b if self.needs else None)
        z = kernels.batch_norm(x, mean, var, w, b, self.eps, self._chain())
        shape = (1, -1) + (1,) * (x.ndim - 2)
        return self._keep_all(x, w, z, mean.reshape(shape), var.reshape(shape), kept)

    def _keep_all(self, x, w, z, mean, var, b):
        if self.needs:
            self.save(x, w, mean, var, b)
        return z, mean, var

    def backward_cuda(self, dz, dmean, dvar):
        x, w, mean, var, b = self.saved_arrays
        gradient, needs = self.device.kernels.batch_norm_gradient, self.needs
        more = {"dmean": dmean, "dvar": dvar, "b": b, "chain": self._chain()}
        return gradient(dz, x, mean, var, w, self.eps, needs, fixed=False, **more)

    def backward(self, dz, dmean, dvar):
        passes = self._line(*self.saved_arrays)[1]
        dy = (dz.to(self.saved[2].dtype) * self.factor).masked_fill(self.wrap(~passes), 0.0)
        return super().backward(dy, dmean, dvar)

    def _chain(self):
        return self.device.kernels.chain_of(self.key, self.threshold, self.factor)

    def _line(self, x, w, mean, var, b):
        """y, in the type of mean, and where it comes through: NaN too, as relu lets it."""
        scale, kind = 1 / self.xp.sqrt(var + self.eps), mean.dtype
        if w is not None:
            scale = scale * along_channels(w, x.ndim).astype(kind, copy=False)
        y = (x.astype(kind, copy=False) - mean) * scale
        if b is not None:
            y += along_channels(b, x.ndim).astype(kind, copy=False)
        passes = ~(y <= 0)
        if self.key is not None:
            n, c = x.shape[:2]
            drop = self.device.draw("decisions", self.key, n * c, self.threshold)
            passes &= ~drop.reshape((n, c) + (1,) * (x.ndim - 2))
        return y, passes


def _norm_relu_dropout(
    input: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, p: float = 0.5
) -> Tensor:
    """relu(batch_norm(x)), and if p is not 0 dropout of its channels. x: (N, C, *) -> same."""
    axes, key = (0, *range(2, input.ndim)), None
    if p:
        count = input.shape[0] * input.shape[1]
        key = random.default_generator.reserve(philox.blocks_for("decisions", count))
    op = NormReluDropout(axes, 1e-5, key, philox.threshold(p), 1 / (1 - p))
    return op(input, weight, bias)[0]


def _reference(np: Any, x: Any, w: Any = None, b: Any = None, p: float = 0.5) -> Any:
    """Without dropout."""
    axes = (0, *range(2, x.ndim))
    y = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)
    return np.maximum(y * (1 if w is None else along_channels(w, x.ndim)) + (
        0 if b is None else along_channels(b, x.ndim)
    ), 0)  # fmt: skip


_shapes: list[list[tuple[int, ...]]] = [
    [(4, 3), (3,), (3,)], [(2, 4, 3, 2), (4,), (4,)], [(2, 4, 5)], [(2, 4, 3), (4,)],
    [(2, 2, 2, 2, 3), (2,), (2,)],
]  # fmt: skip
spec(
    _norm_relu_dropout,
    cases=[Case(shapes, {"p": 0.0}) for shapes in _shapes],
    reference=_reference,
)
spec(_norm_relu_dropout, cases=[Case(shapes, {"p": 0.4}) for shapes in _shapes], random=True)
