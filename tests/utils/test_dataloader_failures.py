"""DataLoader when something goes wrong: errors, deaths, signals, and how batches travel."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import lucid
from lucid.utils.data import (
    DataLoader,
    Subset,
    TensorDataset,
)
from tests.utils.loading import (
    PATIENCE,
    Function,
    Square,
    Stream,
    children,
    fork_only,
    gone,
    plain,
)
from tests.utils.loading import no_process_is_left as no_process_is_left  # autouse

# What goes wrong.


class Odd(Exception):
    """Can't be made again from its args."""

    def __init__(self, a, b):
        super().__init__(f"{a} and {b}")


def fail(error):
    def function(i):
        if i == 5:
            raise error
        return i

    return Function(8, function)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_exception_keeps_its_type_and_names_the_sample(workers):
    with pytest.raises(KeyError) as caught:
        list(DataLoader(fail(KeyError("missing")), 2, num_workers=workers))
    notes = "\n".join(caught.value.__notes__)
    assert caught.value.args == ("missing",) and "Function[5]" in notes
    if workers:
        assert "worker 0 (pid" in notes and "batch 2" in notes and "in function" in notes
    assert children() == []


@pytest.mark.parametrize("error", [Odd(1, 2), SystemExit(3), KeyboardInterrupt(), StopIteration(7)])
def test_what_cant_cross_becomes_a_runtime_error(error):
    with pytest.raises(RuntimeError, match=type(error).__name__):
        list(DataLoader(fail(error), 2, num_workers=2))


def test_stop_iteration_does_not_silently_end_an_epoch():
    with pytest.raises(RuntimeError, match=r"dataset\[5\] raised StopIteration"):
        list(DataLoader(fail(StopIteration()), 2))


def test_a_sample_that_cant_be_pickled_is_an_error():
    loader = DataLoader(Function(2, lambda i: lambda: i), collate_fn=lambda s: s[0], num_workers=1)
    with pytest.raises((AttributeError, RuntimeError), match="pickle"):
        list(loader)


@pytest.mark.parametrize("where", ["worker_init_fn", "__iter__"])
def test_an_error_before_the_first_batch_arrives_too(where):
    def broken(*_):
        raise ValueError("from the start")

    class Broken(Stream):
        __iter__ = broken

    settings = {"worker_init_fn": broken} if where == "worker_init_fn" else {}
    data = Broken(3) if where == "__iter__" else Square()
    with pytest.raises(ValueError, match="from the start"):
        list(DataLoader(data, num_workers=2, **settings))


def test_persistent_workers_survive_an_exception():
    loader = DataLoader(fail(ValueError("x")), 2, num_workers=2, persistent_workers=True)
    for _ in "ab":
        with pytest.raises(ValueError, match="x"):
            list(loader)
    del loader


def crash():
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)  # without pytest's report of it
    os.kill(os.getpid(), signal.SIGSEGV)


@fork_only
@pytest.mark.parametrize(
    ("end", "message"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), r"killed by SIGKILL. Hint: .*memory"),
        (crash, r"killed by SIGSEGV. Hint: find the crash"),
        (lambda: os._exit(3), r"exited with code 3"),
    ],
)
@pytest.mark.parametrize("persistent", [False, True])
def test_a_worker_that_dies_is_an_error_within_a_second(end, message, persistent):
    data = Function(8, lambda i: end() if i == 5 else i)
    loader = DataLoader(data, 2, num_workers=2, persistent_workers=persistent)
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=rf"worker 0 \(pid \d+\) (was )?{message}"):
        list(loader)
    assert time.monotonic() - start < PATIENCE and children() == []


@fork_only
def test_a_worker_that_is_killed_while_another_is_waited_for_is_noticed():
    loader = DataLoader(Function(4, lambda i: time.sleep(60) if i == 0 else i), num_workers=2)
    iterator = iter(loader)
    start = time.monotonic()

    def kill():
        for process in children():
            if process.name == "lucid-worker-1":  # on a busy machine it may not be there yet
                signal.setitimer(signal.ITIMER_REAL, 0)
                os.kill(process.pid, signal.SIGKILL)

    signal.signal(signal.SIGALRM, lambda *_: kill())
    signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)
    with pytest.raises(RuntimeError, match="worker 1 .* SIGKILL"):
        next(iterator)
    assert time.monotonic() - start < PATIENCE


@fork_only
def test_a_worker_killed_in_the_middle_of_a_batch_is_noticed():
    big = np.zeros(1 << 16, "bytes").tolist()  # goes through the socket, which can't hold it

    def iterate():
        loader = DataLoader(Function(6, lambda i: big), 1, num_workers=1, collate_fn=lambda s: s)
        iterator = iter(loader)
        next(iterator)
        time.sleep(0.05)
        (worker,) = children()
        os.kill(worker.pid, signal.SIGKILL)
        list(iterator)

    with pytest.raises(RuntimeError, match="SIGKILL"):
        iterate()


