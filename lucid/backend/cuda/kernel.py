"""Kernel: a __global__ function template in kernels/*.cu, compiled when first launched.

A kernel is declared once, with the signature it has in the .cu file:

    _affine = Kernel("dropout.cu", "bernoulli_affine", "const T* x, T* y, i64 n, double scale")
    _affine(grid, block, x.dtype, x, y, x.size, 2.0)

The launcher compares every argument with the signature before the GPU sees it: how many, array or
number, dtype, device, gaps in memory, range. A wrong one is a TypeError that names the kernel and
the argument; nothing is launched. In which order an array's dimensions lie is the caller's affair.
"""

from __future__ import annotations

import importlib
import struct
import sys
import threading
from collections.abc import Iterator
from functools import cache
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple

import ml_dtypes
import numpy

from lucid.backend.cuda import signature as signatures
from lucid.backend.cuda import source
from lucid.backend.cuda.availability import cupy
from lucid.backend.cuda.signature import NUMBERS, Arguments, Parameter

FLOATS = ("float32", "float64", "float16", "bfloat16")
_COMMON_SHARED = 48 << 10  # bytes of dynamic shared memory that need no permission
_SLOW = 1.0  # seconds of compiling after which a person is told what is going on


class Kernel:
    """One __global__ template; called like a function, with grid, block and T's dtype in front."""

    known: ClassVar[list[Kernel]] = []

    def __init__(self, file: str, entry: str, signature: str, dtypes: tuple[str, ...] = FLOATS):
        self.file, self.entry = file, entry
        self.dtypes = tuple(_named(name) for name in dtypes)
        self.parameters = signatures.parse(signature)
        self._arrays = [(i, p) for i, p in enumerate(self.parameters) if p.pointer]
        self._ready: dict[tuple[int, Any], _Ready] = {}
        self._spare: list[Arguments] = []
        Kernel.known.append(self)

    def __call__(self, grid: Any, block: Any, dtype: Any, *args: Any, shared: int = 0) -> None:
        """Launch on the current device and stream. grid and block: ints or triples."""
        if len(args) != len(self.parameters):
            wanted = ", ".join(p.name for p in self.parameters)
            raise TypeError(
                f"{self.entry}: expected {len(self.parameters)} arguments ({wanted});"
                f" got {len(args)}"
            )
        cuda = _binding()
        device = cuda.get_device()
        ready = self._ready.get((device, dtype)) or self._load(device, dtype)
        values = list(args)
        for i, wanted in ready.arrays:
            a = values[i]
            if a.__class__ is cuda.ndarray and a.dtype is wanted and cuda.is_contiguous(a):
                memory = a.data
                if memory.device_id == device:
                    values[i] = memory.ptr
                    continue
            values[i] = self._address(self.parameters[i], wanted, a, device)
        try:
            arguments = self._spare.pop()  # atomic: two threads never share one
        except IndexError:
            arguments = Arguments(self.parameters)
        try:
            if not NUMBERS.issuperset(map(type, values)):
                raise struct.error
            arguments.pack(arguments.memory, 0, *values)
        except (struct.error, OverflowError):
            self._refuse(args)
        if shared > _COMMON_SHARED:
            ready.function.max_dynamic_shared_size_bytes = shared
        gx, gy, gz = grid if grid.__class__ is tuple else (grid, 1, 1)
        bx, by, bz = block if block.__class__ is tuple else (block, 1, 1)
        stream = cuda.get_stream().ptr
        cuda.launch(ready.pointer, gx, gy, gz, bx, by, bz, shared, stream, arguments.address, 0)
        self._spare.append(arguments)  # the driver has copied them

    def _address(self, parameter: Parameter, wanted: Any, a: Any, device: int) -> int:
        """The address of an array that is not the usual case; a TypeError if it does not fit."""
        if a is None and parameter.nullable:
            return 0
        what = f"{self.entry}: {parameter.name}"
        if not isinstance(a, cupy().ndarray):
            raise TypeError(f"{what} must be a CuPy array; got {type(a).__name__}")
        if a.dtype != wanted:
            raise TypeError(f"{what} must be {wanted}; got {a.dtype}")
        if not signatures.lies_without_gaps(a):
            raise TypeError(
                f"{what} must lie in memory without gaps; got shape {a.shape}, strides {a.strides}"
            )
        if a.data.device_id != device:
            raise TypeError(
                f"{what} must be on the current device, cuda:{device}; got cuda:{a.data.device_id}"
            )
        return a.data.ptr

    def _refuse(self, args: tuple) -> None:
        """Say which of the numbers does not fit."""
        for parameter, value in zip(self.parameters, args, strict=True):
            fault = "" if parameter.pointer else parameter.fault(value)
            if fault:
                raise TypeError(f"{self.entry}: {parameter.name} {fault}")
        raise TypeError(f"{self.entry}: the arguments {args} don't fit")

    def _load(self, device: int, dtype: Any) -> _Ready:
        """The function, compiled now or read from the cache, and ready to be launched."""
        dtype = numpy.dtype(dtype)
        if dtype not in self.dtypes:
            raise TypeError(
                f"{self.entry}: there is a kernel for {', '.join(map(str, self.dtypes))};"
                f" got {dtype}"
            )
        with _compiling:
            same = [k for k in Kernel.known if k.file == self.file and dtype in k.dtypes]
            names = tuple(dict.fromkeys([k.expression(dtype) for k in [self, *same]]))
            module = _module(self.file, dtype, device, tuple(sorted(names)))
            function = module.get_function(self.expression(dtype))
            arrays = [(i, p.dtype(dtype)) for i, p in self._arrays]
            ready = self._ready[device, dtype] = _Ready(function.kernel.ptr, arrays, function)
        return ready

    def expression(self, dtype: Any) -> str:
        """``bernoulli_affine<float>``; a kernel without T has no template argument."""
        if not any(p.type == "T" for p in self.parameters):
            return self.entry
        return f"{self.entry}<{signatures.C_NAMES[dtype]}>"


