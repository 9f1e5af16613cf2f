"""Statements R88 to R98: how the statements about chance are accepted."""

import numpy as np
import pytest

import lucid
from lucid import nn
from tests.dropout_family import (
    FAMILY,
    MEMBER,
    family,
    independent,
    next_offset,
    same_bits,
    sample,
    to_numpy,
)

CHANNELWISE = [m for m in FAMILY if m.dims]


def make(member, *args, **kwargs):
    return getattr(nn, member.layer)(*args, **kwargs)


def million(member):
    """A million decisions: as many elements, or channels of one element."""
    return (1000, 1000, *[1] * (len(member.shape) - 2))


@family
@pytest.mark.parametrize("p", [0.001, 0.1, 0.5, 0.9, 0.999])
def test_R88_the_number_of_drops_is_within_five_deviations(member, p, device):
    layer = make(member, p)
    layer(lucid.ones(million(member)))
    n, drops = 1_000_000, 1_000_000 - float(layer.mask.double().sum())
    assert abs(drops - n * p) <= 5 * (n * p * (1 - p)) ** 0.5


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.9])
def test_R89_dropout_of_ones_has_two_values(p, device):
    values = np.unique(to_numpy(nn.Dropout(p)(lucid.ones(10_000))))
    assert values.tolist() == [0.0, np.float32(1 / (1 - p))]


@pytest.mark.parametrize("member", CHANNELWISE, ids=str)
def test_R90_no_channel_is_mixed(member, device):
    y = to_numpy(make(member)(lucid.ones(40, 50, *[5] * (len(member.shape) - 2))))
    channels = y.reshape(2000, -1)
    assert (channels == channels[:, :1]).all()
    assert len(np.unique(channels)) == 2


@pytest.mark.parametrize("member", CHANNELWISE, ids=str)
def test_R91_channels_are_independent_over_samples_and_channels(member, device):
    layer = make(member)
    layer(lucid.ones(million(member)))
    mask = to_numpy(layer.mask).reshape(1000, 1000)
    assert independent(mask[:, :-1], mask[:, 1:])
    assert independent(mask[:-1], mask[1:])


@family
def test_R92_two_calls_differ_and_the_same_seed_repeats(member, device):
    layer, x = make(member), lucid.ones(million(member))
    first, second = layer(x), layer(x)
    lucid.manual_seed(0)
    assert not same_bits(first, second)
    assert same_bits(layer(x), first)


@family
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_R93_backward_uses_exactly_the_mask_of_forward(member, p, device):
    layer, x = make(member, p), lucid.ones(million(member), requires_grad=True)
    y = layer(x)
    y.sum().backward()
    kept = to_numpy(y) != np.float32(member.law(p)[2])
    assert same_bits(to_numpy(x.grad) != 0, kept)


@pytest.mark.parametrize("p", [0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9])
def test_R94_alpha_dropout_of_normal_input_has_mean_0_and_variance_1(p, device):
    y = to_numpy(nn.AlphaDropout(p)(lucid.randn(1_000_000, dtype=lucid.float64)))
    assert abs(y.mean()) < 5e-3
    assert abs(y.var() - 1) < 1e-2


@pytest.mark.parametrize("p", [0.05, 0.3, 0.7])
def test_R95_feature_alpha_dropout_has_them_over_channels_not_within_one(p, device):
    x = lucid.randn(1000, 1000, 2, dtype=lucid.float64)
    y = to_numpy(nn.FeatureAlphaDropout(p)(x))
    assert abs(y.mean()) < 5e-3
    assert abs(y.var() - 1) < 1e-2
    within = y.var(-1)  # 0 in a dropped channel, a^2 on average (1/2 of it, of two) in a kept one
    assert abs((within == 0).mean() - p) < 5 * (p * (1 - p) / 1e6) ** 0.5


@family
def test_R96_eval_p_0_p_1_and_an_empty_input_consume_no_random_numbers(member, device):
    x = sample(member.shape)
    make(member).eval()(x)
    make(member, 0)(x)
    make(member, 1)(x)
    make(member)(lucid.ones(0, *member.shape[1:]))
    assert next_offset() == 0


@pytest.mark.parametrize("name", MEMBER)
def test_R97_with_one_seed_a_larger_p_drops_a_superset(name, device):
    kept = np.ones(1_000_000, bool)
    for p in (0.01, 0.1, 0.5, 0.9):
        lucid.manual_seed(1)
        layer = make(MEMBER[name], p)
        layer(lucid.ones(million(MEMBER[name])))
        now = to_numpy(layer.mask).reshape(-1) == 1
        assert not (now & ~kept).any()
        kept = now


@family
def test_R98_a_fresh_module_has_no_mask(member):
    assert make(member).mask is None
