"""BLAS is limited to one thread inside a block, and only there."""

import threading

import numpy as np
import pytest

from lucid.backend.cpu import blas


@pytest.fixture
def count():
    """Reads the number of threads that BLAS would use."""
    control = blas._control()
    if control is None:
        pytest.skip("NumPy came without an OpenBLAS that can be told its number of threads")
    before = control.get()
    control.set(2)
    yield control.get
    control.set(before)


def test_one_thread_inside_and_as_before_outside(count):
    with blas.single_threaded() as limited:
        assert limited
        with blas.single_threaded():
            assert count() == 1
        assert count() == 1
    assert count() == 2


def test_an_error_inside_restores_the_threads(count):
    with pytest.raises(ZeroDivisionError), blas.single_threaded():
        1 / 0  # noqa: B018
    assert count() == 2


def test_the_last_of_overlapping_blocks_restores_the_threads(count):
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with blas.single_threaded():
            inside.set()
            leave.wait(10)

    other = threading.Thread(target=hold)
    with blas.single_threaded():
        other.start()
        assert inside.wait(10)
    assert count() == 1
    leave.set()
    other.join()
    assert count() == 2


@pytest.mark.parametrize("controlled", [True, False])
def test_share_runs_every_block_once(controlled, monkeypatch):
    if not controlled:
        monkeypatch.setattr(blas, "_control", lambda: None)
    seen = np.zeros(10, int)

    def run(start, stop):
        seen[start:stop] += 1

    blas.share(run, 10, 3)
    assert (seen == 1).all()
