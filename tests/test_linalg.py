"""lucid.linalg: factors that multiply to the matrix, and gradients that agree with differences."""

import numpy
import pytest

import lucid
from lucid import linalg
from lucid.autograd import gradcheck, gradgradcheck
from lucid.testing import assert_close


def matrix(*shape, seed=0):
    """Entries of [-1, 1): almost surely of full rank, with distinct singular values."""
    rng = numpy.random.default_rng(seed)
    return lucid.tensor(rng.uniform(-1, 1, shape)).requires_grad_()


def positive(*shape):
    x = matrix(*shape)
    return (x @ x.mT + lucid.eye(shape[-1], dtype=lucid.float64)).detach().requires_grad_()


def symmetric(x):
    return x + x.mT


def agrees(function, *x):
    return gradcheck(function, x) and gradgradcheck(function, x)


@pytest.mark.parametrize("shape", [(3, 3), (2, 4, 4), (0, 2, 2), (1, 1)])
def test_the_inverse_times_the_matrix_is_one(shape, device):
    A = positive(*shape)
    eye = lucid.eye(shape[-1], dtype=lucid.float64).expand(shape)
    assert_close(linalg.inv(A) @ A, eye)
    assert agrees(linalg.inv, A)


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("a, b", [((3, 3), (3, 3)), ((2, 3, 3), (3, 3)), ((3, 3), (2, 3, 3))])
def test_a_solution_solves_the_equations_and_broadcasts(a, b, left, device):
    A, B = positive(*a), matrix(*b, seed=1)
    X = linalg.solve(A, B, left=left)
    product = A @ X if left else X @ A
    assert_close(product, B.expand(product.shape))
    assert agrees(lambda A, B: linalg.solve(A, B, left=left), A, B)


@pytest.mark.parametrize("a, b", [((3, 3), (3,)), ((2, 3, 3), (2, 3)), ((2, 3, 3), (3,))])
def test_a_right_side_may_be_a_vector_per_matrix(a, b, device):
    A, B = positive(*a), matrix(*b, seed=1)
    x = linalg.solve(A, B)
    assert_close((A @ x.unsqueeze(-1)).squeeze(-1), B.expand(x.shape))
    assert agrees(linalg.solve, A, B)


@pytest.mark.parametrize("upper", [True, False])
def test_the_cholesky_factor_is_triangular_and_its_square_is_the_matrix(upper, device):
    A = positive(2, 3, 3)
    L = linalg.cholesky(A, upper=upper)
    assert_close(L.mT @ L if upper else L @ L.mT, A)
    assert_close(L, L.triu() if upper else L.tril())
    assert agrees(lambda A: linalg.cholesky(symmetric(A), upper=upper), A)


@pytest.mark.parametrize("shape", [(3, 3), (2, 2, 2), (0, 3, 3)])
def test_eigenvectors_and_values_are_those_of_the_symmetric_matrix(shape, device):
    x = matrix(*shape)
    A = symmetric(x)
    w, V = linalg.eigh(A)
    assert_close(A @ V, V * w.unsqueeze(-2))
    # The sign of a vector is free, so what is differentiated must not depend on it.
    assert agrees(lambda x: linalg.eigh(symmetric(x)).eigenvalues, x)
    assert agrees(lambda x: linalg.eigh(symmetric(x)).eigenvectors ** 2, x)


def test_eigh_reads_the_half_that_it_is_told_to(device):
    A = lucid.tensor([[1.0, 7.0], [0.0, 2.0]])
    assert linalg.eigvalsh(A, "L").tolist() == [1.0, 2.0]
    assert linalg.eigvalsh(A, "U")[0].item() < 0


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 2)])
def test_singular_values_and_vectors_multiply_to_the_matrix(shape, device):
    A = matrix(*shape)
    U, S, Vh = linalg.svd(A, full_matrices=False)
    assert_close(U * S.unsqueeze(-2) @ Vh, A)
    assert agrees(linalg.svdvals, A)
    # The sign that U and V share is free: squares do not have it.
    assert agrees(lambda A: linalg.svd(A, full_matrices=False).U ** 2, A)
    assert agrees(lambda A: linalg.svd(A, full_matrices=False).Vh ** 2, A)


def test_the_vectors_that_full_matrices_adds_are_orthonormal_and_have_no_gradient(device):
    A = matrix(4, 2)
    U, S, Vh = linalg.svd(A)
    assert U.shape == (4, 4)
    assert_close(U.mT @ U, lucid.eye(4, dtype=lucid.float64))
    assert agrees(lambda A: linalg.svd(A).U[:, :2] ** 2, A)
    with pytest.raises(lucid.errors.GradError, match="have no gradient"):
        U.sum().backward()


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 2)])
def test_q_is_orthonormal_and_times_r_is_the_matrix(shape, device):
    A = matrix(*shape)
    Q, R = linalg.qr(A)
    assert_close(Q @ R, A)
    assert_close(
        Q.mT @ Q, lucid.eye(Q.shape[-1], dtype=Q.dtype).expand(R.shape[:-2] + (Q.shape[-1],) * 2)
    )
    assert_close(R, R.triu())
    assert agrees(lambda A: tuple(linalg.qr(A)), A)


