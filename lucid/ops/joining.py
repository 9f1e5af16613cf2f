"""Several tensors as one, one as several, and copies side by side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from lucid import dtypes
from lucid.errors import DimensionError, DTypeError, ShapeError
from lucid.op import Op, dimension, explained, sizes
from lucid.op.conventions import several, whole
from lucid.spec import Case, spec
from lucid.tensor import Tensor, tensor_method

__all__ = [
    "cat",
    "concat",
    "concatenate",
    "chunk",
    "column_stack",
    "diff",
    "dstack",
    "flip",
    "hstack",
    "narrow",
    "repeat_interleave",
    "roll",
    "row_stack",
    "select",
    "split",
    "stack",
    "tile",
    "unbind",
    "vstack",
]


class Flip(Op):
    axes: tuple
    upcasts = promotes = False

    def forward(self, x):
        return self.xp.flip(x, self.axes).copy()

    def backward(self, dy):
        return Flip(self.axes)(dy)


class Roll(Op):
    shifts: Any
    axes: Any
    upcasts = promotes = False

    def forward(self, x):
        return self.xp.roll(x, self.shifts, self.axes)

    def backward(self, dy):
        back = tuple(-s for s in self.shifts) if isinstance(self.shifts, tuple) else -self.shifts
        return Roll(back, self.axes)(dy)


class Concatenate(Op):
    axis: int
    upcasts = False

    def forward(self, *arrays):
        return self.xp.concatenate(arrays, self.axis)

    def backward(self, dy):
        answers, start = [], 0
        for shape, needed in zip(self.shapes, self.needs, strict=True):
            stop = start + shape[self.axis]
            answers.append(narrow(dy, self.axis, start, stop - start) if needed else None)
            start = stop
        return tuple(answers)


class Tile(Op):
    """Repeat the whole tensor ``times[i]`` times along dimension i."""

    times: tuple
    upcasts = promotes = False

    def forward(self, x):
        return self.xp.tile(x, self.times)

    def backward(self, dy):
        shape = (1,) * (len(self.times) - len(self.shapes[0])) + tuple(self.shapes[0])
        split: list[int] = []
        for times, n in zip(self.times, shape, strict=True):
            split += [times, n]
        summed = dy.reshape(split).sum(tuple(range(0, len(split), 2)))
        return summed.reshape(self.shapes[0])


@tensor_method("repeat")
@explained
def _repeat(self: Tensor, *repeats: Any) -> Tensor:
    """Copies of the whole tensor side by side, ``repeats[i]`` of them along dimension i."""
    times = sizes("repeat", repeats)
    if len(times) < self.ndim:
        raise ShapeError(
            f"repeat: one number per dimension is needed; got {times} for shape {self.shape}"
        )
    if any(n < 0 for n in times):
        raise ShapeError(f"repeat: numbers must not be negative; got {times}")
    return Tile(times)(self)


@tensor_method("tile")
def tile(input: Tensor, dims: Any, *more: int) -> Tensor:
    """Copies of the whole tensor side by side; missing numbers in front count as 1."""
    times = sizes("tile", (dims, *more))
    return Tile((1,) * (input.ndim - len(times)) + times)(input)


@tensor_method("repeat_interleave")
def repeat_interleave(input: Tensor, repeats: int, dim: int | None = None) -> Tensor:
    """Each element (or slice along ``dim``) ``repeats`` times in a row."""
    if not isinstance(repeats, int):
        raise DTypeError(
            f"repeat_interleave: repeats must be an int; got {type(repeats).__name__}."
            " Hint: index with .index_select() for different numbers"
        )
    if dim is None:
        input, dim = input.reshape(-1), 0
    d = dimension("repeat_interleave", dim, input.ndim)
    wide = input.unsqueeze(d + 1).expand(*input.shape[: d + 1], repeats, *input.shape[d + 1 :])
    return wide.clone().flatten(d, d + 1)  # also once in a row it is a copy


@tensor_method("flip")
def _flip(self: Tensor, *dims: Any) -> Tensor:
    """A copy with the order of elements reversed along ``dims``."""
    return flip(self, sizes("flip", dims))


def flip(input: Tensor, dims: Sequence[int]) -> Tensor:
    """A copy with the order of elements reversed along ``dims``."""
    axes = tuple(dimension("flip", d, input.ndim) for d in dims)
    if len(set(axes)) != len(axes):
        raise ShapeError(f"flip: a dim stands twice; got dims={tuple(dims)}")
    return Flip(axes)(input) if input.ndim else input.clone()


@tensor_method("roll")
@explained
def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """A copy with elements shifted along ``dims``; what leaves at the end returns in front."""
    steps = (shifts,) if isinstance(shifts, int) else several("roll", "shifts", shifts)
    steps = tuple(whole("roll", "shifts", n) for n in steps)
    axes = (dims,) if isinstance(dims, int) else several("roll", "dims", dims or ())
    if len(steps) != (len(axes) or 1):
        raise ShapeError(
            f"roll: there must be one shift for each of dims; got shifts={shifts}, dims={dims}"
        )
    if not axes:
        return Roll(steps[0], None)(input)
    return Roll(steps, tuple(dimension("roll", d, input.ndim) for d in axes))(input)


@tensor_method("narrow")
@explained
def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """A view of ``length`` slices along ``dim`` from ``start`` on."""
    d = dimension("narrow", dim, input.ndim)
    size = input.shape[d]
    start = start + size if start < 0 else start
    if not 0 <= start <= start + length <= size:
        raise DimensionError(
            f"narrow: start {start} and length {length} don't fit into size {size} of dim {dim}"
        )
    return input[(slice(None),) * d + (slice(start, start + length),)]


@tensor_method("select")
@explained
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """A view of slice ``index`` along ``dim``, without that dimension."""
    d = dimension("select", dim, input.ndim)
    if not -input.shape[d] <= index < input.shape[d]:
        raise DimensionError(
            f"select: index must be in [{-input.shape[d]}, {input.shape[d] - 1}]; got {index}"
        )
    return input[(slice(None),) * d + (index,)]


@tensor_method("split")
@explained
def _split(self: Tensor, split_size: int | Sequence[int], dim: int = 0) -> tuple:
    """Views along ``dim``: of one size each (the last may be smaller), or of the sizes given."""
    return split(self, split_size, dim)


def split(tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple:
    """Views along ``dim``: of one size each (the last may be smaller), or of the sizes given."""
    d = dimension("split", dim, tensor.ndim)
    if not tensor.ndim:
        raise ShapeError("split: the tensor must have a dimension; got shape ()")
    total = tensor.shape[d]
    if isinstance(split_size_or_sections, int):
        step = split_size_or_sections
        if step < 0 or step < 1 and total:
            raise ShapeError(f"split: the size of a part must be positive; got {step}")
        sizes = [min(step, total - i) for i in range(0, total, max(step, 1))] or [0]
    else:
        sizes = [whole("split", "each size", n) for n in split_size_or_sections]
        if sum(sizes) != total or any(n < 0 for n in sizes):
            raise ShapeError(f"split: sizes must add up to {total}; got {sizes}")
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return tuple(narrow(tensor, d, a, n) for a, n in zip(starts, sizes, strict=True))


@tensor_method("chunk")
@explained
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple:
    """At most ``chunks`` views of equal size along ``dim``; the last may be smaller."""
    if chunks < 1:
        raise ShapeError(f"chunk: the number of chunks must be positive; got {chunks}")
    d = dimension("chunk", dim, input.ndim)
    if not input.ndim:
        raise ShapeError("chunk: the tensor must have a dimension; got shape ()")
    if input.shape[d] == 0:
        return split(input, [0] * chunks, d)
    return split(input, max(1, -(-input.shape[d] // chunks)), d)


@tensor_method("unbind")
def unbind(input: Tensor, dim: int = 0) -> tuple:
    """A view of every slice along ``dim``, without that dimension."""
    d = dimension("unbind", dim, input.ndim)
    front = (slice(None),) * d
    return tuple(input[(*front, i)] for i in range(input.shape[d]))


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Join along an existing dimension. [(2, 3), (4, 3)], 0 -> (6, 3)."""
    tensors = list(tensors)
    if not tensors:
        raise ShapeError("cat: expected at least one tensor; got an empty list")
    for x in tensors:
        if not isinstance(x, Tensor):
            raise DTypeError(f"cat: expected a list of Tensors; got a {type(x).__name__} in it")
    shaped = [x for x in tensors if x.shape != (0,)] or tensors[:1]
    first = shaped[0]
    d = dimension("cat", dim, first.ndim)
    for x in shaped:
        same = x.ndim == first.ndim and all(
            n == m or i == d for i, (n, m) in enumerate(zip(x.shape, first.shape, strict=True))
        )
        if not same or x.ndim == 0:
            raise ShapeError(
                f"cat: shapes must agree except in dim {dim}; got {[x.shape for x in tensors]}"
            )
    y = Concatenate(d)(*shaped)
    kinds = [x.dtype for x in tensors]  # those without elements have a say, too
    return y if len(shaped) == len(tensors) else y.to(reduce(dtypes.promote_types, kinds))


