"""Integers, conversions and rounded operations agree bit for bit with their definitions."""

import ml_dtypes
import numpy
import pytest

from tests import cuda_emulator
from tests.cuda_emulator.programs import load

pytestmark = pytest.mark.skipif(
    bool(cuda_emulator.compiler_missing()), reason=cuda_emulator.compiler_missing()
)
WORD = 2**64


def words(number, count):
    return [numpy.uint64(number // WORD**i % WORD) for i in range(count)]


def convert(name, values, kind):
    from tests.cuda_emulator import cupy

    y = cupy.empty(values.size, kind)
    kernel = load("numbers.cu").get_function(name)
    kernel((4,), (256,), (cupy.asarray(values), y, numpy.int64(values.size)))
    return y.get()


@pytest.mark.parametrize(
    "key, counter",
    [
        (0, 0),
        (1, 0),
        (WORD - 1, 5),
        (0x123456789ABCDEF0FEDCBA9876543210, 0),
        (WORD**2 - 1, WORD - 2),  # the counter carries into its second word,
        (99, WORD**2 - 1),  # its third,
        (3, WORD**3 - 1),  # its fourth,
        (5, WORD**4 - 1),  # and around
        (12345678901234567890123, 2**200 + WORD - 3),
    ],
)
def test_philox_is_numpys(key, counter):
    from tests.cuda_emulator import cupy

    blocks = 257
    out = cupy.empty(4 * blocks, "uint64")
    kernel = load("numbers.cu").get_function("philox_words")
    kernel((2,), (64,), (out, numpy.int64(blocks), *words(key, 2), *words(counter, 4)))
    expected = numpy.random.Philox(key=key, counter=counter).random_raw(4 * blocks)
    numpy.testing.assert_array_equal(out.get(), expected)


def same_or_both_nan(a, b, kind):
    a, b = a.view(kind), b.view(kind)
    return bool(((a == b) | (numpy.isnan(a) & numpy.isnan(b))).all())


@pytest.mark.parametrize(
    "name, kind", [("half_to_float", numpy.float16), ("bfloat16_to_float", ml_dtypes.bfloat16)]
)
def test_every_half_becomes_its_float(name, kind):
    codes = numpy.arange(65536, dtype="uint16")
    expected = codes.view(kind).astype("float32")
    assert same_or_both_nan(convert(name, codes, "float32"), expected, "float32")


@pytest.mark.parametrize(
    "name, kind", [("float_to_half", numpy.float16), ("float_to_bfloat16", ml_dtypes.bfloat16)]
)
def test_floats_are_rounded_once_to_nearest_even(name, kind):
    """Every 16-bit value, the midpoints between neighbours, and the floats beside those."""
    with numpy.errstate(all="ignore"):
        exact = numpy.arange(65536, dtype="uint16").view(kind).astype("float32").view("uint32")
        half_step = 1 << (12 if kind is numpy.float16 else 15)
        floats = numpy.concatenate([exact, exact + numpy.uint32(half_step)])
        floats = numpy.concatenate([floats, floats + numpy.uint32(1), floats - numpy.uint32(1)])
        floats = floats.view("float32")
        expected = floats.astype(kind)
    assert same_or_both_nan(convert(name, floats, "uint16"), expected, kind)


def test_doubles_are_rounded_once_to_half():
    """1 + 2**-11 + 2**-40 lies above a midpoint that float32 would round it to."""
    doubles = numpy.array([1 + 2**-11 + 2**-40, 1 + 2**-11 - 2**-40, -(1 + 2**-11 + 2**-40)])
    expected = numpy.array([1 + 2**-10, 1, -(1 + 2**-10)], "float16")
    assert (convert("double_to_half", doubles, "uint16").view("float16") == expected).all()


def test_products_and_sums_are_rounded_apart_and_fmaf_once():
    from tests.cuda_emulator import cupy

    rng = numpy.random.default_rng(0)
    a, b, c = (rng.standard_normal(1000).astype("float32") for _ in range(3))
    twice, once = cupy.empty(1000, "float32"), cupy.empty(1000, "float32")
    given = (*map(cupy.asarray, (a, b, c)), twice, once, numpy.int64(1000))
    load("numbers.cu").get_function("multiply_add")((4,), (256,), given)
    assert twice.get().tobytes() == (a * b + c).tobytes()
    exact = a.astype("float64") * b.astype("float64") + c.astype("float64")
    numpy.testing.assert_allclose(once.get(), exact, rtol=1e-7)
    assert (once.get() != twice.get()).any()


@pytest.mark.parametrize("word", ["INFINITY", "FLT_MAX", "M_PI"])
def test_what_nvrtc_lacks_is_missing_here_too(word):
    from tests.cuda_emulator import cupy

    code = f'extern "C" __global__ void leans(float* y) {{ y[0] = {word}; }}'
    with pytest.raises(cuda_emulator.EmulationError, match="not declared"):
        cupy.RawModule(code=code).compile()
