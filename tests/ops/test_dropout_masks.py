"""Which elements the dropout functions drop: addressed by seed, offset and logical index alone."""

import itertools

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid.backend.cpu import threads
from tests import golden
from tests.dropout_family import (
    FAMILY,
    FLOATS,
    MEMBER,
    dropped,
    family,
    next_offset,
    same_bits,
    sample,
    to_numpy,
)

ELEMENTWISE = [m for m in FAMILY if m.dims is None]
CHANNELWISE = [m for m in FAMILY if m.dims]
FOUR_DIMENSIONAL = [m for m in FAMILY if m.dims is None or len(m.shape) == 4]


@family
def test_a_larger_p_drops_a_superset(member, device):
    shape = (40, 50, *member.shape[2:])
    before = np.zeros(shape, bool)
    for p in (0.01, 0.1, 0.1 + 2**-31, 0.5, 0.9, 0.99):
        lucid.manual_seed(5)
        now = to_numpy(member(lucid.ones(shape), p)) == np.float32(member.law(p)[2])
        assert now[before].all()
        assert now.sum() >= before.sum()
        before = now
    assert before.mean() > 0.9


@family
def test_the_mask_is_the_same_in_every_dtype(member, device):
    masks = []
    for dtype in FLOATS:
        lucid.manual_seed(1)
        x = lucid.full((20, 30, *member.shape[2:]), 3.0).to(getattr(lucid, dtype))
        y = to_numpy(member(x))
        masks.append(y > 1)  # kept: 6, or 3.4; dropped: 0, or -0.8
    assert all((m == masks[0]).all() for m in masks)
    assert 0 < masks[0].mean() < 1


@pytest.mark.parametrize("member", CHANNELWISE, ids=str)
def test_a_channel_is_dropped_or_kept_as_a_whole(member, device):
    y = to_numpy(member(lucid.ones(20, 30, *([7] * (len(member.shape) - 2)))))
    channels = y.reshape(600, -1)
    assert (channels == channels[:, :1]).all()
    assert len(np.unique(channels)) == 2


@family
@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_mask_does_not_depend_on_the_number_of_threads(member, count):
    shape = (*member.shape[:2], *[1] * (len(member.shape) - 3), 60_013)  # several blocks of 2**18
    x = lucid.ones(shape)
    normally = threads.get_num_threads()
    threads.set_num_threads(count)
    try:
        y = member(x)
    finally:
        threads.set_num_threads(normally)
    drop = dropped(member.mask if member.dims else shape, 0.5)
    assert same_bits(y, member.expected(to_numpy(x), drop, 0.5))


@family
def test_two_calls_differ_and_a_seed_repeats_them(member, device):
    x = sample((20, 30, *member.shape[2:]))
    first, second = member(x), member(x)
    lucid.manual_seed(0)
    assert same_bits(member(x), first) and same_bits(member(x), second)
    assert not same_bits(first, second)


@family
def test_a_generator_is_a_stream_of_its_own(member, device):
    x = sample((20, 30, *member.shape[2:]))
    own = lucid.Generator().manual_seed(7)
    first, second = member(x, generator=own), member(x, generator=own)
    assert next_offset() == 0  # the default generator was left alone
    lucid.manual_seed(7)
    assert same_bits(member(x), first) and same_bits(member(x), second)


@pytest.mark.parametrize("offset", [0, 2**32 - 1, 2**64 - 1, 2**80])
def test_offsets_of_any_size_give_the_numbers_of_philox(offset, device):
    generator = lucid.Generator().manual_seed(99)
    generator.set_offset(offset)
    y = F.dropout(lucid.ones(1000), 0.3, generator=generator)
    assert ((to_numpy(y) == 0) == dropped((1000,), 0.3, 99, offset)).all()
    assert generator.get_offset() == offset + 63  # ceil(1000 / 16)


DROPS = [case for case in golden.CASES if case[0].startswith("drops")]


@pytest.mark.parametrize("case", DROPS, ids=lambda case: "-".join(map(str, case)))
def test_frozen_masks_come_out_of_the_public_function(case, device):
    what, seed, stream, offset, count = case
    generator = lucid.Generator()
    generator.set_state_tuple((seed, stream, offset))
    y = F.dropout(lucid.ones(count), float(what.split()[1]), generator=generator)
    assert golden.digest(to_numpy(y) == 0) == golden.CASES[case]


# Layout.


@pytest.mark.parametrize("member", FOUR_DIMENSIONAL, ids=str)
@pytest.mark.parametrize("p", [0.3, 1.0])
def test_a_permuted_tensor_gives_the_same_values_in_its_own_order_of_strides(member, p, device):
    x = sample((2, 3, 4, 5))
    lucid.manual_seed(0)
    contiguous = member(x, p)
    for order in itertools.permutations(range(4)):  # all 24, as PyTorch's test demands
        back = [order.index(i) for i in range(4)]
        permuted = x.permute(*order).contiguous().permute(*back).requires_grad_()
        lucid.manual_seed(0)
        y = member(permuted, p)
        assert same_bits(y, contiguous)
        assert y.permute(*order).is_contiguous()
        y.backward(permuted.detach())
        assert permuted.grad.permute(*order).is_contiguous()


@pytest.mark.parametrize("name", ["dropout2d", "dropout", "feature_alpha_dropout"])
def test_channels_last_stays_and_drops_what_contiguous_drops(name, device):
    member, x = MEMBER[name], sample((4, 7, 30, 40), "float32")
    y = member(x)
    lucid.manual_seed(0)
    z = member(x.contiguous(memory_format=lucid.channels_last))
    assert z.is_contiguous(memory_format=lucid.channels_last) and not z.is_contiguous()
    assert same_bits(y, z)


@family
def test_a_sliced_input_gives_a_compact_result(member, device):
    x = sample((*member.shape[:-1], 2 * member.shape[-1]))[..., ::2]
    y = member(x, 0.3)
    assert y.is_contiguous() and not x.is_contiguous()
    assert same_bits(y, member.expected(to_numpy(x), dropped(member.mask, 0.3), 0.3))


@pytest.mark.parametrize("member", ELEMENTWISE, ids=str)
@pytest.mark.parametrize("p", [0.3, 1.0])
def test_an_expanded_input_has_a_decision_for_each_of_its_elements(member, p, device):
    row = sample((1, 50)).requires_grad_()
    y = member(row.expand(40, 50), p)
    assert y.is_contiguous()
    y.sum().backward()
    if p == 1.0:
        assert same_bits(row.grad, np.zeros((1, 50)))
        return
    drop = dropped((40, 50), p)
    assert same_bits(y, member.expected(to_numpy(row.expand(40, 50)), drop, p))
    per_column = (~drop).sum(0) * member.law(p)[0]
    np.testing.assert_allclose(to_numpy(row.grad)[0], per_column, rtol=1e-12)
