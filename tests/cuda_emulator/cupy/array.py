"""ndarray: a NumPy view into the emulated device memory that refuses to be taken for one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy

from lucid.backend import dlpack

from ..settings import counters
from .errors import EmulationError, not_while_capturing
from .memory import Allocation, Device, MemoryPointer, alloc, arena, is_pinned
from .streams import (
    Stream,
    _streams,
    current_device,
    current_stream,
    enqueue,
    refuse_if_forbidden,
    wait_for,
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

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, self._memory.device_id

    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: Any = None,
        dl_device: Any = None,
        copy: Any = None,
    ) -> Any:
        """A capsule as CuPy's: of memory that no CPU library will open."""
        if self.dtype.kind not in "uifcb":
            raise BufferError("dtype is not supported for dlpack export")
        if dl_device not in (None, self.__dlpack_device__()) or copy:
            raise NotImplementedError("stand-in: __dlpack__(dl_device=, copy=)")
        reading = _stream_of(stream)
        if reading not in (None, current_stream()):
            reading.wait_event(current_stream().record())
        held = self._array.view(_Held)  # what the capsule keeps alive
        held.memory = self._memory
        capsule = held.__dlpack__(max_version=max_version)
        tensor = dlpack.described(capsule)
        tensor.device_type, tensor.device_id = self.__dlpack_device__()
        return capsule

    def __reduce__(self) -> tuple:
        return _cupy().array, (self.get(),)

    def __copy__(self) -> ndarray:
        return self.copy()

    def __deepcopy__(self, memo: dict) -> ndarray:
        return self.copy()

    # To the host, and back.

    def get(
        self, stream: Stream | None = None, order: str = "C", out: Any = None, blocking: bool = True
    ) -> numpy.ndarray:
        target = numpy.empty_like(self._array, order=order) if out is None else out
        stream = stream or current_stream()
        pinned = out is not None and is_pinned(out.ctypes.data, out.nbytes)
        if stream.is_capturing() and not (pinned and not blocking):
            raise not_while_capturing("ndarray.get")
        if blocking:
            refuse_if_forbidden("ndarray.get")
        counters.d2h += 1
        counters.pinned += pinned
        enqueue(lambda: numpy.copyto(target, self._array), [self._memory], [], stream)
        if blocking:
            wait_for(stream, "ndarray.get")
        return target

    def set(self, arr: numpy.ndarray, stream: Stream | None = None) -> None:
        if not isinstance(arr, numpy.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if self.dtype != arr.dtype:
            raise TypeError(f"{arr.dtype} array cannot be set to {self.dtype} array")
        if self.shape != arr.shape:
            raise ValueError(f"Shape mismatch. Old shape: {self.shape}, new shape: {arr.shape}")
        if not (self._array.flags.c_contiguous or self._array.flags.f_contiguous):
            raise RuntimeError("Cannot set to non-contiguous array")
        stream = stream or current_stream()
        pinned = is_pinned(arr.ctypes.data, arr.nbytes)
        if stream.is_capturing() and not pinned:
            raise not_while_capturing("ndarray.set from pageable memory")
        counters.h2d += 1
        counters.pinned += pinned
        enqueue(lambda: numpy.copyto(self._array, arr), [], [self._memory], stream)

    def item(self, *args: Any) -> Any:
        return self.get().item(*args)

    def tolist(self) -> Any:
        return self.get().tolist()

    def tobytes(self, order: str = "C") -> bytes:
        return self.get().tobytes(order)

    __bool__ = lambda self: bool(self.get())  # noqa: E731
    __int__ = lambda self: int(self.get())  # noqa: E731
    __float__ = lambda self: float(self.get())  # noqa: E731
    __complex__ = lambda self: complex(self.get())  # noqa: E731
    __index__ = lambda self: self.get().__index__()  # noqa: E731
    __repr__ = lambda self: repr(self.get())  # noqa: E731
    __str__ = lambda self: str(self.get())  # noqa: E731

    def __format__(self, spec: str) -> str:
        return format(self.get(), spec)

    def __len__(self) -> int:
        return len(self._array)

    def __iter__(self) -> Iterator[ndarray]:
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self._array)))

    # Parts of it.

    def _translated(self, index: Any) -> tuple[tuple, bool, list[Allocation]]:
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
                _count_upload("an index that lies in host memory")
                part = numpy.asarray(part, None if numpy.size(part) else numpy.intp)
            parts.append(part)
        if not any(part is Ellipsis for part in parts):
            parts.append(Ellipsis)  # an element is a 0-d array, not a scalar
        return tuple(parts), gathers, reads

    def __getitem__(self, index: Any) -> ndarray:
        parts, gathers, reads = self._translated(index)
        if not gathers:
            return view_of(self, self._array[parts])
        from .functions import run

        return run(lambda a: _gather(a, parts), [self], reads=reads, copies=True)

    def __setitem__(self, index: Any, value: Any) -> None:
        parts, gathers, reads = self._translated(index)
        source = self._source(value, gathers, reads)
        counters.operations += 1
        array = self._array
        if gathers:
            enqueue(lambda: _scatter(array, parts, source), reads, [self._memory])
            return
        target = array[parts]
        numpy.broadcast_to(source, target.shape)  # refuse now, also while capturing
        enqueue(lambda: _overwrite(target, source), reads, [self._memory])

    def _source(self, value: Any, gathers: bool, reads: list[Allocation]) -> Any:
        """What is to be written, for NumPy. An index array makes CuPy copy host values first."""
        if isinstance(value, ndarray):
            reads.append(value._memory)
            return value._array
        if not isinstance(value, (bool, int, float, complex, numpy.generic, numpy.ndarray, list)):
            raise TypeError(f"Unsupported type {type(value)}")
        if gathers:
            _count_upload("a host value written through an index array")
        elif numpy.ndim(value):
            raise TypeError(f"Unsupported type {type(value)}")
        with numpy.errstate(all="ignore"):
            return numpy.asarray(value).astype(self.dtype)

    def scatter_add(self, slices: Any, value: Any) -> None:
        self._scatter_op(slices, value, "add")

    def scatter_max(self, slices: Any, value: Any) -> None:
        self._scatter_op(slices, value, "max")

    def scatter_min(self, slices: Any, value: Any) -> None:
        self._scatter_op(slices, value, "min")

    def _scatter_op(self, index: Any, value: Any, kind: str) -> None:
        parts, _, reads = self._translated(index)
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
            _count_upload("host data scattered into a device array")
        at = {"add": numpy.add.at, "max": numpy.maximum.at, "min": numpy.minimum.at}[kind]
        counters.operations += 1
        array = self._array
        enqueue(lambda: _in_bounds(lambda: at(array, parts, value)), reads, [self._memory])

    # The rest arrives from functions.py.


