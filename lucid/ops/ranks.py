"""Elements by their rank: the k-th smallest, the most frequent, quantiles, running extremes."""

from __future__ import annotations

from typing import Any, NamedTuple

from lucid.errors import DimensionError, DTypeError, ShapeError
from lucid.op import Op, ValuesIndices, dimension, whole
from lucid.spec import Case, spec
from lucid.tensor import Tensor, tensor_method

__all__ = [
    "aminmax",
    "cummax",
    "cummin",
    "kthvalue",
    "mode",
    "msort",
    "nanquantile",
    "quantile",
]


class MinMax(NamedTuple):
    """What aminmax answers."""

    min: Tensor
    max: Tensor


class RunningExtreme(Op):
    """The index, along ``axis``, of the largest (smallest) element so far; of equals the last."""

    axis: int
    largest: bool
    differentiable = False

    def forward(self, x):
        xp = self.xp
        moved = xp.moveaxis(x, self.axis, 0)
        found = xp.zeros(moved.shape, "int64")
        best = moved[:1].copy()
        for i in range(1, moved.shape[0]):
            now = moved[i : i + 1]
            wins = (now >= best) if self.largest else (now <= best)
            wins = wins | (now != now)  # NaN stays once it came, and a later one replaces it
            best = xp.where(wins, now, best)
            found[i : i + 1] = xp.where(wins, i, found[i - 1 : i])
        return xp.ascontiguousarray(xp.moveaxis(found, 0, self.axis))


