"""Kernel: a __global__ function template in kernels/*.cu, compiled when first launched.

A kernel is declared once, with the signature it has in the .cu file:

    _affine = Kernel("dropout.cu", "bernoulli_affine", "const T* x, T* y, i64 n, double scale")
    _affine(grid, block, x.dtype, x, y, x.size, 2.0)

T is the launch's dtype, W the one that T computes in; ``T*?`` may be None, a null pointer.

The launcher compares every argument with the signature before the GPU sees it: how many, array or
number, dtype, device, gaps in memory, range. A wrong one is a TypeError that names the kernel and
the argument; nothing is launched. In which order an array's dimensions lie is the caller's affair.

Launches are many and short, so ``__call__`` reads each field of each array once, and takes for
granted that all is well; what then does not fit, or is new, goes the careful way.
"""

from __future__ import annotations

import importlib
import struct
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from time import perf_counter
from typing import Any, ClassVar

import ml_dtypes
import numpy

from lucid.backend.cuda import signature as signatures
from lucid.backend.cuda import source
from lucid.backend.cuda.availability import cupy
from lucid.backend.cuda.signature import NUMBERS, Arguments, Parameter, without_gaps

FLOATS = ("float32", "float64", "float16", "bfloat16")
_COMMON_SHARED = 48 << 10  # bytes of dynamic shared memory that need no permission
_SLOW = 1.0  # seconds of compiling, all in all, after which a person is told what is going on


class Kernel:
    """One __global__ template; called like a function, with grid, block and T's dtype in front."""

    known: ClassVar[list[Kernel]] = []

    def __init__(self, file: str, entry: str, signature: str, dtypes: tuple[str, ...] = FLOATS):
        self.file, self.entry = file, entry
        self.dtypes = tuple(_named(name) for name in dtypes)
        self.parameters = signatures.parse(signature)
        self._nullable = frozenset(i for i, p in enumerate(self.parameters) if p.nullable)
        self._ready: dict[Any, dict[int, _Ready]] = {}  # by dtype and device
        self._spare: list[Arguments] = []
        self._cuda: _Binding | None = None
        Kernel.known.append(self)

    def __call__(self, grid: Any, block: Any, dtype: Any, *args: Any, shared: int = 0) -> None:
        """Launch on the current device and stream. grid and block: ints or triples."""
        cuda = self._cuda or self._bind()
        device = cuda.get_device()
        values = [*args]
        try:
            ready = self._ready[dtype][device]
            for i, wanted in ready.arrays:
                a = values[i]
                if a is None and i in self._nullable:
                    values[i] = 0
                    continue
                memory = a.data
                if a.dtype is not wanted or memory.device_id != device:
                    raise _Unusual
                # CuPy's field takes 0.04 us, flags.c_contiguous 0.5.
                if not (a._c_contiguous or without_gaps(a.shape, a.strides, a.itemsize)):
                    raise _Unusual
                values[i] = memory.ptr
            if not NUMBERS.issuperset(map(type, values)):
                raise _Unusual
            arguments = self._spare.pop()  # atomic: two threads never share one
            arguments.pack(arguments.memory, 0, *values)
        except _UNUSUAL:
            ready, arguments = self._carefully(device, dtype, args)
        if shared > _COMMON_SHARED:
            ready.function.max_dynamic_shared_size_bytes = shared
        if grid.__class__ is tuple:
            gx, gy, gz = grid
        else:
            gx, gy, gz = grid, 1, 1
        if block.__class__ is tuple:
            bx, by, bz = block
        else:
            bx, by, bz = block, 1, 1
        stream = cuda.get_stream(device).ptr
        cuda.launch(ready.pointer, gx, gy, gz, bx, by, bz, shared, stream, arguments.address, 0)
        self._spare.append(arguments)  # the driver has copied them

    def _bind(self) -> _Binding:
        cuda = self._cuda = _binding()
        return cuda

    def _carefully(self, device: int, dtype: Any, args: tuple) -> tuple[_Ready, Arguments]:
        """All that a launch needs; a TypeError that names the first argument that does not fit."""
        if len(args) != len(self.parameters):
            wanted = ", ".join(p.name for p in self.parameters)
            raise TypeError(
                f"{self.entry}: expected {len(self.parameters)} arguments ({wanted});"
                f" got {len(args)}"
            )
        ready = self._load(device, numpy.dtype(dtype))
        values = list(args)
        for i, wanted in ready.arrays:
            values[i] = self._address(self.parameters[i], wanted, args[i], device)
        for parameter, value in zip(self.parameters, values, strict=True):
            fault = "" if parameter.pointer else parameter.fault(value)
            if fault:
                raise TypeError(f"{self.entry}: {parameter.name} {fault}")
        arguments = Arguments(self.parameters)
        arguments.pack(arguments.memory, 0, *values)
        return ready, arguments

    def _address(self, parameter: Parameter, wanted: Any, a: Any, device: int) -> int:
        """The address of an array; a TypeError if it does not fit."""
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
        return int(a.data.ptr)

    def _load(self, device: int, dtype: Any) -> _Ready:
        """The function, compiled now or read from the cache, and ready to be launched."""
        known = self._ready.get(dtype, {}).get(device)
        if known is not None:
            return known
        if dtype not in self.dtypes:
            raise TypeError(
                f"{self.entry}: there is a kernel for {', '.join(map(str, self.dtypes))};"
                f" got {dtype}"
            )
        with _compiling:
            function = _function(self.file, dtype, device, self.expression(dtype))
            arrays = [(i, p.dtype(dtype)) for i, p in enumerate(self.parameters) if p.pointer]
            ready = _Ready(function.kernel.ptr, arrays, function)
            self._ready.setdefault(dtype, {})[device] = ready
        return ready

    def expression(self, dtype: Any) -> str:
        """``bernoulli_affine<float>``; a kernel without T has no template argument."""
        if not any(p.type in ("T", "W") for p in self.parameters):
            return self.entry
        return f"{self.entry}<{signatures.C_NAMES[dtype]}>"


