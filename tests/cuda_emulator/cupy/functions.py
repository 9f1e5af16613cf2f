"""CuPy's functions and array methods that are not ufuncs: NumPy computes, the rules are CuPy's.

Written out here is what differs from NumPy; the rest is delegated by name, its arguments checked
against CuPy's signature.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy

from lucid.backend import dlpack

from ..settings import counters
from . import surface
from .array import (
    BFLOAT16,
    _count_upload,
    _in_bounds,
    allocate,
    ndarray,
    view_of,
    wrap,
)
from .errors import EmulationError
from .memory import Allocation, alloc, allocation_at, arena
from .streams import current_stream, enqueue, wait_for

# Their results have a size that the host must learn, or are on the host.
WAITING = {
    "allclose", "argwhere", "array_equal", "array_equiv", "bincount", "compress", "extract",
    "flatnonzero", "histogram", "in1d", "isin", "nonzero", "unique",
}  # fmt: skip
# They call cuBLAS or cuSOLVER, which CuPy refuses while a stream captures.
LIBRARIES = {
    "dot", "einsum", "inner", "matmul", "outer", "tensordot", "vdot", "vecdot", "matvec", "vecmat",
}  # fmt: skip
# They make arrays from numbers.
CREATORS = {
    "arange", "eye", "geomspace", "identity", "indices", "linspace", "logspace", "tri",
    "bartlett", "blackman", "hamming", "hanning", "kaiser", "diag_indices", "tril_indices",
    "triu_indices", "mgrid", "ogrid",
}  # fmt: skip
# CuPy wraps their indices around where NumPy raises.
INDEXING = {"take", "take_along_axis", "put_along_axis", "choose"}
# They look at shapes and types only: CuPy hands out NumPy's own.
HOST = {
    "broadcast_shapes", "can_cast", "finfo", "iinfo", "isscalar", "issubdtype", "mintypecode",
    "ndim", "ndindex", "promote_types", "result_type", "shape", "size", "min_scalar_type",
    "may_share_memory", "shares_memory", "get_printoptions", "set_printoptions", "printoptions",
    "format_float_positional", "format_float_scientific", "errstate", "geterr", "seterr",
    "iterable", "dtype", "isfortran", "base_repr", "binary_repr",
}  # fmt: skip


def unwrap(value: Any, reads: list[Allocation]) -> Any:
    """The NumPy side of an argument; host arrays are refused."""
    if isinstance(value, ndarray):
        reads.append(value._memory)
        return value._array
    if isinstance(value, numpy.ndarray):
        raise TypeError(f"Unsupported type {type(value)}")
    if type(value) in (list, tuple):
        return type(value)(unwrap(v, reads) for v in value)
    return value


def run(
    function: Callable,
    args: Iterable[Any],
    settings: dict[str, Any] | None = None,
    *,
    out: Any = None,
    reads: Iterable[Allocation] = (),
    order: str = "C",
    copies: bool = False,
) -> Any:
    """function(*args, **settings) on device arrays; the results are views of them or new memory."""
    read = list(reads)
    plain = [unwrap(a, read) for a in args]
    keywords = {k: unwrap(v, read) for k, v in (settings or {}).items()}
    sources = [a for a in args if isinstance(a, ndarray)]

    def compute(**more: Any) -> Any:
        with numpy.errstate(all="ignore"):
            return function(*plain, **keywords, **more)

    if out is not None:
        if not isinstance(out, ndarray):
            raise TypeError("return arrays must be of cupy.ndarray type")
        target = out._array
        counters.operations += 1
        enqueue(lambda: compute(out=target), read, [out._memory])
        return out
    result = compute()
    if isinstance(result, (tuple, list)):
        parts = [
            _adopt(r, lambda i=i: compute()[i], sources, read, order, copies)
            for i, r in enumerate(result)
        ]
        if type(result) in (tuple, list):
            return type(result)(parts)
        return type(result)(*parts)  # a named tuple
    return _adopt(result, compute, sources, read, order, copies)


def _adopt(
    result: Any,
    again: Callable[[], Any],
    sources: list[ndarray],
    reads: list[Allocation],
    order: str,
    copies: bool,
) -> Any:
    """A result of NumPy's as a device array: a view of a source, or new memory."""
    if not isinstance(result, (numpy.ndarray, numpy.generic)):
        return result
    if isinstance(result, numpy.ndarray) and not copies:
        start, data = arena()
        if result.size and 0 <= result.ctypes.data - start < data.size:
            for source in sources:
                at = result.ctypes.data - source._memory.ptr
                if 0 <= at < source._memory.size:
                    return view_of(source, result)
    value = numpy.asarray(result)
    fresh = allocate(value.shape, value.dtype, order, like=value)
    counters.operations += 1
    target = fresh._array
    if current_stream().is_capturing():
        enqueue(lambda: numpy.copyto(target, again()), reads, [fresh._memory])
    else:
        enqueue(lambda: numpy.copyto(target, value), reads, [fresh._memory])
    return fresh


