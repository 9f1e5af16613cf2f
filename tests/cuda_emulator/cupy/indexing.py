"""ndarray's parts: reading, writing and scattering by an index, which must be in bounds."""

from __future__ import annotations

from typing import Any

import numpy

from ..settings import counters
from .allocation import Allocation, count_upload
from .array import ndarray, view_of
from .delegation import in_bounds, run
from .errors import EmulationError
from .streams import current_stream, enqueue, wait_for

SCATTER_TYPES = [
    numpy.dtype(t) for t in ("float16", "int32", "float32", "float64", "uint32", "uint64")
]


def _translated(index: Any) -> tuple[tuple, bool, list[Allocation]]:
    """The index for NumPy, whether it gathers, and the device memory that it reads."""
    parts, gathers, reads = [], False, []
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, ndarray):
            if part.dtype.kind not in "biu":
                raise IndexError("arrays used as indices must be of integer or boolean type")
            if part.dtype.kind == "b":
                wait_for(current_stream(), "indexing with a mask, whose count the host needs")
            gathers = True
            reads.append(part._memory)
            part = part._array
        elif isinstance(part, (list, bool, numpy.bool_)) or (
            isinstance(part, numpy.ndarray) and (part.ndim or part.dtype.kind == "b")
        ):
            gathers = True
            count_upload("an index that lies in host memory")
            part = numpy.asarray(part, None if numpy.size(part) else numpy.intp)
        parts.append(part)
    if not any(part is Ellipsis for part in parts):
        parts.append(Ellipsis)  # an element is a 0-d array, not a scalar
    return tuple(parts), gathers, reads


def _get(self: ndarray, index: Any) -> ndarray:
    parts, gathers, reads = _translated(index)
    if not gathers:
        return view_of(self, self._array[parts])
    return run(lambda a: _gather(a, parts), [self], reads=reads, copies=True)


def _set(self: ndarray, index: Any, value: Any) -> None:
    parts, gathers, reads = _translated(index)
    source = _source(self.dtype, value, gathers, reads)
    counters.operations += 1
    array = self._array
    if gathers:
        enqueue(lambda: _scatter(array, parts, source), reads, [self._memory])
        return
    target = array[parts]
    numpy.broadcast_to(source, target.shape)  # refuse now, also while capturing
    enqueue(lambda: _overwrite(target, source), reads, [self._memory])


def _source(dtype: numpy.dtype, value: Any, gathers: bool, reads: list[Allocation]) -> Any:
    """What is to be written, for NumPy. An index array makes CuPy copy host values first."""
    if isinstance(value, ndarray):
        reads.append(value._memory)
        return value._array
    if not isinstance(value, (bool, int, float, complex, numpy.generic, numpy.ndarray, list)):
        raise TypeError(f"Unsupported type {type(value)}")
    if gathers:
        count_upload("a host value written through an index array")
    elif numpy.ndim(value):
        raise TypeError(f"Unsupported type {type(value)}")
    with numpy.errstate(all="ignore"):
        return numpy.asarray(value).astype(dtype)


def _scatter_add(self: ndarray, slices: Any, value: Any) -> None:
    _scatter_op(self, slices, value, "add")


def _scatter_max(self: ndarray, slices: Any, value: Any) -> None:
    _scatter_op(self, slices, value, "max")


def _scatter_min(self: ndarray, slices: Any, value: Any) -> None:
    _scatter_op(self, slices, value, "min")


def _scatter_op(self: ndarray, index: Any, value: Any, kind: str) -> None:
    parts, _, reads = _translated(index)
    supported = SCATTER_TYPES if kind == "add" else SCATTER_TYPES[1:]
    if self.dtype not in supported:
        raise TypeError(
            f"scatter_{kind} only supports {', '.join(map(str, supported))} as data type;"
            f" got {self.dtype}"
        )
    if isinstance(value, ndarray):
        reads.append(value._memory)
        value = value._array.astype(self.dtype)
    elif isinstance(value, numpy.ndarray):
        count_upload("host data scattered into a device array")
    at = {"add": numpy.add.at, "max": numpy.maximum.at, "min": numpy.minimum.at}[kind]
    counters.operations += 1
    array = self._array
    enqueue(lambda: in_bounds(lambda: at(array, parts, value)), reads, [self._memory])


def _gather(array: numpy.ndarray, parts: tuple) -> numpy.ndarray:
    return in_bounds(lambda: array[parts])


def _overwrite(target: numpy.ndarray, source: Any) -> None:
    with numpy.errstate(all="ignore"):
        numpy.copyto(target, source, casting="unsafe")


def _scatter(array: numpy.ndarray, parts: tuple, source: Any) -> None:
    """array[parts] = source; where one place is written twice, the values must be the same."""
    with numpy.errstate(all="ignore"):
        source = numpy.asarray(source).astype(array.dtype)

        def write() -> None:
            array[parts] = source

        in_bounds(write)
    written = array[parts]
    expected = numpy.broadcast_to(source, written.shape)
    if not ((written == expected) | ((written != written) & (expected != expected))).all():
        raise EmulationError(
            "a[index] = values with an index that stands twice: on a GPU either value may stay"
        )


ndarray.__getitem__ = _get
ndarray.__setitem__ = _set
ndarray.scatter_add = _scatter_add
ndarray.scatter_max = _scatter_max
ndarray.scatter_min = _scatter_min
