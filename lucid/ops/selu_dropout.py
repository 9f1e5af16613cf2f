"""SELU and AlphaDropout, or FeatureAlphaDropout, as one op: what both compute, in one pass.

    y = keep ? scale selu(x) + shift : fill

No mask is stored, and x is all that is kept. ``nn.Sequential`` calls it where the two stand in a
row: lucid/nn/fusion.py.
"""

from __future__ import annotations

import math

from lucid import random
from lucid.backend import philox
from lucid.backend.philox import Key
from lucid.op import Op
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__: list[str] = []

_ALPHA, _SCALE = 1.6732632423543772, 1.0507009873554805  # of selu


class SeluDropout(Op):
    key: Key
    threshold: int
    channel_dims: int | None  # None: each element decides; 2: each (n, c)
    scale: float
    shift: float = 0.0
    fill: float = 0.0

    def forward(self, x):
        xp = self.xp
        if self.needs:
            self.save(x)
        y = xp.expm1(xp.minimum(x, 0)) * (_ALPHA * _SCALE) + xp.maximum(x, 0) * _SCALE
        y = y * self.scale + self.shift
        return xp.where(self._drop(x.shape), self.fill, y).astype(x.dtype, copy=False)

    def forward_cuda(self, x):
        if self.needs:
            self.save(x)
        law = self.scale, self.shift, self.fill
        return self.device.kernels.selu_dropout(
            x, self.key, self.threshold, *law, self.channel_dims
        )

    def backward_cuda(self, dy):
        (x,) = self.saved_arrays
        gradient = self.device.kernels.selu_dropout_gradient
        return gradient(dy, x, self.key, self.threshold, self.scale, self.channel_dims)

    def backward(self, dy):
        (x,) = self.saved
        drop = self.wrap(self._drop(x.shape))
        low = x.clamp(max=0.0).exp() * (_ALPHA * _SCALE)
        return (dy * self.scale * low.where(x <= 0, _SCALE)).masked_fill(drop, 0.0)

    def _drop(self, shape):
        """Where is dropped: of x's shape, or (N, C, 1, ...)."""
        leading = shape if self.channel_dims is None else shape[: self.channel_dims]
        drop = self.device.draw("decisions", self.key, math.prod(leading), self.threshold)
        return drop.reshape(leading + (1,) * (len(shape) - len(leading)))


def _selu_dropout(input: Tensor, channel_dims: int | None = None) -> Tensor:
    """A selu of which 40% are replaced by -0.9, the others 1.3 times as large, less 0.2."""
    count = math.prod(input.shape[:channel_dims])
    key = random.default_generator.reserve(philox.blocks_for("decisions", count))
    return SeluDropout(key, philox.threshold(0.4), channel_dims, 1.3, -0.2, -0.9)(input)


spec(
    _selu_dropout,
    cases=[
        Case([(3, 17)]), Case([(5,)], low=-8, high=8), Case([(2, 3, 4)], {"channel_dims": 2}),
        Case([(2, 3, 2, 2)], {"channel_dims": 2}), Case([(0, 3)]), Case([()]),
    ],
    random=True,
)  # fmt: skip
