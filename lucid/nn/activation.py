"""Activations: elementwise functions as layers, and softmax in its forms."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, ClassVar

from lucid.nn import functional as F
from lucid.nn import init
from lucid.nn.module import Module
from lucid.nn.parameter import Parameter
from lucid.ops import empty
from lucid.tensor import Tensor


class _Plain(Module):
    """A function without settings."""

    function: ClassVar[Callable[..., Tensor]]

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input)


class _InPlace(Module):
    """A function with no setting but ``inplace``: write the result into the input."""

    function: ClassVar[Callable[..., Tensor]]

    def __init__(self, inplace: bool = False):
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input, inplace=self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class _AlongDim(Module):
    """A function along one dimension."""

    function: ClassVar[Callable[..., Tensor]]

    def __init__(self, dim: int | None = None):
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class ReLU(_InPlace):
    """max(x, 0). x: (*) -> y: (*)."""

    function = staticmethod(F.relu)


class ReLU6(_InPlace):
    """min(max(x, 0), 6). x: (*) -> y: (*)."""

    function = staticmethod(F.relu6)


class SELU(_InPlace):
    """An elu that keeps mean 0 and variance 1 (Klambauer et al., 2017). x: (*) -> y: (*)."""

    function = staticmethod(F.selu)


class SiLU(_InPlace):
    """x * sigmoid(x), also called swish. x: (*) -> y: (*)."""

    function = staticmethod(F.silu)


class Mish(_InPlace):
    """x * tanh(softplus(x)). x: (*) -> y: (*)."""

    function = staticmethod(F.mish)


class Hardswish(_InPlace):
    """x * relu6(x + 3) / 6. x: (*) -> y: (*)."""

    function = staticmethod(F.hardswish)

    def extra_repr(self) -> str:
        return ""


class Hardsigmoid(_InPlace):
    """relu6(x + 3) / 6. x: (*) -> y: (*)."""

    function = staticmethod(F.hardsigmoid)

    def extra_repr(self) -> str:
        return ""


class Sigmoid(_Plain):
    """1 / (1 + exp(-x)). x: (*) -> y: (*)."""

    function = staticmethod(F.sigmoid)


class LogSigmoid(_Plain):
    """log(sigmoid(x)), without underflow. x: (*) -> y: (*)."""

    function = staticmethod(F.logsigmoid)


class Tanh(_Plain):
    """tanh(x). x: (*) -> y: (*)."""

    function = staticmethod(F.tanh)


class Tanhshrink(_Plain):
    """x - tanh(x). x: (*) -> y: (*)."""

    function = staticmethod(F.tanhshrink)


class Softsign(_Plain):
    """x / (1 + |x|). x: (*) -> y: (*)."""

    function = staticmethod(F.softsign)


class Softmax(_AlongDim):
    """exp(x) / sum of exp(x) along ``dim``. x: (*) -> y: (*)."""

    function = staticmethod(F.softmax)


class LogSoftmax(_AlongDim):
    """log(softmax(x)) along ``dim``, without underflow. x: (*) -> y: (*)."""

    function = staticmethod(F.log_softmax)


class Softmin(_AlongDim):
    """softmax(-x) along ``dim``. x: (*) -> y: (*)."""

    function = staticmethod(F.softmin)


class Softmax2d(Module):
    """Softmax over the channels of each pixel. x: (N, C, H, W) -> y: (N, C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: x must be (N, C, H, W); got shape {input.shape}")
        return F.softmax(input, -3)


class GLU(_AlongDim):
    """a * sigmoid(b), a and b the halves of x along ``dim``. x: (*, 2N) -> y: (*, N)."""

    function = staticmethod(F.glu)

    def __init__(self, dim: int = -1):
        super().__init__(dim)


class LeakyReLU(Module):
    """x for x > 0, negative_slope * x below. x: (*) -> y: (*)."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False):
        super().__init__()
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}{_in_place(self)}"


class PReLU(Module):
    """x for x > 0, weight * x below; one weight, or one per channel. x: (N, C, *) -> same."""

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ):
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Every weight the value of ``init``."""
        init.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class _Exponential(Module):
    function: ClassVar[Callable[..., Tensor]]

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}{_in_place(self)}"


class ELU(_Exponential):
    """x for x > 0, alpha * (exp(x) - 1) below. x: (*) -> y: (*)."""

    function = staticmethod(F.elu)


class CELU(_Exponential):
    """x for x > 0, alpha * (exp(x / alpha) - 1) below. x: (*) -> y: (*)."""

    function = staticmethod(F.celu)


class GELU(Module):
    """x * Phi(x), Phi the normal distribution function. x: (*) -> y: (*).

    ``approximate="tanh"`` computes it by a tanh.
    """

    def __init__(self, approximate: str = "none"):
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class Hardtanh(Module):
    """x clamped to [min_val, max_val]. x: (*) -> y: (*)."""

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ):
        super().__init__()
        for old, new, value in (("min", "min_val", min_value), ("max", "max_val", max_value)):
            if value is not None:
                warnings.warn(
                    f"Hardtanh: {old}_value is deprecated; use {new}", FutureWarning, stacklevel=2
                )
        min_val = min_val if min_value is None else min_value
        max_val = max_val if max_value is None else max_value
        if not max_val > min_val:
            raise ValueError(
                f"Hardtanh: max_val must be greater than min_val; got {max_val} and {min_val}"
            )
        self.min_val, self.max_val, self.inplace = min_val, max_val, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}{_in_place(self)}"


class Softplus(Module):
    """log(1 + exp(beta * x)) / beta; x itself where beta * x > threshold. x: (*) -> y: (*)."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0):
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Tensor) -> Tensor:
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class _Shrink(Module):
    function: ClassVar[Callable[..., Tensor]]

    def __init__(self, lambd: float = 0.5):
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input, self.lambd)

    def extra_repr(self) -> str:
        return str(self.lambd)


class Softshrink(_Shrink):
    """x moved towards 0 by lambd, 0 if it is nearer. x: (*) -> y: (*)."""

    function = staticmethod(F.softshrink)


class Hardshrink(_Shrink):
    """x where |x| > lambd, else 0. x: (*) -> y: (*)."""

    function = staticmethod(F.hardshrink)


class Threshold(Module):
    """x where x > threshold, else value. x: (*) -> y: (*)."""

    def __init__(self, threshold: float, value: float, inplace: bool = False):
        super().__init__()
        self.threshold, self.value, self.inplace = threshold, value, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, value={self.value}{_in_place(self)}"


def _in_place(module: Any) -> str:
    return ", inplace=True" if module.inplace else ""
