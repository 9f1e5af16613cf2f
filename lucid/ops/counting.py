"""Counting and finding: histograms, bins, membership, runs."""

from __future__ import annotations

from typing import Any

from lucid import dtypes
from lucid.errors import DTypeError, ShapeError
from lucid.op import Op, dimension, floating
from lucid.spec import Case, spec
from lucid.tensor import Tensor, tensor_method

__all__ = [
    "argwhere",
    "bucketize",
    "histc",
    "isin",
    "searchsorted",
    "unique_consecutive",
]


class Histogram(Op):
    """How many elements fall into each of ``bins`` equal parts of [low, high]."""

    bins: int
    low: float
    high: float
    differentiable = False

    def forward(self, x):
        xp = self.xp
        inside = x[(x >= self.low) & (x <= self.high)]
        at = ((inside - self.low) / (self.high - self.low) * self.bins).astype(xp.int64)
        at = xp.minimum(at, self.bins - 1)  # the last bin has its upper end
        return xp.bincount(at, minlength=self.bins).astype(x.dtype)


class Search(Op):
    """Where each value would have to be put to keep a sorted row sorted."""

    right: bool
    differentiable = False
    upcasts = False

    def forward(self, sequence, values):
        side = "right" if self.right else "left"
        if sequence.ndim == 1:
            return self.xp.searchsorted(sequence, values, side)
        rows = sequence.reshape(-1, sequence.shape[-1])
        asked = values.reshape(rows.shape[0], -1)
        found = [self.xp.searchsorted(s, v, side) for s, v in zip(rows, asked, strict=True)]
        return self.xp.stack(found).reshape(values.shape) if found else values.astype("int64")


class IsIn(Op):
    differentiable = False

    def forward(self, elements, test):
        return self.xp.isin(elements, test)


@tensor_method("histc")
def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements lie in each of ``bins`` equal parts of [min, max]. x: (*) -> (bins,).

    Elements outside don't count. With min = max the range is that of the elements. The counts have
    the input's dtype.

    >>> lucid.histc(Tensor([1.0, 2.0, 1.0]), bins=4, min=0, max=3)
    Tensor([0., 2., 1., 0.])
    """
    floating("histc", "input", input)
    if bins < 1:
        raise ValueError(f"histc: bins must be positive; got {bins}")
    low, high = float(min), float(max)
    if low == high and input.numel():
        low, high = float(input.min()), float(input.max())
    if low == high:
        low, high = low - 1, high + 1
    if not abs(low) + abs(high) < float("inf"):
        raise ValueError(f"histc: the range must be finite; got [{low}, {high}]")
    if low > high:
        raise ValueError(f"histc: max must not be below min; got {min} and {max}")
    return Histogram(bins, low, high)(input)


def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """The first index whose element is >= the value (> with ``right``), per value.

    sorted_sequence: (N,) or (*, N), values: any shape or (*, M) -> y: the values' shape, int64.

    >>> lucid.searchsorted(Tensor([1.0, 3.0, 5.0]), Tensor([3.0, 4.0]))
    Tensor([1, 2])
    """
    if side not in (None, "left", "right"):
        raise ValueError(f'searchsorted: side must be "left" or "right"; got {side!r}')
    if right and side == "left":
        raise ValueError('searchsorted: side="left" and right=True contradict each other; got both')
    values = input if isinstance(input, Tensor) else _like(sorted_sequence, input)
    if sorter is not None:
        sorted_sequence = sorted_sequence.gather(-1, sorter)
    rows, asked = sorted_sequence.shape[:-1], values.shape[:-1]
    if not sorted_sequence.ndim or (rows and rows != asked):
        raise ShapeError(
            "searchsorted: the sequence must be a vector, or have the values' dimensions but the"
            f" last; got {sorted_sequence.shape} and {values.shape}"
        )
    found = Search(right or side == "right")(sorted_sequence, values)
    return found.to(dtypes.int32 if out_int32 else dtypes.int64)


def bucketize(
    input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False
) -> Tensor:
    """The index of the bin, between sorted boundaries, that each value lies in. x: (*) -> (*).

    b[i - 1] < x <= b[i], or b[i - 1] <= x < b[i] with ``right``.
    """
    if boundaries.ndim != 1:
        raise ShapeError(f"bucketize: boundaries must be a vector; got shape {boundaries.shape}")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


def _like(x: Tensor, number: Any) -> Tensor:
    kind = dtypes.int64 if isinstance(number, int) else dtypes.get_default_dtype()
    return Tensor._wrap(x._device.xp.asarray(number, kind.numpy), x._device)


def isin(
    elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False
) -> Tensor:
    """Whether each element is one of test_elements (is none of them, with ``invert``). (*) -> (*).

    >>> lucid.isin(lucid.arange(4), lucid.tensor([1, 3]))
    Tensor([False,  True, False,  True])
    """
    if not isinstance(elements, Tensor):
        if not isinstance(test_elements, Tensor):
            raise DTypeError(f"isin: expected a Tensor; got {elements!r} and {test_elements!r}")
        elements = _like(test_elements, elements)
    if not isinstance(test_elements, Tensor):
        test_elements = _like(elements, test_elements)
    found = IsIn()(elements, test_elements)
    return found.logical_not() if invert else found


@tensor_method("argwhere")
def argwhere(input: Tensor) -> Tensor:
    """The indices of all elements that are not 0, one per row. x: (*) -> (count, ndim)."""
    return input.nonzero()


@tensor_method("unique_consecutive")
def unique_consecutive(
    input: Tensor,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The first of each run of equal elements (slices along ``dim``); the run of each; lengths."""
    axis = 0 if dim is None else dimension("unique_consecutive", dim, input.ndim)
    rows = input.reshape(-1) if dim is None else input
    n = rows.shape[axis]
    changes = rows.narrow(axis, min(n, 1), max(n - 1, 0)) != rows.narrow(axis, 0, max(n - 1, 0))
    others = tuple(i for i in range(rows.ndim) if i != axis)
    if others:
        changes = changes.any(others)
    first = input.new_ones(min(n, 1), dtype=dtypes.int64)
    starts = input.new_zeros(n, dtype=dtypes.int64)
    starts[:1], starts[1:] = first, changes.long()
    places = starts.nonzero().reshape(-1)
    found = rows.index_select(axis, places)
    answers = [found]
    if return_inverse:
        inverse = starts.cumsum(0) - 1
        answers.append(inverse.reshape(input.shape) if dim is None else inverse)
    if return_counts:
        ends = input.new_full((1,), n, dtype=dtypes.int64)
        answers.append(places.diff(append=ends) if n else places)
    return answers[0] if len(answers) == 1 else tuple(answers)


spec(
    histc,
    cases=[Case([(20,)], {"bins": 5, "min": -2, "max": 2}), Case([(3, 4)], {"bins": 4})],
    differentiable=False,
    errors=[(Case([(3,)], {"bins": 0}), ValueError, "histc: bins must be positive; got 0")],
)
spec(
    isin,
    cases=[Case([(3, 4), (3,)], low=0, high=5, dtypes=("int64", "int64"))],
    reference=lambda np, x, y: np.isin(x, y),
    differentiable=False,
)
