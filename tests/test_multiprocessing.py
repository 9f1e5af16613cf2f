"""lucid.multiprocessing: the standard library's names, and spawn."""

import os
import signal

import pytest

import lucid
import lucid.multiprocessing as mp


def add(i, queue, tensor):
    queue.put((i, (tensor + i).tolist()))


def fail(i, which):
    if i == which:
        raise KeyError("broken")
    signal.pause()  # until it is terminated


def die(i, code):
    os._exit(code)


def square(x):
    return x * x


def test_has_what_the_standard_module_has():
    context = mp.get_context("spawn")
    assert context.get_start_method() == "spawn"
    assert mp.cpu_count() == os.cpu_count()
    assert issubclass(mp.Process, object)
    assert mp.get_logger().name == "multiprocessing"
    assert mp.connection.wait([], 0) == []


def test_tensors_go_to_processes_and_back():
    queue = mp.get_context("spawn").SimpleQueue()
    mp.spawn(add, (queue, lucid.ones(2)), nprocs=2)
    found = dict(queue.get() for _ in range(2))
    assert found == {0: [1.0, 1.0], 1: [2.0, 2.0]}


def test_a_pool_maps_tensors():
    with mp.get_context("spawn").Pool(1) as pool:
        (answer,) = pool.map(square, [lucid.tensor([2.0, 3.0])])
    assert answer.tolist() == [4.0, 9.0]


def test_an_error_in_one_process_ends_all_and_is_told():
    with pytest.raises(
        mp.ProcessRaisedException, match="process 1 raised(?s:.*)KeyError: 'broken'"
    ):
        mp.spawn(fail, (1,), nprocs=2)


def test_an_exit_code_is_told():
    with pytest.raises(
        mp.ProcessExitedException, match="process 0 ended with exit code 3"
    ) as error:
        mp.spawn(die, (3,))
    assert error.value.exit_code == 3


def test_without_join_one_waits_for_the_processes():
    context = mp.spawn(die, (0,), join=False)
    assert len(context.pids()) == 1
    while not context.join(timeout=10):
        pass
    assert context.join()


def test_sharing_strategies_are_accepted_by_name():
    before = mp.get_sharing_strategy()
    mp.set_sharing_strategy("file_system")
    assert mp.get_sharing_strategy() == "file_system"
    mp.set_sharing_strategy(before)
    assert mp.get_all_sharing_strategies() == {"file_descriptor", "file_system"}
    with pytest.raises(ValueError, match="must be one of file_descriptor, file_system; got 'x'"):
        mp.set_sharing_strategy("x")
