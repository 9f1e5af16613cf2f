"""Determinants of large or small matrices, by their logarithm. d log|det A| = tr(A^-1 dA)."""

from __future__ import annotations

from typing import NamedTuple

from lucid.op import Op
from lucid.op.matrices import compute, matrices
from lucid.spec import Case, spec
from lucid.tensor import Tensor, tensor_method

__all__ = ["det", "inverse", "logdet", "slogdet"]


class Slogdet(NamedTuple):
    """What slogdet answers."""

    sign: Tensor
    logabsdet: Tensor


class LogDeterminant(Op):
    """(sign, log|det A|); dA = A'^-1 d(log|det A|), and nothing from the sign, which steps."""

    def forward(self, A):
        rule = "the matrices must be square"
        sign, log = compute("slogdet", rule, lambda a: tuple(self.xp.linalg.slogdet(a)), A)
        self.save(A)
        return self.xp.asarray(sign, A.dtype), self.xp.asarray(log, A.dtype)

    def backward(self, dsign, dlog):
        (A,) = self.saved
        return A.inverse().mT * dlog.unsqueeze(-1).unsqueeze(-1)


def inverse(input: Tensor) -> Tensor:
    """The inverse of each square matrix. A: (*, N, N) -> (*, N, N). See lucid.linalg.inv."""
    return input.inverse()


def det(input: Tensor) -> Tensor:
    """The determinant of each square matrix. A: (*, N, N) -> (*)."""
    return input.det()


@tensor_method("slogdet")
def slogdet(input: Tensor) -> Slogdet:
    """The sign and the logarithm of the size of each determinant. A: (*, N, N) -> (*), (*).

    A singular matrix has sign 0 and -inf.

    >>> lucid.slogdet(Tensor([[0.0, 2.0], [2.0, 0.0]])).sign
    Tensor(-1.)
    """
    return Slogdet(*LogDeterminant()(matrices("slogdet", input, square=True)))


@tensor_method("logdet")
def logdet(input: Tensor) -> Tensor:
    """log(det(A)); NaN where the determinant is negative, -inf where it is 0. (*, N, N) -> (*)."""
    sign, log = LogDeterminant()(matrices("logdet", input, square=True))
    return log.masked_fill(sign < 0, float("nan"))


spec(
    slogdet,
    cases=[Case([(2, 2)]), Case([(2, 3, 3)], low=-1.0, high=2.0)],
    differentiable=False,  # decompositions refuse half types; see the tests of linear algebra
)