@tensor_method("diff")
def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Differences of neighbours along ``dim``, n times: x[1:] - x[:-1]. (N, M) -> (N, M - n).

    prepend, append: joined to x before. Of bools, whether neighbours differ.
    """
    if n < 0:
        raise ValueError(f"diff: n must be at least 0; got {n}")
    d = dimension("diff", dim, input.ndim)
    if input.ndim == 0:
        raise ShapeError("diff: needs at least one dimension; got a tensor of shape ()")
    if n == 0:
        return input.clone()
    parts = [x for x in (prepend, input, append) if x is not None]
    y = cat(parts, d) if len(parts) > 1 else input
    for _ in range(min(n, y.shape[d])):
        count = y.shape[d] - 1
        late, early = narrow(y, d, 1, count), narrow(y, d, 0, count)
        y = late != early if y.dtype == dtypes._bool else late - early
    return y


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Join along a new dimension. [(3,), (3,)], 0 -> (2, 3)."""
    tensors = list(tensors)
    if not tensors:
        raise ShapeError("stack: expected at least one tensor; got an empty list")
    if any(x.shape != tensors[0].shape for x in tensors):
        raise ShapeError(f"stack: shapes must be equal; got {[x.shape for x in tensors]}")
    d = dimension("stack", dim, tensors[0].ndim + 1)
    return Concatenate(d)(*[x.unsqueeze(d) for x in tensors])


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join along rows; vectors become rows."""
    return cat([x.reshape(1, x.numel()) if x.ndim < 2 else x for x in tensors], 0)


row_stack = vstack


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join along columns; vectors end to end."""
    wide = [x.reshape(1) if x.ndim == 0 else x for x in tensors]
    return cat(wide, 0 if wide[0].ndim == 1 else 1)


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join along a third dimension. (N,) counts as (1, N, 1), (M, N) as (M, N, 1)."""
    rows = [x.reshape(1, -1) if x.ndim < 2 else x for x in tensors]
    return cat([x.unsqueeze(-1) if x.ndim == 2 else x for x in rows], 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Join along columns; numbers and vectors become columns."""
    return cat([x.reshape(-1, 1) if x.ndim < 2 else x for x in tensors], 1)


