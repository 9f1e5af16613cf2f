"""CuPy's functions that make arrays: of a value, of another's shape, of what the host has."""

from __future__ import annotations

from typing import Any

import numpy

from lucid.backend import dlpack

from .allocation import allocation_at, count_upload
from .array import BFLOAT16, allocate, ndarray, view_of, wrap
from .delegation import holds_array, run
from .errors import EmulationError
from .memory import alloc
from .streams import current_stream, enqueue, wait_for


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
    if holds_array(obj):
        held = [array(o) for o in obj]
        stacked = run(lambda *parts: numpy.stack(parts), held, copies=True)
        return stacked if dtype is None else stacked.astype(dtype)
    value = numpy.array(obj, dtype=dtype, order=order or "K", ndmin=ndmin)
    if value.dtype.kind not in "biufc" and value.dtype.name != BFLOAT16:
        raise ValueError(f"Unsupported dtype {value.dtype}")
    fresh = allocate(value.shape, value.dtype, order or "K", like=value)
    count_upload("array() of host data")
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


OWN = [
    empty, zeros, ones, full, empty_like, zeros_like, ones_like, full_like, array, asarray,
    asanyarray, ascontiguousarray, asfortranarray, asnumpy, from_dlpack,
]  # fmt: skip
