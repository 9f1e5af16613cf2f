"""Stochastic depth: y = x / (1 - p) or 0, one decision for each sample, or for the whole batch.

The branch of a residual block is left out with probability p, so that what is trained is a random
ensemble of shallower networks (Huang et al. 2016). It is the dropout op with fewer decisions: no
mask is stored, and a dropped NaN leaves no trace.
"""

from __future__ import annotations

from lucid import nn
from lucid.errors import ShapeError
from lucid.ops.dropout import check_probability, drop, scaling
from lucid.random import Generator
from lucid.tensor import Tensor

__all__ = ["StochasticDepth", "stochastic_depth"]

_DECISION_DIMS = {"batch": 0, "row": 1}  # leading dimensions of x that decide apart


def stochastic_depth(
    input: Tensor,
    p: float,
    mode: str,
    training: bool = True,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """x / (1 - p) with probability 1 - p, else 0. x: (N, *) -> y: (N, *).

    ``mode`` "row": each of the N samples decides for itself; "batch": one decision for all.
    The tensor itself when not training, for p = 0 and for empty tensors.

    >>> from lucid.vision.ops import stochastic_depth
    >>> _ = lucid.manual_seed(0)
    >>> stochastic_depth(lucid.ones(4, 2), 0.5, "row")
    Tensor([[2., 2.],
            [0., 0.],
            [2., 2.],
            [0., 0.]])
    """
    _check_mode("stochastic_depth", mode)
    if isinstance(input, Tensor) and input.ndim < _DECISION_DIMS[mode]:
        raise ShapeError('stochastic_depth: mode "row" needs x of (N, *); got shape ()')
    dims = _DECISION_DIMS[mode]
    return drop("stochastic_depth", input, p, training, False, generator, scaling, dims)[0]


class StochasticDepth(nn.Module):
    """Leave out x as a whole with probability p. x: (N, *) -> y: (N, *).

    ``mode`` "row": each sample decides for itself; "batch": one decision for all. In eval mode the
    layer is the identity.
    """

    def __init__(self, p: float, mode: str, *, generator: Generator | None = None):
        super().__init__()
        self.p = check_probability("StochasticDepth", p)
        self.mode = _check_mode("StochasticDepth", mode)
        self.generator = generator

    def forward(self, input: Tensor) -> Tensor:
        return stochastic_depth(input, self.p, self.mode, self.training, generator=self.generator)

    def extra_repr(self) -> str:
        return f"p={self.p}, mode={self.mode}"


def _check_mode(name: str, mode: str) -> str:
    if mode not in _DECISION_DIMS:
        raise ValueError(f"{name}: mode must be 'batch' or 'row'; got {mode!r}")
    return mode
