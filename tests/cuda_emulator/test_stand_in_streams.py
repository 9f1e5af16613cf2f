"""Streams must be ordered, and a capture takes what CUDA's takes."""

import numpy
import pytest

from tests import cuda_emulator
from tests.cuda_emulator import EmulationError

pytestmark = pytest.mark.skipif(
    bool(cuda_emulator.compiler_missing()), reason=cuda_emulator.compiler_missing()
)


def test_streams_must_be_ordered(cp):
    one, two = cp.cuda.Stream(non_blocking=True), cp.cuda.Stream(non_blocking=True)
    with one:
        a = cp.ones(10)
    with two, pytest.raises(EmulationError, match="stream race"):
        a + 1
    two.wait_event(one.record())
    with two:
        a + 1
    with one, pytest.raises(EmulationError, match="stream race: write"):
        a.fill(0)
    two.synchronize()
    with one:
        a.fill(0)


def test_the_default_stream_does_not_wait_for_a_non_blocking_one(cp):
    with cp.cuda.Stream(non_blocking=True):
        a = cp.ones(10)
    with cp.cuda.Stream.null:
        with pytest.raises(EmulationError, match="stream race"):
            a + 1
        with cp.cuda.Stream():
            b = cp.ones(10)
        assert (b + 1).get().sum() == 20


# Capture.


def test_a_graph_computes_when_launched_not_when_captured(cp):
    stream = cp.cuda.Stream(non_blocking=True)
    with stream, cp.cuda.using_allocator(cp.cuda.MemoryPool().malloc):
        x, y = cp.zeros(16, "float32"), cp.zeros(16, "float32")
        stream.begin_capture()
        y[...] = x * 2 + 1
        graph = stream.end_capture()
        assert (y.get() == 0).all()
        for value in (1, 2):
            x.fill(value)
            graph.launch(stream)
            assert (y.get() == 2 * value + 1).all()


def test_a_graph_must_not_use_memory_that_the_default_pool_got_back(cp):
    stream = cp.cuda.Stream(non_blocking=True)
    with stream:
        x, y = cp.zeros(16, "float32"), cp.zeros(16, "float32")
        stream.begin_capture()
        y[...] = x * 2  # the product is freed here
        graph = stream.end_capture()
        with pytest.raises(EmulationError, match="freed"):
            graph.launch(stream)


def test_a_graphs_own_memory_may_have_been_anybodys_before(cp):
    """What the host writes there before a replay does not last until it is read."""
    stream, pool = cp.cuda.Stream(non_blocking=True), cp.cuda.MemoryPool()
    with stream, cp.cuda.using_allocator(pool.malloc):
        y = cp.zeros(16, "float32")
        stream.begin_capture()
        x = cp.empty(16, "float32")
        y[...] = x
        graph = stream.end_capture()
        x.fill(3)
        graph.launch(stream)
        assert numpy.isnan(y.get()).all()


def test_what_a_capture_frees_is_used_again_in_it(cp):
    stream, pool = cp.cuda.Stream(non_blocking=True), cp.cuda.MemoryPool()
    with stream, cp.cuda.using_allocator(pool.malloc):
        x = cp.ones(16, "float32")
        stream.begin_capture()
        a = x + 1
        first = a.data.ptr
        del a
        b = x + 2
        assert b.data.ptr == first
        c = b * 3
        assert c.data.ptr != first
        graph = stream.end_capture()
        graph.launch(stream)
        assert (c.get() == 9).all()
        del b
        with pytest.raises(EmulationError, match="a captured graph uses"):
            pool.free_all_blocks()
        del graph
        pool.free_all_blocks()


def test_a_replay_must_be_ordered_like_other_work(cp):
    first, second = (cp.cuda.Stream(non_blocking=True) for _ in range(2))
    pool = cp.cuda.MemoryPool()
    with first, cp.cuda.using_allocator(pool.malloc):
        x = cp.ones(16, "float32")
        first.begin_capture()
        y = x + 1
        graph = first.end_capture()
        graph.launch(first)
    with second:
        with pytest.raises(EmulationError, match="stream race: read"):
            y.copy()
        with pytest.raises(EmulationError, match="stream race: write"):
            graph.launch(second)
        second.wait_event(first.record())
        graph.launch(second)
        assert (y.get() == 2).all()


@pytest.mark.parametrize(
    "forbidden",
    [
        lambda cp, x: x.get(),
        lambda cp, x: float(x[0, 0]),
        lambda cp, x: cp.asarray([1.0]),
        lambda cp, x: x @ x.T,
        lambda cp, x: cp.nonzero(x),
        lambda cp, x: x[[0, 1]],
        lambda cp, x: cp.cuda.get_current_stream().synchronize(),
    ],
)
def test_capture_refuses_copies_synchronisations_and_cublas(cp, forbidden):
    stream = cp.cuda.Stream(non_blocking=True)
    with stream:
        x = cp.ones((3, 4), "float32")
        stream.begin_capture()
        with pytest.raises((RuntimeError, NotImplementedError)) as refused:
            forbidden(cp, x)
        if refused.type is NotImplementedError:  # CuPy's own word, CUDA has not heard of it
            stream.end_capture()
            return
        with pytest.raises(cp.cuda.runtime.CUDARuntimeError, match="Invalidated"):
            stream.end_capture()
        assert not stream.is_capturing()


def test_the_default_stream_can_not_be_captured(cp):
    with pytest.raises(RuntimeError, match="default"):
        cp.cuda.Stream.null.begin_capture()
