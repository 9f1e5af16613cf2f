"""The launcher refuses, by name, what the kernel could not take."""

import ctypes
import re
import threading
from dataclasses import replace
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest

import lucid
from lucid.backend.cuda import availability
from lucid.backend.cuda import kernel as launcher
from lucid.backend.cuda.kernel import Kernel
from lucid.backend.cuda.signature import Arguments, parse, without_gaps
from tests import cuda_emulator

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
    asked, real = [], launcher._function
    monkeypatch.setattr(launcher, "_function", lambda *of: asked.append(of) or real(*of))
    for dtype in (np.float32, np.float32, ml_dtypes.bfloat16):
        x = cuda.asarray(np.ones(4, dtype))
        affine(1, 256, x.dtype, *arguments(x))
    assert [str(dtype) for _, dtype, *_ in asked] == ["float32", "bfloat16"]


def test_only_the_kernel_that_is_launched_is_compiled(cuda, monkeypatch):
    """A file of 39 kernels would take 20 times as long as the one that is asked for."""
    asked, real = [], availability.cupy().RawModule
    fake = SimpleNamespace(
        ndarray=availability.cupy().ndarray,
        RawModule=lambda **of: asked.append(of["name_expressions"]) or real(**of),
    )
    monkeypatch.setattr(launcher, "cupy", lambda: fake)
    monkeypatch.setattr(launcher, "_function", launcher._function.__wrapped__)
    x = cuda.asarray(np.full(4, -1, np.float32))
    signature = "const T* x, T* y, i64 n, double a, double b, double c"
    Kernel("activation.cu", "relu_forward", signature)(1, 32, x.dtype, x, x, 4, 0.0, 0.0, 0.0)
    assert asked == [("relu_forward<float>",)]
    assert cuda.to_numpy(x).tolist() == [0.0] * 4


@pytest.mark.parametrize(("dtype", "computed"), [("float16", "float32"), ("float64", "float64")])
def test_W_is_the_type_that_T_computes_in(dtype, computed):
    x, mean = parse("const T* x, const W*? mean")
    assert (str(x.dtype(np.dtype(dtype))), str(mean.dtype(np.dtype(dtype)))) == (dtype, computed)


def test_no_array_of_the_wrong_width_stands_for_W(cuda, monkeypatch):
    monkeypatch.setattr(Kernel, "known", [])
    update = Kernel(
        "batch_norm.cu",
        "update_running",
        "T*? running_mean, T*? running_var, const W* mean, const W* var, i64*? batches,"
        " i64 channels, double momentum, double correction",
    )
    x, half = cuda.asarray(np.ones(4)), cuda.asarray(np.ones(4, np.float32))
    update(1, 32, x.dtype, x, x, x, x, None, 4, 0.5, 1.0)
    with pytest.raises(TypeError, match="update_running: mean must be float64; got float32"):
        update(1, 32, x.dtype, x, x, half, x, None, 4, 0.5, 1.0)


def test_what_was_launched_once_is_checked_again(cuda, affine):
    """The second launch takes the short way."""
    x = cuda.asarray(np.ones((4, 6), np.float32))
    affine(1, 256, x.dtype, *arguments(x))
    wrong = {
        "y": [None, 3, np.ones((4, 6), np.float32), x[:, :3], x.astype(np.float64), x.tolist()],
        "n": [2.5, 2**63, None, x, "3", np.array(24)],
        "threshold": [-1, 2**64],
        "scale": [None, x, "2", 1j, x.sum(), np.array(2.0)],
    }
    for name, values in wrong.items():
        for value in values:
            affine(1, 256, x.dtype, *arguments(x, scale=1.0))
            with pytest.raises(TypeError, match=f"bernoulli_affine: {name} must "):
                affine(1, 256, x.dtype, *arguments(x, **{name: value}))
    with pytest.raises(TypeError, match="expected 12 arguments .*; got 13"):
        affine(1, 256, x.dtype, *arguments(x), 1)
    assert cuda.to_numpy(x).tolist() == [[2.0] * 6] * 4


@pytest.mark.parametrize("order", [(0, 2, 3, 1), (3, 2, 1, 0), (1, 0, 3, 2)])
def test_memory_without_gaps_is_taken_in_any_order(order, cuda, affine):
    x = cuda.asarray(np.arange(24.0, dtype=np.float32).reshape(1, 2, 3, 4)).transpose(order)
    affine(1, 256, x.dtype, *arguments(x))
    assert (cuda.to_numpy(x).transpose(np.argsort(order)).ravel() == 2 * np.arange(24.0)).all()


@pytest.mark.parametrize(
    ("shape", "strides", "dense"),
    [
        ((2, 3, 4), (48, 16, 4), True),
        ((2, 3, 4), (48, 4, 12), True),  # channels last
        ((2, 1, 4), (16, 999, 4), True),  # a dimension of 1 has no neighbours
        ((2, 2), (12, 0), False),  # as long as a dense array, with a gap and a repetition
        ((2, 3), (16, 4), False),
        ((4,), (8,), False),
        ((), (), True),
    ],
)
def test_gaps_are_found(shape, strides, dense):
    assert without_gaps(shape, strides, 4) is dense


def test_an_array_of_another_device_is_refused(affine, cuda):
    if lucid.cuda.get_device_name() != cuda_emulator.DEVICE_NAME:
        pytest.skip("the emulated machine can have two devices: --device cuda-emulated")
    with cuda_emulator.machine_with(devices=2):
        with lucid.device("cuda:1") as other:
            x = lucid.ones(4, device=other)._array
        y = cuda.asarray(np.ones(4, np.float32))
        affine(1, 256, y.dtype, *arguments(y))
        with pytest.raises(TypeError, match="y must be on the current device, cuda:0; got cuda:1"):
            affine(1, 256, y.dtype, *arguments(y, y=x))


def test_a_launch_in_the_middle_of_a_launch_has_its_own_arguments(cuda, affine):
    """As when the interpreter changes threads between the packing and the driver's call."""
    x = cuda.asarray(np.ones(4, np.float32))
    affine(1, 256, x.dtype, *arguments(x))  # leaves a block to be used again
    seen, real = [], affine._cuda

    def scale_at(address):
        return ctypes.c_double.from_address((ctypes.c_void_p * 12).from_address(address)[4]).value

    def launch(*settings):
        if not seen:
            seen.append(scale_at(settings[9]))
            affine(1, 256, x.dtype, *arguments(x, scale=5.0))
        seen.append(scale_at(settings[9]))
        real.launch(*settings)

    affine._cuda = replace(real, launch=launch)
    affine(1, 256, x.dtype, *arguments(x, scale=3.0))
    assert seen == [3.0, 5.0, 3.0] and cuda.to_numpy(x).tolist() == [2.0 * 5 * 3] * 4
    assert len(affine._spare) == 2


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
