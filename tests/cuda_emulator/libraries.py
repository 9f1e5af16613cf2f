"""Stand-ins for cuBLAS and cuDNN, at lucid's own thin interface (cublas.Library, cudnn.Library).

Nothing below that interface is imitated: a stand-in computes in NumPy what the library would, on
the emulated device's memory, in stream order, recorded during a capture. It checks what the library
would check, and what it would only suffer: pointers and how far they reach, leading dimensions,
alignment, the stream, the workspace.
"""

from __future__ import annotations

from typing import Any

import numpy

from lucid.backend.cuda import cublas
from lucid.backend.cuda.cudnn import frontend

from .build import EmulationError
from .cudnn_library import Cudnn as Cudnn
from .cupy.allocation import allocation_at
from .cupy.streams import current_device, current_stream, enqueue, not_while_capturing
from .placed import HALVES, placed
from .settings import counters

_NUMPY = {kind: dtype for dtype, (kind, _) in cublas.KINDS.items()}


def install() -> None:
    """Put both in place of the libraries."""
    if not cublas._stand_in:
        cublas._stand_in.append(Cublas())
        frontend._stand_in.append(Cudnn())


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
            wide = numpy.float32 if dtype in HALVES else dtype
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
    return placed(f"cublasGemm {what}", address, (batch, rows, columns), strides, dtype)
