"""Reading and writing along one dimension by integer index."""

from __future__ import annotations

from typing import Any

from lucid.errors import DimensionError, DTypeError, ShapeError
from lucid.op import Op, casts, dimension, explained, inplace
from lucid.op.arguments import shown
from lucid.spec import Case, spec
from lucid.tensor import Tensor, tensor_method

__all__ = [
    "gather",
    "index_add",
    "index_copy",
    "index_fill",
    "index_select",
    "scatter",
    "scatter_add",
    "take_along_dim",
]


class Gather(Op):
    axis: int
    upcasts = promotes = False

    def forward(self, x, index):
        self.save(index)
        part = tuple(slice(n) if i != self.axis else slice(None) for i, n in enumerate(index.shape))
        return self.xp.take_along_axis(x[part], index, self.axis)

    def backward(self, dy):
        (index,) = self.saved
        zeros = self.wrap(self.xp.zeros(self.shapes[0], dy._array.dtype))
        return Scatter(self.axis, True)(zeros, index, dy), None


class Scatter(Op):
    """x with ``source`` written, or added, at ``index`` along one dimension."""

    axis: int
    accumulate: bool
    apart = (1,)

    def forward(self, x, index, source):
        self.save(index)
        y = x.copy() if self.out is None else self.out
        if isinstance(source, (int, float)):
            source = self.xp.full(index.shape, source, x.dtype)
        source = source[tuple(slice(n) for n in index.shape)]
        at = list(
            self.xp.meshgrid(
                *map(self.xp.arange, index.shape), indexing="ij", sparse=True, copy=False
            )
        )
        at[self.axis] = index
        if self.accumulate:
            self.device.scatter_add(y, tuple(at), source)
        else:
            y[tuple(at)] = source
        return y

    def backward(self, dy):
        (index,) = self.saved
        dx = (
            dy
            if self.accumulate or not self.needs[0]
            else Scatter(self.axis, False)(dy, index, 0.0)
        )
        dsource = None
        if self.needs[2]:
            dsource = Gather(self.axis)(dy, index)
            if dsource.shape != self.shapes[2]:
                whole = self.wrap(self.xp.zeros(self.shapes[2], dy._array.dtype))
                whole[tuple(slice(n) for n in index.shape)] = dsource
                dsource = whole
        return dx, None, dsource


def _check_index(name: str, x: Tensor, axis: int, index: Tensor) -> None:
    if not isinstance(index, Tensor) or index.dtype.category != 1:
        got = index.dtype if isinstance(index, Tensor) else shown(index)
        raise DTypeError(f"{name}: index must be an integer tensor; got {got}")
    # On a GPU nobody waits for the answer: there an index out of range wraps around.
    if index.numel() and index._device.type == "cpu":
        low, high = int(index._array.min()), int(index._array.max())
        size = x.shape[axis] if x.ndim else 1
        if not size:
            raise DimensionError(
                f"{name}: dim {axis} has no elements to index; got shape {x.shape}"
            )
        if low < 0 or high >= size:
            raise DimensionError(
                f"{name}: indices must be in [0, {size - 1}]; got {low if low < 0 else high}"
            )


@tensor_method("gather")
@explained
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """Pick along ``dim``: y[i][j] = x[index[i][j]][j] for dim 0. index: (*) -> y: (*).

    The gradient is dense; ``sparse_grad`` is accepted for PyTorch's sake.
    """
    axis = dimension("gather", dim, input.ndim)
    _check_index("gather", input, axis, index)
    beside = [i for i in range(input.ndim) if i != axis]
    if index.ndim != input.ndim or any(index.shape[i] > input.shape[i] for i in beside):
        raise ShapeError(
            f"gather: index must have the input's dimensions, beside dim {axis} no larger sizes;"
            f" got index {index.shape}, input {input.shape}"
        )
    if input.ndim == 0:
        return input.clone()
    return Gather(axis)(input, index)


