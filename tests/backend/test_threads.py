"""The thread pool covers a range exactly once, passes errors on, and survives a fork."""

import os
import signal
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest

from lucid.backend.cpu import threads


@pytest.fixture(autouse=True)
def restored():
    before = threads.get_num_threads()
    yield
    threads.set_num_threads(before)


@pytest.mark.parametrize("number", [1, 2, 3, 8])
@pytest.mark.parametrize(("count", "grain"), [(0, 4), (1, 4), (4, 4), (5, 4), (1000, 7)])
def test_blocks_cover_the_range_once(number, count, grain):
    threads.set_num_threads(number)
    visits = np.zeros(count, int)

    def visit(start, stop):
        assert 0 < stop - start <= grain
        visits[start:stop] += 1

    threads.parallel_for(visit, count, grain)
    assert (visits == 1).all()


def test_blocks_do_run_in_several_threads():
    threads.set_num_threads(2)
    together = threading.Barrier(2, timeout=60)  # passed only by two blocks at the same time
    threads.parallel_for(lambda start, stop: together.wait(), 2, 1)


@pytest.mark.parametrize(("number", "count"), [(1, 10), (4, 1)])
def test_one_thread_or_one_block_stays_in_the_calling_thread(number, count):
    threads.set_num_threads(number)
    seen = set()
    threads.parallel_for(lambda start, stop: seen.add(threading.get_ident()), count, 1)
    assert seen == {threading.get_ident()}


def test_a_nested_range_stays_in_its_thread():
    threads.set_num_threads(2)
    pairs = []

    def outer(start, stop):
        me = threading.get_ident()
        threads.parallel_for(lambda *_: pairs.append((me, threading.get_ident())), 5, 1)

    threads.parallel_for(outer, 4, 1)
    assert len(pairs) == 20
    assert all(outer == inner for outer, inner in pairs)


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("bad", [0, 37, 99])
def test_an_exception_reaches_the_caller_and_the_pool_goes_on(number, bad):
    threads.set_num_threads(number)

    def function(start, stop):
        if start == bad:
            raise KeyError(start)

    with pytest.raises(KeyError, match=str(bad)):
        threads.parallel_for(function, 100, 1)
    seen = []
    threads.parallel_for(lambda start, stop: seen.append(start), 10, 1)
    assert sorted(seen) == list(range(10))


def test_an_exception_of_a_helper_reaches_the_caller():
    threads.set_num_threads(2)
    caller, together = threading.get_ident(), threading.Barrier(2, timeout=60)

    def function(start, stop):
        together.wait()
        if threading.get_ident() != caller:
            raise KeyError("helper")

    with pytest.raises(KeyError, match="helper"):
        threads.parallel_for(function, 2, 1)


def test_an_exception_stops_blocks_not_yet_begun():
    threads.set_num_threads(2)
    begun = []

    def function(start, stop):
        begun.append(start)
        time.sleep(0.001)
        if start == 0:
            raise KeyError

    with pytest.raises(KeyError):
        threads.parallel_for(function, 1000, 1)
    assert len(begun) < 1000


def test_two_user_threads_share_the_pool():
    threads.set_num_threads(3)
    visits = np.zeros((2, 5000), int)

    def use(row):
        def visit(start, stop):
            visits[row, start:stop] += 1

        for _ in range(10):
            threads.parallel_for(visit, 5000, 7)

    users = [threading.Thread(target=use, args=(row,)) for row in range(2)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert (visits == 10).all()


def test_helpers_keep_nothing_of_what_they_did(monkeypatch):
    class SlowBell(threads.SimpleQueue):
        def put(self, item):
            super().put(item)
            time.sleep(0.2)  # the helper lingers; the caller goes on

    monkeypatch.setattr(threads, "SimpleQueue", SlowBell)
    threads.set_num_threads(2)
    together = threading.Barrier(2, timeout=60)

    def function(start, stop):
        together.wait()

    threads.parallel_for(function, 2, 1)
    alive = weakref.ref(function)
    del function
    assert alive() is None


def test_numpy_error_settings_reach_the_helpers():
    threads.set_num_threads(2)
    settings = []
    with np.errstate(divide="raise"):
        together = threading.Barrier(2, timeout=60)

        def function(start, stop):
            together.wait()
            settings.append(np.geterr()["divide"])

        threads.parallel_for(function, 2, 1)
    assert settings == ["raise", "raise"]


@pytest.mark.parametrize("bad", [0, -1, 1.5, "2"])
def test_a_number_of_threads_is_a_positive_integer(bad):
    with pytest.raises(ValueError, match="set_num_threads: threads must be a positive integer"):
        threads.set_num_threads(bad)


def test_scratch_is_reused_within_a_thread_and_not_shared():
    mine = threads.scratch("test", 10, np.int32)
    assert mine.dtype == np.int32
    assert mine.shape == (10,)
    assert np.shares_memory(mine, threads.scratch("test", 5, np.float64))
    other = []
    worker = threading.Thread(target=lambda: other.append(threads.scratch("test", 10, np.int32)))
    worker.start()
    worker.join()
    assert not np.shares_memory(mine, other[0])


def run_python(code, **environment):
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    path = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-c", "from lucid.backend.cpu import threads\n" + code],
        env=os.environ | {"PYTHONPATH": path} | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("environment", "number"),
    [
        ({"LUCID_NUM_THREADS": "3", "OMP_NUM_THREADS": "5"}, "3"),
        ({"OMP_NUM_THREADS": "5"}, "5"),
        ({"OMP_NUM_THREADS": "4,2"}, "4"),
    ],
)
def test_the_environment_sets_the_default(environment, number):
    result = run_python("print(threads.get_num_threads())", **environment)
    assert result.stdout.strip() == number


def test_a_wrong_environment_value_is_named():
    result = run_python("threads.get_num_threads()", LUCID_NUM_THREADS="many")
    assert "LUCID_NUM_THREADS: must be a positive integer; got 'many'" in result.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_makes_its_own_pool():
    result = run_python(
        """
import os, threading, warnings
warnings.simplefilter("ignore")  # that forking with threads is delicate is the point
threads.set_num_threads(2)
meet = lambda: threading.Barrier(2, timeout=60)
def together():
    barrier = meet()
    threads.parallel_for(lambda start, stop: barrier.wait(), 2, 1)
together()
child = os.fork()
if child == 0:
    together()
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    )
    assert result.stdout.strip() == "7", result.stderr


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs POSIX signals")
def test_ctrl_c_stops_all_blocks():
    result = run_python(
        """
import os, signal, threading, time
threads.set_num_threads(2)
running = []
def function(start, stop):
    running.append(start)
    time.sleep(0.02)
    running.remove(start)
threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    threads.parallel_for(function, 1_000_000, 1)
except KeyboardInterrupt:
    before = list(running)
    time.sleep(0.1)
    print(len(running) <= 1 and running == before)  # only the block that was interrupted
"""
    )
    assert result.stdout.strip() == "True", result.stderr


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs POSIX signals")
def test_ctrl_c_while_waiting_still_waits_for_the_helper():
    result = run_python(
        """
import os, signal, threading, time
threads.set_num_threads(2)
caller, ended = threading.get_ident(), []
together = threading.Barrier(2)
def function(start, stop):
    together.wait()
    if threading.get_ident() != caller:
        time.sleep(0.5)
        ended.append(start)
threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    threads.parallel_for(function, 2, 1)
except KeyboardInterrupt:
    print(len(ended))
"""
    )
    assert result.stdout.strip() == "1", result.stderr
