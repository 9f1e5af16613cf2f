"""Parts of a tensor, and tensors beside each other, by older and shorter names.

tensor_split cuts at places; hsplit, vsplit, dsplit along columns, rows, depth; dstack,
column_stack join; atleast_1d … add dimensions; fliplr, flipud, rot90 turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from lucid.errors import DTypeError, ShapeError
from lucid.op import dimension
from lucid.op.conventions import several, whole
from lucid.spec import Case, spec
from lucid.tensor import Tensor, tensor_method

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "dsplit",
    "fliplr",
    "flipud",
    "hsplit",
    "rot90",
    "select_scatter",
    "slice_scatter",
    "split_with_sizes",
    "tensor_split",
    "vsplit",
]


@tensor_method("tensor_split")
def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views along ``dim``: n parts, the first ones larger by 1 where needed, or cut at indices.

    >>> [len(part) for part in lucid.arange(7).tensor_split(3)]
    [3, 2, 2]
    >>> [len(part) for part in lucid.arange(7).tensor_split((2, 4))]
    [2, 2, 3]
    """
    return _divide("tensor_split", input, indices_or_sections, dim)


def _divide(name: str, x: Tensor, where: Any, dim: int) -> tuple[Tensor, ...]:
    if not x.ndim:
        raise ShapeError(f"{name}: the tensor must have a dimension; got shape ()")
    axis = dimension(name, dim, x.ndim)
    size = x.shape[axis]
    if isinstance(where, Tensor):
        if where.ndim > 1 or where.dtype.category != 1:
            raise DTypeError(
                f"{name}: indices must be ints in at most one dimension; got {where.dtype} of"
                f" shape {where.shape}"
            )
        where = where.tolist()
    if isinstance(where, (list, tuple)):
        cuts = [0, *[slice(whole(name, "each index", i)).indices(size)[1] for i in where], size]
    else:
        parts = whole(name, "sections", where)
        if parts < 1:
            raise ShapeError(f"{name}: the number of parts must be positive; got {parts}")
        small, large = divmod(size, parts)
        cuts = [i * small + min(i, large) for i in range(parts + 1)]
    return tuple(x.narrow(axis, a, max(b - a, 0)) for a, b in pairwise(cuts))


def _along(name: str, x: Tensor, where: Any, axis: int, least: int) -> tuple[Tensor, ...]:
    if x.ndim < least:
        raise ShapeError(f"{name}: at least {least} dimensions are needed; got shape {x.shape}")
    if isinstance(where, int) and (where < 1 or x.shape[axis] % where):
        raise ShapeError(
            f"{name}: the size {x.shape[axis]} must divide into equal parts; got {where} of them"
        )
    return _divide(name, x, where, axis)


@tensor_method("hsplit")
def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """tensor_split along the columns (vectors: their only dimension), in equal parts."""
    return _along("hsplit", input, indices_or_sections, 0 if input.ndim == 1 else 1, 1)


@tensor_method("vsplit")
def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """tensor_split along the rows, in equal parts."""
    return _along("vsplit", input, indices_or_sections, 0, 2)


@tensor_method("dsplit")
def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """tensor_split along the third dimension, in equal parts."""
    return _along("dsplit", input, indices_or_sections, 2, 3)


@tensor_method("split_with_sizes")
def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple:
    """Views of these sizes along ``dim``: split with a list."""
    return input.split(list(several("split_with_sizes", "split_sizes", split_sizes)), dim)


def _at_least(n: int, tensors: tuple, widen: Any) -> Any:
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        return tuple(widen(t) for t in tensors[0])
    wide = tuple(widen(t) for t in tensors)
    return wide[0] if len(wide) == 1 else wide


def atleast_1d(*tensors: Any) -> Any:
    """Numbers as vectors of one element; others stay. One tensor, or several, or a list."""
    return _at_least(1, tensors, lambda t: t.reshape(1) if t.ndim == 0 else t)


def atleast_2d(*tensors: Any) -> Any:
    """Numbers and vectors as matrices of one row; others stay."""
    return _at_least(2, tensors, lambda t: t.reshape(1, -1) if t.ndim < 2 else t)


def atleast_3d(*tensors: Any) -> Any:
    """(), (N,), (M, N) as (1, 1, 1), (1, N, 1), (M, N, 1); others stay."""

    def widen(t: Tensor) -> Tensor:
        return t.reshape(1, -1, 1) if t.ndim < 2 else t.unsqueeze(-1) if t.ndim == 2 else t

    return _at_least(3, tensors, widen)


@tensor_method("fliplr")
def fliplr(input: Tensor) -> Tensor:
    """A copy with the columns in reverse order."""
    if input.ndim < 2:
        raise ShapeError(f"fliplr: at least 2 dimensions are needed; got shape {input.shape}")
    return input.flip(1)


@tensor_method("flipud")
def flipud(input: Tensor) -> Tensor:
    """A copy with the rows in reverse order."""
    if input.ndim < 1:
        raise ShapeError("flipud: at least 1 dimension is needed; got shape ()")
    return input.flip(0)


@tensor_method("rot90")
def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """A copy turned by k quarters, from dims[0] towards dims[1]."""
    dims = several("rot90", "dims", dims)
    if len(dims) != 2 or input.ndim < 2:
        raise ShapeError(
            f"rot90: two dimensions must be named; got dims={dims} for shape {input.shape}"
        )
    a, b = (dimension("rot90", d, input.ndim) for d in dims)
    if a == b:
        raise ShapeError(f"rot90: the two dimensions must differ; got dims={dims}")
    turns = k % 4
    if turns == 1:
        return input.flip(b).transpose(a, b)
    if turns == 2:
        return input.flip(a, b)
    return input.flip(a).transpose(a, b) if turns else input.clone()


def _written(name: str, input: Tensor, index: tuple, src: Tensor) -> Tensor:
    y = input.clone()
    part = y[index]
    if part.shape != src.shape:
        raise ShapeError(
            f"{name}: src must have the shape of what it replaces, {part.shape}; got {src.shape}"
        )
    part.copy_(src)
    return y


@tensor_method("select_scatter")
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy of ``input`` whose slice ``index`` along ``dim`` is ``src``."""
    axis = dimension("select_scatter", dim, input.ndim)
    return _written("select_scatter", input, (slice(None),) * axis + (index,), src)


@tensor_method("slice_scatter")
def slice_scatter(
    input: Tensor,
    src: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Tensor:
    """A copy of ``input`` whose slices start, start + step, … below end are ``src``."""
    axis = dimension("slice_scatter", dim, input.ndim)
    index = (slice(None),) * axis + (slice(start, end, step),)
    return _written("slice_scatter", input, index, src)


spec(rot90, cases=[Case([(2, 3)], {"k": k}) for k in range(4)],
     reference=lambda np, x, k: np.rot90(x, k))  # fmt: skip
spec(fliplr, cases=[Case([(2, 3)])], reference=lambda np, x: np.fliplr(x))
spec(flipud, cases=[Case([(2, 3)])], reference=lambda np, x: np.flipud(x))
spec(select_scatter, cases=[Case([(2, 3), (2,)], {"dim": 1, "index": -1})])
spec(slice_scatter, cases=[Case([(2, 5), (2, 2)], {"dim": 1, "start": 1, "step": 2})])
