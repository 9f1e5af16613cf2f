"""What the launcher adds to a kernel launch: its checks and packing, in Python.

The budget is 3 us. Without a GPU the driver is a stub that returns at once, and the
arrays are stubs with CuPy's attributes, so what is measured is the launcher and nothing else: no
figure of any GPU. With one, the same launches go to it, beside CuPy's own RawKernel call.
"""

import importlib
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import lucid
from benchmarks import harness
from lucid.backend.cuda import availability, kernel
from lucid.backend.cuda.kernel import Kernel

SIGNATURES = {
    "bernoulli_affine, 12 arguments": (
        "const T* x, T* y, i64 n, u64 threshold, double scale, double shift, double fill,"
        " u64 seed, u64 stream, u64 offset_low, u64 offset_high, const u64*? base",
        (4, 1 << 30, 2.0, 0.0, 0.0, 1, 0, 3, 0, None),
    ),
    "three arrays and a number": ("const T* a, const T* b, T* y, i64 n", (4,)),
}


class StubArray:
    """As much of a CuPy array as a launch looks at."""

    __slots__ = ("_c_contiguous", "data", "dtype")

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
        runtime=SimpleNamespace(getDevice=lambda: 0), get_current_stream=lambda: stream
    )
    driver.launchKernel = lambda *arguments: None
    return {"cupy": cupy, driver.__name__: driver}


@pytest.fixture
def cupy(monkeypatch):
    """CuPy on a GPU, else the stub."""
    if lucid.cuda.is_available():
        return availability.cupy()
    modules = stub()
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(kernel, "cupy", lambda: modules["cupy"])
    caches = (kernel._binding, kernel.contiguity, kernel._module)
    for cached in caches:
        cached.cache_clear()
    monkeypatch.setattr(Kernel, "known", [])
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

    (ready,) = launch._ready.values()
    packed = kernel.Arguments(launch.parameters)
    addresses = [a.data.ptr if hasattr(a, "data") and not np.isscalar(a) else a for a in arguments]
    packed.pack(packed.memory, 0, *[0 if a is None else a for a in addresses])
    driver = importlib.import_module("cupy_backends.cuda.api.driver").launchKernel
    stream = cupy.cuda.get_current_stream().ptr

    contenders = {
        harness.OURS: lambda: launch(1, 256, x.dtype, *arguments),
        "driver": lambda: driver(ready.pointer, 1, 1, 1, 256, 1, 1, 0, stream, packed.address, 0),
    }
    if real:
        contenders["cupy"] = lambda: ready.function((1,), (256,), arguments)
    rows = report(f"launch of {signature}, {'on a GPU' if real else 'stub driver'}", contenders)
    if not real:
        ours = next(row for row in rows if row.contender == harness.OURS)
        assert ours.seconds.median < 6e-6, "twice the budget, which holds on an idle machine"
