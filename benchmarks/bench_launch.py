"""What the launcher adds to a kernel launch: its checks and packing, in Python.

The budget is 3 us. Without a GPU the driver is a stub that returns at once, and the
arrays are stubs with CuPy's attributes, so what is measured is the launcher and nothing else: no
figure of any GPU. With one, the same launches go to it, beside CuPy's own RawKernel call. "bare" is
what no launcher can spare, measured in the same rounds: packing values that are ready, and the call
of the driver; no argument is looked at.
"""

import importlib
import statistics
import sys
import time
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import lucid
from benchmarks import harness
from lucid.backend.cuda import availability, kernel
from lucid.backend.cuda.kernel import Kernel
from lucid.backend.cuda.signature import Arguments

BARE = "bare"

SIGNATURES = {
    "bernoulli_affine, 12 arguments": (
        "const T* x, T* y, i64 n, u64 threshold, double scale, double shift, double fill,"
        " u64 seed, u64 stream, u64 offset_low, u64 offset_high, const u64*? base",
        (4, 1 << 30, 2.0, 0.0, 0.0, 1, 0, 3, 0, None),
    ),
    "three arrays and a number": ("const T* a, const T* b, T* y, i64 n", (4,)),
}
# Times the bare call: 4.8 to 6.1, and 5.6 to 6.7, were measured on idle and on crowded cores. Idle,
# the bare call took 0.33 us and 0.25 us, so these are limits of 2.2 us and 1.8 us.
MOST = {"bernoulli_affine, 12 arguments": 6.6, "three arrays and a number": 7.2}


class StubArray:
    """As much of a CuPy array as a launch looks at."""

    __slots__ = ("_c_contiguous", "data", "dtype")
    shape, strides, itemsize = (4,), (4,), 4

    def __init__(self):
        self.dtype, self._c_contiguous = np.dtype("float32"), True
        self.data = SimpleNamespace(ptr=0x7000, device_id=0)


def stub() -> dict[str, ModuleType]:
    """Modules that stand for CuPy where there is none."""
    stream = SimpleNamespace(ptr=0x5000)
    function = SimpleNamespace(kernel=SimpleNamespace(ptr=0x9000))
    cupy, driver = ModuleType("cupy"), ModuleType("cupy_backends.cuda.api.driver")
    cupy.ndarray = StubArray
    cupy.RawModule = lambda **settings: SimpleNamespace(get_function=lambda name: function)
    cupy.cuda = SimpleNamespace(
        runtime=SimpleNamespace(getDevice=lambda: 0), get_current_stream=lambda device: stream
    )
    driver.launchKernel = lambda *arguments: None
    return {"cupy": cupy, driver.__name__: driver}


def processor_seconds(contenders, rounds=31, repeats=1000):
    """Seconds per call that the thread ran, in turns: what others take of the cores stays out."""
    seconds = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, call in contenders.items():
            start = time.thread_time()
            for _ in range(repeats):
                call()
            seconds[name].append((time.thread_time() - start) / repeats)
    return seconds


@pytest.fixture
def cupy(monkeypatch):
    """CuPy on a GPU, else the stub."""
    if lucid.cuda.is_available():
        return availability.cupy()
    modules = stub()
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(kernel, "cupy", lambda: modules["cupy"])
    caches = (kernel._binding, kernel._function)
    for cached in caches:
        cached.cache_clear()
    yield modules["cupy"]
    for cached in caches:
        cached.cache_clear()


@pytest.mark.parametrize("signature", SIGNATURES)
def test_launch(signature, cupy, report, monkeypatch):
    text, numbers = SIGNATURES[signature]
    real = lucid.cuda.is_available()
    if real and not signature.startswith("bernoulli"):
        pytest.skip("no kernel has this signature")
    monkeypatch.setattr(Kernel, "known", [])
    launch = Kernel("dropout.cu", "bernoulli_affine", text)
    x = cupy.ones(4, np.float32) if real else StubArray()
    arguments = (*[x] * text.count("T*"), *numbers)
    launch(1, 256, x.dtype, *arguments)  # compiles

    ready = launch._ready[x.dtype][0]
    packed = Arguments(launch.parameters)
    values = [a.data.ptr if a is x else 0 if a is None else a for a in arguments]
    driver = importlib.import_module("cupy_backends.cuda.api.driver").launchKernel
    stream = cupy.cuda.get_current_stream(0).ptr

    def bare():
        packed.pack(packed.memory, 0, *values)
        driver(ready.pointer, 1, 1, 1, 256, 1, 1, 0, stream, packed.address, 0)

    contenders = {harness.OURS: lambda: launch(1, 256, x.dtype, *arguments), BARE: bare}
    if real:
        contenders["cupy"] = lambda: ready.function((1,), (256,), arguments)
    report(f"launch of {signature}, {'on a GPU' if real else 'stub driver'}", contenders)
    if not real:
        seconds = processor_seconds(contenders)
        ours, least = seconds[harness.OURS], seconds[BARE]
        assert statistics.median(a / b for a, b in zip(ours, least, strict=True)) < MOST[signature]
