"""Randomized leaky relu: x where positive, elsewhere x times a slope drawn for each element.

The slopes are not stored: they are addressed by (seed, stream, offset, i), and backward draws the
same ones again. Xu et al., Empirical Evaluation of Rectified Activations, 2015.
"""

from __future__ import annotations

import math

from lucid import dtypes
from lucid.backend.philox import Key
from lucid.errors import DTypeError
from lucid.op import Op
from lucid.op import inplace as write
from lucid.op.drawing import reserve
from lucid.random import Generator
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = ["rrelu", "rrelu_"]

_FLOAT32 = dtypes.float32.numpy


class RRelu(Op):
    key: Key | None  # None: the slope is the middle of lower and upper
    lower: float
    upper: float

    def forward(self, x):
        self.save(x)
        return self.xp.multiply(x, self._slopes(x), out=self.out)

    def _slopes(self, x):
        """1 where x is positive; drawn in float32 whatever x is: every dtype has the same ones."""
        xp, one = self.xp, x.dtype.type(1)
        if self.key is None:
            return xp.where(x > 0, one, x.dtype.type((self.lower + self.upper) / 2))
        u = self.device.draw("uniform", self.key, math.prod(x.shape), _FLOAT32)
        u = u.reshape(x.shape).astype(x.dtype, copy=False)
        return xp.where(x > 0, one, u * x.dtype.type(self.upper - self.lower) + self.lower)

    def backward(self, dy):
        (x,) = self.saved
        slopes = self._slopes(x._array)
        return dy * self.wrap(slopes)


def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False,
    inplace: bool = False, *, generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """x where positive, elsewhere x * u with u uniform in [lower, upper). x: (*) -> y: (*).

    When not training, u is (lower + upper) / 2. The slopes depend on the generator's state and each
    element's logical index only. Xu et al. 2015.
    """
    if not isinstance(input, Tensor) or not input.is_floating_point():
        got = input.dtype if isinstance(input, Tensor) else type(input).__name__
        raise DTypeError(f"rrelu: x must be a floating point tensor; got {got}. Hint: use .float()")
    check_bounds("rrelu", lower, upper)
    key = None
    if training and input.numel():
        key = reserve("rrelu", "uniform", input.numel(), _FLOAT32, generator)
    op = RRelu(key, lower, upper)
    return write(op, input) if inplace else op(input)


def rrelu_(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False
) -> Tensor:
    """rrelu, written over x. x: (*) -> x."""
    return rrelu(input, lower, upper, training, inplace=True)


def check_bounds(name: str, lower: float, upper: float) -> None:
    """``lower`` and ``upper`` are numbers, the first not above the second."""
    if not -math.inf < lower <= upper < math.inf:
        raise ValueError(f"{name}: lower must not be above upper; got {lower} and {upper}")


spec(
    rrelu,
    cases=[
        Case([(3, 17)]),
        Case([(3, 17)], {"training": True}),
        Case([()], {"training": True, "lower": -0.5, "upper": 0.5}),
        Case([(0, 3)], {"training": True}),
    ],
    random=True,
    errors=[
        (
            Case([(2,)], {"lower": 0.5, "upper": 0.2}),
            ValueError,
            "rrelu: lower must not be above upper; got 0.5 and 0.2",
        ),
        (Case([(2,)], dtypes=("int64",)), TypeError, "rrelu: x must be a floating point tensor"),
    ],
)