@dataclass(slots=True)  # read faster than a tuple's fields
class _Ready:
    """A kernel for one device and dtype."""

    pointer: int
    arrays: list[tuple[int, Any]]  # the places of the pointers, and the dtypes there
    function: Any  # cupy.RawKernel: keeps the code on the device, and sets attributes


class _Unusual(Exception):
    """What a launch was given is not what nearly all are given."""


# What comes of fields that are not there, of the first launch, and of numbers out of range.
_UNUSUAL = (_Unusual, KeyError, IndexError, AttributeError, struct.error, OverflowError)


@dataclass(slots=True)
class _Binding:
    """The few functions of CuPy that a launch takes, looked up once."""

    get_device: Any
    get_stream: Any
    launch: Any


@cache
def _binding() -> _Binding:
    module = cupy()
    driver = importlib.import_module("cupy_backends.cuda.api.driver")  # the cheapest way to launch
    return _Binding(
        module.cuda.runtime.getDevice, module.cuda.get_current_stream, driver.launchKernel
    )


@cache
def multiprocessors(device: int) -> int:
    """How many multiprocessors a device has: what a grid must fill."""
    return int(cupy().cuda.Device(device).attributes["MultiProcessorCount"])


_compiling = threading.RLock()


@cache
def _function(file: str, dtype: Any, device: int, expression: str) -> Any:
    """One kernel of a file for one dtype, compiled by itself; says so when that takes a while.

    The others of the file are templates that nobody asked for: nearly all of the time that it takes
    to compile a file is theirs.
    """
    module = cupy().RawModule(
        code=source.text(file), options=("-std=c++17",), name_expressions=(expression,)
    )
    notice = threading.Timer(max(0.0, _SLOW - _waited[0]), _tell, (file, dtype))
    notice.daemon = True
    notice.start()
    begin = perf_counter()
    try:
        return module.get_function(expression)
    finally:
        notice.cancel()
        _waited[0] += perf_counter() - begin


_waited = [0.0]  # seconds, for all kernels so far
_told: list[str] = []


def _tell(file: str, dtype: Any) -> None:
    """Once per process, on stderr: results may go to stdout."""
    if not _told:
        _told.append(file)
        print(
            f"lucid: compiling CUDA kernels ({file} for {dtype} just now), each once per kind of"
            f" GPU; kept in {source.choose_cache()}. All at once: lucid info --compile",
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
