"""RawModule, RawKernel and the driver's launch, with checks that neither CuPy nor CUDA makes."""

from __future__ import annotations

import ctypes
import itertools
import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from .. import build
from ..settings import SHARED_MEMORY, machine
from .errors import CUDADriverError
from .launch import Launch, Size
from .streams import Stream


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
        launch = Launch(self, _size(grid), _size(block), shared_mem)
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
    launch = Launch(kernel, grid, block, shared_mem)
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
