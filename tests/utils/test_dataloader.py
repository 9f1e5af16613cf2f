"""DataLoader: order, seeds, resume, and workers that fail in every way."""

import json
import random

import numpy as np
import pytest

import lucid
from lucid.utils.data import (
    DataLoader,
    RandomSampler,
    Sampler,
    TensorDataset,
    get_worker_info,
)
from tests.utils.loading import Function, Square, Stream, augment, children, generator, plain
from tests.utils.loading import no_process_is_left as no_process_is_left  # autouse

# Batches.


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    ("settings", "batches"),
    [
        ({}, [[0], [1], [2], [3], [4]]),
        ({"batch_size": 2}, [[0, 1], [2, 3], [4]]),
        ({"batch_size": 2, "drop_last": True}, [[0, 1], [2, 3]]),
        ({"batch_size": None}, [0, 1, 2, 3, 4]),
        ({"batch_sampler": [[3, 1], [0]]}, [[3, 1], [0]]),
        ({"sampler": [4, 2], "batch_size": 5}, [[4, 2]]),
    ],
)
def test_batches_and_their_number(workers, settings, batches):
    loader = DataLoader(Function(5, np.int64), num_workers=workers, **settings)
    assert [b.tolist() for b in loader] == batches and len(loader) == len(batches)


def test_a_tensor_dataset_is_indexed_not_stacked(device):
    data = TensorDataset(lucid.arange(5), lucid.ones(5, 2))
    fast = plain(DataLoader(data, 2))
    assert fast == plain(
        DataLoader(data, 2, collate_fn=lambda s: lucid.utils.data.default_collate(s))
    )


def test_a_tensor_dataset_with_its_own_getitem_is_asked(device):
    class Negative(TensorDataset):
        def __getitem__(self, index):
            return -self.tensors[0][index]

    assert [b.tolist() for b in DataLoader(Negative(lucid.arange(3)), 3)] == [[0, -1, -2]]


def test_an_empty_dataset_has_no_batches():
    assert list(DataLoader(Function(0, int), shuffle=True)) == []


def test_collate_fn_gets_the_samples():
    assert list(DataLoader(Function(3, str), 2, collate_fn="".join, num_workers=1)) == ["01", "2"]


def test_getitems_fetches_a_whole_batch():
    class Many(Square):
        def __getitems__(self, indices):
            return [-i for i in indices]

    assert [b.tolist() for b in DataLoader(Many(), 4)] == [[0, -1, -2, -3], [-4, -5]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_workers": -1}, "must not be negative"),
        ({"timeout": 1}, "are for worker processes"),
        ({"persistent_workers": True}, "are for worker processes"),
        ({"prefetch_factor": 2}, "are for worker processes"),
        ({"prefetch_factor": 0, "num_workers": 1}, "prefetch_factor must be positive"),
        ({"sampler": [0], "shuffle": True}, "sampler decides the order"),
        ({"batch_sampler": [[0]], "batch_size": 2}, "stands in place of"),
        ({"batch_size": None, "drop_last": True}, "drop_last needs a batch_size"),
        ({"batch_size": 0}, "batch_size must be a positive int"),
    ],
)
def test_settings_that_contradict_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        DataLoader(Function(3, int), **settings)
    with pytest.raises(ValueError, match="has an order of its own"):
        DataLoader(Stream(3), shuffle=True)


# Order and seeds.


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_order_and_augmentation_do_not_depend_on_the_number_of_workers(workers):
    def epochs(workers):
        loader = DataLoader(
            Function(11, augment), 2, True, num_workers=workers, generator=generator(1)
        )
        return plain(loader), plain(loader)

    first, second = epochs(workers)
    assert (first, second) == epochs(0)
    assert first != second and sorted(i for b in first for i in b[0]) == list(range(11))


def test_every_sample_is_augmented_differently():
    batches = plain(DataLoader(Function(20, augment), 2, num_workers=2))
    for kind in (1, 2):
        assert len({x for b in batches for x in b[kind]}) == 20


def test_an_epoch_is_a_function_of_the_generator_when_it_begins():
    g = generator(7)
    loader = DataLoader(Function(50, int), 5, True, generator=g)
    start = g.state_tuple()
    epoch = [b.tolist() for b in loader]
    g.set_state_tuple(start)
    iterator = iter(loader)
    g.reserve(99)
    assert [b.tolist() for b in iterator] == epoch


def test_the_programs_own_random_numbers_are_left_alone():
    def drawn(iterate):
        random.seed(0)
        np.random.seed(0)
        lucid.manual_seed(0)
        iterate()
        return random.random(), np.random.rand(), lucid.default_generator.state_tuple()

    loader = DataLoader(Function(4, augment), 2, generator=generator())
    assert drawn(lambda: list(loader)) == drawn(lambda: None)


