"""Smooth activations: sigmoid, tanh, softplus, the exponential linear units and their kin."""

from __future__ import annotations

from math import inf
from typing import Any

from lucid.backend.cpu import blockwise
from lucid.op import Op, casts
from lucid.op import inplace as write
from lucid.op.pointwise import Pointwise
from lucid.spec import Case, spec
from lucid.tensor import Tensor, tensor_method

__all__ = [
    "celu", "celu_", "elu", "elu_", "logsigmoid", "selu", "selu_", "sigmoid", "sigmoid_",
    "softplus", "softsign", "tanh", "tanh_", "tanhshrink",
]  # fmt: skip

# Self-normalizing neural networks (Klambauer et al., 2017): with these two numbers, mean 0 and
# variance 1 are a fixed point of selu.
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


class Sigmoid(Pointwise):
    keeps = "output"
    block = blockwise.LONG

    def value(self, x, out=None):
        xp = self.xp
        y = xp.exp(xp.negative(x, out=out), out=out)
        y = xp.add(y, 1, out=out)
        return xp.reciprocal(y, out=out)

    def gradient(self, dy, y):
        return dy * (y * (1 - y))

    def gradient_array(self, dy, y, out=None):
        xp = self.xp
        slope = xp.subtract(1, y, out=out)
        slope *= y
        slope *= dy
        return slope


class Tanh(Pointwise):
    keeps = "output"
    block = blockwise.LONG

    def value(self, x, out=None):
        return self.xp.tanh(x, out=out)

    def gradient(self, dy, y):
        return dy * (1 - y * y)

    def gradient_array(self, dy, y, out=None):
        slope = self.xp.multiply(y, y, out=out)
        slope = self.xp.subtract(1, slope, out=slope)
        slope *= dy
        return slope


class LogSigmoid(Pointwise):
    def value(self, x, out=None):
        xp = self.xp
        y = xp.log1p(xp.exp(-xp.abs(x)))
        return xp.subtract(xp.minimum(x, 0), y, out=out)

    def gradient(self, dy, x):
        return dy * (-x).sigmoid()


class Softplus(Pointwise):
    """log(1 + exp(beta x)) / beta, and x itself where beta x is above the limit."""

    beta: float
    limit: float

    def value(self, x, out=None):
        xp = self.xp
        bx = x * self.beta
        y = xp.log1p(xp.exp(-xp.abs(bx)))
        y += xp.maximum(bx, 0)
        y /= self.beta
        return xp.where(bx > self.limit, x, y)

    def gradient(self, dy, x):
        bx = x * self.beta
        return dy * bx.sigmoid().masked_fill(bx > self.limit, 1.0)

    def gradient_array(self, dy, x, out=None):
        xp = self.xp
        slope = x * -self.beta
        linear = slope < -self.limit
        slope = xp.exp(slope)
        slope += 1
        xp.reciprocal(slope, out=slope)
        return xp.multiply(dy, xp.maximum(slope, linear), out=out)


class Tanhshrink(Pointwise):
    def value(self, x, out=None):
        return self.xp.subtract(x, self.xp.tanh(x), out=out)

    def gradient(self, dy, x):
        y = x.tanh()
        return dy * (y * y)


class Softsign(Pointwise):
    def value(self, x, out=None):
        return self.xp.divide(x, self.xp.abs(x) + 1, out=out)

    def gradient(self, dy, x):
        width = x.abs() + 1
        return dy / (width * width)


class Elu(Pointwise):
    """scale * x where positive, elsewhere scale * alpha * (exp(rate x) - 1)."""

    alpha: float
    scale: float = 1.0
    rate: float = 1.0

    block = blockwise.LONG

    @property
    def keeps(self):
        if self.alpha * self.scale < 0:
            return "input"
        return "output" if self.device.type == "cpu" else "either"  # spares NumPy an exp

    def value(self, x, out=None):
        xp = self.xp
        low = xp.clip(x, -inf, 0, out=self.spare(x))
        if self.rate != 1:
            low *= self.rate
        xp.expm1(low, out=low)
        low *= self.alpha * self.scale
        y = xp.clip(x, 0, inf, out=self._target(x, out))  # one of the two is always 0
        if self.scale != 1:
            y *= self.scale
        y += low
        return y

    def gradient(self, dy, kept):
        if self._kept_output:
            low = (kept + self.alpha * self.scale) * self.rate
        else:
            low = (kept * self.rate).clamp(max=0.0).exp() * (self.alpha * self.scale * self.rate)
        return dy * low.where(kept <= 0, self.scale)

    def gradient_array(self, dy, kept, out=None):
        xp, at_zero = self.xp, self.alpha * self.scale * self.rate
        slope = xp.clip(kept, -inf, 0, out=self._target(kept, out))
        if self.rate != 1:
            slope *= self.rate
        if self._kept_output:
            slope += at_zero
        else:
            xp.exp(slope, out=slope)
            slope *= at_zero
        if self.scale != at_zero:  # which it is so far where x is positive
            positive = xp.greater(kept, 0, out=self.spare(kept, bool, "mask"))
            step = self.spare(kept)
            xp.copyto(step, positive)
            step *= self.scale - at_zero
            slope += step
        slope *= dy
        return slope

    def backward_cuda(self, dy):
        (kept,) = self.saved_arrays
        return self._gradient_cuda("eluoutput" if self._kept_output else "elu", dy, kept)

    @property
    def _kept_output(self):
        return self._saved[0].source == -1


