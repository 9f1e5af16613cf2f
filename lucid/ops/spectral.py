"""Eigenvalues, singular values, QR and determinants of matrices, batched.

Gradients are those of the factors as functions of every element of the matrix. They exist where the
factors are unique: eigenvalues (singular values) that stand twice leave their vectors undetermined,
and a gradient that asks for these vectors divides by 0.
"""

from __future__ import annotations

from typing import NamedTuple

from lucid.errors import GradError
from lucid.op import Op, casts
from lucid.op.matrices import compute, diagonal_matrices, matrices, quotient
from lucid.tensor import Tensor, tensor_method

__all__ = ["det", "eigh", "eigvalsh", "qr", "svd", "svdvals"]


class Eigh(NamedTuple):
    """What eigh answers."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class Svd(NamedTuple):
    """What svd answers."""

    U: Tensor
    S: Tensor
    Vh: Tensor


class Qr(NamedTuple):
    """What qr answers."""

    Q: Tensor
    R: Tensor


class EigenDecomposition(Op):
    """(w, V) with A V = V diag(w); dA = V (diag(dw) + V' dV / (w_j - w_i)) V'."""

    UPLO: str

    def forward(self, A):
        rule = "the eigenvalues must converge"
        w, v = compute("eigh", rule, lambda a: tuple(self.xp.linalg.eigh(a, self.UPLO)), A)
        self.save(w, v)
        return w, v

    def backward(self, dw, dv):
        w, v = self.saved
        gaps = w.unsqueeze(-2) - w.unsqueeze(-1)
        turned = v.mT @ dv
        turned = turned - diagonal_matrices(turned.diagonal(0, -2, -1))  # v keeps its length
        return v @ (quotient(turned, gaps) + diagonal_matrices(dw)) @ v.mT


class SingularDecomposition(Op):
    """(U, S, Vh) with A = U diag(S) Vh."""

    full: bool

    def forward(self, A):
        rule = "the singular values must converge"
        u, s, vh = compute("svd", rule, lambda a: tuple(self.xp.linalg.svd(a, self.full)), A)
        self.save(u, s, vh)
        return u, s, vh

    def backward(self, du, ds, dvh):
        """Giles, Collected Matrix Derivative Results, 2008, for U and V as well."""
        u, s, vh = self.saved
        m, n, k = u.shape[-2], vh.shape[-1], s.shape[-1]
        if self.full and m != n:
            u, vh = u[..., :k], vh[..., :k, :]
            _refuse_full(du[..., k:], dvh[..., k:, :])
            du, dvh = du[..., :k], dvh[..., :k, :]
        rows, columns = s.unsqueeze(-2), s.unsqueeze(-1)
        gaps = (rows - columns) * (rows + columns)
        turned_u, turned_v = u.mT @ du, vh @ dvh.mT
        middle = quotient(turned_u - turned_u.mT, gaps) * rows
        middle = middle + columns * quotient(turned_v - turned_v.mT, gaps)
        dA = u @ (middle + diagonal_matrices(ds)) @ vh
        if m > k:
            dA = dA + quotient(du - u @ turned_u, rows) @ vh
        if n > k:
            dA = dA + u @ quotient(dvh - turned_v.mT @ vh, columns)
        return dA


class QrDecomposition(Op):
    """(Q, R) with A = Q R, R upper triangular."""

    mode: str

    def forward(self, A):
        xp = self.xp
        if not A.size:
            m, n = A.shape[-2:]
            k = m if self.mode == "complete" else min(m, n)
            eye = xp.broadcast_to(xp.eye(m, k, dtype=A.dtype), (*A.shape[:-2], m, k))
            q, r = eye.copy(), xp.zeros((*A.shape[:-2], k, n), A.dtype)
        else:
            rule = "the matrix must have a QR decomposition"
            q, r = compute("qr", rule, lambda a: tuple(xp.linalg.qr(a, self.mode)), A)
        self.save(q, r)
        return q, r

    def backward(self, dq, dr):
        """Roberts and Roberts, QR and LQ Decomposition Matrix Backpropagation, 2020."""
        q, r = self.saved
        m, n = q.shape[-2], r.shape[-1]
        if self.mode == "complete" and m > n:
            raise GradError(
                f"qr: mode='complete' has a gradient only for M <= N; got ({m}, {n})."
                ' Hint: use mode="reduced"'
            )
        if m >= n:
            return _tall(q, r, dq, dr)
        square, rest = r[..., :m], r[..., m:]  # A = Q (square | rest)
        dleft = _tall(q, square, dq + (q @ rest) @ dr[..., m:].mT, dr[..., :m])
        left = self.wrap(self.xp.eye(m, n, dtype=r._array.dtype))
        right = self.wrap(self.xp.eye(n - m, n, m, dtype=r._array.dtype))
        return dleft @ left + q @ dr[..., m:] @ right


def _tall(q: Tensor, r: Tensor, dq: Tensor, dr: Tensor) -> Tensor:
    inner = r @ dr.mT - dq.mT @ q
    symmetric = inner.tril() + inner.tril(-1).mT
    return (dq + q @ symmetric) @ r.inverse().mT


def _refuse_full(*rest: Tensor) -> None:
    if any(bool((t != 0).any()) for t in rest):
        raise GradError(
            "svd: the vectors that full_matrices=True adds are not determined by the matrix, and"
            " have no gradient. Hint: use full_matrices=False"
        )


@casts(cpu="float32")
def eigh(A: Tensor, UPLO: str = "L") -> Eigh:
    """Eigenvalues, ascending, and eigenvectors. A: (*, N, N), symmetric -> (*, N), (*, N, N).

    Only the lower half is read (UPLO="L"), or the upper ("U"); the gradient is that of the whole
    matrix, not made symmetric. Vectors stand in columns, each determined up to its sign.

    >>> lucid.linalg.eigh(Tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
    Tensor([1., 2.])
    """
    if UPLO.upper() not in ("L", "U"):
        raise ValueError(f'eigh: UPLO must be "L" or "U"; got {UPLO!r}')
    return Eigh(*EigenDecomposition(UPLO.upper())(matrices("eigh", A, square=True)))


@casts(cpu="float32")
def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """The eigenvalues of symmetric matrices, ascending. (*, N, N) -> (*, N)."""
    return eigh(A, UPLO).eigenvalues


@casts(cpu="float32")
def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> Svd:
    """U, S, Vh with A = U diag(S) Vh, S descending. A: (*, M, N) -> (*, M, K), (*, K), (*, K, N).

    K = min(M, N); with ``full_matrices`` U is (M, M) and Vh (N, N), and what they have beyond K has
    no gradient. ``driver`` must be None: the library chooses.
    """
    if driver is not None:
        raise ValueError(f"svd: driver must be None; got {driver!r}")
    return Svd(*SingularDecomposition(full_matrices)(matrices("svd", A)))


@casts(cpu="float32")
def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """The singular values of each matrix, descending. A: (*, M, N) -> (*, min(M, N))."""
    return svd(A, full_matrices=False, driver=driver).S


@casts(cpu="float32")
def qr(A: Tensor, mode: str = "reduced") -> Qr:
    """Q with orthonormal columns, R upper triangular; A = Q R: (*, M, N) -> (*, M, K), (*, K, N).

    K = min(M, N) for "reduced", M for "complete"; "r" leaves Q empty.
    """
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f'qr: mode must be "reduced", "complete" or "r"; got {mode!r}')
    Q, R = QrDecomposition("reduced" if mode == "r" else mode)(matrices("qr", A))
    if mode == "r":  # without Q, R is no function that could be differentiated
        return Qr(Q.detach().new_empty((0,)), R.detach())
    return Qr(Q, R)


class Determinant(Op):
    """d = det(A); dA = d * dd * A'^-1, or the cofactors where A has no inverse."""

    def forward(self, A):
        y = compute("det", "the matrices must be square", self.xp.linalg.det, A)
        y = self.xp.asarray(y, A.dtype)
        self.save(A, y)
        return y

    def backward(self, dd):
        A, d = self.saved
        if not bool((d == 0).any()):
            return (dd * d).unsqueeze(-1).unsqueeze(-1) * A.inverse().mT
        u, s, vh = SingularDecomposition(True)(A)
        sign = self.wrap(self.xp.sign(self.xp.linalg.det((u @ vh)._array)))
        n = s.shape[-1]
        itself = self.wrap(self.xp.eye(n, dtype=bool))
        others = s.unsqueeze(-2).expand((*s.shape, n)).masked_fill(itself, 1.0).prod(-1)
        return u @ diagonal_matrices(others * (dd * sign).unsqueeze(-1)) @ vh


@tensor_method("det")
def det(A: Tensor) -> Tensor:
    """The determinant of each square matrix. A: (*, N, N) -> (*).

    >>> lucid.linalg.det(Tensor([[1.0, 2.0], [3.0, 4.0]])).round(decimals=3)
    Tensor(-2.)
    """
    return Determinant()(matrices("det", A, square=True))
