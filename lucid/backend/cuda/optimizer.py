"""Many tensors in one launch: optimizer steps, gradient norms, unscaling. kernels/optimizer.cu.

The kernels read addresses from a table in device memory. It is kept between steps, and copied anew
only when an address has changed: mostly never, as the memory pool hands gradients out in the same
order each step.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy

from lucid.backend.cuda.arrays import grid_over, is_dense, same_order, wide, with_widths
from lucid.backend.cuda.availability import cupy

__all__ = ["clip_gradients", "gradient_norm", "optimizer_step", "unscale_gradients"]

CHUNK = 8192  # elements per block

_TABLE = (
    "const T*? none, const u64* table, const i64* first, const i64* sizes, int count, int columns"
)
_LOSS_SCALE = "const float*? scale, const float*? found"


def _kernel(entry: str, rest: str) -> Any:
    return with_widths("optimizer.cu", entry, f"{_TABLE}, {rest}")


_sgd_plain = _kernel("sgd_plain", f"{_LOSS_SCALE}, double lr, double decay, int maximize")
_sgd_momentum = _kernel(
    "sgd_momentum",
    f"{_LOSS_SCALE}, double lr, double decay, double momentum, double dampening, int nesterov,"
    " int maximize, int begins",
)
_adam = _kernel(
    "adam",
    f"{_LOSS_SCALE}, double decay, double shrink, double beta1, double beta2, double eps,"
    " double size, double root, int maximize, int largest",
)
_chunk_norms = _kernel("chunk_norms", "W* partial, int largest")
_clip = _kernel("clip", "const W* total, double limit")
_unscale = _kernel("unscale", "const float* scale, float* found")
_total_norm = with_widths(
    "optimizer.cu",
    "total_norm",
    "const T*? none, const W* partial, W* total, i64 n, int largest",
)


class Job(Protocol):
    """One parameter's update."""

    @property
    def p(self) -> Any: ...
    @property
    def g(self) -> Any: ...
    @property
    def states(self) -> list[Any]: ...
    @property
    def settings(self) -> Mapping[str, Any]: ...