def test_a_timeout_names_worker_and_batch():
    loader = DataLoader(Function(2, lambda i: time.sleep(60 * i)), num_workers=1, timeout=2,
                        collate_fn=lambda s: 0)  # fmt: skip
    start = time.monotonic()
    with pytest.raises(RuntimeError, match="worker 0 .* deliver batch 1 within timeout=2 s"):
        list(loader)
    assert time.monotonic() - start < PATIENCE and children() == []


def test_a_break_ends_the_workers():
    for _ in DataLoader(Function(1000, int), num_workers=2):
        assert len(children()) == 2
        break
    assert children() == []


@fork_only
def test_a_large_batch_in_the_way_does_not_hold_up_the_end():
    big = ["x" * 1000] * 1000
    start = time.monotonic()
    for _ in DataLoader(Function(50, lambda i: big), num_workers=2, collate_fn=lambda s: s):
        break
    assert time.monotonic() - start < PATIENCE and children() == []


PROGRAM = """
import os, sys, time
from lucid.utils.data import DataLoader, Dataset
class Slow(Dataset):
    def __len__(self): return 100
    def __getitem__(self, index):
        time.sleep(0.01)
        return os.getpid()
if __name__ == "__main__":
    for i, pid in enumerate(DataLoader(Slow(), num_workers=2)):
        print(pid.item(), flush=True)
"""


@fork_only
def test_no_orphans_when_the_program_is_ended():
    program = [sys.executable, "-c", PROGRAM]
    ends = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
    started = [
        subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in ends
    ]
    workers = set()
    with contextlib.ExitStack() as stack:
        for process in started:
            stack.enter_context(process)
            stack.callback(process.kill)
        for process, end in zip(started, ends, strict=True):
            own = {int(process.stdout.readline()) for _ in range(4)}
            assert len(own) == 2
            workers |= own
            process.send_signal(end)
            _, errors = process.communicate(timeout=PATIENCE)
            if end == signal.SIGINT:
                assert b"KeyboardInterrupt" in errors and errors.count(b"Traceback") == 1, errors
    assert gone(workers)


@fork_only
def test_a_signal_to_the_whole_group_does_not_take_the_workers_first():
    iterator = iter(DataLoader(Function(40, int), num_workers=2))
    next(iterator)
    for worker in children():
        os.kill(worker.pid, signal.SIGINT)
        os.kill(worker.pid, signal.SIGTERM)
    assert len(list(iterator)) == 39


# Transport.


@fork_only
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "bool"])
def test_large_arrays_arrive_whole_writable_and_in_their_order(dtype):
    def sample(i):
        x = (lucid.arange(300_000) % 7 + i).reshape(3, 100, 1000).to(getattr(lucid, dtype))
        return {"x": x.permute(2, 0, 1), "empty": lucid.zeros(0), "n": np.full(9, i)}

    kept = list(DataLoader(Function(4, sample), batch_size=None, num_workers=2))
    for i, batch in enumerate(kept):
        x = sample(i)["x"]
        assert batch["x"].stride() == x.stride() and batch["x"].dtype is x.dtype
        assert bool((batch["x"] == x).all()) and batch["n"].tolist() == [i] * 9
        batch["x"].zero_()
        assert batch["empty"].shape == (0,)


@fork_only
def test_holding_many_large_batches_does_not_use_up_the_descriptors():
    data = Function(300, lambda i: np.full(40_000, i))
    before = len(os.listdir("/proc/self/fd"))
    kept = list(DataLoader(data, batch_size=None, num_workers=2))
    assert len(os.listdir("/proc/self/fd")) - before <= 256 + 10
    assert all(x[0].item() == x[-1].item() == i for i, x in enumerate(kept))
    del kept
    assert len(os.listdir("/proc/self/fd")) <= before


def test_without_memfds_the_pipe_serves(monkeypatch):
    monkeypatch.delattr(os, "memfd_create", raising=False)
    data = Function(3, lambda i: np.full(100_000, i))
    assert [int(x[0, -1]) for x in DataLoader(data, num_workers=1)] == [0, 1, 2]


def test_spawned_workers():
    loader = DataLoader(Square(), 4, num_workers=1, multiprocessing_context="spawn")
    assert [b.tolist() for b in loader] == [[0, 1, 4, 9], [16, 25]]


def test_what_a_spawned_worker_cant_have_is_explained():
    loader = DataLoader(Function(2, lambda i: i), num_workers=1, multiprocessing_context="spawn")
    with pytest.raises(Exception, match="pickle") as caught:
        list(loader)
    assert "top level of a module" in caught.value.__notes__[0]


def test_a_subset_of_a_tensor_dataset():
    data = Subset(TensorDataset(lucid.arange(10)), [7, 1])
    assert plain(DataLoader(data, 2)) == [[[7, 1]]]
