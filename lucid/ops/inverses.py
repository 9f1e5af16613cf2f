"""Inverses, linear equations and Cholesky factors of square matrices, batched."""

from __future__ import annotations

from lucid.errors import ShapeError
from lucid.op import Op, casts
from lucid.op.matrices import compute, diagonal_matrices, matrices
from lucid.tensor import Tensor, tensor_method

__all__ = ["cholesky", "inv", "solve"]


class Inverse(Op):
    """Y = A^-1; dA = -Y' dY Y'."""

    def forward(self, A):
        y = compute("inv", "the matrix must be invertible", self.xp.linalg.inv, A)
        self.save(y)
        return y

    def backward(self, dy):
        (y,) = self.saved
        return -(y.mT @ dy @ y.mT)


class Solve(Op):
    """X with A X = B; dB = A'^-1 dX, dA = -dB X'."""

    def forward(self, A, B):
        x = compute("solve", "A must be invertible", self.xp.linalg.solve, A, B)
        if self.needs:
            self.save(A, x if self.needs[0] else None)
        return x

    def backward(self, dx):
        A, x = self.saved
        dB = Solve()(A.mT, dx)
        dA = -(dB @ x.mT).sum_to_size(self.shapes[0]) if self.needs[0] else None
        return dA, (dB.sum_to_size(self.shapes[1]) if self.needs[1] else None)


class Cholesky(Op):
    """L with L L' = A; dA = L'^-1 sym(tril(L' dL)) L^-1, sym halving what it doubles."""

    def forward(self, A):
        rule = "the matrix must be positive definite"
        y = compute("cholesky", rule, self.xp.linalg.cholesky, A)
        self.save(y)
        return y

    def backward(self, dy):
        (y,) = self.saved
        lower = (y.mT @ dy).tril()
        middle = (lower + lower.mT - diagonal_matrices(lower.diagonal(0, -2, -1))) * 0.5
        return Solve()(y.mT, Solve()(y.mT, middle.mT).mT)


@casts(cpu="float32")
def inv(A: Tensor) -> Tensor:
    """The inverse of each square matrix. A: (*, N, N) -> (*, N, N).

    ``solve(A, B)`` is faster and more exact than ``inv(A) @ B``.

    >>> lucid.linalg.inv(Tensor([[2.0, 0.0], [0.0, 4.0]]))
    Tensor([[0.5 , 0.  ],
            [0.  , 0.25]])
    """
    return Inverse()(matrices("inv", A, square=True))


@tensor_method("inverse")
def _inverse(self: Tensor) -> Tensor:
    """The inverse of each square matrix. (*, N, N) -> (*, N, N)."""
    return inv(self)


@casts(cpu="float32")
def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """X with A X = B, or X A = B if not ``left``. A: (*, N, N), B: (*, N, K) -> X: (*, N, K).

    B may be one vector per matrix: of A's shape without the last dimension, or (N,).
    """
    matrices("solve", A, square=True)
    vector = B.ndim == 1 or B.shape == A.shape[:-1]
    if vector:
        return Solve()(A if left else A.mT, B.unsqueeze(-1)).squeeze(-1)
    matrices("solve", B)
    if B.shape[-2 if left else -1] != A.shape[-1]:
        raise ShapeError(f"solve: B must fit A; got A {A.shape} and B {B.shape}")
    return Solve()(A, B) if left else Solve()(A.mT, B.mT).mT


@casts(cpu="float32")
def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """The lower triangular L with L L' = A, or its transpose. A: (*, N, N) -> L: (*, N, N).

    A must be symmetric and positive definite; only its lower half is read.
    """
    L = Cholesky()(matrices("cholesky", A, square=True))
    return L.mT if upper else L
