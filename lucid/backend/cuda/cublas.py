"""Matrix products by cuBLAS, through ctypes: all float types, transposes and batches as they lie.

    matmul(a, b, start=None, out=None)     a @ b, or a @ b + start rounded once

CuPy's own route widens halves of more than two dimensions, refuses bfloat16 there, copies what is
transposed, and can't be captured in a graph. Here each stream has a handle and a workspace of its
own; once they exist (after one product on the stream) nothing waits, and only the result is new.
Without libcublas, or for integers, CuPy does it.
"""

from __future__ import annotations

import ctypes
import threading
from functools import cache
from typing import Any, NamedTuple

import ml_dtypes
import numpy

from lucid.backend import capture
from lucid.backend.cuda import libraries, memory, options
from lucid.backend.cuda.availability import cupy

__all__ = ["matmul", "version", "why_unavailable"]

_HALVES = (numpy.dtype("float16"), numpy.dtype(ml_dtypes.bfloat16))
# cudaDataType_t of the elements and cublasComputeType_t of the sums.
KINDS = {
    numpy.dtype("float32"): (0, 68),
    numpy.dtype("float64"): (1, 70),
    numpy.dtype("float16"): (2, 68),
    numpy.dtype(ml_dtypes.bfloat16): (14, 68),
}
TF32 = 77
_FULL_SUMS = 16  # cublasMath_t: halves are summed in float32 also where a product is split
WORKSPACE = 32 << 20  # what cuBLAS asks for on Hopper; without one it allocates while capturing
_LOOPS = 16  # calls that broadcasting may cost before a copy is cheaper

_ONES = {68: ctypes.c_float(1), 70: ctypes.c_double(1), TF32: ctypes.c_float(1)}
_ZEROS = {68: ctypes.c_float(0), 70: ctypes.c_double(0), TF32: ctypes.c_float(0)}


class Product(NamedTuple):
    """The arguments of cublasGemmStridedBatchedEx_64: column-major c = op(a) op(b) + beta c."""

    transpose_a: int
    transpose_b: int
    m: int
    n: int
    k: int
    a: int
    lda: int
    step_a: int
    b: int
    ldb: int
    step_b: int
    beta: int
    c: int
    ldc: int
    step_c: int
    batch: int
    kind: int
    compute: int


class Library:
    """libcublas. Tests put an object with these three methods in its place."""

    def __init__(self) -> None:
        runtime = cupy().cuda.runtime.runtimeGetVersion() // 1000
        self._dll, self.path = libraries.load("cublas", (runtime,), before=("cublasLt",))
        p, i, n = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
        self._gemm = self._dll.cublasGemmStridedBatchedEx_64
        operand: list[Any] = [p, i, n, n]
        self._gemm.argtypes = [p, i, i, n, n, n, p, *operand, *operand, p, *operand, n, i, i]
        self._dll.cublasSetStream_v2.argtypes = [p, p]
        self._dll.cublasSetWorkspace_v2.argtypes = [p, p, ctypes.c_size_t]
        self._dll.cublasSetMathMode.argtypes = [p, i]
        self._dll.cublasGetProperty.argtypes = [i, p]

    def create(self, stream: int, workspace: int, size: int) -> int:
        """A handle for the stream, on the current device. The workspace comes after the stream."""
        handle = ctypes.c_void_p()
        self._check(self._dll.cublasCreate_v2(ctypes.byref(handle)), "cublasCreate")
        self._check(self._dll.cublasSetStream_v2(handle, stream), "cublasSetStream")
        self._check(self._dll.cublasSetWorkspace_v2(handle, workspace, size), "cublasSetWorkspace")
        self._check(self._dll.cublasSetMathMode(handle, _FULL_SUMS), "cublasSetMathMode")
        return handle.value or 0

    def multiply(self, handle: int, p: Product) -> None:
        one = _ONES[p.compute]
        status = self._gemm(
            handle, p.transpose_a, p.transpose_b, p.m, p.n, p.k, ctypes.addressof(one),
            p.a, p.kind, p.lda, p.step_a, p.b, p.kind, p.ldb, p.step_b,
            ctypes.addressof(one if p.beta else _ZEROS[p.compute]),
            p.c, p.kind, p.ldc, p.step_c, p.batch, p.compute, -1,
        )  # fmt: skip
        if status:
            self._check(status, f"cublasGemmStridedBatchedEx with {p}")

    def version(self) -> int:
        parts = [ctypes.c_int() for _ in range(3)]
        for which, part in enumerate(parts):
            self._check(self._dll.cublasGetProperty(which, ctypes.byref(part)), "cublasGetProperty")
        major, minor, patch = (part.value for part in parts)
        return major * 10000 + minor * 100 + patch

    def _check(self, status: int, call: str) -> None:
        if status:
            name = _STATUS.get(status, "an error")
            raise RuntimeError(f"matmul: {call} answered {name} ({status}). Library: {self.path}")


