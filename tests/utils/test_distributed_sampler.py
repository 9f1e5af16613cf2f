"""DistributedSampler: parts of an epoch that fit together, as PyTorch's do."""

import pytest

import lucid
from lucid.utils.data import DataLoader, StackDataset
from lucid.utils.data.distributed import DistributedSampler


@pytest.mark.parametrize("n", [0, 1, 7, 8, 12])
@pytest.mark.parametrize("replicas", [1, 3, 4])
@pytest.mark.parametrize("drop_last", [False, True])
def test_unshuffled_parts_are_pytorchs(n, replicas, drop_last):
    torch = pytest.importorskip("torch")
    for rank in range(replicas):
        theirs = torch.utils.data.DistributedSampler(
            range(n), replicas, rank, shuffle=False, drop_last=drop_last
        )
        ours = DistributedSampler(range(n), replicas, rank, shuffle=False, drop_last=drop_last)
        assert len(ours) == len(theirs)
        assert list(ours) == list(theirs)


def test_shuffled_parts_cover_the_epoch_and_change_with_it():
    def epoch(e):
        parts = []
        for rank in range(3):
            sampler = DistributedSampler(range(9), 3, rank, seed=5)
            sampler.set_epoch(e)
            parts.append(list(sampler))
        return parts

    first, again, second = epoch(0), epoch(0), epoch(1)
    assert first == again
    assert first != second
    assert sorted(sum(first, [])) == sorted(sum(second, [])) == list(range(9))


def test_the_default_generator_is_left_alone():
    lucid.manual_seed(1)
    before = lucid.get_rng_state()
    list(DistributedSampler(range(9), 3, 0))
    assert (lucid.get_rng_state() == before).all()


def test_a_loader_visits_one_part():
    sampler = DistributedSampler(range(8), 2, 1, shuffle=False)
    loader = DataLoader(range(8), batch_size=2, sampler=sampler)
    assert [batch.tolist() for batch in loader] == [[1, 3], [5, 7]]


def test_without_a_process_group_both_numbers_are_needed():
    with pytest.raises(RuntimeError, match="num_replicas and rank must be given.*got None and 0"):
        DistributedSampler(range(4), rank=0)
    with pytest.raises(ValueError, match=r"rank must be in \[0, 1\]; got 2"):
        DistributedSampler(range(4), 2, 2)


def test_stacked_datasets_are_tuples_or_dicts():
    assert StackDataset(range(3), "abc")[1] == (1, "b")
    assert StackDataset(a=range(3), b="abc")[2] == {"a": 2, "b": "c"}
    assert len(StackDataset(range(3))) == 3
    with pytest.raises(ValueError, match=r"must be of one length; got \[3, 2\]"):
        StackDataset(range(3), range(2))
    with pytest.raises(ValueError, match="by place or by name, at least one; got 0"):
        StackDataset()
