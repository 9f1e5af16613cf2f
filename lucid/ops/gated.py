"""Activations that multiply x by a smooth gate between 0 and 1: gelu, silu, mish, glu."""

from __future__ import annotations

import math
from typing import Any

from lucid.backend.cpu import blockwise
from lucid.errors import DimensionError, ShapeError
from lucid.op import Op
from lucid.op import inplace as write
from lucid.op.pointwise import Pointwise
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = ["gelu", "glu", "mish", "silu"]


class Gelu(Pointwise):
    """x times the normal distribution function of x."""

    block = blockwise.LONG

    def value(self, x, out=None):
        y = self.device.erf(self.xp.multiply(x, math.sqrt(0.5), out=self.spare(x)))
        y += 1
        y *= x
        return self.xp.multiply(y, 0.5, out=out)

    def gradient(self, dy, x):
        below = ((x * math.sqrt(0.5)).erf() + 1) * 0.5
        density = (x * x * -0.5).exp() * (1 / math.sqrt(2 * math.pi))
        return dy * (below + x * density)

    def gradient_array(self, dy, x, out=None):
        xp, density = self.xp, self.spare(x, None, "density")
        xp.multiply(x, x, out=density)
        density *= -0.5
        xp.exp(density, out=density)
        density *= x
        density *= 1 / math.sqrt(2 * math.pi)
        slope = self.device.erf(xp.multiply(x, math.sqrt(0.5), out=self.spare(x)))
        slope += 1
        slope *= 0.5
        slope += density
        return xp.multiply(slope, dy, out=out)


class GeluTanh(Pointwise):
    """0.5 x (1 + tanh(a (x + b x³))): gelu to within 5e-4."""

    a = math.sqrt(2 / math.pi)
    b = 0.044715

    def value(self, x, out=None):
        y = x * x
        y *= self.a * self.b
        y += self.a
        y *= x
        y = self.xp.tanh(y)
        y += 1
        y *= x
        return self.xp.multiply(y, 0.5, out=out)

    def gradient(self, dy, x):
        square = x * x
        t = ((square * (self.a * self.b) + self.a) * x).tanh()
        inner = square * (3 * self.a * self.b) + self.a
        return dy * (((1 - t * t) * inner * x + t + 1) * 0.5)


class Silu(Pointwise):
    """x sigmoid(x)."""

    block = blockwise.LONG

    def value(self, x, out=None):
        xp, y = self.xp, self.spare(x)
        xp.exp(xp.negative(x, out=y), out=y)
        y += 1
        return xp.divide(x, y, out=out)

    def gradient(self, dy, x):
        s = x.sigmoid()
        return dy * (s * (x * (1 - s) + 1))

    def gradient_array(self, dy, x, out=None):
        xp, s = self.xp, self.spare(x)
        xp.exp(xp.negative(x, out=s), out=s)
        s += 1
        xp.reciprocal(s, out=s)
        slope = xp.subtract(1, s, out=out)
        slope *= x
        slope += 1
        slope *= s
        slope *= dy
        return slope


class Mish(Pointwise):
    """x tanh(softplus(x)); with n = e^x that is x m / (m + 2), m = n (n + 2)."""

    def value(self, x, out=None):
        xp = self.xp
        n = xp.exp(xp.minimum(x, 20))  # above 20 the quotient is 1 to the last bit of a double
        m = n * (n + 2)
        y = m / (m + 2)
        return xp.multiply(y, x, out=out)

    def gradient(self, dy, x):
        n = x.clamp(max=20.0).exp()
        m = n * (n + 2)
        t = m / (m + 2)
        return dy * (t + x * (1 - t * t) * (n / (n + 1)))


def _apply(op: Op, x: Tensor, inplace: bool) -> Tensor:
    return write(op, x) if inplace else op(x)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x times the probability that a normal variable is below x. x: (*) -> y: (*).

    ``approximate="tanh"`` writes that probability with tanh. Hendrycks and Gimpel, Gaussian Error
    Linear Units, 2016.
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f'gelu: approximate must be "none" or "tanh"; got {approximate!r}')
    return Gelu()(input) if approximate == "none" else GeluTanh()(input)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x * sigmoid(x), also called swish. x: (*) -> y: (*)."""
    return _apply(Silu(), input, inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * tanh(softplus(x)). x: (*) -> y: (*). Misra, Mish, 2019."""
    return _apply(Mish(), input, inplace)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a * sigmoid(b), where a and b are the halves of x along ``dim``. (*, 2N, *) -> (*, N, *).

    Dauphin et al., Language Modeling with Gated Convolutional Networks, 2016.
    """
    n = input.ndim
    if not -n <= dim < n:
        raise DimensionError(
            f"glu: dim must be in [{-n}, {n - 1}] for a tensor of shape {input.shape}; got {dim}"
        )
    if input.shape[dim] % 2:
        raise ShapeError(
            f"glu: dimension {dim} must have an even size; got {input.shape[dim]} in shape"
            f" {input.shape}"
        )
    half = input.shape[dim] // 2
    return input.narrow(dim, 0, half) * input.narrow(dim, half, half).sigmoid()


_cases = [Case([(3, 4)]), Case([(2, 3, 2, 2)], low=-8, high=8), Case([()]), Case([(0, 3)])]


def _with(**kwargs: Any) -> list[Case]:
    return [Case(c.shapes, kwargs, c.low, c.high) for c in _cases]


def _gelu_reference(np: Any, x: Any, approximate: str = "none") -> Any:
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + np.vectorize(math.erf, otypes=["f8"])(x / np.sqrt(2)))


spec(
    gelu,
    cases=[*_cases, *_with(approximate="tanh")],
    reference=_gelu_reference,
    errors=[
        (Case([(2,)], {"approximate": "erf"}), ValueError, "gelu: approximate must be .* got 'erf'")
    ],
)
spec(silu, cases=_cases, reference=lambda np, x: x / (1 + np.exp(-x)))
spec(
    mish,
    cases=[*_cases, Case([(5,)], low=-100, high=100)],
    reference=lambda np, x: x * np.tanh(np.logaddexp(0, x)),
)
spec(
    glu,
    cases=[Case([(3, 4)]), Case([(2, 4, 3)], {"dim": 1}), Case([(0, 2)])],
    reference=lambda np, x, dim=-1: np.split(x, 2, dim)[0] / (1 + np.exp(-np.split(x, 2, dim)[1])),
    errors=[(Case([(3, 3)]), ShapeError, "glu: dimension -1 must have an even size; got 3")],
)
