"""Names of CuPy that are made when first asked for, and its submodules linalg and lib."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy

from . import delegation, surface
from .loops import ufunc


def find(name: str) -> Any:
    """``cupy.<name>``: AttributeError if CuPy has no such name."""
    record = surface.NAMES.get(name)
    if record is None:
        raise AttributeError(
            f"module 'cupy' (stand-in, {surface.VERSION}) has no attribute {name!r}"
        )
    ours = getattr(numpy, name, None)
    kind = record["kind"]
    if kind in ("constant", "class") or name in delegation.HOST:
        if ours is None:
            raise NotImplementedError(f"stand-in: cupy.{name}")
        return ours
    if kind == "ufunc" and ours is not None:
        return ufunc(name, record, ours)
    if kind == "function" and ours is not None:
        return delegation.delegated(name)
    raise NotImplementedError(
        f"cupy.{name} exists in CuPy, but the stand-in does not offer it yet. Hint: add it to"
        " tests/cuda_emulator/cupy/functions.py"
    )


def _linalg(name: str) -> Any:
    if name not in surface.SURFACE["linalg"] or not hasattr(numpy.linalg, name):
        raise AttributeError(f"module 'cupy.linalg' has no attribute {name!r}")
    function = getattr(numpy.linalg, name)

    def call(*args: Any, **settings: Any) -> Any:
        delegation.refuse_capture(f"linalg.{name}")
        return delegation.run(function, args, settings, copies=True)

    return call


linalg = ModuleType("cupy.linalg", "Linear algebra, by cuBLAS and cuSOLVER.")
linalg.__getattr__ = _linalg  # type: ignore[attr-defined]


def _as_strided(x: Any, shape: Any = None, strides: Any = None) -> Any:
    return delegation.run(lambda a: numpy.lib.stride_tricks.as_strided(a, shape, strides), [x])


stride_tricks = ModuleType("cupy.lib.stride_tricks", "Views with strides of one's own.")
stride_tricks.as_strided = _as_strided  # type: ignore[attr-defined]
lib = ModuleType("cupy.lib", "cupy.lib.")
lib.stride_tricks = stride_tricks  # type: ignore[attr-defined]
