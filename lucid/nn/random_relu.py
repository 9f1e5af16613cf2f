"""RReLU: a leaky relu whose slopes are drawn."""

from __future__ import annotations

from lucid.nn import functional as F
from lucid.nn.module import Module
from lucid.ops.rrelu import check_bounds
from lucid.tensor import Tensor


class RReLU(Module):
    """x where positive, elsewhere x * u with u uniform in [lower, upper). x: (*) -> y: (*).

    In eval mode u is (lower + upper) / 2.
    """

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False):
        super().__init__()
        check_bounds("RReLU", lower, upper)
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}" + ", inplace=True" * self.inplace
