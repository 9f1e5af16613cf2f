"""Stand-ins for cuBLAS and cuDNN, at lucid's own thin interface (cublas.Library, cudnn.Library).

Nothing below that interface is imitated: a stand-in computes in NumPy what the library would, on
the emulated device's memory, in stream order, recorded during a capture. It checks what the library
would check, and what it would only suffer: pointers and how far they reach, leading dimensions,
alignment, the stream, the workspace.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy

from lucid.backend.cpu import convolution
from lucid.backend.cuda import cublas, cudnn

from .build import EmulationError
from .cupy.memory import allocation_at, arena
from .cupy.streams import current_device, current_stream, enqueue, not_while_capturing
from .settings import counters

_NUMPY = {kind: dtype for dtype, (kind, _) in cublas.KINDS.items()}
_HALVES = (numpy.dtype("float16"), numpy.dtype(ml_dtypes.bfloat16))


def install() -> None:
    """Put both in place of the libraries."""
    if not cublas._stand_in:
        cublas._stand_in.append(Cublas())
        cudnn._stand_in.append(Cudnn())


def _placed(what: str, address: int, shape: Any, strides: Any, dtype: Any) -> tuple[Any, Any]:
    """NumPy's view of device memory, and the memory; strides count elements."""
    dtype = numpy.dtype(dtype)
    memory = allocation_at(address)
    if memory is None:
        raise EmulationError(f"{what}: {address:#x} is not device memory")
    if memory.device_id != current_device():
        raise EmulationError(f"{what}: memory of device {memory.device_id} on another device")
    if address % dtype.itemsize:
        raise EmulationError(f"{what}: {address:#x} is not aligned to its {dtype.itemsize} bytes")
    reach = 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    if min(strides, default=0) < 0 or address + reach * dtype.itemsize > memory.ptr + memory.size:
        raise EmulationError(f"{what}: shape {shape}, strides {strides} reach past its memory")
    start, data = arena()
    in_bytes = [s * dtype.itemsize for s in strides]
    return numpy.ndarray(shape, dtype, data, address - start, in_bytes), memory


class Cublas:
    """Handles belong to a stream and its workspace."""

    def __init__(self) -> None:
        self.handles: dict[int, tuple[int, int]] = {}  # handle: (stream, device)
        self.products: list[Any] = []  # what was asked for, for tests to look at

    def create(self, stream: int, workspace: int, size: int) -> int:
        if current_stream().is_capturing():
            raise not_while_capturing("cublasCreate")
        memory = allocation_at(workspace)
        if memory is None or workspace % 256 or workspace + size > memory.ptr + memory.size:
            raise EmulationError("cublasSetWorkspace: not 256-byte aligned device memory")
        handle = 0xB1A5 + len(self.handles)
        self.handles[handle] = stream, current_device()
        return handle

    def version(self) -> int:
        return 130000

    def multiply(self, handle: int, p: Any) -> None:
        stream = current_stream()
        if self.handles.get(handle) != (stream.ptr, current_device()):
            raise EmulationError("cublasGemm: the handle is for another stream or device")
        rows_a, columns_a = (p.k, p.m) if p.transpose_a else (p.m, p.k)
        rows_b, columns_b = (p.n, p.k) if p.transpose_b else (p.k, p.n)
        for name, ld, rows in (("a", p.lda, rows_a), ("b", p.ldb, rows_b), ("c", p.ldc, p.m)):
            if ld < max(1, rows):
                raise EmulationError(f"cublasGemm: ld{name} is {ld}, must be at least {rows}")
        if p.compute not in {0: (68, 77), 1: (70,), 2: (68,), 14: (68,)}[p.kind]:
            raise EmulationError(f"cublasGemm: compute type {p.compute} for type {p.kind}")
        if min(p.m, p.n, p.k, p.batch) < 1:
            raise EmulationError(f"cublasGemm: nothing to do in {p}")
        if p.batch > 1 and p.step_c < p.ldc * (p.n - 1) + p.m:
            raise EmulationError("cublasGemm: the results overlap")
        dtype = _NUMPY[p.kind]
        a, memory_a = _matrices("a", p.a, rows_a, columns_a, p.lda, p.step_a, p.batch, dtype)
        b, memory_b = _matrices("b", p.b, rows_b, columns_b, p.ldb, p.step_b, p.batch, dtype)
        c, memory_c = _matrices("c", p.c, p.m, p.n, p.ldc, p.step_c, p.batch, dtype)
        self.products.append(p)
        counters.launches += 1

        def work() -> None:
            wide = numpy.float32 if dtype in _HALVES else dtype
            left = (a.swapaxes(1, 2) if p.transpose_a else a).astype(wide)
            right = (b.swapaxes(1, 2) if p.transpose_b else b).astype(wide)
            with numpy.errstate(all="ignore"):
                result = numpy.matmul(left, right)
                if p.beta:
                    result = result + c.astype(wide)
                c[...] = result.astype(dtype)

        reads = [memory_a, memory_b] + ([memory_c] if p.beta else [])
        enqueue(work, reads, [memory_c], stream)


