"""Passes over vectors: y = b * y + a * x, and the norm and scaling of many arrays.

For y = b * y + a * x NumPy needs two or three passes, BLAS has it as a routine. The routines are
those of NumPy's own OpenBLAS, called through ctypes, which releases the GIL. They round a * x and
the sum together where the processor can. Call them under ``single_threaded``.
"""

import ctypes
import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from lucid.backend.cpu import blas
from lucid.backend.cpu.blockwise import flatten
from lucid.backend.cpu.threads import parallel_for

__all__ = ["blend", "norm", "scale"]

_FEW = 1 << 11  # elements: below, NumPy's calls are as fast
_BLOCK = 1 << 18  # elements that a thread takes at once: 30 us
_LEAST = 1e-30  # sums of squares that have not lost what is too small for float32

_Bytes = ctypes.c_char * 1


class _Routines(NamedTuple):
    axpy: Callable[..., None]  # (n, a, x, step, y, step): y += a * x
    axpby: Callable[..., None]  # (n, a, x, step, b, y, step): y = b * y + a * x


def blend(y: Any, b: float, x: Any, a: float) -> bool:
    """y = b * y + a * x for dense arrays in one dimension. False if nothing was done.

    Nothing is done for few elements, other types than float32 and float64, other arrays than
    NumPy's, without OpenBLAS, and for factors of 0, whose products BLAS leaves out: 0 * NaN too.
    """
    if y.__class__ is not np.ndarray or y.size < _FEW or not a or not b:
        return False
    routines = _routines().get(y.dtype)
    if routines is None:
        return False
    if b == 1:
        routines.axpy(y.size, a, _address(x), 1, _address(y), 1)
    else:
        routines.axpby(y.size, a, _address(x), 1, b, _address(y), 1)
    return True


def norm(arrays: list[np.ndarray]) -> float | None:
    """The root of the sum of all squares: of blocks in their type, then of those in float64.

    None for arrays with gaps, and where squares may be too large or too small for the type.
    """
    blocks = _blocks(arrays)
    if blocks is None:
        return None
    sums = [0.0] * len(blocks)

    def add(start: int, stop: int) -> None:
        for i in range(start, stop):
            sums[i] = float(np.dot(blocks[i], blocks[i]))

    with blas.single_threaded(), np.errstate(all="ignore"):
        parallel_for(add, len(blocks), 1)
    total = math.fsum(sums) if all(map(math.isfinite, sums)) else math.inf
    return total**0.5 if _LEAST < total < math.inf else None


def scale(arrays: list[np.ndarray], factor: float) -> bool:
    """Multiply all by a number, in place. False for arrays with gaps: nothing is done."""
    blocks = _blocks(arrays)
    if blocks is None:
        return False

    def multiply(start: int, stop: int) -> None:
        for block in blocks[start:stop]:
            np.multiply(block, factor, out=block)

    with np.errstate(all="ignore"):
        parallel_for(multiply, len(blocks), 1)
    return True


def _blocks(arrays: list[np.ndarray]) -> list[np.ndarray] | None:
    """All arrays cut into rows."""
    blocks = []
    for array in arrays:
        row = flatten(array)
        if row is None:
            return None
        blocks += [row[i : i + _BLOCK] for i in range(0, row.size, _BLOCK)]
    return blocks


def _address(x: Any) -> Any:
    """Takes a quarter of the time of x.ctypes.data, but can't point to what must not be changed."""
    return _Bytes.from_buffer(x) if x.flags.writeable else x.ctypes.data


@cache
def _routines() -> dict[np.dtype[Any], _Routines]:
    known = blas.library()
    if known is None:
        return {}
    library, suffix = known
    integer, pointer = ctypes.c_int64 if suffix else ctypes.c_int, ctypes.c_void_p
    found: dict[np.dtype[Any], _Routines] = {}
    for letter, real in (("s", ctypes.c_float), ("d", ctypes.c_double)):
        axpy = getattr(library, f"scipy_cblas_{letter}axpy{suffix}", None)
        axpby = getattr(library, f"scipy_cblas_{letter}axpby{suffix}", None)
        if axpy is None or axpby is None:
            continue
        axpy.argtypes = [integer, real, pointer, integer, pointer, integer]
        axpby.argtypes = [integer, real, pointer, integer, real, pointer, integer]
        axpy.restype = axpby.restype = None
        found[np.dtype(real)] = _Routines(axpy, axpby)
    return found
