"""CUDA on the CPU, for tests: kernels run emulated, a strict stand-in takes CuPy's place.

EMULATION: no GPU is used, and nothing measured here says anything about one. Never in the wheel.

    runtime/       C++: headers that make a .cu file compile with g++, and the machine that runs it
    build.py       compile, cache, launch
    cupy/          the module that stands in for cupy
    libraries.py   stand-ins for cuBLAS and cuDNN, at lucid's own interface
    settings.py    what the machine is like; counters of launches, copies, synchronisations

``pytest --device cuda-emulated`` installs it; then ``lucid.device("cuda")`` works everywhere. A
test that wants only a kernel needs no ``--device``:

    from tests.cuda_emulator import cupy
    module = cupy.RawModule(code=source, name_expressions=["dropout<float>"])
    module.get_function("dropout<float>")((grid,), (block,), (x, y, numpy.int64(n)))

and one that counts what a step asks of the device:

    from tests.cuda_emulator import counting
    with counting() as c:
        step()
    assert c.synchronisations == 0
"""

from __future__ import annotations

import os
import sys

from .build import EmulationError as EmulationError
from .build import compiler_missing as compiler_missing
from .settings import DEVICE_NAME as DEVICE_NAME
from .settings import counters as counters
from .settings import counting as counting
from .settings import machine as machine
from .settings import machine_with as machine_with


def install() -> None:
    """Make ``import cupy`` give the stand-in, for the rest of this process."""
    if "PYTEST_VERSION" not in os.environ or "pytest" not in sys.modules:
        raise RuntimeError("the CUDA emulator runs under pytest only: it is no CUDA")
    taken = sys.modules.get("cupy")
    if taken is not None and not taken.__name__.startswith(__name__):
        raise RuntimeError("the CUDA emulator must be installed before cupy is imported")
    from . import cupy
    from .cupy import cuda, cupyx, driver, memory, runtime

    sys.modules.update(
        {
            "cupy": cupy,
            "cupy.cuda": cuda,
            "cupy.cuda.runtime": runtime,
            "cupy.cuda.memory": memory,
            "cupy.cuda.driver": driver,
            "cupy.linalg": cupy.linalg,
            "cupyx": cupyx,
            "cupyx.scipy": cupyx.scipy,
            "cupyx.scipy.special": cupyx.special,
            "cupy_backends": driver,
            "cupy_backends.cuda": driver,
            "cupy_backends.cuda.api": driver,
            "cupy_backends.cuda.api.driver": driver,
            "cupy_backends.cuda.api.runtime": runtime,
        }
    )
    from . import libraries

    libraries.install()
