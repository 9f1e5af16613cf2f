"""Generators hand out addresses of random numbers, each once, and repeat them on request."""

import copy
import os
import pickle
import sys
import threading

import numpy as np
import pytest

from lucid import random
from lucid.backend.philox import Key
from lucid.random import Generator, fork_rng, record_keys, replay_keys


def test_a_fresh_generator_has_the_default_seed():
    assert Generator().state_tuple() == (random.DEFAULT_SEED, 0, 0)
    assert Generator().initial_seed() == random.DEFAULT_SEED


def test_reserve_advances_the_offset():
    generator = Generator().manual_seed(5)
    assert generator.reserve(3) == Key(5, 0, 0)
    assert generator.reserve(2**70) == Key(5, 0, 3)
    assert generator.reserve(1) == Key(5, 0, 2**70 + 3)
    assert isinstance(generator.reserve(1), Key)


@pytest.mark.parametrize(
    ("seed", "word"),
    [(0, 0), (-1, 2**64 - 1), (-(2**63), 2**63), (2**64 - 1, 2**64 - 1), (np.int32(-2), 2**64 - 2)],
)
def test_a_seed_is_64_bits_and_a_negative_one_wraps(seed, word):
    generator = Generator()
    assert generator.manual_seed(seed) is generator
    assert generator.initial_seed() == word
    assert generator.reserve(1) == (word, 0, 0)


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(ValueError, match=rf"manual_seed: seed must be in \[.*\); got {seed}"):
        Generator().manual_seed(seed)


@pytest.mark.parametrize("seed", [1.5, "1", None])
def test_a_seed_that_is_no_integer_is_refused(seed):
    with pytest.raises(TypeError, match="manual_seed: seed must be an integer; got"):
        Generator().manual_seed(seed)


def test_manual_seed_returns_to_offset_0_and_keeps_the_stream():
    generator = Generator()
    generator.stream = 3
    generator.reserve(10)
    generator.manual_seed(1)
    assert generator.state_tuple() == (1, 3, 0)


def test_seed_takes_a_new_seed_and_answers_it():
    generator = Generator()
    seeds = {generator.seed() for _ in range(10)}
    assert len(seeds) == 10
    assert generator.initial_seed() in seeds


def test_the_offset_can_be_read_and_set():
    generator = Generator()
    generator.set_offset(2**70)
    assert generator.get_offset() == 2**70
    with pytest.raises(ValueError, match="set_offset: offset must be in"):
        generator.set_offset(-1)


def test_the_state_is_32_bytes_and_restores_everything():
    generator = Generator().manual_seed(2**64 - 5)
    generator.stream = 9
    generator.set_offset(2**65 + 7)
    state = generator._state_bytes()
    assert len(state) == 32
    other = Generator()
    other._set_state_bytes(state)
    assert other.state_tuple() == (2**64 - 5, 9, 2**65 + 7)


def test_a_state_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="set_state: the state of a generator has 32 bytes; got 5"):
        Generator()._set_state_bytes(bytes(5))
    with pytest.raises(ValueError, match="set_state: the state must begin with b'LRNG'; got"):
        Generator()._set_state_bytes(bytes(32))


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, copy.copy, lambda g: pickle.loads(pickle.dumps(g)), Generator.clone_state],
)
def test_a_copy_has_the_state_and_goes_on_alone(copied):
    generator = Generator("cpu").manual_seed(4)
    generator.reserve(6)
    other = copied(generator)
    assert other.device == "cpu"
    assert other.reserve(1) == generator.reserve(100) == Key(4, 0, 6)
    assert (other.get_offset(), generator.get_offset()) == (7, 106)


def test_eight_threads_never_get_the_same_block():
    generator, keys = Generator(), []
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # change threads as often as possible

    def work():
        keys.extend(generator.reserve(3) for _ in range(2000))

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    sys.setswitchinterval(interval)
    assert sorted(key.offset for key in keys) == list(range(0, 8 * 2000 * 3, 3))


