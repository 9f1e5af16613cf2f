"""The decisions are random: rates, and independence wherever a network could notice its absence.

Counts are accepted within five standard deviations, tables with a p-value above one in a million:
with a correct generator a seed fails such a test about once in a million times, and the seed is
fixed, so never.
"""

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from tests.dropout_family import FAMILY, MEMBER, family, independent, to_numpy

stats = pytest.importorskip("scipy.stats")

UNLIKELY = 1e-6
CHANNELWISE = [m for m in FAMILY if m.dims]
channelwise = pytest.mark.parametrize("member", CHANNELWISE, ids=str)


def kept(member, shape, p, **kwargs):
    """Where ones of this shape are kept; of a channel, its first element."""
    y = to_numpy(member(lucid.ones(*shape, *[1] * (len(member.shape) - len(shape))), p, **kwargs))
    return (y > 0.9).reshape(shape)


@pytest.mark.parametrize("name", ["dropout", "alpha_dropout"])
@pytest.mark.parametrize("p", [0.001, 0.01, 0.1, 1 / 3, 0.5, 0.9, 0.99])
def test_a_fraction_p_of_the_elements_is_dropped(name, p, device):
    n = 1_000_000
    rate = 1 - kept(MEMBER[name], (n,), p).mean()
    assert abs(rate - p) < 5 * (p * (1 - p) / n) ** 0.5


@channelwise
@pytest.mark.parametrize("p", [0.01, 0.1, 1 / 3, 0.5, 0.9])
def test_a_fraction_p_of_the_channels_is_dropped(member, p, device):
    n = 1000 * 1000
    rate = 1 - kept(member, (1000, 1000), p).mean()
    assert abs(rate - p) < 5 * (p * (1 - p) / n) ** 0.5


def test_p_is_finer_than_the_16_bits_of_a_lane(device):
    # 16-bit thresholds would make this p 0 or 1.5e-5: 0 or 256 drops, 13 or 7 deviations off.
    n, p = 1 << 24, 1e-5
    drops = n - int(np.count_nonzero(to_numpy(F.dropout(lucid.ones(n), p))))
    assert abs(drops - n * p) < 5 * (n * p) ** 0.5  # 168 expected


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9, 1e-3])
def test_each_of_the_16_lanes_of_a_block_drops_equally_often(p, device):
    lanes = ~kept(MEMBER["dropout"], (16 * 65_536,), p).reshape(-1, 16)
    table = np.stack([lanes.sum(0), (~lanes).sum(0)])
    assert stats.chi2_contingency(table).pvalue > UNLIKELY


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_elements_any_distance_apart_are_independent(p, device):
    y = kept(MEMBER["dropout"], (1 << 20,), p)
    for distance in [*range(1, 34), 64, 256, 1024, 1 << 16, 1 << 18]:
        assert independent(y[:-distance], y[distance:])


def test_pairs_of_lanes_of_a_block_are_independent(device):
    lanes = kept(MEMBER["dropout"], (16 * 65_536,), 0.3).reshape(-1, 16)
    for i in range(16):
        for j in range(i):
            assert independent(lanes[:, i], lanes[:, j])


def test_the_number_of_drops_in_a_block_is_binomial(device):
    counts = np.bincount(kept(MEMBER["dropout"], (16 * 65_536,), 0.5).reshape(-1, 16).sum(1))
    expected = stats.binom.pmf(np.arange(17), 16, 0.5) * 65_536
    expected, counts = ([e[:2].sum(), *e[2:15], e[15:].sum()] for e in (expected, counts))
    assert stats.chisquare(counts, expected).pvalue > UNLIKELY


@channelwise
def test_channels_and_samples_are_independent(member, device):
    y = kept(member, (600, 700), 0.5)
    for distance in (1, 2, 16, 17, 500):
        assert independent(y[:, :-distance], y[:, distance:])  # channels of a sample
        assert independent(y[:-distance], y[distance:])  # samples of a channel
    per_sample, per_channel = y.sum(1), y.sum(0)
    for counts, n in ((per_sample, 700), (per_channel, 600)):
        chi = ((counts - n / 2) ** 2 / (n / 4)).sum()
        assert stats.chi2.sf(chi, len(counts)) > UNLIKELY
        assert stats.chi2.cdf(chi, len(counts)) > UNLIKELY  # nor suspiciously even


@family
def test_successive_calls_are_independent(member, device):
    shape = (500, 1000)
    first, second, third = (kept(member, shape, 0.5) for _ in range(3))
    assert independent(first, second)
    assert independent(second, third)
    assert independent(first ^ second, third)


@pytest.mark.parametrize("seeds", [(0, 1), (1, 2), (0, 2**63), (2**64 - 1, 0)])
def test_neighbouring_seeds_give_independent_masks(seeds, device):
    masks = []
    for seed in seeds:
        generator = lucid.Generator().manual_seed(seed)
        masks.append(kept(MEMBER["dropout"], (500_000,), 0.5, generator=generator))
    assert independent(*masks)


def test_the_streams_of_one_seed_are_independent(device):
    masks = []
    for rank in (0, 1):
        generator = lucid.Generator().manual_seed(0)
        generator.stream = rank
        masks.append(kept(MEMBER["dropout"], (500_000,), 0.5, generator=generator))
    assert independent(*masks)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("member", [m for m in FAMILY if not m.alpha], ids=str)
def test_the_expected_value_is_preserved(member, p, device):
    y = to_numpy(member(lucid.ones(1000, 1000, *[1] * (len(member.shape) - 2)), p))
    deviation = (p / (1 - p) / 1_000_000) ** 0.5  # of the mean of 0s and 1 / (1 - p)s
    assert abs(y.mean(dtype=np.float64) - 1) < 5 * deviation


@pytest.mark.parametrize("p", [0.05, 0.1, 0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("member", [m for m in FAMILY if m.alpha], ids=str)
def test_alpha_dropout_keeps_mean_0_and_variance_1_of_normal_input(member, p, device):
    x = lucid.randn(1000, 1000, *[1] * (len(member.shape) - 2), dtype=lucid.float64)
    y = to_numpy(member(x, p))
    a, b, d = member.law(p)
    fourth_moment = p * d**4 + (1 - p) * (b**4 + 6 * b**2 * a**2 + 3 * a**4)
    assert abs(y.mean()) < 5 * 1e-3  # five deviations of the mean of a million
    assert abs(y.var() - 1) < 5 * ((fourth_moment - 1) / 1e6) ** 0.5  # 0.01 at p = 0.5


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_feature_alpha_dropout_keeps_the_moments_over_channels_not_within_one(p, device):
    x = lucid.randn(600, 500, 8, dtype=lucid.float64)
    y = to_numpy(F.feature_alpha_dropout(x, p, training=True))
    assert abs(y.mean()) < 5 * (1 / 300_000) ** 0.5  # 300,000 channels are what is independent
    assert abs(y.var() - 1) < 1e-2
    within = y.var(-1)
    assert ((within == 0).mean() - p) < 5 * (p * (1 - p) / 300_000) ** 0.5


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_a_deep_selu_network_with_alpha_dropout_stays_normalized(p, device):
    # After 8 layers plain dropout at p = 0.1 has multiplied the variance; alpha dropout has not.
    x = lucid.randn(2000, 100)
    for _ in range(8):
        x = F.alpha_dropout(F.selu(x @ (lucid.randn(100, 100) * 0.1)), p, training=True)
    y = to_numpy(x)
    assert abs(y.mean()) < 0.1
    assert abs(y.var() - 1) < 0.25
