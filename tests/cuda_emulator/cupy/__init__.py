"""A strict stand-in for CuPy on a machine without a GPU. EMULATION: nothing in here touches a GPU.

NumPy does the arithmetic in the emulator's device memory; RawModule kernels run on the emulator.
It is stricter than CuPy on purpose: host arrays are never mixed in, kernel arguments are checked
against the kernel, streams must be ordered, indices must be in bounds. Names, signatures and ufunc
loops are those of the real CuPy (surface.json); what it lacks is missing here too.
"""

from __future__ import annotations

from typing import Any

import numpy

from . import creation as _creation
from . import cuda as cuda
from . import functions as _functions
from . import indexing as _indexing  # completes ndarray
from . import lazy as _lazy
from . import methods as _methods  # completes ndarray
from . import surface as _surface
from . import transfers as _transfers  # completes ndarray
from .array import ndarray as ndarray
from .kernels import RawKernel as RawKernel
from .kernels import RawModule as RawModule
from .loops import ufunc as ufunc
from .memory import default_pool as _default_pool
from .pinned import pinned_pool as _pinned_pool

__version__ = f"{_surface.VERSION}+emulated"

newaxis = None
linalg = _lazy.linalg
lib = _lazy.lib

for _function in (*_creation.OWN, *_functions.OWN):
    globals()[_function.__name__] = _function


def get_array_module(*args: Any) -> Any:
    import sys

    return sys.modules[__name__] if any(isinstance(a, ndarray) for a in args) else numpy


def is_available() -> bool:
    return True


def get_default_memory_pool() -> Any:
    return _default_pool


def get_default_pinned_memory_pool() -> Any:
    return _pinned_pool


def __getattr__(name: str) -> Any:
    """What is not written out: CuPy's other names, computed by NumPy."""
    value = _lazy.find(name)
    globals()[name] = value
    return value