concat = concatenate = cat


spec(
    tile,
    cases=[Case([(2, 3)], {"dims": (2, 1, 2)})],
    reference=lambda np, x, dims: np.tile(x, dims),
)


spec(
    repeat_interleave,
    cases=[Case([(2, 3)], {"repeats": 2, "dim": 1}), Case([(2, 3)], {"repeats": 3})],
    reference=lambda np, x, repeats, dim=None: np.repeat(x, repeats, dim),
)


spec(flip, cases=[Case([(2, 3)], {"dims": (0, 1)})], reference=lambda np, x, dims: np.flip(x, dims))


spec(
    roll,
    cases=[Case([(2, 3)], {"shifts": 1, "dims": 1}), Case([(2, 3)], {"shifts": 2})],
    reference=lambda np, x, shifts, dims=None: np.roll(x, shifts, dims),
)


spec(
    narrow,
    cases=[Case([(3, 5)], {"dim": 1, "start": 1, "length": 3})],
    reference=lambda np, x, dim, start, length: x[:, start : start + length],
)


spec(
    select,
    cases=[Case([(3, 5)], {"dim": 1, "index": -2})],
    reference=lambda np, x, dim, index: x[:, index],
)


spec(
    cat,
    cases=[Case([(2, 3), (4, 3)]), Case([(2, 3), (2, 1), (2, 0)], {"dim": 1})],
    reference=lambda np, *x, dim=0: np.concatenate(x, dim),
    errors=[(Case([(2, 3), (2, 4)]), ShapeError, "cat: shapes must agree except in dim 0")],
    sequence=True,
)


spec(
    stack,
    cases=[Case([(2, 3), (2, 3)]), Case([(3,), (3,)], {"dim": -1})],
    reference=lambda np, *x, dim=0: np.stack(x, dim),
    errors=[(Case([(2,), (3,)]), ShapeError, "stack: shapes must be equal")],
    sequence=True,
)
