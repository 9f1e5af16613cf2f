"""The pool, pinned memory, and the counts of what a step asks of the device."""

import numpy
import pytest

from tests import cuda_emulator
from tests.cuda_emulator import EmulationError, counting, machine_with

pytestmark = pytest.mark.skipif(
    bool(cuda_emulator.compiler_missing()), reason=cuda_emulator.compiler_missing()
)


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