def test_worker_info_and_worker_init_fn():
    seen = []

    def look(i):
        info = get_worker_info()
        return np.array([info.id, info.num_workers, info.seed % 1000, info.dataset.n, *seen])

    loader = DataLoader(Function(4, look), num_workers=2, worker_init_fn=seen.append)
    (a,), (b,), _, _ = (x.tolist() for x in loader)
    assert a[:2] == [0, 2] and b[:2] == [1, 2] and (b[2] - a[2]) % 1000 == 1
    assert a[3:] == [4, 0] and b[3:] == [4, 1] and get_worker_info() is None


@pytest.mark.parametrize("workers", [1, 2])
def test_persistent_workers_stay_and_change_nothing(workers):
    settings = {"batch_size": 2, "shuffle": True}
    fresh = DataLoader(Function(6, augment), generator=generator(), **settings)
    expected = [plain(fresh), plain(fresh)]
    loader = DataLoader(
        Function(6, augment),
        num_workers=workers,
        persistent_workers=True,
        generator=generator(),
        **settings,
    )
    first = plain(loader)
    pids = {p.pid for p in children()}
    assert [first, plain(loader)] == expected
    assert pids == {p.pid for p in children()} and len(pids) == workers


def test_persistent_workers_begin_anew_after_a_break():
    loader = DataLoader(Function(20, int), 2, num_workers=2, persistent_workers=True)
    for _ in loader:
        break
    assert [b.tolist() for b in loader][0] == [0, 1]


# Streams.


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_a_stream_is_read_to_its_end(workers):
    loader = DataLoader(Stream(10), 2, num_workers=workers)
    batches = plain(loader)
    assert sorted(i for b in batches for i in b[0]) == list(range(10))
    if workers < 2:
        assert [b[0] for b in batches] == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]


def test_a_stream_in_workers_comes_in_a_fixed_order():
    first, again = (
        plain(DataLoader(Stream(23), 3, num_workers=3, generator=generator(), prefetch_factor=p))
        for p in (1, 5)
    )
    assert first == again


def test_the_last_batch_of_a_stream_can_be_left_out():
    assert len(plain(DataLoader(Stream(5), 2, drop_last=True))) == 2


# Resume.


class LazySampler(Sampler):
    """Draws when the first index is asked for, not in iter()."""

    def __iter__(self):
        yield from list(RandomSampler(range(11), generator=self.generator))

    def __init__(self, g):
        self.generator = g

    def __len__(self):
        return 11


@pytest.mark.parametrize("kind", ["shuffle", "sampler", "stream"])
@pytest.mark.parametrize(("workers", "own"), [(0, False), (0, True), (2, False)])
def test_an_epoch_resumes_after_any_batch(workers, kind, own):
    def make(seed):
        g = generator(seed) if own else None
        settings = {"batch_size": 2, "num_workers": workers, "generator": g}
        if kind == "stream":
            return DataLoader(Stream(11), **settings)
        order = {"sampler": LazySampler(g)} if kind == "sampler" else {"shuffle": True}
        return DataLoader(Function(11, augment), **order, **settings)

    loader = make(0)
    list(loader)
    states, batches = [], []
    for batch in loader:
        batches.append([x.tolist() for x in batch])
        states.append((json.dumps(loader.state_dict()), lucid.default_generator.state_tuple()))
    after = plain(loader)
    for done in (3,) if workers else (1, 3, len(batches)):
        resumed = make(99)
        state, program = states[done - 1]
        lucid.manual_seed(1234)  # the default generator is the program's to put back
        resumed.load_state_dict(json.loads(state))
        assert resumed.state_dict() == json.loads(state)
        assert plain(resumed) == batches[done:]
        lucid.default_generator.set_state_tuple(program)
        assert plain(resumed) == after


def test_between_epochs_there_is_nothing_to_resume():
    loader = DataLoader(Function(4, int), 2, True)
    assert loader.state_dict()["epoch"] is None
    list(loader)
    state = loader.state_dict()
    assert state["epoch"] is None and state["batches"] == 0
    loader.load_state_dict(state)
    assert len(list(loader)) == 2


def test_a_state_of_another_dataset_is_refused():
    state = DataLoader(Function(4, int), 2).state_dict()
    with pytest.raises(ValueError, match="samples must be as when .* got 4 then and 5 now"):
        DataLoader(Function(5, int), 2).load_state_dict(state)
    with pytest.raises(ValueError, match="batch_size must be as when"):
        DataLoader(Function(4, int), 3).load_state_dict(state)
    with pytest.raises(ValueError, match="lacks .*'epoch'"):
        DataLoader(Function(4, int)).load_state_dict({})
