"""ndarray: a NumPy view into the emulated device memory that refuses to be taken for one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy

from .allocation import Allocation, arena
from .device import Device
from .errors import EmulationError
from .memory import MemoryPointer, alloc
from .streams import (
    current_device,
)

BFLOAT16 = "bfloat16"


class Flags(NamedTuple):
    c_contiguous: bool
    f_contiguous: bool
    owndata: bool

    forc = property(lambda self: self.c_contiguous or self.f_contiguous)
    fnc = property(lambda self: self.f_contiguous and not self.c_contiguous)

    def __getitem__(self, name: Any) -> Any:
        return (
            getattr(self, name.lower()) if isinstance(name, str) else tuple.__getitem__(self, name)
        )


def _cupy() -> Any:
    return sys.modules[__package__]


class ndarray:
    """cupy.ndarray. New memory is poisoned: NaN, or all bits set."""

    __slots__ = ("__weakref__", "_array", "_base", "_memory")
    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]

    def __new__(
        cls,
        shape: Any,
        dtype: Any = float,
        memptr: MemoryPointer | None = None,
        strides: Any = None,
        order: str = "C",
    ) -> ndarray:
        shape = (int(shape),) if isinstance(shape, (int, numpy.integer)) else tuple(shape)
        dtype = numpy.dtype(dtype)
        if memptr is None:
            if strides is not None:
                raise NotImplementedError("stand-in: ndarray(strides=) without memptr")
            return allocate(shape, dtype, order=order)
        memory = memptr.mem
        if not isinstance(memory, Allocation):
            raise NotImplementedError("stand-in: only memory of the emulated device")
        start, data = arena()
        array = numpy.ndarray(shape, dtype, data, memptr.ptr - start, strides, order)
        if _last_byte(array) > memory.ptr + memory.size:
            raise EmulationError(f"ndarray: shape {shape} reaches past the end of the memory given")
        return wrap(array, memory)

    # What it is.

    shape = property(lambda self: self._array.shape)
    dtype = property(lambda self: self._array.dtype)
    strides = property(lambda self: self._array.strides)
    size = property(lambda self: self._array.size)
    ndim = property(lambda self: self._array.ndim)
    nbytes = property(lambda self: self._array.nbytes)
    itemsize = property(lambda self: self._array.itemsize)
    base = property(lambda self: self._base)
    _c_contiguous = property(lambda self: self._array.flags.c_contiguous)
    _f_contiguous = property(lambda self: self._array.flags.f_contiguous)
    T = property(lambda self: self.transpose())
    mT = property(lambda self: self.swapaxes(-1, -2))
    device = property(lambda self: Device(self._memory.device_id))

    @property
    def flags(self) -> Flags:
        flags = self._array.flags
        return Flags(flags.c_contiguous, flags.f_contiguous, self._base is None)

    @property
    def data(self) -> MemoryPointer:
        offset = self._array.ctypes.data - self._memory.ptr if self._array.size else 0
        return MemoryPointer(self._memory, offset)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        contiguous = self._array.flags.c_contiguous
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "descr": self.dtype.descr,
            "version": 3,
            "strides": None if contiguous else self.strides,
            "data": (self.data.ptr, False),
        }

    # It is no NumPy array.

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct"
            " a NumPy array explicitly."
        )

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        function = getattr(_cupy(), ufunc.__name__, None)
        if function is None or method != "__call__":
            return NotImplemented
        if "out" in settings:
            (settings["out"],) = settings["out"]
        return function(*inputs, **settings)

    def __array_function__(self, function: Any, kinds: Any, args: Any, settings: Any) -> Any:
        ours = getattr(_cupy(), function.__name__, None)
        return NotImplemented if ours is None else ours(*args, **settings)

    def __reduce__(self) -> tuple:
        return _cupy().array, (self.get(),)

    def __copy__(self) -> ndarray:
        return self.copy()

    def __deepcopy__(self, memo: dict) -> ndarray:
        return self.copy()

    def __len__(self) -> int:
        return len(self._array)

    def __iter__(self) -> Iterator[ndarray]:
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self._array)))

    # The rest arrives from indexing.py, transfers.py and methods.py.


def _last_byte(array: numpy.ndarray) -> int:
    return numpy.lib.array_utils.byte_bounds(array)[1] if array.size else 0


def wrap(array: numpy.ndarray, memory: Allocation, base: ndarray | None = None) -> ndarray:
    self = object.__new__(ndarray)
    self._array, self._memory, self._base = array, memory, base
    return self


def view_of(source: ndarray, array: numpy.ndarray) -> ndarray:
    if not array.flags.writeable:  # NumPy's diagonals and broadcasts are; CuPy's are not
        start, data = arena()
        offset = array.ctypes.data - start if array.size else 0
        array = numpy.ndarray(array.shape, array.dtype, data, offset, array.strides)
    return wrap(array, source._memory, source if source._base is None else source._base)


def _strides_like(like: numpy.ndarray, order: str, dtype: numpy.dtype) -> tuple[int, ...]:
    """Strides of a dense array with ``like``'s shape and order of dimensions."""
    if order == "A":
        fortran = like.flags.f_contiguous and not like.flags.c_contiguous
        by_size = range(like.ndim)[:: -1 if fortran else 1]
    else:
        by_size = sorted(range(like.ndim), key=lambda d: (-abs(like.strides[d]), d))
    strides, step = [0] * like.ndim, dtype.itemsize
    for d in reversed(by_size):
        strides[d] = step
        step *= like.shape[d]
    return tuple(strides)


def allocate(
    shape: tuple[int, ...], dtype: Any, order: str = "C", like: numpy.ndarray | None = None
) -> ndarray:
    """New memory; with ``like``, its dimensions in the order that ``order`` says ("K")."""
    dtype = numpy.dtype(dtype)
    if dtype.kind not in "biufc" and dtype.name != BFLOAT16:
        raise ValueError(f"Unsupported dtype {dtype}")
    count = 1
    for n in shape:
        count *= n
    memory = alloc(count * dtype.itemsize).mem
    start, data = arena()
    strides = None if like is None or order not in "KA" else _strides_like(like, order, dtype)
    array = numpy.ndarray(
        shape, dtype, data, memory.ptr - start, strides, "F" if order == "F" else "C"
    )
    if memory.device_id != current_device():
        raise EmulationError("allocate: the allocator answered memory of another device")
    return wrap(array, memory)