_STATUS = {
    1: "not initialized",
    3: "allocation failed",
    7: "invalid value",
    8: "architecture mismatch",
    13: "execution failed",
    14: "internal error",
    15: "not supported",
}


@cache
def _find() -> tuple[Any, str]:
    try:
        return Library(), ""
    except (OSError, AttributeError) as error:
        return None, f"{error}. Hint: pip install 'lucid-cupy[cuda13]' (or [cuda12])"


_stand_in: list[Any] = []  # tests: what takes libcublas' place


def library() -> Any:
    """The library in use, or None."""
    return _stand_in[-1] if _stand_in else _find()[0]


def why_unavailable() -> str:
    """Empty if cuBLAS can be used; else why CuPy's matmul takes its place."""
    return "" if _stand_in else _find()[1]


def version() -> int | None:
    """cuBLAS' version as one number, e.g. 130101; None without it."""
    found = library()
    return None if found is None else found.version()


# A handle and its workspace per stream, as long as the process lives: cuBLAS would free them while
# the driver is shutting down.
_handles: dict[tuple[Any, int, int], tuple[int, Any]] = {}
_lock = threading.Lock()  # a handle serves one thread at a time


def _handle(owner: Any, device: int) -> int:
    cuda = cupy().cuda
    stream = cuda.get_current_stream().ptr
    known = _handles.get((owner, device, stream))
    if known is None:
        capture.refuse(
            "matmul: cuBLAS has no handle for this stream, and none can be made",
            "run the step once before, on the same stream",
        )
        with memory.ordinary():  # it outlives every graph
            workspace = cuda.alloc(WORKSPACE)
        known = owner.create(stream, workspace.ptr, WORKSPACE), workspace
        _handles[owner, device, stream] = known
    return known[0]


def prepare() -> None:
    """Make the current stream's handle, which a capture could not, if any stream has one."""
    if _handles:
        with _lock:
            _handle(library(), cupy().cuda.runtime.getDevice())


# Products.


def matmul(a: Any, b: Any, start: Any = None, out: Any = None) -> Any:
    """a @ b (+ start, which broadcasts), in ``out`` if given. Sums of halves are float32."""
    owner = library()
    kind = KINDS.get(a.dtype)
    if owner is None or kind is None or b.dtype != a.dtype or a.ndim < 2 or b.ndim < 2:
        return _by_cupy(a, b, start, out)
    m, k = a.shape[-2:]
    n = b.shape[-1]
    if b.shape[-2] != k:
        raise ValueError(f"matmul: could not be broadcast together: {a.shape} and {b.shape}")
    batch = numpy.broadcast_shapes(a.shape[:-2], b.shape[:-2]) if a.ndim > 2 or b.ndim > 2 else ()
    shape = (*batch, m, n)
    xp = cupy()
    fits = (
        out is not None and out.shape == shape and out.dtype == a.dtype and out.flags.c_contiguous
    )
    c = out if fits else xp.empty(shape, a.dtype)
    if start is not None:
        c[...] = start
    if c.size and k == 0:
        if start is None:
            c.fill(0)
    elif c.size:
        if b.ndim == 2 and batch and a.flags.c_contiguous:
            _multiply(owner, a.reshape(-1, k), b, c.reshape(-1, n), (), kind, start is not None)
        else:
            _multiply(owner, a, b, c, batch, kind, start is not None)
    if out is None or fits:
        return c
    out[...] = c
    return out


