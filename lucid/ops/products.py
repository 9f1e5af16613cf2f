"""Products and distances of vectors: kron, cross, inner; cdist, pdist, dist; areas, covariances."""

from __future__ import annotations

from typing import Any

from lucid.errors import ShapeError
from lucid.op import casts, dimension, floating
from lucid.spec import Case, spec
from lucid.tensor import Tensor, tensor_method

__all__ = [
    "addbmm",
    "addr",
    "cdist",
    "chain_matmul",
    "corrcoef",
    "cov",
    "cross",
    "dist",
    "ger",
    "inner",
    "kron",
    "pdist",
    "trapezoid",
    "trapz",
    "vdot",
]


@tensor_method("inner")
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Products summed over the last dimension of both. (*, K), (+, K) -> (*, +)."""
    if not input.ndim or not other.ndim:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise ShapeError(
            f"inner: the last dimensions must be equal; got {input.shape} and {other.shape}"
        )
    rows = input.reshape(-1, input.shape[-1]) @ other.reshape(-1, other.shape[-1]).t()
    return rows.reshape(*input.shape[:-1], *other.shape[:-1])


@tensor_method("vdot")
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """The sum of the products of two vectors' elements: dot, of real numbers. (K,), (K,) -> ()."""
    return input.dot(other)


@tensor_method("ger")
def ger(input: Tensor, vec2: Tensor) -> Tensor:
    """outer, by its old name. (M,), (N,) -> (M, N)."""
    return input.outer(vec2)


@tensor_method("addr")
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * outer(vec1, vec2)."""
    return input * beta + vec1.outer(vec2) * alpha


@tensor_method("addbmm")
@casts(cpu="lower", cuda="lower")
def addbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta * input + alpha * (the sum of the products of all pairs of matrices)."""
    return input * beta + batch1.bmm(batch2).sum(0) * alpha


def chain_matmul(*matrices: Tensor) -> Tensor:
    """The product of matrices, from left to right."""
    if not matrices:
        raise ShapeError("chain_matmul: expected at least one matrix; got none")
    product = matrices[0]
    for m in matrices[1:]:
        product = product.mm(m)
    return product


@tensor_method("kron")
def kron(input: Tensor, other: Tensor) -> Tensor:
    """Every element of ``input`` times the whole of ``other``, side by side. (M, N), (P, Q) ->
    (M * P, N * Q); missing dimensions count as 1.

    >>> lucid.kron(Tensor([1.0, 10.0]), Tensor([1.0, 2.0]))
    Tensor([ 1.,  2., 10., 20.])
    """
    n = max(input.ndim, other.ndim)
    a = (1,) * (n - input.ndim) + input.shape
    b = (1,) * (n - other.ndim) + other.shape
    left = [s for size in a for s in (size, 1)]
    right = [s for size in b for s in (1, size)]
    product = input.reshape(left) * other.reshape(right)
    return product.reshape([x * y for x, y in zip(a, b, strict=True)])


