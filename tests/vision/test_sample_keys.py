"""Random numbers of transforms belong to a sample and a place, not to a process or a moment."""

import numpy as np
import pytest

import lucid
from lucid.utils.data import DataLoader, Dataset, WeightedRandomSampler
from lucid.vision import transforms as T
from lucid.vision.datasets import FakeData
from lucid.vision.transforms.randomness import source


class Draws:
    """A transform that answers the numbers it draws, as a row."""

    def __init__(self, count=1):
        self.count = count

    def __call__(self, row):
        draw = source()
        return row + [draw.uniform() for _ in range(self.count)]


class Start(Dataset):
    """Every sample is transform([])."""

    def __init__(self, transform, size=12):
        self.transform, self.size = transform, size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return np.array(self.transform([]))


def epochs(loader, count=1):
    return [np.concatenate([batch.numpy() for batch in loader]) for _ in range(count)]


AUGMENT = T.Compose(
    [
        T.RandomCrop(12, padding=2),
        T.RandomHorizontalFlip(),
        T.RandomApply([T.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.7),
        T.RandomChoice([T.RandomRotation(20), T.Cutout(4)]),
        T.RandomResizedCrop(10),
        T.ToTensor(),
        T.RandomErasing(value="random"),
    ]
)


@pytest.mark.parametrize("workers", [1, 3])
def test_batches_are_bit_identical_with_any_number_of_workers(workers):
    def two_epochs(num_workers):
        lucid.manual_seed(5)
        data = FakeData(23, (3, 12, 12), transform=AUGMENT)
        loader = DataLoader(data, 4, shuffle=True, num_workers=num_workers)
        return [x.numpy() for _ in range(2) for x, _ in loader]

    for here, there in zip(two_epochs(0), two_epochs(workers), strict=True):
        assert (here == there).all()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_epoch_goes_on_with_the_same_numbers(workers):
    def loader():
        return DataLoader(Start(Draws(), 20), 3, shuffle=True, num_workers=workers)

    first = loader()
    batches, state = [], None
    for number, batch in enumerate(first):
        batches.append(batch.numpy())
        if number == 2:
            state = first.state_dict()
    again = loader()
    again.load_state_dict(state)
    lucid.rand(7)  # what else is drawn does not matter
    for expected, batch in zip(batches[3:], again, strict=True):
        assert (expected == batch.numpy()).all()


def test_epochs_differ_and_samples_differ():
    one, two = epochs(DataLoader(Start(Draws()), 4), 2)
    assert len(set(one.ravel()) | set(two.ravel())) == 24


def test_a_sample_that_a_batch_has_twice_is_drawn_for_twice():
    sampler = WeightedRandomSampler([1.0, 0, 0], 8)
    (rows,) = epochs(DataLoader(Start(Draws(), 3), 8, sampler=sampler))
    assert len(set(rows.ravel())) == 8


def test_a_part_does_not_shift_the_numbers_of_those_after_it():
    def last(first):
        lucid.manual_seed(1)
        return epochs(DataLoader(Start(T.Compose([first, Draws()])), 4))[0][:, -1]

    expected = last(Draws())
    assert (last(Draws(5)) == expected).all()
    assert (last(T.Lambda(lambda row: row)) == expected).all()
    assert (last(T.Compose([Draws(2), Draws(3)])) == expected).all()


def test_numbers_after_a_random_apply_are_those_without_it():
    def last(p):
        lucid.manual_seed(1)
        transform = T.Compose([T.RandomApply([Draws(3)], p=p), Draws()])
        return epochs(DataLoader(Start(transform), 4))[0][:, -1]

    assert (last(0.0) == last(1.0)).all()


def test_every_place_has_numbers_of_its_own():
    nested = T.Compose([T.Compose([Draws(), Draws()]), Draws(), T.RandomApply([Draws()], p=1.0)])
    (rows,) = epochs(DataLoader(Start(nested), 4))
    assert len(set(rows.ravel())) == rows.size == 48


@pytest.mark.parametrize("same", [Draws(), T.Compose([Draws(), Draws()])], ids=["leaf", "compose"])
def test_two_views_of_a_sample_differ(same):
    def views(row):
        return same(row) + same(row)

    for transform in (views, T.Compose([views, Draws()])):
        lucid.manual_seed(2)
        (rows,) = epochs(DataLoader(Start(transform), 4))
        assert len(set(rows.ravel())) == rows.size


def test_outside_a_loader_every_call_is_new_and_the_seed_decides():
    transform = T.Compose([Draws(), Draws()])
    rows = [transform([]) for _ in range(3)]
    assert len({n for row in rows for n in row}) == 6
    lucid.manual_seed(0)
    assert transform([]) == rows[0]


def test_nothing_is_taken_from_the_generator_where_nothing_is_random():
    state = lucid.default_generator.state_tuple()
    T.Compose([T.ToTensor(), T.CenterCrop(2)])(np.zeros((4, 4, 1), np.uint8))
    assert lucid.default_generator.state_tuple() == state


def test_an_exception_in_a_transform_leaves_nothing_behind():
    def fails(row):
        raise KeyError("stop")

    with pytest.raises(KeyError):
        next(iter(DataLoader(Start(T.Compose([Draws(), fails])), 4)))
    lucid.manual_seed(0)
    outside = Draws()([])
    lucid.manual_seed(0)
    assert Draws()([]) == outside
    assert lucid.default_generator.get_offset() == 1  # taken from there: no sample is under way


def test_uniform_numbers_of_samples_are_uniform_and_independent():
    rows = epochs(DataLoader(Start(T.Compose([Draws(), Draws()]), 2000), 50))[0]
    five_sigma = 5 / (12 * 2000) ** 0.5
    assert abs(rows.mean(0) - 0.5).max() < five_sigma
    assert abs(np.corrcoef(rows.T)[0, 1]) < 5 / 2000**0.5
    assert abs(np.corrcoef(rows[:-1, 0], rows[1:, 0])[0, 1]) < 5 / 2000**0.5


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_beta_has_its_mean_and_variance(alpha):
    draw, n = source(lucid.Generator().manual_seed(1)), 4000
    values = np.array([draw.beta(alpha) for _ in range(n)])
    variance = 1 / (4 * (2 * alpha + 1))
    assert abs(values.mean() - 0.5) < 5 * (variance / n) ** 0.5
    # five sigma of a variance: its own is at most E[(x - 1/2)^4] <= 1/4 of the variance
    assert abs(values.var() - variance) < 5 * (variance / 4 / n) ** 0.5
