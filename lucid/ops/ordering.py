"""Sorting, the largest few, running sums."""

from __future__ import annotations

from typing import Any

from lucid import dtypes
from lucid.errors import ShapeError
from lucid.op import Op, ValuesIndices, casts, dimension, whole
from lucid.spec import Case, spec
from lucid.tensor import Tensor, tensor_method

__all__ = [
    "argsort",
    "bincount",
    "cumprod",
    "cumsum",
    "sort",
    "topk",
    "unique",
]


class ArgSort(Op):
    """Indices that sort, stably; equal elements keep their order, NaN counts as largest."""

    axis: int
    descending: bool
    differentiable = False

    def forward(self, x):
        xp = self.xp
        if not self.descending:
            return xp.argsort(x, self.axis, kind="stable")
        backwards = xp.argsort(xp.flip(x, self.axis), self.axis, kind="stable")
        return x.shape[self.axis] - 1 - xp.flip(backwards, self.axis)


class CumSum(Op):
    axis: int

    def forward(self, x):
        kind = self.xp.int64 if x.dtype.kind in "biu" else x.dtype
        if x.ndim == 0:  # NumPy would answer one dimension
            return x.astype(kind)
        return self.xp.cumsum(x, self.axis, dtype=kind)

    def backward(self, dy):
        if dy.ndim == 0:
            return dy
        return dy.flip(self.axis).cumsum(self.axis).flip(self.axis)


@tensor_method("sort")
def sort(
    input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False
) -> ValuesIndices:
    """The elements in order along ``dim``, and their indices; always stable. x: (*) -> (*), (*)."""
    axis = dimension("sort", dim, input.ndim)
    if input.ndim == 0:
        return ValuesIndices(input.clone(), input.long() * 0)
    indices = ArgSort(axis, descending)(input)
    return ValuesIndices(input.gather(axis, indices), indices)


@tensor_method("argsort")
def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The indices that put the elements in order along ``dim``; always stable."""
    dimension("argsort", dim, input.ndim)
    return sort(input, dim, descending).indices


@tensor_method("topk")
def topk(
    input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> ValuesIndices:
    """The ``k`` largest (or smallest) elements along ``dim``, in order, and their indices."""
    axis = dimension("topk", dim, input.ndim)
    k = whole("topk", "k", k)
    size = input.shape[axis] if input.ndim else 1
    if not 0 <= k <= size:
        raise ShapeError(
            f"topk: k must be in [0, {size}] for a tensor of shape {input.shape}; got {k}"
        )
    if input.ndim == 0:
        return sort(input)
    indices = ArgSort(axis, largest)(input).narrow(axis, 0, k)
    return ValuesIndices(input.gather(axis, indices), indices)


@tensor_method("cumsum")
@casts(cuda="float32")
def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Running sums along ``dim``; integers add up in int64. x: (*) -> y: (*)."""
    x = input if dtype is None else input.to(dtype)
    y = CumSum(dimension("cumsum", dim, x.ndim))(x)
    return y if dtype is None else y.to(dtype)


@tensor_method("cumprod")
@casts(cuda="float32")
def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Running products along ``dim``. x: (*) -> y: (*).

    The gradient is that of n products of at most n elements each: quadratic in the size of ``dim``.
    """
    x = input if dtype is None else input.to(dtype)
    if x.ndim == 0:
        dimension("cumprod", dim, 0)
        return x.prod(dtype=dtype)
    axis = dimension("cumprod", dim, x.ndim)
    if not x.requires_grad:
        y = CumProd(axis)(x)
        return y if dtype is None else y.to(dtype)
    last = x.movedim(axis, -1)
    n = last.shape[-1]
    ahead = Tensor._wrap(x._device.xp.triu(x._device.xp.ones((n, n), dtype=bool), 1), x._device)
    rows = last.unsqueeze(-2).expand((*last.shape, n)).masked_fill(ahead, 1.0)
    return rows.prod(-1).movedim(-1, axis)


class CumProd(Op):
    axis: int
    differentiable = False

    def forward(self, x):
        kind = self.xp.int64 if x.dtype.kind in "biu" else x.dtype
        return self.xp.cumprod(x, self.axis, dtype=kind)


@tensor_method("unique")
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different elements in ascending order; on request, where each went and how often.

    With ``dim`` the different slices along it, in the order of their elements.
    """
    xp, device = input._device.xp, input._device
    if dim is not None:
        axis = dimension("unique", dim, input.ndim)
        found = xp.unique(input._array, False, return_inverse, return_counts, axis)
        parts = found if isinstance(found, tuple) else (found,)
        slices = [Tensor._wrap(a.reshape(-1) if i else a, device) for i, a in enumerate(parts)]
        return tuple(slices) if isinstance(found, tuple) else slices[0]
    found = xp.unique(input._array, False, return_inverse, return_counts)
    if not isinstance(found, tuple):
        return Tensor._wrap(found, device)
    answers = [Tensor._wrap(a, device) for a in found]
    if return_inverse:
        answers[1] = answers[1].reshape(input.shape)
    return tuple(answers)


@tensor_method("bincount")
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each of 0, 1, 2, … stands in a vector of integers; or the sum of its weights."""
    if input.ndim != 1 or input.dtype.category != 1:
        raise ShapeError(
            f"bincount: expected a vector of integers; got {input.dtype} of shape {input.shape}"
        )
    w = None if weights is None else weights._array
    counts = Tensor._wrap(input._device.xp.bincount(input._array, w, minlength), input._device)
    single = weights is not None and weights.dtype is dtypes.float32
    if weights is not None and not input.numel():
        return counts.long()
    return counts.float() if single else counts


_shuffled = [Case([(3, 5)]), Case([(3, 5)], {"dim": 0})]
spec(sort, cases=_shuffled, differentiable=False)
spec(
    argsort,
    cases=_shuffled,
    reference=lambda np, x, dim=-1: np.argsort(x, dim, kind="stable"),
    differentiable=False,
)
spec(
    cumsum,
    cases=[Case([(3, 5)], {"dim": 1}), Case([(3, 5)], {"dim": 0})],
    reference=lambda np, x, dim: np.cumsum(x, dim),
)
spec(
    cumprod,
    cases=[Case([(3, 5)], {"dim": 1}), Case([(3, 5)], {"dim": 0})],
    reference=lambda np, x, dim: np.cumprod(x, dim),
)