@tensor_method("cross")
@casts(cuda="widest")
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The vector product of vectors of 3 elements, along ``dim`` or the first dimension of size 3.

    Other dimensions must be equal.
    """
    if input.shape != other.shape:
        raise ShapeError(f"cross: both must have one shape; got {input.shape} and {other.shape}")
    axis = input.shape.index(3) if dim is None and 3 in input.shape else dim
    if axis is None or input.shape[dimension("cross", axis, input.ndim)] != 3:
        raise ShapeError(f"cross: dim must have 3 elements; got dim={dim} for {input.shape}")
    ahead, behind = input.roll(-1, axis), other.roll(-2, axis)
    return ahead * behind - input.roll(-2, axis) * other.roll(-1, axis)


def _norm(gap: Tensor, p: float) -> Tensor:
    """The p-norm of the last dimension, with slope 0 at 0."""
    if p == 0:
        return (gap != 0).to(gap.dtype).sum(-1)
    if p == float("inf"):
        return gap.abs().amax(-1) if gap.shape[-1] else gap.sum(-1)
    if p == 1:
        return gap.abs().sum(-1)
    if p == 2:
        return gap.norm(2, -1)
    sums = (gap.abs() ** p).sum(-1)
    zero = sums == 0
    return (sums.masked_fill(zero, 1.0) ** (1 / p)).masked_fill(zero, 0.0)


@casts(cpu="float32", cuda="float32")
def cdist(
    x1: Tensor,
    x2: Tensor,
    p: float = 2.0,
    compute_mode: str | None = "use_mm_for_euclid_dist_if_necessary",
) -> Tensor:
    """The p-norm distance of each row of x1 to each of x2. (*, P, M), (*, R, M) -> (*, P, R).

    Computed from the differences, whatever ``compute_mode`` says, since products lose digits.
    """
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(
            f"cdist: both must be (*, rows, M) with the same M; got {x1.shape} and {x2.shape}"
        )
    if p < 0:
        raise ValueError(f"cdist: p must not be negative; got {p}")
    floating("cdist", "input", x1)
    return _norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p)


@casts(cuda="float32")
def pdist(input: Tensor, p: float = 2) -> Tensor:
    """The p-norm distances of all pairs of rows, row by row. (N, M) -> (N * (N - 1) / 2,).

    >>> F.pdist(Tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]))
    Tensor([5.    , 1.    , 4.2426])
    """
    if input.ndim != 2:
        raise ShapeError(f"pdist: expected (N, M); got shape {input.shape}")
    if p < 0:
        raise ValueError(f"pdist: p must not be negative; got {p}")
    floating("pdist", "input", input)
    n = input.shape[0]
    xp = input._device.xp
    first, second = (Tensor._wrap(i, input._device) for i in xp.triu_indices(n, 1))
    return _norm(input.index_select(0, first) - input.index_select(0, second), p)


@tensor_method("dist")
@casts(cuda="float32")
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of the difference of two tensors, of all elements. Shapes broadcast."""
    return floating("dist", "difference", input - other).norm(p)


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1, dim: int = -1) -> Tensor:
    """The area under y along ``dim`` by trapezoids, between places x or at steps dx."""
    axis = dimension("trapezoid", dim, y.ndim)
    n = max(y.shape[axis] - 1, 0)
    means = (y.narrow(axis, min(n, 1), n) + y.narrow(axis, 0, n)) / 2.0
    if x is None:
        return means.sum(axis) * dx
    steps = x.diff(dim=-1 if x.ndim == 1 else dim)
    if x.ndim == 1:
        steps = steps.reshape([-1 if i == axis else 1 for i in range(y.ndim)])
    return (means * steps).sum(axis)


trapz = trapezoid


@tensor_method("cov")
def cov(
    input: Tensor,
    *,
    correction: int = 1,
    fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:
    """Covariances of the rows, whose columns are observations. (V, N) -> (V, V), (N,) -> ().

    fweights: how often each observation counts (ints); aweights: how much.
    """
    if input.ndim > 2:
        raise ShapeError(f"cov: at most 2 dimensions; got shape {input.shape}")
    rows = input.reshape(1, -1) if input.ndim < 2 else input
    weights: Any = None
    for w in (fweights, aweights):
        if w is not None:
            weights = w if weights is None else weights * w
    count: Any = rows.shape[1]
    if weights is None:
        rows = rows - rows.mean(1, keepdim=True)
        product = rows @ rows.t()
    else:
        count = weights.sum()
        rows = rows - (rows * weights).sum(1, keepdim=True) / count
        product = (rows * weights) @ rows.t()
        if aweights is not None and correction:
            correction = correction * (weights * aweights).sum() / count
    left = count - correction
    left = left.clamp(min=0) if isinstance(left, Tensor) else max(left, 0)
    result = product / left
    return result.squeeze() if input.ndim < 2 else result


@tensor_method("corrcoef")
def corrcoef(input: Tensor) -> Tensor:
    """Correlations of the rows, in [-1, 1]. (V, N) -> (V, V), (N,) -> ()."""
    c = cov(input)
    if c.ndim == 0:
        return c / c
    size = c.diagonal().sqrt()
    return (c / size.unsqueeze(1) / size.unsqueeze(0)).clamp(-1, 1)


spec(inner, cases=[Case([(2, 3), (4, 3)])], reference=lambda np, a, b: np.inner(a, b))
spec(kron, cases=[Case([(2, 3), (2,)])], reference=lambda np, a, b: np.kron(a, b))
spec(cross, cases=[Case([(2, 3), (2, 3)])], reference=lambda np, a, b: np.cross(a, b))
spec(cdist, cases=[Case([(2, 3), (4, 3)]), Case([(2, 3), (4, 3)], {"p": 3.0})])
spec(
    pdist,
    cases=[Case([(4, 3)]), Case([(4, 3)], {"p": 1})],
    errors=[(Case([(3,)]), ShapeError, r"pdist: expected \(N, M\); got shape \(3,\)")],
)
spec(cov, cases=[Case([(2, 5)])], reference=lambda np, x: np.cov(x))
spec(trapezoid, cases=[Case([(2, 5)])], reference=lambda np, y: ((y[:, 1:] + y[:, :-1]) / 2).sum(1))
