"""Launches are checked against the kernel: what CuPy and the driver would let pass is refused."""

import ctypes
import struct

import numpy
import pytest

from tests import cuda_emulator
from tests.cuda_emulator import EmulationError, counting
from tests.cuda_emulator.programs import load

pytestmark = pytest.mark.skipif(
    bool(cuda_emulator.compiler_missing()), reason=cuda_emulator.compiler_missing()
)


@pytest.fixture
def cp():
    from tests.cuda_emulator import cupy

    return cupy


@pytest.fixture
def scale():
    return load("legitimate_idioms.cu", "scale<float>").get_function("scale<float>")


@pytest.fixture
def given(cp):
    x = cp.ones(1003, "float32")
    return [x, cp.empty(1003, "float32"), numpy.float32(2), numpy.int64(1003)]


@pytest.mark.parametrize(
    "message, spoil",
    [
        ("3 arguments given", lambda cp, g: g[:3]),
        ("Python float passed", lambda cp, g: [*g[:2], 2.0, g[3]]),
        ("numpy.float64 passed", lambda cp, g: [*g[:2], numpy.float64(2), g[3]]),
        ("dtype float64 passed", lambda cp, g: [g[0].astype("float64"), *g[1:]]),
        ("host array passed", lambda cp, g: [numpy.ones(1003, "float32"), *g[1:]]),
        ("int passed for a pointer", lambda cp, g: [g[0].data.ptr, *g[1:]]),
        ("passed for a value", lambda cp, g: [*g[:2], g[0], g[3]]),
        ("gaps or overlaps", lambda cp, g: [cp.ones((1003, 2), "float32")[:, 0], *g[1:]]),
        ("memcheck", lambda cp, g: [g[0][1:], *g[1:]]),
    ],
)
def test_refuses_wrong_arguments(cp, scale, given, message, spoil):
    with pytest.raises(EmulationError, match=message):
        scale((2,), (128,), tuple(spoil(cp, given)))


@pytest.mark.parametrize(
    "message, grid, block, shared",
    [
        ("launch_bounds", (1,), (512,), 0),
        ("1024 threads", (1,), (2048,), 0),
        ("grid exceeds", (1, 70_000), (32,), 0),
        ("dynamic shared memory", (1,), (32,), 50_000),
    ],
)
def test_refuses_launches_beyond_the_limits(scale, given, message, grid, block, shared):
    with pytest.raises(EmulationError, match=message):
        scale(grid, block, tuple(given), shared_mem=shared)


def parameter_block(*packed):
    """The array of addresses that cuLaunchKernel takes, and what keeps the arguments alive."""
    held = [ctypes.create_string_buffer(p, len(p)) for p in packed]
    addresses = (ctypes.c_void_p * len(held))(*map(ctypes.addressof, held))
    return ctypes.addressof(addresses), (held, addresses)


def launch(cp, kernel, stream, *packed, block=128):
    from tests.cuda_emulator.cupy import driver

    address, alive = parameter_block(*packed)
    driver.launchKernel(kernel.kernel.ptr, 4, 1, 1, block, 1, 1, 0, stream.ptr, address, 0)
    return alive


def test_the_driver_launches_from_packed_parameters(cp, scale, given):
    x, y, _, _ = given
    pack = struct.pack
    with counting() as c:
        launch(
            cp, scale, cp.cuda.Stream.null,
            pack("P", x.data.ptr), pack("P", y.data.ptr), pack("f", 3), pack("q", 1003),
        )  # fmt: skip
    assert (c.launches, c.synchronisations) == (1, 0)
    assert (y.get() == 3).all()


def test_a_captured_launch_keeps_the_arguments_of_its_capture(cp, scale):
    stream, pack = cp.cuda.Stream(non_blocking=True), struct.pack
    with stream:
        x, y = cp.ones(100, "float32"), cp.zeros(100, "float32")
        stream.begin_capture()
        held, _ = launch(
            cp, scale, stream,
            pack("P", x.data.ptr), pack("P", y.data.ptr), pack("f", 3), pack("q", 100),
        )  # fmt: skip
        graph = stream.end_capture()
        held[2].raw = pack("f", 5)
        graph.launch(stream)
        assert (y.get() == 3).all()


def test_the_driver_refuses_host_pointers_and_freed_memory(cp, scale, given):
    x, y, _, _ = given
    freed = cp.zeros(1003, "float32")
    address = freed.data.ptr
    del freed
    host = numpy.ones(1003, "float32")
    for wrong in (host.ctypes.data, address):
        with pytest.raises(EmulationError, match="not live device memory"):
            launch(
                cp, scale, cp.cuda.Stream.null,
                struct.pack("P", wrong), struct.pack("P", y.data.ptr), struct.pack("f", 3),
                struct.pack("q", 1003),
            )  # fmt: skip


def test_a_kernel_joins_the_order_of_its_stream(cp, scale, given):
    other = cp.cuda.Stream(non_blocking=True)
    with pytest.raises(EmulationError, match="stream race"):
        scale((4,), (128,), tuple(given), stream=other)


def test_tells_how_wide_the_accesses_are(cp):
    out = cp.empty(400, "uint64")
    kernel = load("numbers.cu").get_function("philox_words")
    kernel((1,), (64,), (out, numpy.int64(100), *[numpy.uint64(0)] * 6))
    assert kernel.last_statistics["writes"] == {16: 200}


def test_a_missing_kernel_is_named(cp):
    with pytest.raises(cp.cuda.driver.CUDADriverError, match="CUDA_ERROR_NOT_FOUND.*nope"):
        load("numbers.cu").get_function("nope")
