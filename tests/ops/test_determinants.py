"""Determinants, pseudo-inverses, powers: gradients by differences, and what singular ones give."""

import pytest

import lucid
from lucid.autograd import gradcheck, gradgradcheck
from lucid.errors import DTypeError, ShapeError


def matrices(*shape):
    lucid.manual_seed(0)
    return lucid.randn(*shape, dtype=lucid.float64).requires_grad_()


FUNCTIONS = {
    "slogdet": (lambda A: lucid.slogdet(A).logabsdet, (2, 3, 3)),
    "logdet": (lambda A: lucid.logdet(A @ A.mT), (3, 3)),
    "inverse": (lucid.inverse, (2, 3, 3)),
    "pinv tall": (lucid.linalg.pinv, (2, 4, 2)),
    "pinv wide": (lucid.linalg.pinv, (2, 4)),
    "power": (lambda A: lucid.matrix_power(A, 3), (3, 3)),
    "power of the inverse": (lambda A: lucid.matrix_power(A, -2), (3, 3)),
    "chain": (lambda A: lucid.linalg.multi_dot([A, A.mT, A, A.mT]), (2, 4)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_agree_with_differences(name, device):
    function, shape = FUNCTIONS[name]
    assert gradcheck(function, [matrices(*shape)])
    assert gradgradcheck(function, [matrices(*shape)])


def test_the_pseudo_inverse_undoes_what_can_be_undone(device):
    A = matrices(5, 2).detach()
    assert lucid.allclose(lucid.linalg.pinv(A) @ A, lucid.eye(2, dtype=lucid.float64))
    flat = lucid.ones(3, 4, dtype=lucid.float64)
    assert lucid.allclose(flat @ lucid.linalg.pinv(flat) @ flat, flat)


def test_a_singular_matrix_has_sign_0_and_logarithm_minus_infinity(device):
    sign, log = lucid.slogdet(lucid.ones(2, 2))
    assert (sign.item(), log.item()) == (0.0, -float("inf"))
    assert lucid.logdet(lucid.ones(2, 2)).item() == -float("inf")


def test_a_large_determinant_does_not_overflow(device):
    A = lucid.eye(200, dtype=lucid.float64) * 1e10
    assert lucid.slogdet(A).logabsdet.item() == pytest.approx(200 * 10 * 2.302585092994046)
    assert lucid.det(A).item() == float("inf")


@pytest.mark.parametrize("function", [lucid.inverse, lucid.det, lucid.slogdet, lucid.logdet])
def test_what_is_no_square_matrix_of_floats_is_refused(function, device):
    with pytest.raises(ShapeError, match=r"must be \(\*, N, N\); got shape \(2, 3\)"):
        function(lucid.ones(2, 3))
    with pytest.raises(DTypeError, match="must be float32 or float64; got lucid.int64"):
        function(lucid.ones(2, 2, dtype=lucid.int64))
