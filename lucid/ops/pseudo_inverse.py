"""Pseudo-inverses, ranks and powers of matrices, batched.

P = pinv(A): dA = -P' dP P' + (1 - A P) dP' P P' + P' P dP' (1 - P A), where A's rank stays.
"""

from __future__ import annotations

from typing import Any

from lucid.errors import ShapeError
from lucid.op import Op
from lucid.op.conventions import whole
from lucid.op.matrices import compute, matrices
from lucid.tensor import Tensor, tensor_method

__all__ = ["matrix_power", "matrix_rank", "pinverse"]


class PseudoInverse(Op):
    """V diag(1 / s) U', singular values at or below the cutoff left out."""

    atol: float | None
    rtol: float | None

    def forward(self, A):
        xp = self.xp
        rule = "the singular values must converge"
        u, s, vh = compute("pinv", rule, lambda a: tuple(xp.linalg.svd(a, False)), A)
        kept = s > _cutoff(xp, A, s, self.atol, self.rtol)
        inverse = xp.where(kept, 1 / xp.where(kept, s, 1), 0).astype(A.dtype)
        P = (vh.swapaxes(-1, -2) * inverse[..., None, :]) @ u.swapaxes(-1, -2)
        self.save(A, P)
        return P

    def backward(self, dP):
        A, P = self.saved
        G, Q = dP.mT, P.mT
        left = G - A @ (P @ G)  # (1 - A P) G
        right = G - (G @ P) @ A  # G (1 - P A)
        return left @ P @ Q + Q @ P @ right - Q @ dP @ Q


class Rank(Op):
    """How many singular values are above the cutoff."""

    atol: float | None
    rtol: float | None
    differentiable = False

    def forward(self, A):
        xp = self.xp
        rule = "the singular values must converge"
        s = compute("matrix_rank", rule, lambda a: xp.linalg.svd(a, compute_uv=False), A)
        return (s > _cutoff(xp, A, s, self.atol, self.rtol)).sum(-1)


def _cutoff(xp: Any, A: Any, s: Any, atol: float | None, rtol: float | None) -> Any:
    """max(atol, rtol * the largest); rtol is max(M, N) * eps where nothing is said."""
    if rtol is None:
        rtol = 0.0 if atol else max(A.shape[-2:]) * float(xp.finfo(A.dtype).eps)
    most = s.max(-1, keepdims=True) if s.shape[-1] else s.sum(-1, keepdims=True)
    return xp.maximum(most * rtol, atol or 0.0)


def pinv(
    A: Tensor, *, atol: float | None = None, rtol: float | None = None, hermitian: bool = False
) -> Tensor:
    """The pseudo-inverse of each matrix: X of least size with A X A = A. (*, M, N) -> (*, N, M).

    Singular values up to max(atol, rtol * the largest) count as 0; rtol is max(M, N) * eps by
    default, 0 if atol is given. ``hermitian`` is accepted for PyTorch's sake.
    """
    return PseudoInverse(atol, rtol)(matrices("pinv", A))


@tensor_method("pinverse")
def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """pinv with rtol=rcond, by its old name. (*, M, N) -> (*, N, M)."""
    return PseudoInverse(None, rcond)(matrices("pinverse", input))


def matrix_rank(
    A: Tensor, *, atol: float | None = None, rtol: float | None = None, hermitian: bool = False
) -> Tensor:
    """How many singular values of each matrix are above pinv's cutoff. (*, M, N) -> (*), int64."""
    return Rank(atol, rtol)(matrices("matrix_rank", A))


@tensor_method("matrix_power")
def matrix_power(input: Tensor, n: int) -> Tensor:
    """Each square matrix times itself, n times; the inverse's power for n < 0. (*, N, N).

    >>> lucid.linalg.matrix_power(Tensor([[1.0, 1.0], [0.0, 1.0]]), 5)
    Tensor([[1., 5.],
            [0., 1.]])
    """
    n = whole("matrix_power", "n", n)
    if input.ndim < 2 or input.shape[-1] != input.shape[-2]:
        raise ShapeError(f"matrix_power: the input must be (*, N, N); got shape {input.shape}")
    if n < 0:
        return matrix_power(input.inverse(), -n)
    if n == 0:
        xp = input._device.xp
        eye = Tensor._wrap(xp.eye(input.shape[-1], dtype=input._array.dtype), input._device)
        every = Tensor._wrap(xp.ones((), dtype=bool), input._device)
        return input.masked_fill(every, 0) + eye  # with a gradient, of zeros
    result, square = None, input
    while n:
        if n & 1:
            result = square if result is None else result @ square
        n >>= 1
        if n:
            square = square @ square
    return input.clone() if result is input else result  # type: ignore[return-value]