def _apply(op: Op, x: Tensor, inplace: bool) -> Tensor:
    return write(op, x) if inplace else op(x)


@tensor_method("sigmoid")
def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-x)). x: (*) -> y: (*).

    >>> Tensor([0.0]).sigmoid()
    Tensor([0.5])
    """
    return Sigmoid()(input)


@tensor_method("sigmoid_")
def sigmoid_(input: Tensor) -> Tensor:
    """sigmoid, in place."""
    return write(Sigmoid(), input)


@tensor_method("tanh")
def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent. x: (*) -> y: (*)."""
    return Tanh()(input)


@tensor_method("tanh_")
def tanh_(input: Tensor) -> Tensor:
    """tanh, in place."""
    return write(Tanh(), input)


def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(x)) = min(x, 0) - log(1 + exp(-|x|)), without overflow. x: (*) -> y: (*)."""
    return LogSigmoid()(input)


@casts(cuda="float32")
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """A smooth relu: log(1 + exp(beta * x)) / beta. x: (*) -> y: (*).

    Where beta * x is above ``threshold`` the answer is x.
    """
    if beta == 0:
        raise ValueError("softplus: beta must not be 0; got 0")
    return Softplus(beta, threshold)(input)


def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x). x: (*) -> y: (*)."""
    return Tanhshrink()(input)


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|). x: (*) -> y: (*)."""
    return Softsign()(input)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where positive, elsewhere alpha * (exp(x) - 1). x: (*) -> y: (*)."""
    return _apply(Elu(alpha), input, inplace)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """elu, in place."""
    return elu(input, alpha, True)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where positive, elsewhere alpha * (exp(x / alpha) - 1): slope 1 at 0. x: (*) -> y: (*)."""
    if alpha == 0:
        raise ZeroDivisionError("celu: alpha must not be 0; got 0")
    return _apply(Elu(alpha, 1.0, 1 / alpha), input, inplace)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """celu, in place."""
    return celu(input, alpha, True)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """1.0507 * elu(x, alpha=1.6733): keeps mean 0 and variance 1 across layers. x: (*) -> y: (*).

    Klambauer et al., Self-Normalizing Neural Networks, 2017.
    """
    return _apply(Elu(_SELU_ALPHA, _SELU_SCALE), input, inplace)


def selu_(input: Tensor) -> Tensor:
    """selu, in place."""
    return selu(input, True)


_cases = [Case([(3, 4)]), Case([(2, 3, 2, 2)], low=-8, high=8), Case([()]), Case([(0, 3)])]


def _with(**kwargs: Any) -> list[Case]:
    return [Case(c.shapes, kwargs, c.low, c.high) for c in _cases]


def _elu_reference(np: Any, x: Any, alpha: float = 1.0, scale: float = 1.0, rate: Any = 1) -> Any:
    return scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) * rate))


spec(
    sigmoid,
    cases=[*_cases, Case([(5,)], low=-100, high=100)],
    reference=lambda np, x: 1 / (1 + np.exp(-x)),
)
spec(tanh, cases=_cases, reference=lambda np, x: np.tanh(x))
spec(
    logsigmoid,
    cases=[*_cases, Case([(5,)], low=-100, high=100)],
    reference=lambda np, x: -np.logaddexp(0, -x),
)
spec(
    softplus,
    cases=[*_cases, *_with(beta=2.0), Case([(5,)], low=80, high=100)],
    reference=lambda np, x, beta=1.0: np.logaddexp(0, beta * x) / beta,
    errors=[(Case([(2,)], {"beta": 0}), ValueError, "softplus: beta must not be 0; got 0")],
)
spec(tanhshrink, cases=_cases, reference=lambda np, x: x - np.tanh(x))
spec(softsign, cases=_cases, reference=lambda np, x: x / (1 + np.abs(x)))
spec(elu, cases=[*_cases, *_with(alpha=0.7)], reference=_elu_reference)
spec(
    celu,
    cases=[*_cases, *_with(alpha=0.7)],
    reference=lambda np, x, alpha=1.0: _elu_reference(np, x, alpha, 1.0, 1 / alpha),
)
spec(
    selu,
    cases=_cases,
    reference=lambda np, x: _elu_reference(np, x, _SELU_ALPHA, _SELU_SCALE),
)
