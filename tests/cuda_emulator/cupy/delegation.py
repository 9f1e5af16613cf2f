"""CuPy's functions that are not ufuncs: NumPy computes, the rules for arguments are CuPy's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy

from ..settings import counters
from . import surface
from .allocation import Allocation, arena
from .array import allocate, ndarray, view_of
from .errors import EmulationError
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
            refuse_capture(name)
        return run(compute, args, settings, out=settings.pop("out", None))

    call.__name__ = name
    return call


def _with_bounds(function: Callable) -> Callable:
    return lambda *args, **settings: in_bounds(lambda: function(*args, **settings))


def refuse_capture(name: str) -> None:
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
    if not seen and not any(holds_array(v) for v in (*args, *settings.values())):
        raise TypeError(f"cupy.{name}: no argument is a cupy.ndarray; got {args!r:.80}")


def holds_array(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(holds_array(v) for v in value)
    return isinstance(value, ndarray)


def in_bounds(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except IndexError as error:
        if "out of bounds" not in str(error):
            raise
        raise EmulationError(f"an index array is {error}: CuPy would wrap it around") from None