SCATTER_TYPES = [
    numpy.dtype(t) for t in ("float16", "int32", "float32", "float64", "uint32", "uint64")
]


class _Held(numpy.ndarray):
    """An array that keeps its piece of device memory."""

    memory: Allocation


def _stream_of(number: int | None) -> Stream | None:
    """The stream of the array API's number for it; None and 1 are the legacy one, -1 none."""
    if number == -1:
        return None
    known = {s.ptr: s for s in list(_streams)}
    return Stream.null if number in (None, 1) else known[number]


def _count_upload(what: str) -> None:
    if current_stream().is_capturing():
        raise not_while_capturing(f"{what}: a copy from pageable memory")
    counters.h2d += 1


def _in_bounds(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except IndexError as error:
        if "out of bounds" not in str(error):
            raise
        raise EmulationError(f"an index array is {error}: CuPy would wrap it around") from None


def _gather(array: numpy.ndarray, parts: tuple) -> numpy.ndarray:
    return _in_bounds(lambda: array[parts])


def _overwrite(target: numpy.ndarray, source: Any) -> None:
    with numpy.errstate(all="ignore"):
        numpy.copyto(target, source, casting="unsafe")


def _scatter(array: numpy.ndarray, parts: tuple, source: Any) -> None:
    """array[parts] = source; where one place is written twice, the values must be the same."""
    with numpy.errstate(all="ignore"):
        source = numpy.asarray(source).astype(array.dtype)

        def write() -> None:
            array[parts] = source

        _in_bounds(write)
    written = array[parts]
    expected = numpy.broadcast_to(source, written.shape)
    if not ((written == expected) | ((written != written) & (expected != expected))).all():
        raise EmulationError(
            "a[index] = values with an index that stands twice: on a GPU either value may stay"
        )


# Making arrays.


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