class _Table:
    """Addresses of tensors of the same sizes: on the host as they were, and on the device."""

    def __init__(self, sizes: tuple[int, ...], columns: int):
        chunks = [-(-n // CHUNK) for n in sizes]
        self.chunks, self.count, self.columns = sum(chunks), len(sizes), columns
        first = numpy.cumsum([0, *chunks])
        self.known = numpy.zeros((len(sizes), columns), numpy.uint64)
        self._first = cupy().asarray(first.astype(numpy.int64))
        self._sizes = cupy().asarray(numpy.array(sizes, numpy.int64))
        self._device = cupy().zeros(self.known.shape, numpy.uint64)

    def arguments(self, rows: list[list[Any]]) -> tuple:
        """What the kernels take, with the addresses of these arrays."""
        addresses = numpy.array([[a.data.ptr for a in row] for row in rows], numpy.uint64)
        if not numpy.array_equal(addresses, self.known):
            self._device.set(addresses)
            self.known = addresses
        return None, self._device, self._first, self._sizes, self.count, self.columns


class _Tables(threading.local):
    known: dict[Any, _Table] | None = None


_tables = _Tables()


def _table(what: str, rows: list[list[Any]]) -> tuple[tuple, int]:
    """The kernels' table arguments for rows of arrays of equal size, and the number of chunks."""
    sizes = tuple(row[0].size for row in rows)
    key = what, cupy().cuda.runtime.getDevice(), rows[0][0].dtype, sizes, len(rows[0])
    if _tables.known is None:
        _tables.known = {}
    table = _tables.known.get(key)
    if table is None:
        if len(_tables.known) > 64:  # models come and go
            _tables.known.clear()
        table = _tables.known[key] = _Table(sizes, len(rows[0]))
    return table.arguments(rows), table.chunks


def optimizer_step(name: str, jobs: Iterable[Job], scale: Any = None, found: Any = None) -> None:
    """Update all parameters: one launch per dtype and set of settings.

    ``scale``: a float32 on the device that gradients are multiplied by; ``found``: where it is not
    0, nothing changes.
    """
    groups: dict[Any, list[Job]] = {}
    for job in jobs:
        if job.p.size:
            key = job.p.dtype, tuple(job.settings[k] for k in _KEYS[name]), len(job.states)
            groups.setdefault(key, []).append(job)
    for (dtype, settings, _), members in groups.items():
        rows, write_back = [], []
        for job in members:
            p = job.p if is_dense(job.p) else cupy().ascontiguousarray(job.p)
            states = [same_order(s, p) for s in job.states]
            rows.append([p, same_order(job.g, p, p.dtype), *states])
            pairs = zip((job.p, *job.states), (p, *states), strict=True)
            write_back += [(a, copy) for a, copy in pairs if copy is not a]
        table, chunks = _table(name, rows)
        _LAUNCH[name](grid_over(chunks, 1), dtype, (*table, scale, found), settings, len(rows[0]))
        for array, copy in write_back:
            array[...] = copy


def _launch_sgd(grid: int, dtype: Any, table: tuple, settings: tuple, columns: int) -> None:
    lr, decay, momentum, dampening, nesterov, maximize, first = settings
    if columns == 2:
        _sgd_plain(grid, 256, dtype, *table, float(lr), float(decay), int(maximize))
        return
    numbers = (float(v) for v in (lr, decay, momentum, dampening))
    _sgd_momentum(grid, 256, dtype, *table, *numbers, int(nesterov), int(maximize), int(first))


def _launch_adam(grid: int, dtype: Any, table: tuple, settings: tuple, columns: int) -> None:
    *numbers, maximize = settings
    numbers = [float(v) for v in numbers]
    _adam(grid, 256, dtype, *table, *numbers, int(maximize), int(columns == 5))


_LAUNCH = {"sgd": _launch_sgd, "adam": _launch_adam}
_KEYS = {
    "sgd": ("lr", "weight_decay", "momentum", "dampening", "nesterov", "maximize", "first"),
    "adam": ("weight_decay", "shrink", "beta1", "beta2", "eps", "size", "root", "maximize"),
}


def _by_dtype(arrays: Sequence[Any]) -> dict[Any, list[list[Any]]]:
    """The arrays that are not empty, a row each, in groups that one launch can take."""
    groups: dict[Any, list[list[Any]]] = {}
    for a in arrays:
        if a.size:
            groups.setdefault(a.dtype, []).append([a])
    return groups


def gradient_norm(arrays: Sequence[Any], largest: bool = False) -> Any:
    """The 2-norm (or the largest size) of all arrays as one vector: one number on the device.

    All float64, or none. The order of the sum depends on the sizes alone.
    """
    xp = cupy()
    groups = _by_dtype([a if is_dense(a) else xp.ascontiguousarray(a) for a in arrays])
    kind = wide(arrays[0].dtype)
    tables = [(dtype, *_table("gradients", rows)) for dtype, rows in groups.items()]
    partial = xp.empty(sum(chunks for *_, chunks in tables), kind)
    start = 0
    for dtype, table, chunks in tables:
        part = partial[start : start + chunks]
        _chunk_norms(grid_over(chunks, 1), 256, dtype, *table, part, int(largest))
        start += chunks
    total = xp.empty((), kind)
    if start == 0:
        total.fill(0)
    else:
        _total_norm(1, 1024, kind, None, partial, total, start, int(largest))
    return total


def clip_gradients(arrays: Sequence[Any], total: Any, limit: float) -> None:
    """Multiply all arrays by min(1, limit / (total + 1e-6)), in place."""
    for a in arrays:
        if not is_dense(a):
            a *= cupy().minimum(limit / (total + 1e-6), 1).astype(a.dtype)
    for dtype, rows in _by_dtype([a for a in arrays if is_dense(a)]).items():
        table, chunks = _table("gradients", rows)
        narrowed = total.astype(wide(dtype), copy=False)
        _clip(grid_over(chunks, 1), 256, dtype, *table, narrowed, float(limit))


def unscale_gradients(arrays: Sequence[Any], scale: Any, found: Any) -> None:
    """Multiply dense arrays by a float32 on the device; found becomes 1 if one was not finite."""
    for dtype, rows in _by_dtype(arrays).items():
        table, chunks = _table("gradients", rows)
        _unscale(grid_over(chunks, 1), 256, dtype, *table, scale, found)