def _check_slices(name: str, x: Tensor, axis: int, index: Tensor, source: Tensor) -> None:
    """``index`` and ``source`` as index_add and index_copy want them."""
    _check_index(name, x, axis, index)
    if index.ndim > 1:
        raise DimensionError(f"{name}: index must have one dimension; got shape {index.shape}")
    around = [n for i, n in enumerate(x.shape) if i != axis]
    given = [n for i, n in enumerate(source.shape) if i != axis]
    count = source.shape[axis] if axis < source.ndim else 1
    if source.ndim != x.ndim or around != given or count != index.numel():
        raise DimensionError(
            f"{name}: source must have x's shape, and in dim {axis} the size of index; got source"
            f" {source.shape}, x {x.shape}, index {index.shape}"
        )


def _check_source(name: str, x: Tensor, axis: int, index: Tensor, src: Any) -> None:
    """``index`` and ``src`` as scatter wants them: smaller than x beside ``axis``, and than src."""
    if src is None or isinstance(src, (str, list, tuple)):
        raise DTypeError(f"{name}: src must be a Tensor or a number; got {src!r:.60}")
    if not index.numel():
        return
    within = [n for i, n in enumerate(x.shape) if i != axis]
    inside = [n for i, n in enumerate(index.shape) if i != axis]
    fits = index.ndim == x.ndim and all(a <= b for a, b in zip(inside, within, strict=True))
    if not fits and max(index.ndim, x.ndim) > 1:
        raise ShapeError(
            f"{name}: index must have x's dimensions, and beside dim {axis} no larger sizes; got"
            f" index {index.shape}, x {x.shape}"
        )
    if isinstance(src, Tensor) and max(src.ndim, index.ndim) > 1:
        pairs = zip(index.shape, src.shape, strict=False)
        if src.ndim != index.ndim or any(a > b for a, b in pairs):
            raise ShapeError(
                f"{name}: src must be as large as index in each dimension; got src {src.shape},"
                f" index {index.shape}"
            )


@tensor_method("take_along_dim")
def take_along_dim(input: Tensor, indices: Tensor, dim: int) -> Tensor:
    """gather with NumPy's argument order."""
    return gather(input, dim, indices)


@tensor_method("scatter")
@explained
def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any, *, reduce: str | None = None
) -> Tensor:
    """A copy with ``src`` (tensor or number) written at ``index`` along ``dim``."""
    axis = dimension("scatter", dim, input.ndim)
    _check_index("scatter", input, axis, index)
    _check_source("scatter", input, axis, index, src)
    src = _number_for(input, src)
    if not index.numel():
        return input.clone()
    if not input.ndim:
        return scatter_(input.clone(), 0, index, src, reduce=reduce)
    return Scatter(axis, _accumulates(reduce))(input, index, src)


def _number_for(x: Tensor, src: Any) -> Any:
    """A number as x's dtype holds it: what is written is cast."""
    if isinstance(src, float) and not x.is_floating_point():
        return bool(src) if x.dtype.category == 0 else int(src)
    return src


def _accumulates(reduce: str | None) -> bool:
    if reduce not in (None, "add"):
        raise ValueError(f'scatter: reduce must be None or "add"; got {reduce!r}')
    return reduce == "add"


@tensor_method("scatter_add")
@casts(cuda="widest")
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """A copy with ``src`` added at ``index`` along ``dim``; what stands twice adds twice."""
    return scatter(input, dim, index, src, reduce="add")


@tensor_method("scatter_")
@explained
def scatter_(
    self: Tensor,
    dim: int,
    index: Tensor,
    src: Any = None,
    *,
    value: Any = None,
    reduce: str | None = None,
) -> Tensor:
    """scatter, in place."""
    axis = dimension("scatter_", dim, self.ndim)
    _check_index("scatter_", self, axis, index)
    src = value if src is None else src
    _check_source("scatter_", self, axis, index, src)
    src = _number_for(self, src)
    if not index.numel():
        return self
    if not self.ndim:  # a number is written to as the only element of a vector
        source = src.reshape(-1) if isinstance(src, Tensor) else src
        inplace(Scatter(0, _accumulates(reduce)), self.view(1), index.reshape(-1), source)
        return self
    return inplace(Scatter(axis, _accumulates(reduce)), self, index, src)


