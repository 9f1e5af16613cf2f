"""Reductions: many elements to one, along some dimensions or all."""

from __future__ import annotations

from typing import Any

from lucid import dtypes
from lucid.op import Dims, Op, casts, dimensions, undo_reduction
from lucid.spec import REDUCTIONS, Case, as_axis, spec
from lucid.tensor import Tensor, tensor_method

__all__ = [
    "all",
    "any",
    "count_nonzero",
    "prod",
    "sum",
]


class Sum(Op):
    axes: Any = None
    keepdim: bool = False

    def forward(self, x):
        if x.dtype.kind in "biu":
            return x.sum(self.axes, keepdims=self.keepdim, dtype=dtypes.int64.numpy)
        return x.sum(self.axes, keepdims=self.keepdim)

    def backward(self, dy):
        return undo_reduction(dy, self.shapes[0], self.axes, self.keepdim)


class SumToSize(Op):
    """Undo a broadcast: sum over the dimensions in which ``shape`` is shorter."""

    shape: tuple

    def forward(self, x):
        extra = x.ndim - len(self.shape)
        axes = tuple(
            i
            for i in range(x.ndim)
            if i < extra or (self.shape[i - extra] == 1 and x.shape[i] != 1)
        )
        kind = dtypes.int64.numpy if x.dtype.kind in "biu" else None
        return x.sum(axes, keepdims=True, dtype=kind).reshape(self.shape)

    def backward(self, dy):
        return dy.expand(self.shapes[0])


class Prod(Op):
    axes: Any = None
    keepdim: bool = False

    def forward(self, x):
        self.save(x)
        if x.dtype.kind in "biu":
            return x.prod(self.axes, keepdims=self.keepdim, dtype=dtypes.int64.numpy)
        return x.prod(self.axes, keepdims=self.keepdim)

    def backward(self, dy):
        """dy times the product of all other elements: y / x, or, where zeros forbid that, a
        square of copies of x with ones on its diagonal, multiplied up by rows."""
        (x,) = self.saved
        axes = tuple(range(x.ndim)) if self.axes is None else self.axes
        spread = undo_reduction(dy, self.shapes[0], self.axes, self.keepdim)
        if x.ndim == 0:
            return dy
        if not (x == 0).any():
            return spread * (Prod(axes, True)(x) / x)
        order = tuple(i for i in range(x.ndim) if i not in axes) + axes
        rows = x.permute(order)
        flat = rows.flatten(x.ndim - len(axes)) if len(axes) > 1 else rows
        n = flat.shape[-1]
        diagonal = self.wrap(self.xp.eye(n, dtype=bool))
        square = flat.unsqueeze(-2).expand((*flat.shape, n)).masked_fill(diagonal, 1.0)
        others = Prod((square.ndim - 1,))(square).reshape(rows.shape)
        return spread * others.permute([order.index(i) for i in range(x.ndim)])


class Truth(Op):
    function: str
    axes: Any
    keepdim: bool
    differentiable = False

    def forward(self, x):
        return getattr(self.xp, self.function)(x.astype(bool), self.axes, keepdims=self.keepdim)


def _convert(x: Tensor, dtype: Any) -> Tensor:
    return x if dtype is None else x.to(dtype)


@tensor_method("sum")
@casts(cuda="float32")
def sum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Add up the elements, all of them or along ``dim``. Integers add up to int64.

    x: (*) -> y: () or x's shape without the reduced dimensions (1 there with ``keepdim``).

    >>> lucid.ones(2, 3).sum(dim=1)
    Tensor([3., 3.])
    """
    y = Sum(dimensions("sum", dim, input.ndim), keepdim)(_convert(input, dtype))
    return _convert(y, dtype)


@tensor_method("sum_to_size")
def _sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """Sum over broadcast dimensions until the shape is ``size``."""
    shape = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
    return self if self.shape == shape != () else SumToSize(shape)(self)


@tensor_method("prod")
@casts(cpu="float32", cuda="float32")
def prod(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Multiply the elements, all of them or along ``dim``. The gradient is right at zeros too.

    x: (*) -> y: () or x's shape without the reduced dimensions.
    """
    y = Prod(dimensions("prod", dim, input.ndim), keepdim)(_convert(input, dtype))
    return _convert(y, dtype)


def _truth_axes(name: str, dim: Any, x: Tensor) -> Any:
    """The axes to reduce. () is none here, where sum and mean take it for all."""
    return () if dim == () or dim == [] else dimensions(name, dim, x.ndim)


@tensor_method("any")
def any(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether at least one element is nonzero, of all or along ``dim``; of no dims, each."""
    y = Truth("any", _truth_axes("any", dim, input), keepdim)(input)
    return y.to(dtypes.uint8) if input.dtype is dtypes.uint8 else y  # PyTorch's older bool


@tensor_method("all")
def all(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether every element is nonzero, of all or along ``dim``; of no dims, each."""
    y = Truth("all", _truth_axes("all", dim, input), keepdim)(input)
    return y.to(dtypes.uint8) if input.dtype is dtypes.uint8 else y  # PyTorch's older bool


@tensor_method("count_nonzero")
def count_nonzero(input: Tensor, dim: Dims = None) -> Tensor:
    """How many elements are nonzero, of all or along ``dim``."""
    return sum(input != 0, dim)


spec(
    sum,
    cases=[*REDUCTIONS, Case([(0, 3)], {"dim": 0})],
    reference=lambda np, x, dim=None, keepdim=False: x.sum(as_axis(dim), keepdims=keepdim),
    errors=[(Case([(2, 3)], {"dim": 2}), IndexError, r"sum: dim must be in \[-2, 1\].*got 2")],
)


spec(
    prod,
    cases=REDUCTIONS,
    reference=lambda np, x, dim=None, keepdim=False: x.prod(as_axis(dim), keepdims=keepdim),
)


spec(
    any,
    cases=REDUCTIONS,
    reference=lambda np, x, dim=None, keepdim=False: np.any(x, as_axis(dim), keepdims=keepdim),
    differentiable=False,
)


spec(
    all,
    cases=REDUCTIONS,
    reference=lambda np, x, dim=None, keepdim=False: np.all(x, as_axis(dim), keepdims=keepdim),
    differentiable=False,
)
