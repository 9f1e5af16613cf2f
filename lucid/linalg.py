"""Linear algebra: PyTorch's ``linalg`` namespace. Decompositions, solutions, norms; all batched.

>>> A = Tensor([[2.0, 1.0], [1.0, 3.0]])
>>> lucid.linalg.solve(A, A @ lucid.ones(2))
Tensor([1., 1.])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lucid.errors import DTypeError, ShapeError
from lucid.errors import LinAlgError as LinAlgError
from lucid.op import Dims, casts, dimension, dimensions, floating
from lucid.ops import broadcast_tensors as _broadcast_tensors
from lucid.ops import cross as _cross
from lucid.ops import diagonal as _diagonal
from lucid.ops import matmul as matmul
from lucid.ops.determinants import Slogdet as _Slogdet
from lucid.ops.determinants import slogdet as _slogdet
from lucid.ops.inverses import cholesky as cholesky
from lucid.ops.inverses import inv as inv
from lucid.ops.inverses import solve as solve
from lucid.ops.pseudo_inverse import matrix_power as _matrix_power
from lucid.ops.pseudo_inverse import matrix_rank as matrix_rank
from lucid.ops.pseudo_inverse import pinv as pinv
from lucid.ops.spectral import det as det
from lucid.ops.spectral import eigh as eigh
from lucid.ops.spectral import eigvalsh as eigvalsh
from lucid.ops.spectral import qr as qr
from lucid.ops.spectral import svd as svd
from lucid.ops.spectral import svdvals as svdvals
from lucid.tensor import Tensor

_INF = float("inf")


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """A view of the diagonals of matrices. A: (*, M, N) -> (*, min(M, N))."""
    return _diagonal(A, offset, dim1, dim2)


def matrix_power(A: Tensor, n: int) -> Tensor:
    """Each square matrix times itself, n times; the inverse's power for n < 0. (*, N, N)."""
    return _matrix_power(A, n)


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of matrices, in the order that takes the fewest multiplications.

    The first and the last may be vectors, a row and a column.
    """
    tensors = list(tensors)
    if len(tensors) < 2:
        raise ShapeError(f"multi_dot: expected at least two tensors; got {len(tensors)}")
    inner = tensors[1:-1]
    if any(t.ndim != 2 for t in inner) or any(t.ndim not in (1, 2) for t in tensors):
        raise ShapeError(
            "multi_dot: expected matrices, and vectors at the ends only; got shapes"
            f" {[t.shape for t in tensors]}"
        )
    row, column = tensors[0].ndim == 1, tensors[-1].ndim == 1
    chain = [tensors[0].unsqueeze(0) if row else tensors[0], *inner]
    chain.append(tensors[-1].unsqueeze(1) if column else tensors[-1])
    y = _cheapest(chain)
    y = y.squeeze(0) if row else y
    return y.squeeze(-1) if column else y


def _cheapest(chain: list[Tensor]) -> Tensor:
    """By dynamic programming over where to cut: cost[i, j] is that of matrices i to j."""
    sizes = [t.shape[0] for t in chain] + [chain[-1].shape[1]]
    n = len(chain)
    cost = {(i, i): 0 for i in range(n)}
    cut: dict[tuple[int, int], int] = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            costs = {
                k: cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1]
                for k in range(i, j)
            }
            cut[i, j] = min(costs, key=costs.__getitem__)
            cost[i, j] = costs[cut[i, j]]

    def product(i: int, j: int) -> Tensor:
        if i == j:
            return chain[i]
        return product(i, cut[i, j]).mm(product(cut[i, j] + 1, j))

    return product(0, n - 1)


def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The vector product along ``dim``, which has 3 elements. Other dimensions broadcast."""
    if input.ndim != other.ndim:
        raise ShapeError(
            f"cross: both must have one number of dimensions; got {input.shape} and {other.shape}"
        )
    a, b = _broadcast_tensors(input, other)
    return _cross(a, b, dim)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """The sum of the products of elements along ``dim``. Other dimensions broadcast."""
    return (x * y).sum(dim)


def cond(A: Tensor, p: float | str | None = None) -> Tensor:
    """How much each matrix may enlarge relative errors: |A| |A^-1| in the norm p of matrix_norm.

    A: (*, M, N) -> (*). None is 2: the largest singular value by the smallest.
    """
    if p in (None, 2, -2):
        s = svdvals(A)
        return s[..., 0] / s[..., -1] if p != -2 else s[..., -1] / s[..., 0]
    return matrix_norm(A, p) * matrix_norm(inv(A), p)


