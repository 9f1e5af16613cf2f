"""Correct kernels pass the checks without a word, in every schedule, with the right result."""

import ml_dtypes
import numpy
import pytest

from tests import cuda_emulator
from tests.cuda_emulator import machine_with
from tests.cuda_emulator.programs import load

pytestmark = pytest.mark.skipif(
    bool(cuda_emulator.compiler_missing()), reason=cuda_emulator.compiler_missing()
)
SCHEDULES = [0, -1, 1, 2]


def ramp(n):
    return numpy.arange(n, dtype="float32")


def square(x, n):
    return x.reshape(n, n)


# kernel: grid, block, inputs, element type of the output, its size, n, expected result.
IDIOMS = {
    "transpose_in_tiles": (
        (3, 3), (32, 8), [ramp(4900)], "float32", 4900, 70,
        lambda x: square(x, 70).T.ravel(),
    ),
    "matmul_in_tiles": (
        (3, 3), (16, 16), [ramp(2304) % 7, ramp(2304) % 5], "float32", 2304, 48,
        lambda a, b: (square(a, 48) @ square(b, 48)).ravel(),
    ),
    "two_arrays_in_dynamic_shared": (
        (1,), (64,), [ramp(64)], "float32", 64, 64, lambda x: x[::-1],
    ),
    "neighbouring_bytes": (
        (1,), (256,), [numpy.arange(256, dtype="uint8")], "bool", 256, 256,
        lambda x: x[::-1] > 128,
    ),
    "pairs_of_halves": (
        (2,), (32,), [numpy.arange(101, dtype="float16")], "float16", 101, 101, lambda x: x * 2,
    ),
    "part_of_a_warp": ((1,), (64,), [ramp(64)], "float32", 1, 50, lambda x: [x[:50].sum()]),
    "groups_of_eight": (
        (1,), (64,), [ramp(64)], "float32", 64, 64,
        lambda x: numpy.repeat(x.reshape(8, 8).sum(1), 8),
    ),
    "warp_reductions": (
        (1,), (32,), [numpy.arange(-16, 16, dtype="int32")], "int32", 32, 32,
        lambda x: numpy.full(32, x.sum() + x.max()),
    ),
    "shared_within_a_warp": (
        (1,), (64,), [ramp(64)], "float32", 64, 64,
        lambda x: 2 * numpy.roll(x.reshape(2, 32), -1, 1).reshape(32, 2)[:, ::-1].ravel(),
    ),
    "whole_block_leaves": (
        (5,), (32,), [ramp(96)], "float32", 96, 96, lambda x: x.reshape(3, 32)[:, ::-1].ravel(),
    ),
    "constant_table": ((1,), (32,), [], "float32", 32, 32, lambda: numpy.tile([1, 2, 3, 4], 8)),
    "compare_and_swap": ((4,), (32,), [ramp(128)], "float32", 1, 128, lambda x: [x.max()]),
    "voting_barriers": (
        (1,), (64,), [ramp(64)], "int32", 64, 64, lambda x: numpy.full(64, 2 * (x > 10).sum()),
    ),
    "same_flag_by_all": ((1,), (64,), [ramp(64)], "int32", 1, 64, lambda x: [1]),
}  # fmt: skip


@pytest.mark.parametrize("mode", ["check", "fast"])
@pytest.mark.parametrize("name", IDIOMS)
def test_accepts(name, mode):
    from tests.cuda_emulator import cupy

    grid, block, inputs, kind, size, n, expected = IDIOMS[name]
    kernel = load("legitimate_idioms.cu").get_function(name)
    for schedule in SCHEDULES:
        given = [cupy.asarray(x) for x in inputs]
        y = cupy.zeros(size, kind)
        with machine_with(mode=mode, schedule=schedule):
            kernel(grid, block, (*given, y, numpy.int32(n)), shared_mem=512)
        numpy.testing.assert_array_equal(y.get(), expected(*inputs), err_msg=f"{schedule=}")


def test_accepts_the_last_block_that_sums_what_fenced_blocks_wrote():
    from tests.cuda_emulator import cupy

    kernel = load("legitimate_idioms.cu").get_function("last_block_sums")
    for schedule in SCHEDULES:
        x, partial, y = cupy.asarray(ramp(8)), cupy.zeros(8, "float32"), cupy.zeros(1, "float32")
        with machine_with(mode="check", schedule=schedule):
            kernel((8,), (32,), (x, partial, y, numpy.int32(8)))
        assert y.get() == [28]


@pytest.mark.parametrize(
    "kind, ctype",
    [
        ("float32", "float"),
        ("float64", "double"),
        ("float16", "__half"),
        (ml_dtypes.bfloat16, "__nv_bfloat16"),
    ],
)
@pytest.mark.parametrize("n", [1, 7, 255, 257, 10_007])
def test_a_template_is_reached_by_its_name_expression(kind, ctype, n):
    from tests.cuda_emulator import cupy

    name = f"scale<{ctype}>"
    kernel = load("legitimate_idioms.cu", name).get_function(name)
    x = (numpy.arange(n) % 97 / 8).astype(kind)
    y = cupy.empty(n, kind)
    kernel((3,), (128,), (cupy.asarray(x), y, numpy.float32(0.3), numpy.int64(n)))
    expected = (x.astype("float32") * numpy.float32(0.3)).astype(kind)
    assert y.get().tobytes() == expected.tobytes()


def test_launch_bounds_of_a_template_hold():
    from tests.cuda_emulator import cupy

    kernel = load("legitimate_idioms.cu", "scale<float>").get_function("scale<float>")
    x = cupy.zeros(8, "float32")
    with pytest.raises(cuda_emulator.EmulationError, match=r"__launch_bounds__\(128\)"):
        kernel((1,), (256,), (x, cupy.zeros(8, "float32"), numpy.float32(1), numpy.int64(8)))
