"""Orthogonal matrices as functions of any matrix: by exponential, Cayley map or reflections."""

from __future__ import annotations

import math
from typing import Any

from lucid import dtypes, linalg
from lucid.errors import ShapeError
from lucid.graph.grad_mode import no_grad
from lucid.nn.module import Module
from lucid.nn.utils.parametrize import register_parametrization
from lucid.ops import cat, eye
from lucid.tensor import Tensor

__all__ = ["orthogonal"]

_MAPS = ("matrix_exp", "cayley", "householder")


def _identity(x: Tensor, rows: int, columns: int) -> Tensor:
    return eye(rows, columns, dtype=x.dtype, device=x.device)


def matrix_exp(A: Tensor) -> Tensor:
    """The sum of A^k / k! of each matrix. (*, N, N) -> (*, N, N).

    A is halved until its norm is at most 1/2, where 8 terms are exact to float32 and 15 to float64;
    the result is squared as often.
    """
    size = A.detach().abs().sum(-2).amax().item() if A.numel() else 0.0
    halvings = max(0, math.ceil(math.log2(size / 0.5))) if 0 < size < math.inf else 0
    x, one = A * 0.5**halvings, _identity(A, A.shape[-1], A.shape[-1])
    y = one
    for k in range(14 if A.dtype is dtypes.float64 else 7, 0, -1):
        y = one + x @ y * (1 / k)
    for _ in range(halvings):
        y = y @ y
    return y


def reflections(V: Tensor) -> Tensor:
    """The first K columns of H_1 ... H_K, H_i = I - 2 v v' / (v' v), v column i of V: (*, N, K).

    V has 1 on its diagonal and 0 above. The product is I - V T V' with an upper triangular T, whose
    inverse is the upper half of V' V with half of its diagonal (Joffrain et al., 2006).
    """
    n, k = V.shape[-2:]
    products = V.mT @ V
    inverse = products.triu(1) + products * _identity(V, k, k) * 0.5
    return _identity(V, n, k) - V @ linalg.solve(inverse, V[..., :k, :].mT)


def to_reflections(Q: Tensor) -> Tensor:
    """The reflections that a matrix with orthonormal columns is the product of: (*, N, K).

    Below the diagonal the vectors, on it the signs of the columns.
    """
    k, R, columns = Q.shape[-1], Q, []
    for i in range(k):
        x = R[..., i:, i]
        head = x[..., :1]
        sign = (head >= 0).to(x.dtype) * 2 - 1
        length = x.norm(2, -1, True)
        first = head + sign * length
        v = x / (first + (first == 0).to(x.dtype))
        v = cat([head * 0 + 1, v[..., 1:]], -1)
        columns.append(cat([R[..., :i, i] * 0, -sign, v[..., 1:]], -1))
        v, rest = v.unsqueeze(-1), R[..., i:, :]
        rest = rest - v @ (v.mT @ rest) * (2 / (v * v).sum(-2, keepdim=True))
        R = cat([R[..., :i, :], rest], -2)
    lower = cat([column.unsqueeze(-1) for column in columns], -1)
    return lower + R.triu(1)


def orthogonalized(A: Tensor) -> Tensor:
    """Q of A = Q R with a positive diagonal of R."""
    Q, R = linalg.qr(A)
    signs = R.diagonal(0, -2, -1).sign()
    return Q * (signs + (signs == 0).to(signs.dtype)).unsqueeze(-2)


def _is_orthogonal(Q: Tensor) -> bool:
    n, k = Q.shape[-2:]
    close = 10.0 * n * dtypes.finfo(Q.dtype).eps
    return bool((Q.mT @ Q).allclose(_identity(Q, k, k).expand(*Q.shape[:-2], k, k), atol=close))


class _Orthogonal(Module):
    """X: (*, N, K), its upper half not used -> Q with orthonormal columns, or rows if N < K.

    With ``use_trivialization`` Q is multiplied by ``base``, the matrix that the training began
    with, so that X stays close to where the map is well conditioned (Lezcano-Casado, 2019).
    """

    base: Tensor | None

    def __init__(self, weight: Tensor, orthogonal_map: str, *, use_trivialization: bool = True):
        super().__init__()
        self.shape, self.orthogonal_map = weight.shape, orthogonal_map
        self.use_trivialization = use_trivialization
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        wide = X.shape[-2] < X.shape[-1]
        X = X.mT if wide else X
        n, k = X.shape[-2:]
        if self.orthogonal_map == "householder":
            signs = X.detach().diagonal(0, -2, -1).trunc()
            Q = reflections(X.tril(-1) + _identity(X, n, k)) * signs.unsqueeze(-2)
        else:
            A = X.tril()
            if n != k:
                A = cat([A, A.new_zeros((*A.shape[:-1], n - k))], -1)
            A = A - A.mT
            if self.orthogonal_map == "matrix_exp":
                Q = matrix_exp(A)
            else:
                one = _identity(A, n, n)
                Q = linalg.solve(one - A * 0.5, one + A * 0.5)
            Q = Q[..., :k]
        if self.use_trivialization and self.base is not None:
            Q = self.base @ Q
        return Q.mT if wide else Q

    @no_grad
    def right_inverse(self, Q: Tensor) -> Tensor:
        """An X whose Q is this matrix, or the nearest thing to it that QR finds."""
        if Q.shape != self.shape:
            raise ShapeError(f"orthogonal: must have shape {self.shape}; got {Q.shape}")
        wide = Q.shape[-2] < Q.shape[-1]
        tall = Q.mT if wide else Q
        n, k = tall.shape[-2:]
        if not self.use_trivialization:
            if self.orthogonal_map != "householder":
                raise NotImplementedError(
                    f"orthogonal: {self.orthogonal_map} without use_trivialization can't be"
                    ' assigned to. Hint: orthogonal_map="householder"'
                )
            X = to_reflections(tall)
            return X.mT if wide else X
        if n != k:
            noise = tall.new_empty((*tall.shape[:-1], n - k)).normal_()
            self.base = orthogonalized(cat([tall, noise], -1))
        else:
            self.base = tall.clone() if _is_orthogonal(tall) else orthogonalized(tall)
        # The maps take -I to I: reflections have their signs on the diagonal.
        return Q * 0 - _identity(Q, *Q.shape[-2:])


def orthogonal(
    module: Any,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Any:
    """Keep a matrix orthogonal: columns orthonormal, or rows if it is wide. Returns the module.

    ``orthogonal_map`` says how it is computed from the parameter: "matrix_exp" (for square
    matrices), "cayley", or "householder" (for others). It begins as the matrix itself, made
    orthogonal by QR. More than two dimensions are a batch of matrices.

    >>> layer = nn.utils.parametrizations.orthogonal(nn.Linear(3, 2))
    >>> (layer.weight @ layer.weight.mT).allclose(lucid.eye(2), atol=1e-6)
    True
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"orthogonal: {type(module).__name__} has no parameter or buffer {name!r}")
    if weight.ndim < 2:
        raise ShapeError(f"orthogonal: {name} must have 2 dimensions or more; got {weight.shape}")
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1]
        orthogonal_map = "matrix_exp" if square else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(
            f"orthogonal: orthogonal_map must be {', '.join(_MAPS)}; got {orthogonal_map!r}"
        )
    rule = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    register_parametrization(module, name, rule, unsafe=True)
    return module