def _matrices(
    what: str, address: int, rows: int, columns: int, ld: int, step: int, batch: int, dtype: Any
) -> tuple[Any, Any]:
    """A batch of column-major matrices."""
    strides = (step, 1, ld)
    return _placed(f"cublasGemm {what}", address, (batch, rows, columns), strides, dtype)


class Cudnn:
    """Plans; each asks for a workspace, so that what passes none is found out."""

    workspace = 1 << 12

    def __init__(self) -> None:
        self.built: list[Any] = []  # problems, for tests to look at

    def version(self) -> int:
        return 91900

    def build(self, problem: Any, benchmark: bool) -> tuple[Any, int]:
        if current_stream().is_capturing():
            raise not_while_capturing("building a cuDNN plan")
        for name in ("x", "w", "y"):
            _check_dense(name, getattr(problem, name))
        if min(problem.padding) < 0 or min(problem.stride) < 1 or min(problem.dilation) < 1:
            raise RuntimeError("cudnn: CUDNN_STATUS_BAD_PARAM")
        (batch, channels, *extent), (out, per_group, *kernel) = problem.x.shape, problem.w.shape
        sides = zip(extent, kernel, problem.padding, problem.stride, problem.dilation, strict=True)
        size = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, p, s, d in sides)
        groups = channels // per_group
        if problem.y.shape != (batch, out, *size) or channels % per_group or out % groups:
            raise RuntimeError(f"cudnn: CUDNN_STATUS_BAD_PARAM, the output must be {size}")
        self.built.append(problem)
        return problem, self.workspace

    def execute(self, built: Any, pointers: dict[int, int], workspace: int) -> None:
        scratch = allocation_at(workspace)
        if scratch is None or workspace + self.workspace > scratch.ptr + scratch.size:
            raise EmulationError("cudnnExecute: the workspace is not device memory of its size")
        layouts = {1: ("x", built.x), 2: ("w", built.w), 3: ("y", built.y)}
        placed = {
            uid: _placed(f"cudnnExecute {name}", pointers[uid], *layout, built.dtype)
            for uid, (name, layout) in layouts.items()
        }
        answer = {"forward": 3, "input_gradient": 1, "weight_gradient": 2}[built.kind]
        target, memory = placed.pop(answer)
        reads = [m for _, m in placed.values()]
        for array, _ in placed.values():
            if numpy.may_share_memory(array, target):
                raise EmulationError("cudnnExecute: the result overlaps an input")
        counters.launches += 1
        pairs = tuple((p, p) for p in built.padding)
        meeting = built.stride, pairs, built.dilation, built.x.shape[1] // built.w.shape[1]

        def work() -> None:
            arrays = [a for _, (a, _) in sorted(placed.items())]
            if answer == 3:
                result = convolution.convolve(*arrays, *meeting)
            elif answer == 1:
                w, dy = arrays
                result = convolution.input_gradient(dy, w, target.shape, *meeting)
            else:
                result = convolution.weight_gradient(*arrays, target.shape, *meeting)
            target[...] = result

        enqueue(work, [*reads, scratch], [memory, scratch], current_stream())


def _check_dense(name: str, layout: Any) -> None:
    step = 1
    for stride, n in sorted(zip(layout.strides, layout.shape, strict=True)):
        if n > 1 and stride != step:
            raise RuntimeError(f"cudnn: CUDNN_STATUS_NOT_SUPPORTED, {name} has gaps: {layout}")
        step *= n
