"""In-place forms of functions that have no shorter way: computed beside, then written over.

``x.tan_()`` is ``x.tan()`` written into x's memory, inside a graph as well: the old values are kept
for the gradient.
"""

from __future__ import annotations

import functools
from typing import Any

from lucid import dtypes
from lucid.errors import DTypeError, ShapeError
from lucid.graph.grad_mode import flags
from lucid.op.writing import check_writable
from lucid.tensor import Tensor, tensor_method

__all__ = []

_NAMES = (
    "absolute acos acosh addbmm addmm addmv addr asin asinh atan atan2 atanh baddbmm bitwise_and"
    " bitwise_not bitwise_or bitwise_xor copysign cosh cumprod cumsum deg2rad divide erf erfc exp2"
    " expm1 fix fmod frac greater greater_equal hypot less less_equal log10 log1p log2"
    " logical_and logical_not logical_or logical_xor multiply nan_to_num negative not_equal"
    " rad2deg sgn sinc sinh square subtract tan tril triu true_divide xlogy"
)
# The same functions by the names of PyTorch's that stand for others.
_SAME = {"arccos": "acos", "arcsin": "asin", "arctan": "atan", "arctan2": "atan2",
         "arccosh": "acosh", "arcsinh": "asinh", "arctanh": "atanh"}  # fmt: skip


def _in_place(name: str, function: Any) -> None:
    @functools.wraps(function)
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if flags.grad:
            check_writable(f"{name}_", self)
        recording = flags.grad and self.requires_grad
        y = function(self.clone() if recording else self, *args, **kwargs)
        if y.shape != self.shape:
            raise ShapeError(
                f"{name}_: the result must have the tensor's shape {self.shape}; got {y.shape}."
                " Hint: use the out-of-place form"
            )
        if not dtypes.can_cast(y.dtype, self.dtype):
            raise DTypeError(
                f"{name}_: the tensor must be able to hold the result's dtype; got {y.dtype} for"
                f" {self.dtype}. Hint: use the out-of-place form"
            )
        return self.copy_(y)

    method.__name__ = method.__qualname__ = f"{name}_"
    method.__module__ = __name__
    method.__doc__ = f"{name}, in place."
    tensor_method(f"{name}_")(method)


def attach() -> None:
    """Give Tensor these methods: once all functions that they are made of are there."""
    for name in _NAMES.split():
        _in_place(name, getattr(Tensor, name))
    for alias, name in _SAME.items():
        if not hasattr(Tensor, alias):
            setattr(Tensor, alias, getattr(Tensor, name))
        setattr(Tensor, f"{alias}_", getattr(Tensor, f"{name}_"))
