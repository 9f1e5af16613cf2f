"""Tensors filled with random numbers in place."""

import numpy as np
import pytest

import lucid
from lucid.errors import GradError
from tests.dropout_family import FLOATS, same_bits, to_numpy

stats = pytest.importorskip("scipy.stats")

UNLIKELY = 1e-6
N = 1_000_000


def double(t):
    return to_numpy(t).astype(np.float64)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("low, high", [(0, 1), (1, 2), (-3, 5), (1000, 1001), (0.1, 0.3), (2, 2)])
def test_uniform_stays_below_its_upper_end_in_every_dtype(dtype, low, high, device):
    # Rounding 1 + u to a half gives 2 once in a thousand times, if one lets it.
    t = lucid.empty(100_000, dtype=getattr(lucid, dtype))
    assert t.uniform_(low, high) is t
    ends = lucid.tensor([low, high]).to(t.dtype).tolist()
    values = double(t)
    assert values.min() >= ends[0]
    assert values.max() < ends[1] or ends[0] == ends[1]
    if dtype == "float64" and low < high:
        assert stats.kstest(values, "uniform", (low, high - low)).pvalue > UNLIKELY


@pytest.mark.parametrize("dtype", FLOATS)
def test_normal_has_the_mean_and_deviation_asked_for(dtype, device):
    values = double(lucid.empty(100_000, dtype=getattr(lucid, dtype)).normal_(3, 0.5))
    assert abs(values.mean() - 3) < 5 * 0.5 / 100_000**0.5 + 2**-9  # the last for bfloat16
    assert abs(values.std() - 0.5) < 0.01


def test_normal_takes_tensors_that_broadcast(device):
    mean, std = lucid.tensor([[0.0], [100.0]]), lucid.tensor([1.0, 2.0, 3.0])
    t = lucid.normal(mean.expand(2, 10_000).unsqueeze(2), std)
    assert t.shape == (2, 10_000, 3)
    values = double(t)
    np.testing.assert_allclose(values.mean(1), [[0] * 3, [100] * 3], atol=5 * 3 / 100)
    np.testing.assert_allclose(values.std(1), [[1, 2, 3]] * 2, rtol=0.05)
    assert lucid.normal(mean).shape == (2, 1)
    assert lucid.normal(0.0, std).shape == (3,)


@pytest.mark.parametrize("rate", [0.5, 1.0, 4.0])
def test_exponential_has_its_rate(rate, device):
    values = double(lucid.empty(100_000, dtype=lucid.float64).exponential_(rate))
    assert values.min() >= 0
    assert stats.kstest(values, "expon", (0, 1 / rate)).pvalue > UNLIKELY


@pytest.mark.parametrize("p", [0.0, 0.001, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
def test_bernoulli_is_1_with_probability_p(p, dtype, device):
    t = lucid.empty(N, dtype=getattr(lucid, dtype)).bernoulli_(p)
    values = double(t)
    assert set(np.unique(values)) <= {0.0, 1.0}
    assert abs(values.mean() - p) <= 5 * (p * (1 - p) / N) ** 0.5
    assert t.dtype is getattr(lucid, dtype)


def test_bernoulli_takes_a_probability_for_each_element(device):
    p = lucid.tensor([0.0, 0.1, 0.5, 0.9, 1.0])
    rates = double(lucid.bernoulli(p.expand(200_000, 5))).mean(0)
    deviation = to_numpy((p * (1 - p) / 200_000) ** 0.5)
    assert (abs(rates - to_numpy(p)) <= 5 * deviation + 1e-12).all()
    assert same_bits(lucid.empty(5).bernoulli_(p.round()), to_numpy(p.round()))


def test_bernoulli_of_a_number_draws_what_dropout_draws(device):
    kept = lucid.nn.functional.dropout(lucid.ones(1000), 0.3) == 0
    lucid.manual_seed(0)
    assert same_bits(lucid.empty(1000).bernoulli_(0.3), kept.float())


RANDOM_RANGES = {
    "int8": 127, "uint8": 255, "int16": 2**15 - 1, "int32": 2**31 - 1, "int64": 2**63 - 1,
    "bool": 1, "float16": 2**11, "bfloat16": 2**8, "float32": 2**24, "float64": 2**53,
}  # fmt: skip


@pytest.mark.parametrize("dtype", RANDOM_RANGES)
def test_random_covers_all_whole_numbers_that_a_dtype_holds(dtype, device):
    values = double(lucid.empty(100_000, dtype=getattr(lucid, dtype)).random_())
    most = RANDOM_RANGES[dtype]
    assert values.min() >= 0 and values.max() <= most
    assert values.max() > 0.999 * most
    if dtype != "int64":
        assert (values == np.rint(values)).all()


def test_random_takes_an_end_or_both_ends(device):
    assert set(to_numpy(lucid.empty(1000).random_(5)).tolist()) == {0, 1, 2, 3, 4}
    assert set(to_numpy(lucid.empty(1000).random_(-2, 1)).tolist()) == {-2, -1, 0}


@pytest.mark.parametrize("fill", ["uniform_", "normal_", "exponential_", "random_", "bernoulli_"])
def test_filling_in_place_follows_the_logical_order_and_counts_as_a_write(fill, device):
    plain = getattr(lucid.empty(6, 8), fill)()
    lucid.manual_seed(0)
    base = lucid.zeros(8, 12)
    part = base.t()[::2]
    assert getattr(part, fill)() is part
    assert same_bits(part, plain)
    assert same_bits(base.t()[::2], plain)
    assert not to_numpy(base.t()[1::2]).any()
    assert base._version == 1


@pytest.mark.parametrize("fill", ["uniform_", "normal_", "exponential_", "random_", "bernoulli_"])
def test_a_leaf_that_requires_grad_is_filled_under_no_grad_only(fill, device):
    x = lucid.zeros(3, requires_grad=True)
    with pytest.raises(GradError, match=rf"^{fill}: a leaf that requires grad"):
        getattr(x, fill)()
    with lucid.no_grad():
        assert getattr(x, fill)() is x
    y = x * 2
    getattr(y, fill)()
    y.sum().backward()
    assert x.grad is None or not to_numpy(x.grad).any()  # the numbers don't depend on x