def test_complete_qr_of_a_tall_matrix_has_no_gradient(device):
    Q, R = linalg.qr(matrix(3, 2), "complete")
    assert (Q.shape, R.shape) == ((3, 3), (3, 2))
    with pytest.raises(lucid.errors.GradError, match='mode="reduced"'):
        R.sum().backward()


@pytest.mark.parametrize("shape", [(3, 3), (2, 4, 4), (1, 1), (0, 0)])
def test_the_determinant_has_its_gradients(shape, device):
    A = matrix(*shape)
    numpy.testing.assert_allclose(
        linalg.det(A).detach().cpu().numpy(), numpy.linalg.det(A.detach().cpu().numpy())
    )
    assert agrees(linalg.det, A)


def test_the_gradient_of_a_determinant_of_0_are_the_cofactors(device):
    A = lucid.tensor([[1.0, 2.0], [2.0, 4.0]], dtype=lucid.float64, requires_grad=True)
    linalg.det(A).backward()
    assert_close(A.grad, lucid.tensor([[4.0, -2.0], [-2.0, 1.0]]).double())


@pytest.mark.parametrize("ord", ["fro", "nuc", 1, -1, 2, -2, float("inf"), -float("inf")])
@pytest.mark.parametrize("dim, keepdim", [((-2, -1), False), ((0, 2), True)])
def test_matrix_norms_are_numpys_and_have_gradients(ord, dim, keepdim, device):
    A = matrix(2, 3, 4)
    expected = numpy.linalg.norm(A.detach().cpu().numpy(), ord, dim, keepdim)
    y = linalg.matrix_norm(A, ord, dim, keepdim)
    numpy.testing.assert_allclose(y.detach().cpu().numpy(), expected)
    assert agrees(lambda A: linalg.matrix_norm(A, ord, dim, keepdim), A)


@pytest.mark.parametrize("ord", [0, 1, 2, 3.5, -1, float("inf"), -float("inf")])
@pytest.mark.parametrize("dim", [None, 0, (0, 1)])
def test_vector_norms_take_all_elements_or_those_along_a_dimension(ord, dim, device):
    x = matrix(3, 4)
    array = x.detach().cpu().numpy()
    if dim == 0:
        expected = numpy.linalg.norm(array, ord, 0)
    else:
        expected = numpy.linalg.norm(array.ravel(), ord)
    numpy.testing.assert_allclose(linalg.vector_norm(x, ord, dim).detach().cpu().numpy(), expected)


def test_norm_is_of_all_elements_without_ord_and_of_the_matrix_with_it(device):
    A = matrix(3, 4)
    assert_close(linalg.norm(A), linalg.vector_norm(A))
    assert_close(linalg.norm(A, 2), linalg.matrix_norm(A, 2))
    assert_close(linalg.norm(A, 2, 1), linalg.vector_norm(A, 2, 1))


def test_a_singular_matrix_is_refused(device):
    if device.type != "cpu":
        pytest.skip("a GPU is not waited for; CuPy answers infinity")
    with pytest.raises(linalg.LinAlgError, match=r"inv: the matrix must be invertible; got shape"):
        linalg.inv(lucid.zeros(2, 2))
    with pytest.raises(linalg.LinAlgError, match="cholesky: .* must be positive definite"):
        linalg.cholesky(-lucid.eye(2))


@pytest.mark.parametrize(
    "call, error, message",
    [
        (
            lambda: linalg.inv(lucid.ones(2, 3)),
            lucid.errors.ShapeError,
            r"inv: .* \(\*, N, N\); got shape \(2, 3\)",
        ),
        (lambda: linalg.svd(lucid.ones(3)), lucid.errors.ShapeError, r"svd: .* \(\*, M, N\)"),
        (lambda: linalg.det(lucid.ones(2, 2).half()), lucid.errors.DTypeError, "det: .*float16"),
        (
            lambda: linalg.solve(lucid.eye(2), lucid.ones(3, 2)),
            lucid.errors.ShapeError,
            "solve: B must fit A",
        ),
        (lambda: linalg.qr(lucid.eye(2), "full"), ValueError, "qr: mode must be"),
        (lambda: linalg.eigh(lucid.eye(2), "X"), ValueError, "eigh: UPLO must be"),
        (lambda: linalg.matrix_norm(lucid.eye(2), 3), ValueError, "matrix_norm: ord must be"),
        (
            lambda: linalg.matrix_norm(lucid.eye(2), dim=(0, 0)),
            lucid.errors.ShapeError,
            "must differ",
        ),
        (lambda: linalg.norm(lucid.ones(2, 2, 2), 1), lucid.errors.ShapeError, "norm: with ord"),
        (
            lambda: linalg.vector_norm(lucid.ones(0), float("inf")),
            lucid.errors.ShapeError,
            "of nothing",
        ),
    ],
)
def test_refuses_what_it_does_not_take_in_one_sentence(call, error, message, device):
    with pytest.raises(error, match=message):
        call()