def _by_cupy(a: Any, b: Any, start: Any, out: Any) -> Any:
    xp, dtype = cupy(), a.dtype
    if dtype in _HALVES and b.dtype == dtype:
        a, b = a.astype(numpy.float32), b.astype(numpy.float32)
    y = xp.matmul(a, b)
    if start is not None:
        y += start
    if out is None:
        return y.astype(dtype, copy=False) if dtype in _HALVES else y
    out[...] = y
    return out


def _multiply(
    owner: Any, a: Any, b: Any, c: Any, batch: tuple, kind: tuple[int, int], add: bool
) -> None:
    element, compute = kind
    if compute == 68 and element == 0 and options.matmul.allow_tf32:
        compute = TF32
    a, lda, turned_a = _as_it_lies(a)
    b, ldb, turned_b = _as_it_lies(b)
    m, k, n, size = a.shape[-2], a.shape[-1], b.shape[-1], a.itemsize
    steps = [_steps(x, batch) for x in (a, b, c)]
    inner = _folded(batch, steps)
    outer = 1
    for length in batch[:inner]:
        outer *= length
    if outer > _LOOPS:
        xp = cupy()
        a = xp.ascontiguousarray(xp.broadcast_to(a, (*batch, m, k)))
        b = xp.ascontiguousarray(xp.broadcast_to(b, (*batch, k, n)))
        return _multiply(owner, a, b, c, batch, kind, add)
    count = 1
    for length in batch[inner:]:
        count *= length
    long = [d for d in range(inner, len(batch)) if batch[d] > 1]
    sa, sb, sc = [s[long[-1]] // size for s in steps] if long else (0, 0, 0)
    pa, pb, pc = a.data.ptr, b.data.ptr, c.data.ptr
    # Row-major c = a b is column-major c' = b' a': the operands change places.
    with _lock:
        handle = _handle(owner, a.data.device_id)
        for at in numpy.ndindex(batch[:inner]):
            oa, ob, oc = (sum(i * s[d] for d, i in enumerate(at)) for s in steps)
            product = Product(
                turned_b, turned_a, n, m, k, pb + ob, ldb, sb, pa + oa, lda, sa,
                int(add), pc + oc, n, sc, count, element, compute,
            )  # fmt: skip
            owner.multiply(handle, product)
    return None


def _as_it_lies(x: Any) -> tuple[Any, int, int]:
    """x, or a copy if its matrices have gaps along both dimensions; leading dimension; turned?"""
    (rows, columns), size = x.shape[-2:], x.itemsize
    row, column = x.strides[-2] // size, x.strides[-1] // size
    if min(x.strides) >= 0:
        if (column == 1 or columns == 1) and (row >= columns or rows == 1):
            return x, max(row, columns) if rows > 1 else columns, 0
        if (row == 1 or rows == 1) and (column >= rows or columns == 1):
            return x, max(column, rows) if columns > 1 else rows, 1
    return cupy().ascontiguousarray(x), columns, 0


def _steps(x: Any, batch: tuple) -> list[int]:
    """Bytes from matrix to matrix along each dimension of the batch; 0 where x is broadcast."""
    missing = len(batch) - (x.ndim - 2)
    own = [0 if n == 1 else s for n, s in zip(x.shape[:-2], x.strides[:-2], strict=True)]
    return [0] * missing + own


def _folded(batch: tuple, steps: list[list[int]]) -> int:
    """From which dimension on the batch can be walked with one step per operand."""
    long = [d for d in range(len(batch)) if batch[d] > 1]
    first = len(batch)
    after = None
    for d in reversed(long):
        if after is not None and any(s[d] != s[after] * batch[after] for s in steps):
            break
        first, after = d, d
    return first if after is not None and first != long[0] else 0