def delegated(name: str, function: Callable | None = None) -> Callable:
    """The function of CuPy's with this name, computed by NumPy's."""
    compute, signature = function or getattr(numpy, name), surface.signature(name)
    if name in INDEXING:
        compute = _with_bounds(compute)

    def call(*args: Any, **settings: Any) -> Any:
        if signature is not None:
            signature.bind(*args, **settings)  # TypeError where CuPy's own would be raised
        _refuse_host_arguments(name, args, settings)
        if name in WAITING:
            wait_for(current_stream(), f"cupy.{name}")
        if name in LIBRARIES:
            _refuse_capture(name)
        return run(compute, args, settings, out=settings.pop("out", None))

    call.__name__ = name
    return call


def _with_bounds(function: Callable) -> Callable:
    return lambda *args, **settings: _in_bounds(lambda: function(*args, **settings))


def _refuse_capture(name: str) -> None:
    if current_stream().is_capturing():
        raise NotImplementedError(
            f"calling cuBLAS API during stream capture is currently unsupported ({name})"
        )


def _refuse_host_arguments(name: str, args: tuple, settings: dict[str, Any]) -> None:
    if name in CREATORS or not args:
        return
    seen: list[Allocation] = []
    for value in (*args, *settings.values()):
        unwrap(value, seen)
    if not seen and not any(_holds_array(v) for v in (*args, *settings.values())):
        raise TypeError(f"cupy.{name}: no argument is a cupy.ndarray; got {args!r:.80}")


def _holds_array(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_holds_array(v) for v in value)
    return isinstance(value, ndarray)


# Creation.


def _shape(shape: Any) -> tuple[int, ...]:
    if isinstance(shape, (int, numpy.integer)):
        return (int(shape),)
    return tuple(int(n) for n in shape)


