"""Every seeded bug is found, in every schedule, by the check that is meant for it."""

import re

import numpy
import pytest

from tests import cuda_emulator
from tests.cuda_emulator import EmulationError, machine_with
from tests.cuda_emulator.programs import load

pytestmark = pytest.mark.skipif(
    bool(cuda_emulator.compiler_missing()), reason=cuda_emulator.compiler_missing()
)


def ramp(n, dtype="float32"):
    from tests.cuda_emulator import cupy

    return cupy.asarray(numpy.arange(n).astype(dtype))


def zeros(n, dtype="float32"):
    from tests.cuda_emulator import cupy

    return cupy.zeros(n, dtype)


def poison(n):
    from tests.cuda_emulator import cupy

    return cupy.empty(n, "float32")


# kernel: what the message says, grid, block, arguments before the element count n, n.
BUGS = {
    "read_past_the_end": ("memcheck: invalid 4-byte global read", 1, 64, "x64 y64", 64),
    "write_without_guard": ("memcheck: invalid 4-byte global write", 2, 64, "y100", 100),
    "negative_index": ("memcheck: invalid 4-byte global write", 1, 32, "y32", 32),
    "far_out_of_bounds": ("memcheck: invalid 4-byte global write", 1, 32, "y32 x100000", 32),
    "null_pointer": ("null pointer", 1, 32, "null", 32),
    "misaligned_float4": ("memcheck: misaligned", 1, 8, "x64 y8", 8),
    "misaligned_view": ("not 16-byte aligned", 1, 8, "view y8", 8),
    "host_pointer": ("host pointer", 1, 1, "table y1", 1),
    "missing_barrier": ("initcheck|racecheck", 1, 64, "x64 y64", 64),
    "missing_second_barrier_in_loop": ("racecheck: .*__shared__", 1, 64, "x64 y64", 64),
    "warp_synchronous": ("racecheck", 1, 64, "x64 y64", 64),
    "static_shared_overflow": ("ubsan: array index out of bounds", 1, 64, "x64 y64", 64),
    "dynamic_shared_too_small": ("128 bytes of dynamic shared memory", 1, 64, "x64 y64", 64),
    "uninitialised_shared": ("initcheck", 1, 64, "y64", 64),
    "barrier_in_branch": ("synccheck", 1, 64, "x64 y64", 64),
    "return_before_barrier": ("synccheck", 1, 64, "x64 y64", 50),
    "two_different_barriers": ("different __syncthreads", 1, 64, "x64 y64", 64),
    "shuffle_of_exited_lanes": ("synccheck", 1, 64, "x64 y1", 50),
    "shuffle_of_absent_lanes": ("lanes that do not exist", 1, 48, "x64 y1", 48),
    "lost_update": ("racecheck", 1, 64, "x64 y1", 64),
    "lost_update_across_blocks": ("racecheck", 8, 32, "x64 y1", 64),
    "read_of_another_block": ("racecheck", 2, 32, "y64", 64),
    "half_written_after_read": ("racecheck", 1, 64, "h64 h64", 64),
    "half_read_after_write": ("racecheck", 1, 64, "h64 h64", 64),
    "stencil_in_place": ("racecheck", 1, 64, "x64", 64),
    "atomic_and_plain_write": ("racecheck", 1, 64, "y1", 64),
    "last_block_without_fence": ("racecheck", 8, 32, "x8 y8 y1", 8),
    "int_overflow": ("ubsan: signed .* overflow", 1, 32, "y32", 32),
    "shift_by_width": ("ubsan: shift", 1, 32, "u32", 32),
    "local_array_overflow": ("ubsan: array index", 1, 8, "y8", 8),
    "division_by_zero": ("division by zero", 1, 32, "i32", 32),
}


def argument(text):
    if text == "null":
        return None
    if text == "view":
        return ramp(64)[1:]
    if text == "table":
        return ramp(1, "uint64") + numpy.uint64(0x123456789000)
    kind, n = text[0], int(text[1:])
    if kind == "x":
        return ramp(n)
    return zeros(n, {"y": "float32", "u": "uint32", "i": "int32", "h": "uint16"}[kind])


@pytest.mark.parametrize("schedule", [0, -1, 1])
@pytest.mark.parametrize("name", BUGS)
def test_finds_the_bug(name, schedule):
    message, grid, block, arguments, n = BUGS[name]
    kernel = load("seeded_bugs.cu").get_function(name)
    given = (*map(argument, arguments.split()), numpy.int32(n))
    with machine_with(mode="check", schedule=schedule), pytest.raises(EmulationError) as caught:
        kernel((grid,), (block,), given, shared_mem=128)
    assert re.search(message, str(caught.value))


def test_an_index_that_hits_another_array_is_found_too():
    y, other = zeros(32), zeros(32)
    distance = (other.data.ptr - y.data.ptr) // 4
    kernel = load("seeded_bugs.cu").get_function("write_at_a_distance")
    with machine_with(mode="check"), pytest.raises(EmulationError, match="no argument points"):
        kernel((1,), (1,), (y, numpy.int64(distance)))


def test_names_the_line_of_the_bug():
    kernel = load("seeded_bugs.cu").get_function("read_past_the_end")
    source = load("seeded_bugs.cu").code.split("\n")
    with machine_with(mode="check"), pytest.raises(EmulationError) as caught:
        kernel((1,), (64,), (ramp(64), zeros(64), numpy.int32(64)))
    line = int(re.search(r"seeded_bugs\.cu:(\d+)", str(caught.value))[1])
    assert "x[i + 1]" in source[line]  # source[0] is the #line directive


@pytest.mark.parametrize(
    "name, given", [("unwritten_memory", poison), ("shuffle_outside_the_mask", ramp)]
)
def test_what_is_undefined_becomes_nan(name, given):
    y = zeros(32)
    load("seeded_bugs.cu").get_function(name)((1,), (32,), (given(32), y, numpy.int32(32)))
    assert numpy.isnan(y.get()).any()


def test_an_empty_array_is_still_launched_once_by_cupy():
    """CuPy makes 1 of a grid of 0, so a kernel needs its guard even for nothing."""
    kernel = load("seeded_bugs.cu").get_function("write_without_guard")
    with machine_with(mode="check"), pytest.raises(EmulationError, match="memcheck"):
        kernel((0,), (32,), (zeros(0), numpy.int32(0)))


def test_a_faulty_launch_does_not_harm_the_next():
    kernel = load("seeded_bugs.cu").get_function("write_without_guard")
    y = zeros(64)
    with machine_with(mode="check"):
        with pytest.raises(EmulationError):
            kernel((2,), (64,), (zeros(100), numpy.int32(100)))
        kernel((1,), (64,), (y, numpy.int32(64)))
    assert (y.get() == 1).all()
