"""Datasets: indexing, joining, splitting."""

import pytest

import lucid
from lucid.utils.data import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    random_split,
)


class Stream(IterableDataset):
    def __init__(self, *samples):
        self.samples = samples

    def __iter__(self):
        return iter(self.samples)

    def __len__(self):
        return len(self.samples)


def test_a_tensor_dataset_pairs_rows(device):
    data = TensorDataset(lucid.arange(6).reshape(3, 2), lucid.arange(3))
    x, y = data[2]
    assert len(data) == 3 and x.tolist() == [4, 5] and y.item() == 2


@pytest.mark.parametrize("shapes", [(), ((2,), (3,)), ((),), ((2,), ())])
def test_tensors_of_different_lengths_are_refused(shapes):
    with pytest.raises(ValueError, match="TensorDataset: tensors must agree in their first size"):
        TensorDataset(*[lucid.ones(s) for s in shapes])


def test_gather_is_indexing_and_stacking(device):
    data = TensorDataset(lucid.arange(6).reshape(3, 2))
    assert data.gather([2, 0, 2])[0].tolist() == [[4, 5], [0, 1], [4, 5]]


def test_concat_counts_through():
    joined = ConcatDataset(["ab", "", "cde"])
    assert [joined[i] for i in range(-5, 5)] == list("abcdeabcde") and len(joined) == 5
    for i in (5, -6):
        with pytest.raises(IndexError, match=rf"index must be in \[0, 5\); got {i}"):
            joined[i]


def test_plus_concatenates():
    a, b = TensorDataset(lucid.ones(2)), TensorDataset(lucid.zeros(1))
    assert [float(x) for (x,) in (a + b, a + b)[0]] == [1, 1, 0]
    assert list(Stream(1) + Stream(2, 3)) == [1, 2, 3]


def test_chain_wants_streams_and_concat_wants_indices():
    assert len(ChainDataset([Stream(1), Stream(2)])) == 2
    with pytest.raises(TypeError, match="Hint: use ConcatDataset"):
        list(ChainDataset(["ab"]))
    with pytest.raises(TypeError, match="Hint: use ChainDataset"):
        ConcatDataset([Stream(1)])
    with pytest.raises(ValueError, match="at least one"):
        ConcatDataset([])


def test_a_subset_of_a_subset():
    part = Subset(Subset("abcdef", [5, 3, 1]), [2, 0])
    assert len(part) == 2 and part[0] == "b" and part[1] == "f"


def test_what_a_dataset_must_define_is_said():
    with pytest.raises(NotImplementedError, match="define __getitem__"):
        Dataset()[0]
    with pytest.raises(NotImplementedError, match="define __iter__"):
        iter(IterableDataset())


@pytest.mark.parametrize(
    ("n", "lengths", "sizes"),
    [
        (10, [7, 3], [7, 3]),
        (10, [0.7, 0.3], [7, 3]),
        (100, [0.29, 0.71], [29, 71]),  # 0.29 * 100 is below 29 in floating point
        (10, [0.75, 0.25], [8, 2]),
        (11, [0.1] * 10, [2] + [1] * 9),
        (1, [1.0], [1]),
        (1, [0, 1], [0, 1]),
        (3, [0.5, 0.5], [2, 1]),
    ],
)
def test_random_split_sizes(n, lengths, sizes):
    parts = random_split(range(n), lengths)
    assert [len(p) for p in parts] == sizes
    assert sorted(i for p in parts for i in p) == list(range(n))


def test_random_split_follows_the_generator():
    def split(seed):
        return random_split(range(99), [50, 49], lucid.Generator().manual_seed(seed))[0].indices

    assert split(1) == split(1) != split(2)


@pytest.mark.parametrize("lengths", [[5, 4], [0.5, 0.6], [-1, 11], [2.5, 7.5]])
def test_random_split_wants_all_samples(lengths):
    with pytest.raises(ValueError, match="random_split: lengths must"):
        random_split(range(10), lengths)
