"""New tensors in patterns: ranges, the identity, grids, triangles."""

from __future__ import annotations

import itertools
import math
from typing import Any

from lucid import dtypes
from lucid.backend import resolve
from lucid.errors import DTypeError, ShapeError
from lucid.op import whole
from lucid.op.arguments import shown
from lucid.tensor import Tensor

__all__ = [
    "arange",
    "cartesian_prod",
    "combinations",
    "eye",
    "linspace",
    "logspace",
    "meshgrid",
    "scalar_tensor",
    "tril_indices",
    "triu_indices",
]


def arange(
    start: float | None = None,
    end: float | None = None,
    step: float = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, … up to but without ``end``; int64 if all three are ints.

    >>> lucid.arange(3)
    Tensor([0, 1, 2])
    """
    if end is None:
        start, end = 0, start
    start = 0 if start is None else start
    for what, value in (("start", start), ("end", end), ("step", step)):
        if not hasattr(value, "__float__") and value is not None:
            raise DTypeError(f"arange: {what} must be a number; got {value!r:.60}")
        if value is not None and not math.isfinite(value):
            raise ValueError(f"arange: {what} must be finite; got {value}")
    if end is None:
        raise ValueError("arange: where to end is needed; got no number. Hint: arange(3)")
    if step == 0:
        raise ValueError(f"arange: step must not be 0; got {step}")
    if (end - start) * step < 0:
        raise ValueError(
            f"arange: step must lead from start to end; got start={start}, end={end}, step={step}"
        )
    if dtype is None:
        whole = all(isinstance(v, int) for v in (start, end, step))
        dtype = dtypes.int64 if whole else dtypes.get_default_dtype()
    kind, where = dtypes.as_dtype(dtype), resolve(device)
    n = math.ceil((end - start) / step)
    array = where.xp.arange(n, dtype="int64" if kind.category == 1 else "float64") * step + start
    t = Tensor._wrap(array.astype(kind.numpy), where)
    return t.requires_grad_() if requires_grad else t


def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``steps`` numbers from start to end, both included, at equal distances."""
    if steps < 0:
        raise ValueError(f"linspace: steps must not be negative; got {steps}")
    kind = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    where = resolve(device)
    t = Tensor._wrap(where.xp.linspace(float(start), float(end), steps).astype(kind.numpy), where)
    return t.requires_grad_() if requires_grad else t


def logspace(
    start: float,
    end: float,
    steps: int,
    base: float = 10.0,
    *,
    dtype: Any = None,
    device: Any = None,
) -> Tensor:
    """``steps`` numbers from base**start to base**end, at equal ratios."""
    kind = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    where = resolve(device)
    exponents = where.xp.linspace(float(start), float(end), steps)
    return Tensor._wrap((float(base) ** exponents).astype(kind.numpy), where)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones on the diagonal of an (n, m) matrix, zeros elsewhere; square by default."""
    kind = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    where = resolve(device)
    if whole("eye", "n", n) < 0 or m is not None and whole("eye", "m", m) < 0:
        raise ShapeError(f"eye: sizes must not be negative; got n={n}, m={m}")
    t = Tensor._wrap(where.xp.eye(n, m).astype(kind.numpy), where)
    return t.requires_grad_() if requires_grad else t


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """The coordinates of a grid: vectors of n and m -> two (n, m) tensors, (m, n) for "xy"."""
    if indexing not in ("ij", "xy"):
        raise ValueError(f'meshgrid: indexing must be "ij" or "xy"; got {indexing!r}')
    vectors = (
        list(tensors[0])
        if len(tensors) == 1 and isinstance(tensors[0], (list, tuple))
        else list(tensors)
    )
    if not vectors or any(not isinstance(v, Tensor) or v.ndim > 1 for v in vectors):
        raise (ShapeError if all(isinstance(v, Tensor) for v in vectors) else DTypeError)(
            f"meshgrid: expected vectors, at least one; got {shown(vectors)}"
        )
    swap = indexing == "xy" and len(vectors) > 1
    if swap:
        vectors[0], vectors[1] = vectors[1], vectors[0]
    shape = [v.numel() for v in vectors]
    grids = []
    for i, v in enumerate(vectors):
        lined = v.reshape([-1 if j == i else 1 for j in range(len(vectors))])
        grids.append(lined.expand(shape))
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


def _triangle_indices(name: str, row: int, col: int, offset: int, device: Any) -> Tensor:
    where = resolve(device)
    found = where.xp.nonzero(getattr(where.xp, name)(where.xp.ones((row, col)), offset))
    return Tensor._wrap(where.xp.stack(found).astype("int64"), where)


def tril_indices(row: int, col: int, offset: int = 0, *, device: Any = None) -> Tensor:
    """Row and column of every element in the lower triangle of a (row, col) matrix: (2, count)."""
    return _triangle_indices("tril", row, col, offset, device)


def triu_indices(row: int, col: int, offset: int = 0, *, device: Any = None) -> Tensor:
    """Row and column of every element in the upper triangle of a (row, col) matrix: (2, count)."""
    return _triangle_indices("triu", row, col, offset, device)


def scalar_tensor(
    s: float, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A 0-d tensor of the default dtype, whatever kind of number ``s`` is."""
    kind, where = dtypes.as_dtype(dtype or dtypes.get_default_dtype()), resolve(device)
    t = Tensor._wrap(where.xp.asarray(s, kind.numpy), where)
    return t.requires_grad_() if requires_grad else t


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All ways to take one element of each vector, as rows. (N,), (M,) -> (N * M, 2)."""
    if not tensors or any(t.ndim != 1 for t in tensors):
        raise ShapeError(
            f"cartesian_prod: expected vectors, at least one; got {shown(list(tensors))}"
        )
    if len(tensors) == 1:
        return tensors[0]
    sizes = [t.numel() for t in tensors]
    columns = []
    for i, t in enumerate(tensors):
        shape = [-1 if j == i else 1 for j in range(len(tensors))]
        columns.append(t.reshape(shape).expand(sizes).reshape(-1, 1))
    rows = columns[0].expand(-1, len(tensors))
    for i, column in enumerate(columns[1:], 1):
        place = Tensor._wrap(rows._device.xp.arange(len(tensors)) == i, rows._device)
        rows = column.where(place, rows)
    return rows


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All ways to take ``r`` elements of a vector, in its order, as rows. (N,) -> (count, r)."""
    if input.ndim != 1 or whole("combinations", "r", r) < 0:
        raise ShapeError(
            f"combinations: expected a vector and r >= 0; got shape {input.shape}, r={r}"
        )
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = list(choose(range(input.numel()), r)) if r else []
    where = input._device
    index = where.asarray(places or where.xp.empty((0, r)), "int64").reshape(len(places), r)
    return (
        input[Tensor._wrap(index, where)]
        if places
        else input[:0].new_empty((0,) if not r else (0, r))
    )
