"""The largest and the smallest: of all elements, along dimensions, and where they are."""

from __future__ import annotations

from typing import Any

from lucid.errors import DimensionError, ShapeError
from lucid.op import Dims, Op, ValuesIndices, dimensions, undo_reduction, whole
from lucid.spec import REDUCTIONS, Case, as_axis, spec
from lucid.tensor import Tensor, tensor_method

__all__ = [
    "amax",
    "amin",
    "argmax",
    "argmin",
    "max",
    "median",
    "min",
]


class Extremum(Op):
    """amax or amin: where several elements are largest, they share the gradient."""

    function: str
    axes: Any = None
    keepdim: bool = False

    def forward(self, x):
        y = getattr(x, self.function)(self.axes, keepdims=self.keepdim)
        self.save(x, y)
        return y

    def backward(self, dy):
        x, y = self.saved
        shape = self.shapes[0]
        top = undo_reduction(y, shape, self.axes, self.keepdim)
        where = ((x == top) | (x.isnan() & top.isnan())).to(dy.dtype)  # a NaN is chosen if there
        count = where.sum(self.axes, keepdim=True)
        return undo_reduction(dy, shape, self.axes, self.keepdim) * (where / count)


class Arg(Op):
    function: str
    axis: int | None
    keepdim: bool
    differentiable = False

    def forward(self, x):
        return getattr(self.xp, self.function)(x, self.axis, keepdims=self.keepdim)


def _need_elements(name: str, x: Tensor, axes: tuple[int, ...] | None) -> None:
    if 0 in (x.shape if axes is None else [x.shape[i] for i in axes]):
        raise DimensionError(f"{name}: nothing to choose from; got shape {x.shape}")


@tensor_method("amax")
def amax(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The largest element, of all or along ``dim``; equal ones share the gradient."""
    axes = dimensions("amax", dim, input.ndim)
    _need_elements("amax", input, axes)
    return Extremum("max", axes, keepdim)(input)


@tensor_method("amin")
def amin(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The smallest element, of all or along ``dim``; equal ones share the gradient."""
    axes = dimensions("amin", dim, input.ndim)
    _need_elements("amin", input, axes)
    return Extremum("min", axes, keepdim)(input)


def _choose(name: str, function: str, x: Tensor, dim: Any, keepdim: bool) -> Any:
    """max and min: of all elements, along a dimension with indices, or of two tensors."""
    if isinstance(dim, Tensor):
        return getattr(x, f"{name}imum")(dim)
    if dim is None:
        _need_elements(name, x, None)
        return Extremum(name, None, False)(x)
    axes = dimensions(name, whole(name, "dim", dim), x.ndim)
    _need_elements(name, x, axes)
    if axes is None:
        return ValuesIndices(x.clone(), Arg(function, None, False)(x))
    indices = Arg(function, axes[0], True)(x)
    values = x.gather(axes[0], indices)
    if not keepdim:
        values, indices = values.squeeze(axes[0]), indices.squeeze(axes[0])
    return ValuesIndices(values, indices)


@tensor_method("max")
def max(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Tensor | None = None
) -> Any:
    """The largest element; along ``dim`` a (values, indices) pair; of two tensors, maximum.

    >>> lucid.tensor([[1.0, 3.0], [5.0, 2.0]]).max(dim=1).indices
    Tensor([1, 0])
    """
    return _choose("max", "argmax", input, dim if other is None else other, keepdim)


@tensor_method("min")
def min(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Tensor | None = None
) -> Any:
    """The smallest element; along ``dim`` a (values, indices) pair; of two tensors, minimum."""
    return _choose("min", "argmin", input, dim if other is None else other, keepdim)


def _arg(name: str, x: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    axes = dimensions(name, dim, x.ndim)
    _need_elements(name, x, axes)
    return Arg(name, None if axes is None else axes[0], keepdim and axes is not None)(x)


@tensor_method("argmax")
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the largest element is: its flat index, or its index along ``dim``. The first wins."""
    return _arg("argmax", input, dim, keepdim)


@tensor_method("argmin")
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the smallest element is: its flat index, or its index along ``dim``. The first wins."""
    return _arg("argmin", input, dim, keepdim)


@tensor_method("median")
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle element (the lower of two); along ``dim`` a (values, indices) pair. NaN stays."""
    if dim is not None and input.ndim == 0:
        dimensions("median", dim, 0)
        values, indices = median(input.reshape(1), 0)
        return ValuesIndices(values, indices)
    if dim is None:
        return _median_of_all(input)
    axes = dimensions("median", dim, input.ndim)
    _need_elements("median", input, axes)
    axis = 0 if axes is None else axes[0]
    middle = (input.shape[axis] - 1) // 2
    indices = input.detach().sort(axis, stable=True)[1].narrow(axis, middle, 1)
    if input.is_floating_point():
        lost = input.detach().isnan()  # sorted to the end, but one is enough
        indices = lost.long().argmax(axis, True).where(lost.any(axis, True), indices)
    values = input.gather(axis, indices)
    if not keepdim:
        values, indices = values.squeeze(axis), indices.squeeze(axis)
    return ValuesIndices(values, indices)


def _median_of_all(x: Tensor) -> Tensor:
    """The middle of all elements; equal ones share its gradient. Of none, and of NaN, NaN."""
    plain = x.detach().reshape(-1)
    if not plain.numel():
        if not x.is_floating_point():
            _need_elements("median", x, None)
        return x.sum() + float("nan")
    value = plain.sort(0)[0].select(0, (plain.numel() - 1) // 2)
    if not x.is_floating_point():
        return value
    lost = plain.isnan().any()
    value = plain.new_full((), float("nan")).where(lost, value)
    if not x.requires_grad:
        return value
    same = ((x == value) | (x.isnan() & lost)).detach()
    return x.masked_fill(~same, float("-inf")).amax()


spec(
    amax,
    cases=REDUCTIONS,
    reference=lambda np, x, dim=None, keepdim=False: x.max(as_axis(dim), keepdims=keepdim),
    errors=[(Case([(0,)]), ShapeError, "amax: nothing to choose from")],
)


spec(
    amin,
    cases=REDUCTIONS,
    reference=lambda np, x, dim=None, keepdim=False: x.min(as_axis(dim), keepdims=keepdim),
)


spec(
    argmax,
    cases=[Case([(3, 4)]), Case([(3, 4)], {"dim": 1}), Case([(3, 4)], {"dim": 0, "keepdim": True})],
    reference=lambda np, x, dim=None, keepdim=False: np.argmax(x, dim, keepdims=keepdim),
    differentiable=False,
)


spec(
    argmin,
    cases=[Case([(3, 4)]), Case([(3, 4)], {"dim": 1})],
    reference=lambda np, x, dim=None, keepdim=False: np.argmin(x, dim, keepdims=keepdim),
    differentiable=False,
)
