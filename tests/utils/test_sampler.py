"""Samplers: what they visit, how often, and what the order depends on."""

import numpy as np
import pytest

import lucid
from lucid.utils.data import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)


def generator(seed=0):
    return lucid.Generator().manual_seed(seed)


def test_sequential():
    assert list(SequentialSampler("abc")) == [0, 1, 2] and len(SequentialSampler("abc")) == 3


@pytest.mark.parametrize("n", [0, 1, 2, 100])
def test_random_visits_each_once(n):
    order = list(RandomSampler(range(n)))
    assert sorted(order) == list(range(n)) and all(type(i) is int for i in order)


def test_more_samples_than_indices_are_whole_rounds():
    order = list(RandomSampler(range(4), num_samples=10))
    assert sorted(order[:4]) == sorted(order[4:8]) == [0, 1, 2, 3] and len(order) == 10
    assert len(RandomSampler(range(4), num_samples=10)) == 10


def test_every_first_index_is_equally_likely():
    n, trials = 5, 5000
    g = generator()
    counts = np.bincount([next(iter(RandomSampler(range(n), generator=g))) for _ in range(trials)])
    five_sigma = 5 * (trials * (1 / n) * (1 - 1 / n)) ** 0.5
    assert abs(counts - trials / n).max() < five_sigma


def test_replacement_draws_independently():
    n, count = 10, 20_000
    order = list(RandomSampler(range(n), replacement=True, num_samples=count))
    five_sigma = 5 * (count * 0.1 * 0.9) ** 0.5
    assert abs(np.bincount(order) - count / n).max() < five_sigma


@pytest.mark.parametrize(
    "make",
    [
        lambda g: RandomSampler(range(50), generator=g),
        lambda g: RandomSampler(range(50), num_samples=120, generator=g),
        lambda g: RandomSampler(range(50), replacement=True, generator=g),
        lambda g: SubsetRandomSampler(range(50), generator=g),
        lambda g: WeightedRandomSampler([1.0] * 50, 50, generator=g),
        lambda g: WeightedRandomSampler([1.0] * 50, 50, replacement=False, generator=g),
        lambda g: BatchSampler(RandomSampler(range(50), generator=g), 7),
    ],
)
def test_the_order_is_decided_by_the_generator_when_iteration_begins(make):
    g = generator(3)
    first = iter(make(g))
    after = g.get_offset()
    g.reserve(1000)  # what is drawn meanwhile does not matter
    first = list(first)
    again = generator(3)
    assert first == list(make(again)) and again.get_offset() == after > 0
    assert first != list(make(again))


def test_the_default_generator_serves_where_none_is_given():
    lucid.manual_seed(5)
    first = list(RandomSampler(range(20)))
    lucid.manual_seed(5)
    assert first == list(RandomSampler(range(20)))


def test_subset_random():
    assert (
        sorted(SubsetRandomSampler([5, 3, 9])) == [3, 5, 9] and len(SubsetRandomSampler("ab")) == 2
    )


def test_weights_are_probabilities():
    count, weights = 20_000, np.array([1.0, 0.0, 3.0, 6.0])
    p = weights / weights.sum()
    counts = np.bincount(list(WeightedRandomSampler(weights, count)), minlength=4)
    five_sigma = 5 * (count * p * (1 - p)) ** 0.5
    assert counts[1] == 0 and (abs(counts - count * p) <= five_sigma).all()


def test_weights_without_replacement_follow_the_remaining_weights():
    g, trials = generator(), 5000
    order = [tuple(WeightedRandomSampler([1, 2, 0, 5], 2, False, g)) for _ in range(trials)]
    assert all(len(set(pair)) == 2 and 2 not in pair for pair in order)
    p = 5 / 8 * 2 / 3  # first index 3, then index 1 among weights 1 and 2
    five_sigma = 5 * (trials * p * (1 - p)) ** 0.5
    assert abs(order.count((3, 1)) - trials * p) < five_sigma


def test_weights_may_be_a_tensor(device):
    assert set(WeightedRandomSampler(lucid.tensor([0.0, 1.0]), 5)) == {1}


@pytest.mark.parametrize("weights", [[], [0.0], [-1.0, 2.0], [float("nan")], [[1.0]]])
def test_weights_must_be_weights(weights):
    with pytest.raises(ValueError, match="WeightedRandomSampler: weights must be"):
        WeightedRandomSampler(weights, 1)


def test_more_draws_than_weights_are_refused():
    with pytest.raises(ValueError, match="got num_samples=2 and 1 weights"):
        WeightedRandomSampler([0.0, 1.0], 2, replacement=False)


@pytest.mark.parametrize("count", [0, -1, 1.5, True])
def test_counts_must_be_positive_integers(count):
    with pytest.raises(ValueError, match="num_samples must be a positive integer"):
        RandomSampler(range(3), num_samples=count)
    with pytest.raises(ValueError, match="batch_size must be a positive integer"):
        BatchSampler(range(3), count)


@pytest.mark.parametrize(
    ("drop_last", "batches"), [(False, [[0, 1], [2, 3], [4]]), (True, [[0, 1], [2, 3]])]
)
def test_batches(drop_last, batches):
    sampler = BatchSampler(range(5), 2, drop_last)
    assert list(sampler) == batches and len(sampler) == len(batches)


def test_what_a_sampler_must_define_is_said():
    with pytest.raises(NotImplementedError, match="define __iter__"):
        iter(Sampler())