class Commonest(Op):
    """The index of the last of the most frequent elements along ``axis``; the smallest of these."""

    axis: int
    differentiable = False

    def forward(self, x):
        xp = self.xp
        moved = xp.moveaxis(x, self.axis, -1)
        rows = moved.reshape(-1, moved.shape[-1])
        order = xp.argsort(rows, -1, kind="stable")
        ranked = xp.take_along_axis(rows, order, -1)
        starts = xp.ones(rows.shape, bool)
        starts[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
        starts = starts.reshape(-1)
        run = xp.cumsum(starts) - 1
        length = (xp.arange(starts.size) - xp.nonzero(starts)[0][run]).reshape(rows.shape)
        best = xp.argmax(length, -1)[:, None]  # the end of the first longest run
        return xp.take_along_axis(order, best, -1).reshape(moved.shape[:-1])


def _along(name: str, x: Tensor, dim: int) -> int:
    axis = dimension(name, dim, x.ndim)
    if x.ndim and not x.shape[axis]:
        raise DimensionError(f"{name}: nothing to choose from in dim {dim}; got shape {x.shape}")
    return axis


def _picked(x: Tensor, axis: int, indices: Tensor, keepdim: bool) -> ValuesIndices:
    """The elements at ``indices``, which lack dimension ``axis``."""
    wide = indices.unsqueeze(axis)
    values = x.gather(axis, wide)
    return ValuesIndices(values, wide) if keepdim else ValuesIndices(values.squeeze(axis), indices)


@tensor_method("kthvalue")
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> ValuesIndices:
    """The k-th smallest element along ``dim``, counted from 1, and its index.

    >>> lucid.kthvalue(Tensor([3.0, 1.0, 2.0]), 2).values
    Tensor(2.)
    """
    axis = dimension("kthvalue", dim, input.ndim)
    k = whole("kthvalue", "k", k)
    size = input.shape[axis] if input.ndim else 1
    if not 1 <= k <= size:
        raise ShapeError(
            f"kthvalue: k must be in [1, {size}] for a tensor of shape {input.shape}; got {k}"
        )
    values, indices = input.sort(axis)
    if input.ndim:
        values, indices = values.narrow(axis, k - 1, 1), indices.narrow(axis, k - 1, 1)
        if not keepdim:
            values, indices = values.squeeze(axis), indices.squeeze(axis)
    return ValuesIndices(values, indices)


@tensor_method("mode")
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> ValuesIndices:
    """The most frequent element along ``dim`` (of several the smallest), and its last index."""
    axis = _along("mode", input, dim)
    if not input.ndim:
        return ValuesIndices(input.clone(), input.long() * 0)
    return _picked(input, axis, Commonest(axis)(input), keepdim)


@tensor_method("msort")
def msort(input: Tensor) -> Tensor:
    """The elements in ascending order along the first dimension."""
    return input.sort(0).values


def _running(name: str, x: Tensor, dim: int) -> ValuesIndices:
    axis = dimension(name, dim, x.ndim)
    if not x.ndim or not x.numel():
        return ValuesIndices(x.clone(), x.detach().long() * 0)
    indices = RunningExtreme(axis, name == "cummax")(x)
    return ValuesIndices(x.gather(axis, indices), indices)


@tensor_method("cummax")
def cummax(input: Tensor, dim: int) -> ValuesIndices:
    """The largest element so far along ``dim``, and where it is; of equal ones the last."""
    return _running("cummax", input, dim)


@tensor_method("cummin")
def cummin(input: Tensor, dim: int) -> ValuesIndices:
    """The smallest element so far along ``dim``, and where it is; of equal ones the last."""
    return _running("cummin", input, dim)


@tensor_method("aminmax")
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> MinMax:
    """The smallest and the largest element, of all or along ``dim``."""
    return MinMax(input.amin(dim, keepdim), input.amax(dim, keepdim))


_METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


@tensor_method("quantile")
def quantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """The element below which a part q in [0, 1] of all lies, of all elements or along ``dim``.

    Between two elements ``interpolation`` decides: linear, lower, higher, midpoint, nearest. A
    vector q gives a first dimension, one entry for each. NaN if there is a NaN.

    >>> lucid.quantile(Tensor([0.0, 1.0, 2.0, 3.0]), 0.5)
    Tensor(1.5)
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, False)


@tensor_method("nanquantile")
def nanquantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """quantile of the elements that are not NaN; NaN if there are none."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, True)


def _quantile(
    name: str, x: Tensor, q: Any, dim: int | None, keepdim: bool, between: str, ignore: bool
) -> Tensor:
    if between not in _METHODS:
        raise ValueError(f"{name}: interpolation must be one of {_METHODS}; got {between!r}")
    if x.dtype.name not in ("float32", "float64"):
        raise DTypeError(f"{name}: the input must be float32 or float64; got {x.dtype}")
    if not isinstance(q, Tensor):
        q = x.new_tensor(q)
    if q.ndim > 1 or q.dtype is not x.dtype:
        raise DTypeError(
            f"{name}: q must be a number or a vector of the input's dtype; got {q.dtype} of shape"
            f" {q.shape}"
        )
    if not bool(((q >= 0) & (q <= 1)).all()):
        raise ValueError(f"{name}: q must be in [0, 1]; got some outside")
    flat = x.reshape(-1) if dim is None else x
    axis = _along(name, flat, 0 if dim is None else dim)
    rows = flat.sort(axis).values.movedim(axis, -1) if flat.ndim else flat.reshape(1)  # NaN last
    count = (rows == rows).sum(-1, keepdim=True)
    n = rows.shape[-1]
    if not ignore:
        broken = count < n
        count = count * 0 + n
    places = q.reshape(-1) * (count - 1).clamp(min=0).to(x.dtype)  # (*, Q)
    answer = _between(rows, places, between)
    if not ignore:
        answer = answer.masked_fill(broken, float("nan"))
    if not x.ndim:
        answer = answer.reshape(-1)
    elif dim is None and keepdim:
        answer = answer.reshape(*(1,) * x.ndim, -1)
    elif keepdim:
        answer = answer.unsqueeze(axis)
    return answer.movedim(-1, 0) if q.ndim else answer.squeeze(-1)


def _between(rows: Tensor, places: Tensor, method: str) -> Tensor:
    """The sorted rows read at places between indices. (*, N), (*, Q) -> (*, Q)."""
    if method == "nearest":
        return rows.gather(-1, places.round().long())
    if method == "higher":
        return rows.gather(-1, places.ceil().long())
    low = places.floor()
    lower = rows.gather(-1, low.long())
    if method == "lower":
        return lower
    upper = rows.gather(-1, places.ceil().long())
    weight = (places - low) if method == "linear" else (places > low).to(places.dtype) * 0.5
    return lower.lerp(upper, weight)


spec(kthvalue, cases=[Case([(3, 5)], {"k": 2}), Case([(3, 5)], {"k": 3, "dim": 0})],
     reference=lambda np, x, k, dim=-1: np.sort(x, dim).take(k - 1, dim))  # fmt: skip
spec(msort, cases=[Case([(4, 2)])], reference=lambda np, x: np.sort(x, 0))
spec(cummax, cases=[Case([(3, 5)], {"dim": 1})],
     reference=lambda np, x, dim: np.maximum.accumulate(x, dim))  # fmt: skip
spec(cummin, cases=[Case([(3, 5)], {"dim": 0})],
     reference=lambda np, x, dim: np.minimum.accumulate(x, dim))  # fmt: skip
spec(aminmax, cases=[Case([(3, 4)]), Case([(3, 4)], {"dim": 1})])
