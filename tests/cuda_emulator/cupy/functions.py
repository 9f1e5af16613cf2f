"""CuPy's functions whose rules differ from NumPy's; the rest is delegated by name."""

from __future__ import annotations

from typing import Any

import numpy

from .array import BFLOAT16, ndarray
from .delegation import delegated, refuse_capture, run
from .streams import current_stream, wait_for


def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = None) -> None:
    if not isinstance(dst, ndarray):
        raise TypeError(f"dst must be a cupy.ndarray; got {type(dst)}")
    if isinstance(src, ndarray) and not numpy.can_cast(src.dtype, dst.dtype, casting):
        raise TypeError(f"Cannot cast {src.dtype} to {dst.dtype} in {casting} casting mode")
    if where is None:
        dst[...] = src
    else:
        run(lambda s, w, out: numpy.copyto(out, s, "unsafe", where=w), [src, where], out=dst)


def matmul(a: Any, b: Any, /, out: Any = None, **settings: Any) -> ndarray:
    for x in (a, b):
        if not isinstance(x, ndarray):
            raise TypeError(f"Unsupported type {type(x)}")
    if settings:
        raise NotImplementedError(f"stand-in: matmul({', '.join(settings)}=)")
    refuse_capture("matmul")
    kind = numpy.result_type(a.dtype, b.dtype)
    if kind.name == BFLOAT16 and max(a.ndim, b.ndim) > 2:
        raise TypeError("matmul: CuPy has no batched product of bfloat16")
    return run(_matmul, [a, b], out=out)


def _matmul(a: numpy.ndarray, b: numpy.ndarray, out: Any = None) -> Any:
    """Halves are accumulated in float32, as cuBLAS is asked to."""
    kind = numpy.result_type(a.dtype, b.dtype)
    if kind.itemsize == 2 and kind.kind in "fV":
        result = numpy.matmul(a.astype("f"), b.astype("f")).astype(kind)
        return result if out is None else numpy.copyto(out, result)
    return numpy.matmul(a, b, out=out) if out is not None else numpy.matmul(a, b)


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None and y is None:
        return delegated("nonzero")(condition)
    if not isinstance(condition, ndarray):
        raise TypeError(f"Unsupported type {type(condition)}")
    return run(numpy.where, [condition, x, y], copies=True)


def clip(a: Any, a_min: Any, a_max: Any, out: Any = None) -> Any:
    """NumPy's; CuPy has neither min= nor max=."""
    return run(numpy.clip, [a, a_min, a_max], out=out, copies=True)


def argsort(a: Any, axis: Any = -1, kind: Any = None) -> Any:
    require_stable(kind)
    return run(numpy.argsort, [a, axis], {"kind": "stable"})


def sort(a: Any, axis: Any = -1, kind: Any = None) -> Any:
    require_stable(kind)
    return run(numpy.sort, [a, axis], {"kind": "stable"})


def require_stable(kind: Any) -> None:
    if kind not in (None, "stable"):
        raise ValueError("kind can only be None or 'stable'")


def may_share_memory(a: Any, b: Any, max_work: Any = None) -> bool:
    if isinstance(a, ndarray) and isinstance(b, ndarray):
        return numpy.may_share_memory(a._array, b._array)
    return False


def bincount(x: Any, weights: Any = None, minlength: Any = None) -> Any:
    wait_for(current_stream(), "cupy.bincount")
    return run(numpy.bincount, [x], {"weights": weights, "minlength": minlength or 0})


OWN = [copyto, matmul, where, clip, argsort, sort, may_share_memory, bincount]
