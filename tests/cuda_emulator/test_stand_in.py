"""The stand-in refuses what CuPy refuses, and what only a GPU would punish."""

import numpy
import pytest

from tests import cuda_emulator
from tests.cuda_emulator import EmulationError, counting, machine_with

pytestmark = pytest.mark.skipif(
    bool(cuda_emulator.compiler_missing()), reason=cuda_emulator.compiler_missing()
)


@pytest.fixture
def cp():
    from tests.cuda_emulator import cupy

    return cupy


@pytest.fixture
def x(cp):
    return cp.asarray(numpy.arange(12, dtype="float32").reshape(3, 4))


# Host and device.


@pytest.mark.parametrize(
    "mix",
    [
        lambda cp, x, host: x + host,
        lambda cp, x, host: host + x,
        lambda cp, x, host: numpy.asarray(x),
        lambda cp, x, host: numpy.add(host, x),
        lambda cp, x, host: cp.sum(host),
        lambda cp, x, host: cp.where(x > 1, x, host),
        lambda cp, x, host: cp.concatenate([x, host]),
        lambda cp, x, host: cp.add(x, x, out=host),
        lambda cp, x, host: cp.matmul(x, host.T),
        lambda cp, x, host: x.__setitem__(Ellipsis, host),
        lambda cp, x, host: cp.take_along_axis(x, host.astype(int), 0),
    ],
)
def test_refuses_to_mix_host_and_device(cp, x, mix):
    with pytest.raises(TypeError):
        mix(cp, x, numpy.ones((3, 4), "float32"))


def test_refuses_names_and_arguments_that_cupy_lacks(cp, x):
    with pytest.raises(AttributeError):
        cp.insert  # noqa: B018
    with pytest.raises(TypeError):
        cp.sum(x, where=x > 0)
    with pytest.raises(TypeError):
        cp.add(x, 1, where=True)
    with pytest.raises(TypeError):
        cp.indices((2, 2), sparse=True)


def test_classes_and_modules_have_nothing_that_cupys_do_not(cp):
    from tests.cuda_emulator.cupy.surface import SURFACE

    def named(path):
        found = cp
        for part in path.split("."):
            found = getattr(found, part)
        return found

    extra = []
    for path, members in SURFACE["classes"].items():
        ours = {n for n in dir(named(path)) if not n.startswith("_")} - set(dir(bytearray))
        extra += [f"{path}.{n}" for n in sorted(ours - set(members))]
    for path in ("cuda", "cuda.runtime"):
        from_here = {
            n
            for n, value in vars(named(path)).items()
            if callable(value) and not n.startswith("_") and n != "Any"
        }
        extra += [f"{path}.{n}" for n in sorted(from_here - set(SURFACE[path]))]
    assert not extra, extra


def test_an_element_is_a_0d_array_and_so_is_a_sum(cp, x):
    assert isinstance(x[0, 0], cp.ndarray)
    assert isinstance(x.sum(), cp.ndarray)
    assert x[0, 0].base is x


def test_new_memory_is_poisoned(cp):
    assert numpy.isnan(cp.empty(5).get()).all()
    assert (cp.empty(5, "int32").get() == -1).all()


# Types and order: CuPy's own rules.


def _probes():
    from tests.cuda_emulator.cupy.surface import SURFACE

    return SURFACE["probes"]


def test_ufuncs_choose_the_loops_that_the_real_cupy_chooses(cp):
    from tests.cuda_emulator.cupy.loops import _dtype

    wrong = []
    for probe, expected in _probes().items():
        name, kinds = probe.split()
        function = getattr(cp, name)
        try:
            inputs, outputs = function._resolve(tuple(map(_dtype, kinds)))
            chosen = "->".join("".join(d.char for d in ds) for ds in (inputs, outputs))
        except TypeError:
            chosen = None
        if chosen != expected:
            wrong.append((probe, chosen, expected))
    assert not wrong


def test_results_of_ufuncs_are_c_contiguous(cp, x):
    assert (x.T + 1).flags.c_contiguous
    assert x.T.copy(order="K").flags.f_contiguous


def test_python_numbers_do_not_widen(cp, x):
    assert (x * 2.0).dtype == "float32"
    assert (x * numpy.float64(2)).dtype == "float64"
    assert (cp.ones(2, "int8") * 1.5).dtype == "float64"


def test_scatter_add_takes_the_types_that_have_an_atomic(cp):
    index = cp.asarray([0, 0, 1])
    y = cp.zeros(2, "float32")
    cp.add.at(y, index, 1)
    assert y.get().tolist() == [2, 1]
    with pytest.raises(TypeError, match="scatter_add only supports"):
        cp.add.at(cp.zeros(2, "int64"), index, 1)


