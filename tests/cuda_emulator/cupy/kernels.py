"""RawModule, RawKernel and the driver's launch, with checks that neither CuPy nor CUDA makes."""

from __future__ import annotations

import ctypes
import itertools
import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy

from .. import build
from ..settings import SHARED_MEMORY, counters, machine
from .array import BFLOAT16, ndarray
from .errors import CUDADriverError, EmulationError
from .memory import Allocation, MemoryPointer, allocation_at
from .streams import Stream, current_stream, enqueue

Size = tuple[int, int, int]


class RawModule:
    """Compiled on first use; each mode of the emulator ("check", "fast") on its own."""

    def __init__(
        self,
        *,
        code: str | None = None,
        path: str | None = None,
        options: tuple = (),
        backend: str = "nvrtc",
        translate_cucomplex: bool = False,
        enable_cooperative_groups: bool = False,
        name_expressions: Sequence[str] | None = None,
        jitify: Any = None,
    ):
        if code is None:
            raise NotImplementedError("stand-in: RawModule(path=) has no source to emulate")
        if not isinstance(options, tuple):
            raise TypeError("options must be a tuple")
        self.code, self.options, self.backend = code, options, backend
        self.name_expressions = tuple(name_expressions or ())
        named = re.search(r'^#line 1 "([^"]+)"', code)
        self._filename = named[1] if named else "raw_module.cu"
        self._built: dict[str, build.Module] = {}

    def _module(self) -> build.Module:
        mode = machine.mode
        if mode not in self._built:
            names = _with_neighbours(self._filename, self.name_expressions)
            self._built[mode] = _built(self.code, self._filename, self.options, names, mode)
        return self._built[mode]

    def compile(self, log_stream: Any = None) -> None:
        self._module()

    def get_function(self, name: str) -> RawKernel:
        kernels = self._module().kernels
        if name not in kernels:
            raise CUDADriverError(
                500, f"CUDA_ERROR_NOT_FOUND: named symbol not found ({name}; has {sorted(kernels)})"
            )
        return RawKernel._of(self, name)

    def get_global(self, name: str) -> Any:
        raise NotImplementedError("stand-in: RawModule.get_global")


@cache
def _built(*settings: Any) -> build.Module:
    return build.Module(*settings)


def _with_neighbours(file: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """With one of lucid's kernels all of its file for that dtype.

    lucid has them compiled one by one; g++ would read the headers anew for each, half a second.
    """
    from lucid.backend.cuda.kernel import Kernel

    kinds: dict[Any, set[str]] = {}
    for k in Kernel.known:
        if k.file == file:
            for dtype in k.dtypes:
                kinds.setdefault(dtype, set()).add(k.expression(dtype))
    together = [kind for kind in kinds.values() if kind.issuperset(names)]
    return tuple(sorted(together[0])) if names and together else names


class Function:
    """cupy.cuda.Function: the handle of a kernel, as the driver knows it."""

    _handles: dict[int, RawKernel] = {}
    _numbers = itertools.count(0x7000)

    def __init__(self, kernel: RawKernel):
        self.ptr = next(Function._numbers)
        Function._handles[self.ptr] = kernel


class RawKernel:
    def __init__(
        self,
        code: str,
        name: str,
        options: tuple = (),
        backend: str = "nvrtc",
        *,
        translate_cucomplex: bool = False,
        enable_cooperative_groups: bool = False,
        jitify: Any = None,
    ):
        module = RawModule(
            code=code, options=options, name_expressions=[name] if "<" in name else []
        )
        self._set(module, name)

    @classmethod
    def _of(cls, module: RawModule, name: str) -> RawKernel:
        self = object.__new__(cls)
        self._set(module, name)
        return self

    def _set(self, module: RawModule, name: str) -> None:
        self._module, self.name, self.__name__ = module, name, name
        self._function: Function | None = None
        self._max_shared = 49152
        self.last_statistics: dict[str, Any] = {}

    def compile(self, log_stream: Any = None) -> None:
        self._emulated()

    def _emulated(self) -> build.Kernel:
        return self._module._module().kernels[self.name]

    @property
    def kernel(self) -> Function:
        if self._function is None:
            self._emulated()
            self._function = Function(self)
        return self._function

    @property
    def max_dynamic_shared_size_bytes(self) -> int:
        return self._max_shared

    @max_dynamic_shared_size_bytes.setter
    def max_dynamic_shared_size_bytes(self, size: int) -> None:
        most = SHARED_MEMORY[machine.architecture]
        if size > most:
            raise CUDADriverError(
                1,
                f"CUDA_ERROR_INVALID_VALUE: sm_{machine.architecture} has {most} bytes; got {size}",
            )
        self._max_shared = size

    max_threads_per_block = property(lambda self: self._emulated().max_threads or 1024)
    num_regs = property(lambda self: 32)
    local_size_bytes = shared_size_bytes = const_size_bytes = property(lambda self: 0)

    def __call__(
        self,
        grid: tuple,
        block: tuple,
        args: Sequence[Any],
        *,
        shared_mem: int = 0,
        stream: Stream | None = None,
    ) -> None:
        if not isinstance(grid, tuple) or not isinstance(block, tuple):
            raise TypeError("grid and block must be tuples")
        # CuPy makes 1 of 0, so a kernel runs once even when there is nothing to do.
        launch = _Launch(self, _size(grid), _size(block), shared_mem)
        launch.check_limits()
        parameters = launch.kernel.parameters
        if len(args) != len(parameters):
            raise launch.refused(
                f"{len(args)} arguments given, the kernel has {len(parameters)} parameters"
                f" {parameters} (CuPy does not check this; the driver would read garbage)"
            )
        for i, (value, parameter) in enumerate(zip(args, parameters, strict=True)):
            launch.add(i, value, parameter)
        launch.run(stream)


def _size(given: tuple) -> Size:
    x, y, z = (tuple(max(1, int(n)) for n in given) + (1, 1))[:3]
    return x, y, z


def launch_kernel(
    function: int,
    grid_x: int, grid_y: int, grid_z: int,
    block_x: int, block_y: int, block_z: int,
    shared_mem: int, stream: int, params: int, extra: int,
) -> None:  # fmt: skip
    """cuLaunchKernel: ``params`` is the address of an array of addresses of the arguments.

    Types are unknown here; pointers must lie in live device memory, and be aligned.
    """
    kernel = Function._handles.get(function)
    if kernel is None:
        raise CUDADriverError(400, f"CUDA_ERROR_INVALID_HANDLE: {function:#x} is no kernel")
    grid, block = (grid_x, grid_y, grid_z), (block_x, block_y, block_z)
    launch = _Launch(kernel, grid, block, shared_mem)
    if min(*grid, *block) < 1:
        raise launch.refused("CUDA_ERROR_INVALID_VALUE: grid and block must be at least 1")
    launch.check_limits()
    parameters = launch.kernel.parameters
    addresses = (ctypes.c_void_p * len(parameters)).from_address(params) if parameters else ()
    for i, (address, parameter) in enumerate(zip(addresses, parameters, strict=True)):
        launch.add_bytes(i, address, parameter)
    launch.run(_stream_at(stream))


def _stream_at(pointer: int) -> Stream:
    from .streams import _streams

    for stream in list(_streams):
        if stream.ptr == pointer:
            return stream
    raise CUDADriverError(400, f"CUDA_ERROR_INVALID_HANDLE: {pointer:#x} is no stream")


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


class _Launch:
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