def empty(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return allocate(_shape(shape), dtype, order)


def _filled(array: ndarray, value: Any) -> ndarray:
    array.fill(value)
    return array


def zeros(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return _filled(empty(shape, dtype, order), 0)


def ones(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return _filled(empty(shape, dtype, order), 1)


def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C") -> ndarray:
    if dtype is None:
        held = isinstance(fill_value, ndarray)
        dtype = fill_value.dtype if held else numpy.array(fill_value).dtype
    array = empty(shape, dtype, order)
    array[...] = fill_value
    return array


def _like(a: ndarray, dtype: Any, order: str, shape: Any) -> ndarray:
    if not isinstance(a, ndarray):
        raise TypeError(f"Unsupported type {type(a)}")
    dtype = a.dtype if dtype is None else dtype
    if shape is not None and _shape(shape) != a.shape:
        return allocate(_shape(shape), dtype, "C" if order in "KA" else order)
    return allocate(a.shape, dtype, order, like=a._array)


def empty_like(
    a: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None
) -> ndarray:
    return _like(a, dtype, order, shape)


def zeros_like(
    a: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None
) -> ndarray:
    return _filled(_like(a, dtype, order, shape), 0)


def ones_like(
    a: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None
) -> ndarray:
    return _filled(_like(a, dtype, order, shape), 1)


def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "K",
    subok: Any = None,
    shape: Any = None,
) -> ndarray:
    array = _like(a, dtype, order, shape)
    array[...] = fill_value
    return array


# From the host and back.


def array(
    obj: Any,
    dtype: Any = None,
    copy: bool = True,
    order: str = "K",
    subok: bool = False,
    ndmin: int = 0,
    *,
    blocking: bool = False,
) -> ndarray:
    if isinstance(obj, ndarray):
        held = obj.astype(obj.dtype if dtype is None else dtype, order=order or "K", copy=copy)
        return held if held.ndim >= ndmin else held[(None,) * (ndmin - held.ndim)]
    if _holds_array(obj):
        held = [array(o) for o in obj]
        stacked = run(lambda *parts: numpy.stack(parts), held, copies=True)
        return stacked if dtype is None else stacked.astype(dtype)
    value = numpy.array(obj, dtype=dtype, order=order or "K", ndmin=ndmin)
    if value.dtype.kind not in "biufc" and value.dtype.name != BFLOAT16:
        raise ValueError(f"Unsupported dtype {value.dtype}")
    fresh = allocate(value.shape, value.dtype, order or "K", like=value)
    _count_upload("array() of host data")
    enqueue(lambda: numpy.copyto(fresh._array, value), [], [fresh._memory])
    if blocking:
        wait_for(current_stream(), "array(blocking=True)")
    return fresh


def asarray(
    a: Any, dtype: Any = None, order: Any = None, *, copy: Any = None, blocking: bool = False
) -> ndarray:
    return array(a, dtype, bool(copy), order or "K", blocking=blocking)


def asanyarray(a: Any, dtype: Any = None, order: Any = None) -> ndarray:
    return asarray(a, dtype, order)


def ascontiguousarray(a: Any, dtype: Any = None) -> ndarray:
    a = asarray(a, dtype)
    return a if a.flags.c_contiguous else a.copy("C")


def asfortranarray(a: Any, dtype: Any = None) -> ndarray:
    a = asarray(a, dtype)
    return a if a.flags.f_contiguous else a.copy("F")


def asnumpy(
    a: Any, stream: Any = None, order: str = "C", out: Any = None, *, blocking: bool = True
) -> numpy.ndarray:
    if isinstance(a, ndarray):
        return a.get(stream, order, out, blocking)
    return numpy.asarray(a)


class _OnTheHost:
    """A capsule of the emulated device, as NumPy opens it."""

    def __init__(self, capsule: Any):
        self.capsule = capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0

    def __dlpack__(self, **settings: Any) -> Any:
        tensor = dlpack.described(self.capsule)
        tensor.device_type, tensor.device_id = 1, 0
        return self.capsule


def from_dlpack(x: Any, *, device: Any = None, copy: Any = None) -> ndarray:
    if x.__dlpack_device__()[0] != 2:
        raise RuntimeError("CuPy is built against CUDA, different from the DLPack tensor's backend")
    capsule = x.__dlpack__(stream=current_stream().ptr or 1, max_version=(1, 0))
    address = dlpack.described(capsule).data
    array = numpy.from_dlpack(_OnTheHost(capsule))
    memory = allocation_at(address) if array.size else alloc(0).mem
    if memory is None:
        raise EmulationError("from_dlpack: this is no memory of the emulated device")
    base = wrap(array, memory)
    return view_of(base, array)


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
    _refuse_capture("matmul")
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
    _require_stable(kind)
    return run(numpy.argsort, [a, axis], {"kind": "stable"})


def sort(a: Any, axis: Any = -1, kind: Any = None) -> Any:
    _require_stable(kind)
    return run(numpy.sort, [a, axis], {"kind": "stable"})


def _require_stable(kind: Any) -> None:
    if kind not in (None, "stable"):
        raise ValueError("kind can only be None or 'stable'")


def may_share_memory(a: Any, b: Any, max_work: Any = None) -> bool:
    if isinstance(a, ndarray) and isinstance(b, ndarray):
        return numpy.may_share_memory(a._array, b._array)
    return False


def bincount(x: Any, weights: Any = None, minlength: Any = None) -> Any:
    wait_for(current_stream(), "cupy.bincount")
    return run(numpy.bincount, [x], {"weights": weights, "minlength": minlength or 0})


OWN = [
    empty, zeros, ones, full, empty_like, zeros_like, ones_like, full_like, array, asarray,
    asanyarray, ascontiguousarray, asfortranarray, asnumpy, from_dlpack, copyto, matmul, where,
    clip, argsort, sort, may_share_memory, bincount,
]  # fmt: skip