# What a GPU would do silently.


def test_an_index_out_of_bounds_is_an_error(cp, x):
    for gather in (lambda i: x[i], lambda i: cp.take(x, i, axis=0)):
        with pytest.raises(EmulationError, match="out of bounds"):
            gather(cp.asarray([0, 3]))


def test_writing_different_values_to_one_place_is_an_error(cp, x):
    x[cp.asarray([0, 0])] = 5.0
    with pytest.raises(EmulationError, match="stands twice"):
        x[cp.asarray([0, 0])] = cp.asarray(numpy.arange(8.0).reshape(2, 4))


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


# Memory.


def test_the_pool_keeps_what_is_freed_and_counts_in_blocks_of_512(cp):
    pool = cp.cuda.MemoryPool()
    with cp.cuda.using_allocator(pool.malloc):
        a = cp.zeros(1000, "uint8")
        assert (pool.used_bytes(), pool.total_bytes()) == (1024, 1024)
        del a
        assert (pool.used_bytes(), pool.free_bytes()) == (0, 1024)
        pool.free_all_blocks()
        assert pool.total_bytes() == 0


def test_too_much_memory_is_refused_with_the_sizes(cp):
    pool = cp.cuda.MemoryPool()
    pool.set_limit(size=1 << 20)
    with cp.cuda.using_allocator(pool.malloc):
        kept = cp.zeros(1000, "uint8")
        with pytest.raises(cp.cuda.memory.OutOfMemoryError, match=r"2,097,152 bytes.*1,024 bytes"):
            cp.empty(2 << 20, "uint8")
        assert kept.size == 1000
    fresh = cp.cuda.MemoryPool().malloc
    with machine_with(memory=1 << 20), cp.cuda.using_allocator(fresh), pytest.raises(MemoryError):
        cp.empty(2 << 20, "uint8")


def test_pinned_memory_may_be_copied_during_capture_pageable_may_not(cp):
    stream = cp.cuda.Stream(non_blocking=True)
    runtime = cp.cuda.runtime
    pinned = numpy.frombuffer(cp.cuda.alloc_pinned_memory(64), "float32", 16)
    pinned[...] = 7
    with stream:
        y = cp.zeros(16, "float32")
        to_device = runtime.memcpyHostToDevice
        stream.begin_capture()
        runtime.memcpyAsync(y.data.ptr, pinned.ctypes.data, 64, to_device, stream.ptr)
        stream.end_capture().launch(stream)
        assert (y.get() == 7).all()
        pageable = numpy.zeros(16, "float32")
        stream.begin_capture()
        with pytest.raises(runtime.CUDARuntimeError, match="Capture"):
            runtime.memcpyAsync(y.data.ptr, pageable.ctypes.data, 64, to_device, stream.ptr)
        with pytest.raises(runtime.CUDARuntimeError, match="Invalidated"):
            stream.end_capture()


def test_a_copy_past_the_end_is_refused(cp):
    a, b = cp.zeros(4, "float32"), cp.zeros(8, "float32")
    runtime = cp.cuda.runtime
    with pytest.raises(EmulationError, match="past the end"):
        runtime.memcpyAsync(a.data.ptr, b.data.ptr, 32, runtime.memcpyDeviceToDevice, 0)


# Counting.


def test_counts_what_a_step_asks_of_the_device(cp, x):
    with counting() as c:
        y = cp.asarray(numpy.ones(4, "float32"))
        z = x + y
        z.copy()
        z.get()
    assert (c.h2d, c.operations, c.d2d, c.d2h, c.synchronisations) == (1, 1, 1, 1, 1)


def test_synchronisation_can_be_forbidden(cp, x):
    from tests.cuda_emulator.cupy import cupyx

    with cupyx.allow_synchronize(False):
        x + 1
        with pytest.raises(cupyx.DeviceSynchronized):
            x.get()


# The machine.


def test_says_that_it_is_no_gpu(cp):
    assert cp.cuda.runtime.getDeviceProperties(0)["name"] == b"CUDA emulator (CPU)"


def test_runs_under_pytest_only(monkeypatch):
    monkeypatch.delenv("PYTEST_VERSION")
    with pytest.raises(RuntimeError, match="pytest only"):
        cuda_emulator.install()


def test_devices_have_memory_of_their_own(cp):
    with machine_with(devices=2):
        with cp.cuda.Device(1):
            assert cp.zeros(3).device == cp.cuda.Device(1)
        assert cp.zeros(3).device.id == 0
        with pytest.raises(cp.cuda.runtime.CUDARuntimeError):
            cp.cuda.runtime.setDevice(2)