class _Ready(NamedTuple):
    """A kernel for one device and dtype."""

    pointer: int
    arrays: list[tuple[int, Any]]  # the places of the pointers, and the dtypes there
    function: Any  # cupy.RawKernel: keeps the code on the device, and sets attributes


class _Binding(NamedTuple):
    """The few functions of CuPy that a launch takes, looked up once."""

    get_device: Any
    get_stream: Any
    launch: Any
    ndarray: Any
    is_contiguous: Any


@cache
def _binding() -> _Binding:
    module = cupy()
    driver = importlib.import_module("cupy_backends.cuda.api.driver")  # the cheapest way to launch
    return _Binding(
        module.cuda.runtime.getDevice,
        module.cuda.get_current_stream,
        driver.launchKernel,
        module.ndarray,
        contiguity(),
    )


@cache
def contiguity() -> Any:
    """a -> whether it is C-contiguous. ``a.flags.c_contiguous`` takes 0.5 us, the field 0.04."""
    if hasattr(cupy().ndarray, "_c_contiguous"):
        return attrgetter("_c_contiguous")
    return attrgetter("flags.c_contiguous")


@cache
def multiprocessors(device: int) -> int:
    """How many multiprocessors a device has: what a grid must fill."""
    return int(cupy().cuda.Device(device).attributes["MultiProcessorCount"])


_compiling = threading.RLock()


@cache
def _module(file: str, dtype: Any, device: int, names: tuple[str, ...]) -> Any:
    """All kernels of a file for one dtype, compiled together; says so when it takes a while."""
    module = cupy().RawModule(
        code=source.text(file), options=("-std=c++17",), name_expressions=names
    )
    notice = threading.Timer(_SLOW, _tell, (file, dtype))
    notice.daemon = True
    notice.start()
    try:
        module.get_function(names[0])
    finally:
        notice.cancel()
    return module


_told: list[str] = []


def _tell(file: str, dtype: Any) -> None:
    """Once per process, on stderr: results may go to stdout."""
    if not _told:
        _told.append(file)
        print(
            f"lucid: compiling CUDA kernels ({file} for {dtype} is taking a second or more), once"
            f" per kind of GPU; kept in {source.choose_cache()}. All at once: lucid info --compile",
            file=sys.stderr,
        )


def compile_all() -> Iterator[tuple[str, str]]:
    """Compile every kernel of lucid for the current device, yielding (file, dtype) after each."""
    importlib.import_module("lucid.backend.cuda.kernels")  # declares them
    device = _binding().get_device()
    for file in sorted({k.file for k in Kernel.known}):
        kinds = {d for k in Kernel.known if k.file == file for d in k.dtypes}
        for dtype in sorted(kinds, key=str):
            for k in Kernel.known:
                if k.file == file and dtype in k.dtypes:
                    k._load(device, dtype)
            yield file, str(dtype)


def _named(name: str) -> numpy.dtype:
    return numpy.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)
