"""One launch of a kernel, checked where neither CuPy nor CUDA does, and packed."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import numpy

from .. import build
from ..settings import counters, machine
from .allocation import Allocation, allocation_at
from .array import BFLOAT16, ndarray
from .errors import EmulationError
from .memory import MemoryPointer
from .streams import Stream, current_stream, enqueue

if TYPE_CHECKING:
    from .kernels import RawKernel

Size = tuple[int, int, int]

_NUMBERS = {
    "f4": ctypes.c_float, "f8": ctypes.c_double, "b1": ctypes.c_bool,
    "i1": ctypes.c_int8, "i2": ctypes.c_int16, "i4": ctypes.c_int32, "i8": ctypes.c_int64,
    "u1": ctypes.c_uint8, "u2": ctypes.c_uint16, "u4": ctypes.c_uint32, "u8": ctypes.c_uint64,
}  # fmt: skip


def _code(dtype: numpy.dtype) -> str:
    """A dtype as registration.h writes it."""
    if dtype.name == BFLOAT16:
        return "E2"
    if dtype == numpy.float16:
        return "e2"
    return f"{dtype.kind}{dtype.itemsize}"


def _pointee(parameter: str) -> str:
    """What a pointer points to; another pointer is a uint64 there."""
    inner = parameter[1:].removeprefix("c")
    return "u8" if inner[0] == "P" else inner


class Launch:
    """A launch that is being checked and packed."""

    def __init__(self, kernel: RawKernel, grid: Size, block: Size, shared: int):
        self.raw, self.kernel = kernel, kernel._emulated()
        self.grid, self.block, self.shared = grid, block, int(shared)
        self.packed: list[Any] = []
        self.reads: list[Allocation] = []
        self.writes: list[Allocation] = []

    def refused(self, why: str, index: int | None = None) -> EmulationError:
        where = f"{self.kernel.name}<<<{self.grid}, {self.block}, {self.shared}>>>"
        which = ""
        if index is not None:
            which = f" argument {index} ({self.kernel.parameters[index]}):"
        return EmulationError(f"{where}:{which} {why}")

    def check_limits(self) -> None:
        (gx, gy, gz), (bx, by, bz) = self.grid, self.block
        threads = bx * by * bz
        if gx > 2**31 - 1 or gy > 65535 or gz > 65535:
            raise self.refused("CUDA_ERROR_INVALID_VALUE: grid exceeds (2^31-1, 65535, 65535)")
        if bx > 1024 or by > 1024 or bz > 64 or threads > 1024:
            raise self.refused("CUDA_ERROR_INVALID_VALUE: block exceeds 1024 threads")
        if self.kernel.max_threads and threads > self.kernel.max_threads:
            raise self.refused(
                "CUDA_ERROR_INVALID_VALUE: block exceeds"
                f" __launch_bounds__({self.kernel.max_threads})"
            )
        if self.shared > self.raw.max_dynamic_shared_size_bytes:
            raise self.refused(
                "CUDA_ERROR_INVALID_VALUE: dynamic shared memory above"
                f" max_dynamic_shared_size_bytes={self.raw.max_dynamic_shared_size_bytes}"
            )

    # Arguments as CuPy takes them.

    def add(self, i: int, value: Any, parameter: str) -> None:
        if isinstance(value, (ndarray, MemoryPointer)) or value is None:
            if parameter[0] != "P":
                raise self.refused(f"{type(value).__name__} passed for a value", i)
            self._add_pointer(i, value, parameter)
        elif parameter[0] == "P":
            kind = "host array" if isinstance(value, numpy.ndarray) else type(value).__name__
            raise self.refused(f"{kind} passed for a pointer", i)
        else:
            self.packed.append(self._number(i, value, parameter))

    def _add_pointer(self, i: int, value: Any, parameter: str) -> None:
        if value is None:
            self.packed.append(ctypes.c_void_p(0))
            return
        address = value.ptr if isinstance(value, MemoryPointer) else value.data.ptr
        if isinstance(value, ndarray):
            self._check_array(i, value, parameter)
        self._point(i, address, parameter)

    def _check_array(self, i: int, array: ndarray, parameter: str) -> None:
        wanted, given = _pointee(parameter).partition("x")[0], _code(array.dtype)
        alike = (
            wanted[0] in "vs" or given == wanted or (given, wanted) in (("b1", "u1"), ("b1", "i1"))
        )
        if not alike and not {given, wanted} <= {"i8", "u8"}:
            raise self.refused(f"array of dtype {array.dtype} passed for this pointer", i)
        if array.size and not (array.flags.c_contiguous or array.flags.f_contiguous):
            dense = sorted(zip(array.strides, array.shape, strict=True))
            step = array.itemsize
            for stride, n in dense:
                if n > 1 and stride != step:
                    raise self.refused(f"array has gaps or overlaps (strides {array.strides})", i)
                step *= n

    def _point(self, i: int, address: int, parameter: str) -> None:
        """A device address: live, aligned; its memory is read, and written unless const."""
        memory = allocation_at(address)
        if memory is None:
            raise self.refused(f"{address:#x} is not live device memory", i)
        kind, _, lanes = _pointee(parameter).partition("x")
        unit = int(kind[1:] or 0) * int(lanes or 1) if kind[0] != "v" else int(lanes or 1)
        if unit in (2, 4, 8, 16) and address % unit:
            raise self.refused(f"pointer {address:#x} is not {unit}-byte aligned", i)
        (self.reads if parameter.startswith("Pc") else self.writes).append(memory)
        self.packed.append(ctypes.c_void_p(address))

    def _number(self, i: int, value: Any, parameter: str) -> Any:
        """CuPy passes Python's int and float as 8 bytes, NumPy's scalars as they are."""
        if isinstance(value, numpy.ndarray):
            if value.size != 1:
                raise TypeError(
                    f"You are trying to pass a numpy.ndarray of shape {value.shape} as a kernel"
                    " parameter. Only numpy.ndarrays of size one can be passed by value."
                )
            if parameter[0] == "s" and value.nbytes == int(parameter[1:]):
                return _bytes(value)
            value = value.reshape(())[()]
        if isinstance(value, numpy.generic):
            given = _code(value.dtype)
            integers = {given[0], parameter[0]} <= {"i", "u"}
            if given[1:] != parameter[1:] or (given[0] != parameter[0] and not integers):
                raise self.refused(f"numpy.{value.dtype} passed", i)
            return _bytes(value)
        if type(value) is bool and parameter == "b1":
            return ctypes.c_bool(value)
        if type(value) is float and parameter == "f8":
            return ctypes.c_double(value)
        if type(value) is int and parameter[0] in "iu":
            number = _NUMBERS[parameter](value)
            if number.value != value:
                raise self.refused(f"{value} does not fit", i)
            return number
        hint = " Hint: numpy.float32(x)" if type(value) is float else ""
        raise self.refused(f"Python {type(value).__name__} passed.{hint}", i)

    # Arguments as the driver takes them.

    def add_bytes(self, i: int, address: int | None, parameter: str) -> None:
        if not address:
            raise self.refused("the parameter array has a null entry", i)
        if parameter[0] == "P":
            pointed = ctypes.c_void_p.from_address(address).value
            if pointed:
                self._point(i, pointed, parameter)
            else:
                self.packed.append(ctypes.c_void_p(0))
            return
        kind, _, lanes = parameter.partition("x")
        size = int(kind[1:]) * int(lanes or 1) if kind[0] != "v" else int(lanes)
        self.packed.append((ctypes.c_char * size).from_buffer_copy(ctypes.string_at(address, size)))

    def _ranges(self) -> list[build.Range] | None:
        """The memory that the arguments point to; None if a table or struct may hold more."""
        if any(p[0] == "s" or p.startswith(("PP", "PcP")) for p in self.kernel.parameters):
            return None
        writes = {id(m) for m in self.writes}
        return [
            build.Range(m.ptr, m.ptr + max(m.size, 1), id(m) in writes)
            for m in (*self.reads, *self.writes)
        ]

    def run(self, stream: Stream | None) -> None:
        counters.launches += 1
        ranges = self._ranges()

        def work() -> None:
            self.raw.last_statistics = self.kernel.launch(
                self.grid, self.block, self.packed, self.shared, machine.schedule, ranges
            )

        enqueue(work, self.reads, self.writes, stream or current_stream())


def _bytes(value: Any) -> Any:
    # A buffer of its own: ctypes keeps what NumPy's scalar would lose.
    return (ctypes.c_char * value.nbytes).from_buffer_copy(value.tobytes())