def test_the_module_functions_act_on_the_default_generator():
    with fork_rng():
        assert random.manual_seed(-1) is random.default_generator
        assert random.initial_seed() == 2**64 - 1
        assert random.seed() == random.default_generator.initial_seed()


def test_fork_rng_restores_the_default_generator():
    state = random.default_generator.state_tuple()
    with pytest.raises(KeyError), fork_rng(devices=[]):
        random.manual_seed(99)
        raise KeyError
    assert random.default_generator.state_tuple() == state
    with fork_rng(), fork_rng(enabled=False):
        random.manual_seed(99)
        random.default_generator.reserve(2)
    assert random.default_generator.state_tuple() == state


def test_a_recording_holds_the_keys_of_all_generators_in_order():
    first, second = Generator().manual_seed(1), Generator().manual_seed(2)
    with record_keys() as keys:
        expected = [first.reserve(1), second.reserve(2), first.reserve(3)]
    first.reserve(1)
    assert keys == expected


def test_a_replay_repeats_the_keys_and_moves_no_offset():
    generator = Generator().manual_seed(1)
    with record_keys() as keys:
        drawn = [generator.reserve(2), generator.reserve(2)]
    state = generator.state_tuple()
    with replay_keys(keys):
        assert [generator.reserve(2), generator.reserve(2)] == drawn
    assert generator.state_tuple() == state
    assert generator.reserve(1) == Key(1, 0, 4)


def test_a_replay_that_asks_for_more_is_refused():
    with (
        replay_keys([Key(0, 0, 0)]),
        pytest.raises(RuntimeError, match="replay_keys: .* got draw 2 of 1"),
    ):
        Generator().reserve(1)
        Generator().reserve(1)


def test_nested_recordings_both_see_a_key():
    generator = Generator()
    with record_keys() as outer:
        a = generator.reserve(1)
        with record_keys() as inner:
            b = generator.reserve(1)
        c = generator.reserve(1)
    assert (outer, inner) == ([a, b, c], [b])


def test_a_recording_inside_a_replay_sees_its_keys():
    keys = [Key(1, 0, offset) for offset in range(3)]
    with replay_keys(keys):
        Generator().reserve(1)
        with record_keys() as inner:
            Generator().reserve(1)
        assert Generator().reserve(1) == keys[2]
    assert inner == keys[1:2]


def test_a_recording_around_a_replay_does_not_see_its_keys():
    # An outer checkpoint records; an inner one is replayed in it. When the outer one is replayed,
    # the inner one runs again with keys of its own.
    with record_keys() as outer:
        a = Generator().reserve(1)
        with replay_keys([Key(9, 9, 9)]):
            Generator().reserve(1)
        b = Generator().reserve(1)
    assert outer == [a, b]


def test_a_replay_inside_a_replay_leaves_the_outer_one_where_it_was():
    with replay_keys([Key(1, 0, 0), Key(1, 0, 1)]):
        assert Generator().reserve(1).offset == 0
        with replay_keys([Key(2, 0, 7)]):
            assert Generator().reserve(1).seed == 2
        assert Generator().reserve(1).offset == 1


def test_an_exception_ends_a_recording_and_a_replay():
    with pytest.raises(KeyError), record_keys() as keys, replay_keys([]):
        raise KeyError
    Generator().reserve(1)
    assert keys == []


def test_recordings_and_replays_belong_to_their_thread():
    generator, found = Generator().manual_seed(1), []
    with record_keys() as keys, replay_keys([]):
        worker = threading.Thread(target=lambda: found.append(generator.reserve(1)))
        worker.start()
        worker.join()
    assert found == [Key(1, 0, 0)]
    assert keys == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # forking beside pool threads is the case
def test_a_forked_child_can_reserve_though_the_lock_was_held():
    with random.default_generator._lock:
        child = os.fork()
        if child == 0:
            random.default_generator.reserve(0)
            os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
