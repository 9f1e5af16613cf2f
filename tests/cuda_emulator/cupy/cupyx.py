"""cupyx and cupyx.scipy.special: scatter operations, pinned arrays, special functions."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import numpy

from . import surface
from .array import ndarray
from .errors import OutOfMemoryError as OutOfMemoryError
from .loops import ufunc
from .pinned import pinned_array
from .streams import DeviceSynchronized as DeviceSynchronized
from .streams import allow_synchronize as allow_synchronize


def empty_pinned(shape: Any, dtype: Any = float, order: str = "C") -> numpy.ndarray:
    return pinned_array(shape, dtype, order)


def zeros_pinned(shape: Any, dtype: Any = float, order: str = "C") -> numpy.ndarray:
    array = pinned_array(shape, dtype, order)
    array[...] = 0
    return array


def scatter_add(a: ndarray, slices: Any, value: Any) -> None:
    a.scatter_add(slices, value)


def scatter_max(a: ndarray, slices: Any, value: Any) -> None:
    a.scatter_max(slices, value)


def scatter_min(a: ndarray, slices: Any, value: Any) -> None:
    a.scatter_min(slices, value)


def _elementwise(function: Any) -> Any:
    """A function of Python's floats on arrays: slow, exact, and in need of nothing."""
    vectorized = numpy.vectorize(function, otypes=[float])
    return lambda x: vectorized(x.astype(float))


_COMPUTED = {
    "erf": _elementwise(math.erf),
    "erfc": _elementwise(math.erfc),
    "gammaln": _elementwise(math.lgamma),
    "expit": lambda x: 1 / (1 + numpy.exp(-x)),
    "log1p": numpy.log1p,
    "expm1": numpy.expm1,
}


def _special(name: str) -> Any:
    record = surface.SURFACE["cupyx.scipy.special"].get(name)
    if record is None:
        raise AttributeError(f"module 'cupyx.scipy.special' has no attribute {name!r}")
    if name not in _COMPUTED or record["kind"] != "ufunc":
        raise NotImplementedError(f"stand-in: cupyx.scipy.special.{name}; add it to cupyx.py")
    return ufunc(name, record, _COMPUTED[name])


special = ModuleType("cupyx.scipy.special", "Special functions.")
special.__getattr__ = _special  # type: ignore[attr-defined]
special.erf = _special("erf")  # type: ignore[attr-defined]
scipy = ModuleType("cupyx.scipy", "SciPy's functions.")
scipy.special = special  # type: ignore[attr-defined]
