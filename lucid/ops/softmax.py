"""softmax: exp(x) / sum(exp(x)) along a dimension, its logarithm, and softmin.

The largest element is subtracted first, so that exp cannot overflow. Both gradients are closed
forms of the output y:

    softmax        dx = y (dy - sum(y dy))
    log_softmax    dx = dy - exp(y) sum(dy)
"""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

from lucid.backend.cpu import rows
from lucid.backend.cpu import softmax as cpu
from lucid.errors import DimensionError
from lucid.op import Op, casts
from lucid.spec import Case, spec
from lucid.tensor import Tensor, tensor_method

__all__ = ["log_softmax", "softmax", "softmin"]


class _AlongAxis(Op):
    """y = value(x), dx = slope(dy, y) along one axis; on the CPU by blocks of whole rows."""

    axis: int
    to_float = True
    logarithm: ClassVar[bool] = False

    def value(self, x, axis):
        raise NotImplementedError

    def slope(self, dy, y, axis):
        raise NotImplementedError

    def forward(self, x):
        y = self.value(x, self.axis) if x.size and x.ndim else self.value(x.reshape(-1, 1), 1)
        if y.shape != x.shape:
            y = y.reshape(x.shape)
        self.save(y)
        return y

    def forward_cpu(self, x):
        if cpu.rows_of(self.axis, x):
            y = cpu.softmax(x, self.logarithm)
        else:
            y = rows.apply(self.value, (x,), self.axis)
        self.save(y)
        return y

    def backward_cpu(self, dy):
        (y,) = self.saved_arrays
        if cpu.rows_of(self.axis, dy, y):
            return cpu.gradient(dy, y, self.logarithm)
        return rows.apply(self.slope, (dy, y), self.axis)

    def forward_cuda(self, x):
        y = self.device.kernels.softmax(x, self.axis, self.logarithm)
        self.save(y)
        return y

    def backward_cuda(self, dy):
        (y,) = self.saved_arrays
        return self.device.kernels.softmax_gradient(dy, y, self.axis, self.logarithm)


class Softmax(_AlongAxis):
    def value(self, x, axis):
        y = x - x.max(axis, keepdims=True)
        self.xp.exp(y, out=y)
        y /= y.sum(axis, keepdims=True)
        return y

    def backward(self, dy):
        (y,) = self.saved
        weighted = dy * y
        return weighted - y * weighted.sum(self.axis, keepdim=True)

    def slope(self, dy, y, axis):
        dx = dy * y
        total = dx.sum(axis, keepdims=True)
        dx -= y * total
        return dx


class LogSoftmax(_AlongAxis):
    logarithm = True

    def value(self, x, axis):
        y = x - x.max(axis, keepdims=True)
        y -= self.xp.log(self.xp.exp(y).sum(axis, keepdims=True))
        return y

    def backward(self, dy):
        (y,) = self.saved
        return dy - y.exp() * dy.sum(self.axis, keepdim=True)

    def slope(self, dy, y, axis):
        dx = self.xp.exp(y)
        dx *= dy.sum(axis, keepdims=True)
        return self.xp.subtract(dy, dx, out=dx)


def _prepare(name: str, x: Tensor, dim: int | None, dtype: Any) -> tuple[Tensor, int]:
    n = max(x.ndim, 1)
    if dim is None:
        dim = 0 if x.ndim in (0, 1, 3) else 1
        warnings.warn(f"{name}: no dim given; {dim} was chosen. Hint: {name}(x, dim={dim})")
    if not -n <= dim < n:
        raise DimensionError(
            f"{name}: dim must be in [{-n}, {n - 1}] for a tensor of shape {x.shape}; got {dim}"
        )
    return (x if dtype is None else x.to(dtype)), dim % n


@tensor_method("softmax")
@casts(cuda="float32")
def softmax(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """exp(x) / sum(exp(x)) along ``dim``: positive numbers that add up to 1. x: (*) -> y: (*).

    ``dtype`` converts x first. -inf becomes 0; if all are -inf the answer is NaN.

    >>> lucid.softmax(lucid.zeros(2, 4), dim=1)[0]
    Tensor([0.25, 0.25, 0.25, 0.25])
    """
    x, axis = _prepare("softmax", input, dim, dtype)
    return Softmax(axis)(x)


@tensor_method("log_softmax")
@casts(cuda="float32")
def log_softmax(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """x - log(sum(exp(x))) along ``dim``: the logarithm of softmax, exact. x: (*) -> y: (*)."""
    x, axis = _prepare("log_softmax", input, dim, dtype)
    return LogSoftmax(axis)(x)


@casts(cuda="float32")
def softmin(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """softmax(-x) along ``dim``. x: (*) -> y: (*)."""
    x, axis = _prepare("softmin", input, dim, dtype)
    return Softmax(axis)(-x)


_cases = [
    Case([(3, 4)], {"dim": 1}),
    Case([(2, 3, 4)], {"dim": 0}),
    Case([(2, 3, 4)], {"dim": -2}),
    Case([(5,)], {"dim": 0}, low=-1000, high=1000),
    Case([()], {"dim": 0}),
    Case([(0, 3)], {"dim": 1}),
    Case([(3, 0)], {"dim": 1}),
]


def _reference(np: Any, x: Any, dim: int, sign: int = 1) -> Any:
    if x.ndim == 0:
        return x * 0 + 1
    e = np.exp(sign * x - (sign * x).max(dim, keepdims=True, initial=-np.inf))
    return e / e.sum(dim, keepdims=True)


def _log_reference(np: Any, x: Any, dim: int) -> Any:
    if x.ndim == 0 or not x.size:
        return x * 0
    z = x - x.max(dim, keepdims=True, initial=-np.inf)
    return z - np.log(np.exp(z).sum(dim, keepdims=True))


_refused = (Case([(2, 3)], {"dim": 2}), IndexError, r"softmax: dim must be in \[-2, 1\].*got 2")
spec(softmax, cases=_cases, reference=_reference, errors=[_refused])
spec(log_softmax, cases=_cases, reference=_log_reference, errors=[_refused])
spec(softmin, cases=_cases, reference=lambda np, x, dim: _reference(np, x, dim, -1))
