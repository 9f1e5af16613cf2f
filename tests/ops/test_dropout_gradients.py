"""Gradients of the dropout functions: the same decisions again, at any order, at any later time."""

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid.autograd import grad, gradcheck, gradgradcheck
from tests.dropout_family import FLOATS, dropped, family, same_bits, sample, to_numpy


def factor(member, p, shape=None):
    """dy/dx, by the definition."""
    shape = shape or member.shape
    mask = shape if member.dims is None else (*shape[:2], *[1] * (len(shape) - 2))
    return np.where(np.broadcast_to(dropped(mask, p), shape), 0, member.law(p)[0])


@family
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", FLOATS)
def test_the_gradient_is_scaled_where_kept_and_0_where_dropped(member, p, dtype, device):
    x = sample(member.shape, dtype).requires_grad_()
    dy = sample(member.shape, dtype, seed=1)
    member(x, p).backward(dy)
    values = to_numpy(dy)
    wide = np.float32 if values.dtype.itemsize == 2 else values.dtype.type
    scaled = (values.astype(wide) * wide(member.law(p)[0])).astype(values.dtype)
    assert same_bits(x.grad, np.where(factor(member, p) == 0, np.zeros_like(scaled), scaled))


@family
def test_whatever_happens_between_forward_and_backward_the_mask_stays(member, device):
    own = lucid.Generator().manual_seed(11)
    x, z = (sample(member.shape).requires_grad_() for _ in range(2))
    y, w = member(x), member(z, generator=own)
    lucid.manual_seed(12345)
    own.seed()
    for _ in range(3):
        member(x)
    y.sum().backward()
    w.sum().backward()
    assert same_bits(x.grad, factor(member, 0.5))
    drop = np.broadcast_to(dropped(member.mask, 0.5, seed=11), member.shape)
    assert ((to_numpy(z.grad) == 0) == drop).all()


@family
def test_a_retained_graph_gives_the_same_gradient_again(member, device):
    x = sample(member.shape).requires_grad_()
    y = member(x).sum()
    y.backward(retain_graph=True)
    first = to_numpy(x.grad).copy()
    x.grad = None
    y.backward()
    assert same_bits(x.grad, first)


LAYOUTS = {
    "contiguous": lambda x: x,
    "transposed": lambda x: x.transpose(0, -1).contiguous().transpose(0, -1),
    "sliced": lambda x: lucid.cat([x, x], dim=-1)[..., : x.shape[-1]],
}


@family
@pytest.mark.parametrize("p", [0.3, 1.0])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_first_and_second_gradient_agree_with_differences(member, p, layout, device):
    x = LAYOUTS[layout](sample((2, 3, *member.shape[2:]))).requires_grad_()

    def again(x):
        lucid.manual_seed(3)
        return member(x, p)

    assert gradcheck(again, x)
    assert gradgradcheck(lambda x: again(x) ** 3, x)


@family
@pytest.mark.parametrize("p", [0.3, 1.0])
def test_third_derivative_of_a_fourth_power(member, p, device):
    x = sample(member.shape).requires_grad_()
    y = member(x, p)
    (g1,) = grad((y**4).sum(), x, create_graph=True)
    (g2,) = grad(g1.sum(), x, create_graph=True)
    (g3,) = grad(g2.sum(), x)
    slope = factor(member, p) if p < 1 else np.zeros(member.shape)
    values = to_numpy(y)
    np.testing.assert_allclose(to_numpy(g1), 4 * values**3 * slope, rtol=1e-12)
    np.testing.assert_allclose(to_numpy(g2), 12 * values**2 * slope**2, rtol=1e-12)
    np.testing.assert_allclose(to_numpy(g3), 24 * values * slope**3, rtol=1e-12)


@family
def test_the_gradient_is_linear_in_what_comes_in_so_its_own_gradient_is_the_mask(member, device):
    x, dy = sample(member.shape).requires_grad_(), sample(member.shape, seed=1).requires_grad_()
    (dx,) = grad(member(x, 0.3), x, dy, create_graph=True)
    again = sample(member.shape, seed=2)
    by_x, by_dy = grad(dx, [x, dy], again, allow_unused=True)
    assert by_x is None or not to_numpy(by_x).any()  # y is affine in x
    np.testing.assert_allclose(to_numpy(by_dy), factor(member, 0.3) * to_numpy(again), rtol=1e-15)


@family
def test_a_nan_in_a_second_gradient_stops_at_dropped_places(member, device):
    x, dy = sample(member.shape).requires_grad_(), sample(member.shape, seed=1).requires_grad_()
    (dx,) = grad(member(x), x, dy, create_graph=True)
    (by_dy,) = grad(dx, dy, lucid.full(member.shape, float("nan"), dtype=lucid.float64))
    assert (np.isnan(to_numpy(by_dy)) == (factor(member, 0.5) != 0)).all()


@family
@pytest.mark.parametrize("inplace", [False, True])
def test_no_graph_arises_where_none_is_wanted(member, inplace, device):
    x = sample(member.shape).requires_grad_()
    with lucid.no_grad():
        y = member(x * 1, inplace=inplace)
    assert not y.requires_grad and y.grad_fn is None
    assert member(sample(member.shape)).grad_fn is None


@family
def test_the_graph_names_the_function_and_shows_its_settings(member, device):
    shown = repr(member(sample(member.shape).requires_grad_(), 0.25).grad_fn)
    assert shown.startswith(f"<{member} key=Key(seed=0, stream=0, offset=0), threshold=1073741824,")


@family
@pytest.mark.parametrize("preserve_rng_state", [True, False])
def test_a_checkpoint_recomputes_the_same_mask(member, preserve_rng_state, device):
    from lucid.utils.checkpoint import checkpoint

    x = sample(member.shape).requires_grad_()

    def block(x):
        return member(member(x * 2, 0.3) ** 2, 0.4)

    y = checkpoint(block, x, use_reentrant=False, preserve_rng_state=preserve_rng_state)
    member(x)  # moves the generator on before the block runs again
    y.sum().backward()
    lucid.manual_seed(0)
    plain = x.detach().requires_grad_()
    z = block(plain)
    z.sum().backward()
    assert same_bits(y, z)
    if preserve_rng_state:
        assert same_bits(x.grad, plain.grad)
    else:  # PyTorch's word for: I know that nothing random happens in there
        assert not same_bits(x.grad, plain.grad)


def test_a_gradient_that_no_one_can_see_is_still_that_of_the_definition_for_a_big_tensor(device):
    x = lucid.ones(1_000_003, requires_grad=True)  # four blocks of work, the last one partial
    F.dropout(x, 0.9).sum().backward()
    expected = np.where(dropped(x.shape, 0.9), 0, np.float32(1 / (1 - 0.9))).astype(np.float32)
    assert same_bits(x.grad, expected)
