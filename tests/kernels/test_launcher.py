"""The launcher refuses, by name, what the kernel could not take."""

import ctypes
import re
import threading

import ml_dtypes
import numpy as np
import pytest

from lucid.backend.cuda import kernel as launcher
from lucid.backend.cuda.kernel import Kernel
from lucid.backend.cuda.signature import Arguments, parse

SIGNATURE = "const T* x, T* y, i64 n, u64 threshold, double scale, double shift, double fill"
KEY = "u64 seed, u64 stream, u64 offset_low, u64 offset_high, const u64*? base"


@pytest.fixture
def affine(monkeypatch):
    monkeypatch.setattr(Kernel, "known", [])
    return Kernel("dropout.cu", "bernoulli_affine", f"{SIGNATURE}, {KEY}")


def arguments(x, /, **changes):
    """A launch that is right, but for the changes."""
    right = {
        "x": x, "y": x, "n": x.size, "threshold": 0, "scale": 2.0, "shift": 0.0, "fill": 0.0,
        "seed": 0, "stream": 0, "offset_low": 0, "offset_high": 0, "base": None,
    }  # fmt: skip
    return tuple({**right, **changes}.values())


def test_parses_pointers_and_scalars():
    x, y, n = parse("const T* x, double*? y, i64 n")
    assert (x.name, x.type, x.pointer, x.nullable) == ("x", "T", True, False)
    assert (y.name, y.type, y.pointer, y.nullable) == ("y", "double", True, True)
    assert (n.name, n.type, n.pointer) == ("n", "i64", False)


@pytest.mark.parametrize("signature", ["long n", "const short* x", "T x"])
def test_a_signature_with_an_unknown_type_is_refused(signature):
    with pytest.raises(TypeError, match="kernel signature: unknown type"):
        parse(signature)


def test_arguments_are_aligned_as_in_c():
    packed = Arguments(parse("u32 a, i64 b, bool c, double d, float e"))
    packed.pack(packed.memory, 0, 7, -8, True, 0.5, 0.25)
    places = (ctypes.c_void_p * 5).from_address(packed.address)
    kinds = (ctypes.c_uint32, ctypes.c_int64, ctypes.c_bool, ctypes.c_double, ctypes.c_float)
    values = [kind.from_address(p).value for kind, p in zip(kinds, places, strict=True)]
    assert values == [7, -8, True, 0.5, 0.25]
    assert [p % ctypes.sizeof(k) for p, k in zip(places, kinds, strict=True)] == [0] * 5


@pytest.mark.parametrize(
    ("type_", "value", "message"),
    [
        ("i64", 2.0, r"must be a whole number in \[-9223372036854775808, .*\]; got 2.0"),
        ("i64", 2**63, "must be a whole number .*; got 9223372036854775808"),
        ("u32", -1, r"must be a whole number in \[0, 4294967295\]; got -1"),
        ("u64", 2**64, "must be a whole number .*; got 18446744073709551616"),
        ("int", "3", "must be a whole number .*; got str"),
        ("double", None, "must be a number; got NoneType"),
        ("double", np.ones(1), "must be a number; got ndarray"),
    ],
)
def test_a_number_that_does_not_fit_is_named(type_, value, message):
    assert re.search(message, parse(f"{type_} n")[0].fault(value))


@pytest.mark.parametrize("value", [3, np.int32(3), np.uint8(3), True])
def test_whole_numbers_of_all_kinds_fit(value):
    assert parse("i64 n")[0].fault(value) == ""


def test_launches(cuda, affine):
    x = cuda.asarray(np.arange(8, dtype=np.float32))
    affine(1, 256, x.dtype, *arguments(x))
    assert cuda.to_numpy(x).tolist() == [0, 2, 4, 6, 8, 10, 12, 14]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n": 2.5}, r"bernoulli_affine: n must be a whole number in .*; got 2.5"),
        (
            {"threshold": -1},
            r"bernoulli_affine: threshold must be a whole number in \[0, .*; got -1",
        ),
        ({"scale": "2"}, "bernoulli_affine: scale must be a number; got str"),
        ({"y": None}, "bernoulli_affine: y must be a CuPy array; got NoneType"),
        ({"x": np.ones(4, np.float32)}, "bernoulli_affine: x must be a CuPy array; got ndarray"),
    ],
)
def test_a_wrong_argument_is_named(cuda, affine, changes, message):
    x = cuda.asarray(np.ones(4, np.float32))
    with pytest.raises(TypeError, match=message):
        affine(1, 256, x.dtype, *arguments(x, **changes))


def test_a_device_array_is_no_number(cuda, affine):
    """It could be converted, but the host would wait for the device."""
    x = cuda.asarray(np.ones(4, np.float32))
    with pytest.raises(TypeError, match="bernoulli_affine: scale must be a number; got ndarray"):
        affine(1, 256, x.dtype, *arguments(x, scale=x.sum()))


def test_a_wrong_dtype_is_named(cuda, affine):
    x, y = cuda.asarray(np.ones(4, np.float32)), cuda.asarray(np.ones(4))
    with pytest.raises(TypeError, match="bernoulli_affine: y must be float32; got float64"):
        affine(1, 256, x.dtype, *arguments(x, y=y))


def test_an_array_with_gaps_is_refused(cuda, affine):
    x = cuda.asarray(np.ones((4, 6), np.float32))
    with pytest.raises(TypeError, match="x must lie in memory without gaps; got shape .4, 3."):
        affine(1, 256, x.dtype, *arguments(x, x=x[:, :3]))


def test_too_few_arguments_are_counted(cuda, affine):
    x = cuda.asarray(np.ones(4, np.float32))
    with pytest.raises(TypeError, match=r"expected 12 arguments \(x, y, n, .*\); got 2"):
        affine(1, 256, x.dtype, x, x)


def test_a_dtype_without_a_kernel_is_refused(cuda, affine):
    x = cuda.asarray(np.ones(4, np.int64))
    with pytest.raises(TypeError, match="there is a kernel for float32, .*; got int64"):
        affine(1, 256, x.dtype, *arguments(x))


def test_a_kernel_is_compiled_once_per_dtype(cuda, affine, monkeypatch):
    asked, real = [], launcher._module
    monkeypatch.setattr(launcher, "_module", lambda *of: asked.append(of) or real(*of))
    for dtype in (np.float32, np.float32, ml_dtypes.bfloat16):
        x = cuda.asarray(np.ones(4, dtype))
        affine(1, 256, x.dtype, *arguments(x))
    assert [str(dtype) for _, dtype, *_ in asked] == ["float32", "bfloat16"]


def test_threads_share_a_kernel(cuda, affine):
    """Each launch has its own memory for the arguments."""
    results = {}

    def work(scale):
        with cuda:
            x = cuda.asarray(np.ones(4, np.float32))
            for _ in range(20):
                affine(1, 256, x.dtype, *arguments(x, scale=scale))
            results[scale] = cuda.to_numpy(x).tolist()

    threads = [threading.Thread(target=work, args=(s,)) for s in (-1.0, 1.0, 2.0)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == {-1.0: [1.0] * 4, 1.0: [1.0] * 4, 2.0: [2.0**20] * 4}
