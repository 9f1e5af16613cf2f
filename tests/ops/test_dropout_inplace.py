"""inplace=True writes into the input's own memory, and the graph knows it."""

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid.errors import GradError
from tests.dropout_family import FAMILY, FLOATS, dropped, family, same_bits, sample, to_numpy


@family
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("p", [0.3, 1.0])
def test_in_place_gives_the_same_object_with_the_same_values(member, dtype, p, device):
    x = sample(member.shape, dtype)
    reference = member(x, p)
    lucid.manual_seed(0)
    memory = x.data_ptr()
    assert member(x, p, inplace=True) is x
    assert x.data_ptr() == memory
    assert x._version == 1
    assert same_bits(x, reference)


@family
@pytest.mark.parametrize("dtype", ["int64", "bool"])
def test_in_place_p_1_zeros_whole_numbers_too(member, dtype, device):
    x = lucid.ones(member.shape).to(getattr(lucid, dtype))
    assert member(x, 1.0, inplace=True) is x
    assert not to_numpy(x).any()


@family
@pytest.mark.parametrize("p", [0.3, 1.0])
def test_a_leaf_that_requires_grad_is_not_written_to(member, p, device):
    x = sample(member.shape).requires_grad_()
    before = to_numpy(x).copy()
    with pytest.raises(GradError, match=rf"^{member}_: a leaf that requires grad can't be written"):
        member(x, p, inplace=True)
    assert x._version == 0 and same_bits(x, before)
    with lucid.no_grad():
        assert member(x, p, inplace=True) is x


@family
@pytest.mark.parametrize("p", [0.3, 1.0])
def test_the_gradient_passes_an_in_place_dropout(member, p, device):
    x = sample(member.shape).requires_grad_()
    y = x * 3
    z = member(y, p, inplace=True)
    assert z is y and y.grad_fn.name() == member.name
    weights = sample(member.shape, seed=1)
    (z * weights).sum().backward()
    drop = np.broadcast_to(dropped(member.mask, p), member.shape)
    scale = 0 if p == 1 else member.law(p)[0]
    expected = np.where(drop, 0, to_numpy(weights) * scale * 3)
    np.testing.assert_allclose(to_numpy(x.grad), expected, rtol=1e-14)


@family
@pytest.mark.parametrize("before", ["exp", "sigmoid", "relu", "sqrt", "tanh"])
def test_backward_refuses_when_the_value_overwritten_was_needed(member, before, device):
    x = (sample(member.shape) ** 2 + 1).requires_grad_()
    y = getattr(x, before)()  # these read their own output in backward
    z = member(y, inplace=True)
    with pytest.raises(GradError, match="modified in place"):
        z.sum().backward()


@family
def test_the_layer_after_may_read_the_overwritten_tensor(member, device):
    x = sample(member.shape).requires_grad_()
    y = member(x + 0, inplace=True)
    (y * y).sum().backward()
    np.testing.assert_allclose(
        to_numpy(x.grad),
        np.where(
            np.broadcast_to(dropped(member.mask, 0.5), member.shape),
            0,
            2 * to_numpy(y) * member.law(0.5)[0],
        ),
        rtol=1e-14,
    )


@family
@pytest.mark.parametrize("p", [0.3, 1.0])
def test_an_expanded_tensor_is_refused_since_its_elements_share_memory(member, p, device):
    x = sample((1, *member.shape[1:])).expand(*member.shape)
    with pytest.raises(RuntimeError, match=rf"^{member}_: "):
        member(x, p, inplace=True)
    assert member(x, p, training=False, inplace=True) is x


VIEWS = {  # of tensors, and of NumPy arrays
    "every other": lambda x: x[..., ::2],
    "the last ones": lambda x: x[1:],
    "last two swapped": lambda x: x.swapaxes(-1, -2),
    "first two swapped": lambda x: x.swapaxes(0, 1)[1:],
}


@family
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_writes_through_to_its_base_and_nowhere_else(member, view, device):
    show = VIEWS[view]
    base = sample(tuple(2 * n for n in member.shape))
    before = to_numpy(base).copy()
    part = show(base)
    mask = part.shape if member.dims is None else (*part.shape[:2], *member.mask[2:])
    after = member.expected(to_numpy(part).copy(), dropped(mask, 0.5), 0.5)
    outside = np.ones(base.shape, bool)
    show(outside)[...] = False
    assert member(part, inplace=True) is part
    assert same_bits(show(base), after)
    assert same_bits(to_numpy(base)[outside], before[outside])
    assert base._version == part._version == 1


@family
@pytest.mark.parametrize("view", VIEWS)
def test_the_gradient_of_a_base_knows_what_was_written_through_a_view(member, view, device):
    show = VIEWS[view]
    x = sample(tuple(2 * n for n in member.shape)).requires_grad_()
    base = x * 2
    part = show(base)
    member(part, 0.3, inplace=True)
    weights = sample(base.shape, seed=1)
    (base * weights).sum().backward()

    factor = np.full(base.shape, 2.0)
    mask = part.shape if member.dims is None else (*part.shape[:2], *member.mask[2:])
    kept = ~np.broadcast_to(dropped(mask, 0.3), part.shape)
    show(factor)[...] = np.where(kept, 2 * member.law(0.3)[0], 0)
    np.testing.assert_allclose(to_numpy(x.grad), factor * to_numpy(weights), rtol=1e-14)


@pytest.mark.parametrize("member", [m for m in FAMILY if len(m.shape) == 4], ids=str)
def test_channels_last_memory_is_kept_in_place(member, device):
    x = sample(member.shape).contiguous(memory_format=lucid.channels_last)
    reference = member.expected(to_numpy(x), dropped(member.mask, 0.5), 0.5)
    y = member(x, inplace=True)
    assert y is x and y.is_contiguous(memory_format=lucid.channels_last)
    assert same_bits(y, reference)


def test_in_place_draws_from_a_generator_of_its_own_too(device):
    own = lucid.Generator().manual_seed(3)
    y = F.dropout(lucid.ones(100), inplace=True, generator=own)
    assert ((to_numpy(y) == 0) == dropped((100,), 0.5, seed=3)).all()
    assert lucid.default_generator.get_offset() == 0