@tensor_method("scatter_add_")
@explained
def scatter_add_(self: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """scatter_add, in place."""
    if not isinstance(src, Tensor):
        raise DTypeError(f"scatter_add_: src must be a Tensor; got {shown(src)}")
    return scatter_(self, dim, index, src, reduce="add")


@tensor_method("index_select")
@explained
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices ``index`` (1-D) along ``dim``, as a copy."""
    axis = dimension("index_select", dim, input.ndim)
    _check_index("index_select", input, axis, index)
    if index.ndim > 1:
        raise DimensionError(f"index_select: index must have one dimension; got {index.shape}")
    return input[(*(slice(None),) * axis, index.reshape(-1))] if input.ndim else input.clone()


@tensor_method("index_add")
@explained
def index_add(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1
) -> Tensor:
    """A copy with the slices of ``source`` added to the slices ``index`` (1-D) along ``dim``."""
    return scatter(
        input, dim, *_slices("index_add", input, dim, index, source, alpha), reduce="add"
    )


@tensor_method("index_add_")
@explained
def index_add_(
    self: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1
) -> Tensor:
    """index_add, in place."""
    return scatter_(
        self, dim, *_slices("index_add_", self, dim, index, source, alpha), reduce="add"
    )


@tensor_method("index_copy")
@explained
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """A copy with the slices ``index`` (1-D) along ``dim`` replaced by those of ``source``."""
    return input.clone().index_copy_(dim, index, source)


@tensor_method("index_copy_")
@explained
def index_copy_(self: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """index_copy, in place."""
    if source.dtype is not self.dtype:
        raise DTypeError(f"index_copy_: source must be {self.dtype}; got {source.dtype}")
    at = _at("index_copy_", self, dim, index)
    if self.ndim:
        _check_slices("index_copy_", self, dimension("index_copy_", dim, self.ndim), index, source)
    if self.ndim and index.numel():
        self[at] = source
    elif not self.ndim:
        self.copy_(source.reshape(()))
    return self


@tensor_method("index_fill")
@explained
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """A copy with ``value`` in the slices ``index`` (1-D) along ``dim``."""
    return input.clone().index_fill_(dim, index, value)


@tensor_method("index_fill_")
@explained
def index_fill_(self: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """index_fill, in place."""
    at = _at("index_fill_", self, dim, index)
    if index.ndim > 1:
        raise ShapeError(f"index_fill_: index must have one dimension; got shape {index.shape}")
    if self.ndim and index.numel() and self.numel():
        self[at] = value
    elif not self.ndim and index.numel():
        self.fill_(value)
    return self


def _at(name: str, x: Tensor, dim: int, index: Tensor) -> tuple:
    axis = dimension(name, dim, x.ndim)
    _check_index(name, x, axis, index)
    return *(slice(None),) * axis, index


def _slices(
    name: str, x: Tensor, dim: int, index: Tensor, source: Tensor, alpha: float
) -> tuple[Tensor, Tensor]:
    """A 1-D index of slices as the index of every element of ``source``."""
    axis = dimension(name, dim, x.ndim)
    _check_index(name, x, axis, index)
    if x.ndim:
        _check_slices(name, x, axis, index, source)
    lined = index.reshape([-1 if i == axis else 1 for i in range(source.ndim)])
    return lined.expand(source.shape), source if alpha == 1 else source * alpha


spec(
    take_along_dim,
    cases=[
        Case([(3, 4), (2, 4)], {"dim": 0}, low=0, high=3, dtypes=("float32", "int64")),
        Case([(3, 4), (3, 2)], {"dim": 1}, low=0, high=4, dtypes=("float32", "int64")),
    ],
    reference=lambda np, x, i, dim: np.take_along_axis(x[:, :4], i, dim),
)