def slogdet(A: Tensor) -> _Slogdet:
    """The sign and the logarithm of the size of each determinant. A: (*, N, N) -> (*), (*)."""
    return _slogdet(A)


@casts(cuda="float32")
def vector_norm(
    x: Tensor, ord: float = 2, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """(sum |x|^ord)^(1 / ord), of all elements or along ``dim``.

    x: (*) -> y: () or x's shape without the reduced dimensions. ord = inf is the largest size,
    -inf the smallest, 0 the number of elements that are not 0.

    >>> lucid.linalg.vector_norm(Tensor([[3.0, 4.0]]), ord=1, dim=1)
    Tensor([7.])
    """
    if isinstance(ord, str):
        raise DTypeError(f"vector_norm: ord must be a number; got {ord!r}")
    x = floating("vector_norm", "input", x if dtype is None else x.to(dtype))
    axes = dimensions("vector_norm", dim, x.ndim)
    empty = any(x.shape[i] == 0 for i in (range(x.ndim) if axes is None else axes))
    if empty and (ord < 0 or ord == _INF):
        raise ShapeError(f"vector_norm: ord={ord} of nothing is not defined; got shape {x.shape}")
    return x.norm(ord, axes, keepdim)


@casts(cuda="float32")
def matrix_norm(
    A: Tensor,
    ord: float | str = "fro",
    dim: Sequence[int] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Tensor:
    """A norm of the matrices in the two dimensions ``dim``. A: (*, M, N) -> (*).

    "fro": of all elements; 1, -1: the largest, smallest column sum of sizes; inf, -inf: row sum;
    2, -2: the largest, smallest singular value; "nuc": their sum.
    """
    A = floating("matrix_norm", "input", A if dtype is None else A.to(dtype))
    if len(dim) != 2 or A.ndim < 2:
        raise ShapeError(
            f"matrix_norm: dim must be the two dimensions of a matrix; got dim={dim} for shape"
            f" {A.shape}"
        )
    row, column = (dimension("matrix_norm", d, A.ndim) for d in dim)
    if row == column:
        raise ShapeError(f"matrix_norm: the two dimensions must differ; got dim={tuple(dim)}")
    if ord == "fro":
        return A.norm(2, (row, column), keepdim)
    if ord in (2, -2, "nuc"):
        s = svdvals(A.movedim((row, column), (-2, -1)))
        if ord == "nuc" or (ord == 2 and s.shape[-1] == 0):  # of nothing: 0
            y = s.sum(-1)
        else:
            y = s.amax(-1) if ord == 2 else s.amin(-1)
        for d in sorted((row, column)) if keepdim else ():
            y = y.unsqueeze(d)
        return y
    if ord not in (1, -1, _INF, -_INF):
        raise ValueError(f'matrix_norm: ord must be "fro", "nuc", 1, 2, inf, negative; got {ord!r}')
    inner, outer = (row, column) if abs(float(ord)) == 1 else (column, row)
    sums = A.abs().sum(inner, keepdim=True)
    if float(ord) < 0:
        y = sums.amin(outer, keepdim=True)
    else:  # of nothing: 0
        y = sums.amax(outer, keepdim=True) if A.shape[outer] else sums.sum(outer, keepdim=True)
    return y if keepdim else y.squeeze((row, column))


def norm(
    A: Tensor,
    ord: float | str | None = None,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Tensor:
    """vector_norm or matrix_norm: which one, ``dim`` or the number of dimensions decides.

    Without ``ord`` the root of the sum of squares, of all elements or along ``dim``. With it, one
    dimension means vectors, two mean matrices.

    >>> lucid.linalg.norm(Tensor([[3.0, 4.0]]))
    Tensor(5.)
    """
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    axes = dim if dim is None or isinstance(dim, int) else tuple(dim)
    count = A.ndim if axes is None else 1 if isinstance(axes, int) else len(axes)
    if count not in (1, 2):
        raise ShapeError(
            f"norm: with ord, dim must name one dimension or two; got dim={dim} for shape {A.shape}"
        )
    if count == 2:
        two = tuple(range(2)) if axes is None else axes
        return matrix_norm(A, ord, two, keepdim, dtype=dtype)  # type: ignore[arg-type]
    if isinstance(ord, str):
        raise ValueError(f"norm: {ord!r} is a norm of matrices; got shape {A.shape}, dim={dim}")
    return vector_norm(A, ord, axes, keepdim, dtype=dtype)
