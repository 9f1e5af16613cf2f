"""Averages, spreads and norms."""

from __future__ import annotations

from typing import Any

from lucid import dtypes
from lucid.errors import DTypeError
from lucid.op import Dims, Op, casts, dimensions, explained, floating, undo_reduction
from lucid.spec import REDUCTIONS, Case, as_axis, spec
from lucid.tensor import Tensor, tensor_method

__all__ = [
    "logsumexp",
    "mean",
    "norm",
    "std",
    "std_mean",
    "var",
    "var_mean",
]


class Mean(Op):
    axes: Any = None
    keepdim: bool = False

    def forward(self, x):
        return x.mean(self.axes, keepdims=self.keepdim)

    def backward(self, dy):
        shape = self.shapes[0]
        n = 1
        for i, size in enumerate(shape):
            if self.axes is None or i in self.axes:
                n *= size
        return undo_reduction(dy / n, shape, self.axes, self.keepdim)


def _convert(x: Tensor, dtype: Any) -> Tensor:
    return x if dtype is None else x.to(dtype)


@tensor_method("mean")
def mean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The average of all elements or along ``dim``; NaN of nothing. Floating point only.

    x: (*) -> y: () or x's shape without the reduced dimensions.
    """
    input = _convert(input, dtype)
    floating("mean", "tensor", input)
    axes = dimensions("mean", dim, input.ndim)
    count = 1
    for i, n in enumerate(input.shape):
        if axes is None or i in axes:
            count *= n
    if count == 0:
        return input.sum(axes, keepdim) / 0.0
    return Mean(axes, keepdim)(input)


@tensor_method("var")
@casts(cuda="own")
def var(
    input: Tensor,
    dim: Dims = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """The variance: squared distance from the mean, summed and divided by n - correction.

    x: (*) -> y: () or x's shape without the reduced dimensions. correction is 1 by default
    (0 with ``unbiased=False``).
    """
    floating("var", "tensor", input)
    if isinstance(dim, bool):  # var(False), an old form: the flag alone
        return var(input, None, dim, keepdim, correction=correction)
    if correction is None:
        correction = 1 if unbiased else 0
    axes = dimensions("var", dim, input.ndim)
    away = input - input.mean(axes, keepdim=True)
    n = 1
    for i, size in enumerate(input.shape):
        if axes is None or i in axes:
            n *= size
    left = n - correction
    return (away * away).sum(axes, keepdim) / (left if left > 0 else 0.0)


@tensor_method("std")
@explained
def std(
    input: Tensor,
    dim: Dims = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """The standard deviation: the square root of ``var`` with the same arguments.

    Where all elements are equal the slope is taken as 0.
    """
    return _root(var(input, dim, unbiased, keepdim, correction=correction))


def _root(squares: Tensor) -> Tensor:
    """The square root with slope 0 at 0, where its own is infinite."""
    if not squares.requires_grad:
        return squares.sqrt()
    zero = squares == 0
    if not bool(zero.any()):
        return squares.sqrt()
    return squares.masked_fill(zero, 1.0).sqrt().masked_fill(zero, 0.0)


def var_mean(
    input: Tensor, dim: Dims = None, *, correction: float = 1, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    """The variance and the mean."""
    return var(input, dim, keepdim=keepdim, correction=correction), mean(input, dim, keepdim)


def std_mean(
    input: Tensor, dim: Dims = None, *, correction: float = 1, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    """The standard deviation and the mean."""
    return std(input, dim, keepdim=keepdim, correction=correction), mean(input, dim, keepdim)


@tensor_method("logsumexp")
@casts(cuda="float32")
def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """log(sum(exp(x))) along ``dim``, without overflow.

    x: (*) -> y: x's shape without the reduced dimensions.
    """
    axes = dimensions("logsumexp", dim, input.ndim)
    if not input.is_floating_point():
        input = input.to(dtypes.get_default_dtype())
    if not input.numel():
        return input.exp().sum(axes, keepdim).log()  # of no elements: -inf
    top = input.detach().amax(axes, keepdim=True)
    top = top.masked_fill(~top.isfinite(), 0.0)
    y = (input - top).exp().sum(axes, keepdim=True).log() + top
    if keepdim:
        return y
    kept = tuple(n for i, n in enumerate(input.shape) if axes is not None and i not in axes)
    return y.reshape(kept)


@tensor_method("norm")
@casts(cuda="float32")
def norm(
    input: Tensor,
    p: float | str | None = "fro",
    dim: Dims = None,
    keepdim: bool = False,
    dtype: Any = None,
) -> Tensor:
    """The p-norm (sum |x|^p)^(1/p), of all elements or along ``dim``; p may be inf or "fro" (2)."""
    input = _convert(input, dtype)
    if p in (None, "fro", 2):
        return _root((input * input).sum(dim, keepdim))
    if isinstance(p, str):
        raise ValueError(f'norm: p must be a number, inf or "fro"; got {p!r}')
    size = input.abs()
    if p == float("inf"):
        return size.amax(dim, keepdim)
    if p == -float("inf"):
        return size.amin(dim, keepdim)
    if p == 0:
        return (input != 0).to(input.dtype).sum(dim, keepdim)
    if p == 1:
        return size.sum(dim, keepdim)
    return (size**p).sum(dim, keepdim) ** (1 / p)


spec(
    mean,
    cases=REDUCTIONS,
    reference=lambda np, x, dim=None, keepdim=False: x.mean(as_axis(dim), keepdims=keepdim),
    errors=[(Case([(2,)], dtypes=("int64",)), DTypeError, "mean: the tensor must be floating")],
)


spec(
    var,
    cases=REDUCTIONS[:-1],
    reference=lambda np, x, dim=None, keepdim=False: x.var(as_axis(dim), keepdims=keepdim, ddof=1),
)


spec(
    std,
    cases=REDUCTIONS[:-1],
    reference=lambda np, x, dim=None, keepdim=False: x.std(as_axis(dim), keepdims=keepdim, ddof=1),
)


spec(
    logsumexp,
    cases=[
        Case([(3, 4)], {"dim": 1}),
        Case([(3, 4)], {"dim": (0, 1)}),
        Case([(4,)], {"dim": 0}, low=90, high=100),
    ],
    reference=lambda np, x, dim: np.log(np.exp(x).sum(dim)),
)


spec(
    norm,
    cases=[
        Case([(3, 4)]),
        Case([(3, 4)], {"dim": 1}),
        Case([(3, 4)], {"p": 1, "dim": 0}),
        Case([(3, 4)], {"p": 3, "dim": 0}),
    ],
    reference=lambda np, x, p=2, dim=None: (np.abs(x) ** p).sum(dim) ** (1 / p),
)
