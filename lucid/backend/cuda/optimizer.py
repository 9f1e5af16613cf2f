"""Many tensors in one launch: optimizer steps, gradient norms, unscaling. kernels/optimizer.cu.

The kernels read addresses from a table in device memory. It is kept between steps, and copied anew
only when an address has changed: mostly never, as the memory pool hands gradients out in the same
order each step, and surely never with ``zero_grad(set_to_none=False)``. A captured graph has tables
of its own, filled when the capture is over.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy

from lucid.backend import capture
from lucid.backend.cuda.arrays import grid_over, is_dense, same_order, wide
from lucid.backend.cuda.availability import cupy
from lucid.backend.cuda.kernel import Kernel

__all__ = ["clip_gradients", "gradient_norm", "optimizer_step", "unscale_gradients"]

CHUNK = 8192  # elements per block

_TABLE = (
    "const T*? none, const u64* table, const i64* first, const i64* sizes, int count, int columns"
)
_LOSS_SCALE = "const float*? scale, const float*? found"
_RATE = "double lr, const float*? rate, const double*? wide_rate"


def _kernel(entry: str, rest: str) -> Any:
    return Kernel("optimizer.cu", entry, f"{_TABLE}, {rest}")


_sgd_plain = _kernel("sgd_plain", f"{_LOSS_SCALE}, {_RATE}, double decay, int maximize")
_sgd_momentum = _kernel(
    "sgd_momentum",
    f"{_LOSS_SCALE}, {_RATE}, double decay, double momentum, double dampening, int nesterov,"
    " int maximize, int begins",
)
_adam = _kernel(
    "adam",
    f"{_LOSS_SCALE}, const double*? counted, double decay, double shrink, double beta1,"
    " double beta2, double eps, double size, double root, int maximize, int largest",
)
_count_steps = _kernel(
    "count_steps",
    f"const float*? found, double* counted, {_RATE}, double decoupled, double beta1, double beta2",
)
_chunk_norms = _kernel("chunk_norms", "W* partial, int largest")
_clip = _kernel("clip", "const W* total, double limit")
_unscale = _kernel("unscale", "const float*? scale, float* found")
_total_norm = Kernel(
    "optimizer.cu",
    "total_norm",
    "const W* partial, W* total, i64 n, int largest",
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

    def __init__(self, sizes: tuple[int, ...], addresses: Any, place: Any):
        chunks = [-(-n // CHUNK) for n in sizes]
        first = numpy.cumsum([0, *chunks])
        self.chunks, self.known = sum(chunks), addresses
        self._count, self._columns = addresses.shape
        parts = (addresses.reshape(-1), first, sizes)
        all_of_it = place(numpy.concatenate([numpy.asarray(p, numpy.uint64) for p in parts]))
        signed = all_of_it.view(numpy.int64)
        n, m = addresses.size, addresses.size + len(first)
        self._addresses, self._first, self._sizes = all_of_it[:n], signed[n:m], signed[m:]

    def update(self, addresses: Any) -> None:
        if numpy.array_equal(addresses, self.known):
            return
        if cupy().cuda.get_current_stream().is_capturing():
            raise capture.NotWhileCapturing(
                "optimizer: the gradients' addresses can't be sent to the device while a stream of"
                " CuPy's captures. Hint: capture with lucid.cuda.graph, or"
                " zero_grad(set_to_none=False) keeps them where they are"
            )
        self._addresses.set(addresses.reshape(-1))
        self.known = addresses

    @property
    def arguments(self) -> tuple:
        """What the kernels take."""
        return None, self._addresses, self._first, self._sizes, self._count, self._columns


class _Tables(threading.local):
    known: dict[Any, _Table] | None = None


_tables = _Tables()


def _table(what: str, rows: list[list[Any]]) -> tuple[tuple, int]:
    """The kernels' table arguments for rows of arrays of equal size, and the number of chunks."""
    sizes = tuple(row[0].size for row in rows)
    addresses = numpy.array([[a.data.ptr for a in row] for row in rows], numpy.uint64)
    recording = capture.current()
    if recording is not None:
        table = _Table(sizes, addresses, recording.constant)
        return table.arguments, table.chunks
    # The first parameter tells two models of the same sizes apart.
    model = int(addresses[0, 0]) if addresses.shape[1] > 1 else 0
    cuda = cupy().cuda
    where = cuda.runtime.getDevice(), cuda.get_current_stream().ptr
    key = what, where, rows[0][0].dtype, sizes, addresses.shape[1], model
    if _tables.known is None:
        _tables.known = {}
    known = _tables.known.get(key)
    if known is None:
        if len(_tables.known) > 64:  # models come and go
            _tables.known.clear()
        known = _tables.known[key] = _Table(sizes, addresses, cupy().asarray)
    known.update(addresses)
    return known.arguments, known.chunks


def optimizer_step(name: str, jobs: Iterable[Job], scale: Any = None, found: Any = None) -> None:
    """Update all parameters: one launch per dtype and set of settings.

    ``scale``: a float32 on the device that gradients are divided by first, where they lie;
    ``found``: where it is not 0, nothing changes. Besides the rule's numbers, a job's settings may
    have "rate", the learning rate on the device in the place of "lr", and "step", for Adam: the
    float32 on the device that counts its steps (one more launch per set of settings).
    """
    groups: dict[Any, list[Job]] = {}
    for job in jobs:
        if job.p.size:
            counted = job.settings.get("step") is not None
            numbers = tuple(job.settings.get(k) for k in _KEYS[name])
            rate = id(job.settings.get("rate"))
            key = job.p.dtype, numbers, rate, counted, len(job.states)
            groups.setdefault(key, []).append(job)
    for (dtype, *_), members in groups.items():
        rows, write_back = [], []
        for job in members:
            p = job.p if is_dense(job.p) else cupy().ascontiguousarray(job.p)
            g, states = same_order(job.g, p, p.dtype), [same_order(s, p) for s in job.states]
            step = job.settings.get("step")
            rows.append([p, g, *states, *([] if step is None else [step])])
            pairs = zip((job.p, job.g, *job.states), (p, g, *states), strict=True)
            changed = [(a, copy) for a, copy in pairs if copy is not a]
            write_back += [(a, c) for a, c in changed if a is not job.g or scale is not None]
        table, chunks = _table(name, rows)
        job = members[0]
        _LAUNCH[name](grid_over(chunks, 1), dtype, table, scale, found, job)
        for array, copy in write_back:
            array[...] = copy


def _rate(settings: Mapping[str, Any]) -> tuple:
    """The learning rate as kernels take it."""
    rate = settings.get("rate")
    if rate is None:
        return float(settings["lr"]), None, None
    if rate.dtype == numpy.float64:
        return 0.0, None, rate
    return 0.0, rate.astype(numpy.float32, copy=False), None


def _launch_sgd(grid: int, dtype: Any, table: tuple, scale: Any, found: Any, job: Job) -> None:
    s = job.settings
    common = *table, scale, found, *_rate(s), float(s["weight_decay"])
    if not job.states:
        _sgd_plain(grid, 256, dtype, *common, int(s["maximize"]))
        return
    numbers = float(s["momentum"]), float(s["dampening"])
    flags = int(s["nesterov"]), int(s["maximize"]), int(s["first"])
    _sgd_momentum(grid, 256, dtype, *common, *numbers, *flags)


def _launch_adam(grid: int, dtype: Any, table: tuple, scale: Any, found: Any, job: Job) -> None:
    s = job.settings
    betas = float(s["beta1"]), float(s["beta2"])
    counted, shrink, size, root = None, 1.0, 0.0, 1.0
    if s.get("step") is None:
        shrink, size, root = float(s["shrink"]), float(s["size"]), float(s["root"])
    else:
        tensors = table[4]
        counted = cupy().empty((tensors, 3), numpy.float64)
        rest = *_rate(s), float(s["decoupled"]), *betas
        _count_steps(grid_over(tensors, 128), 128, dtype, *table, found, counted, *rest)
    numbers = float(s["weight_decay"]), shrink, *betas, float(s["eps"]), size, root
    flags = int(s["maximize"]), int(len(job.states) == 3)
    _adam(grid, 256, dtype, *table, scale, found, counted, *numbers, *flags)


_LAUNCH = {"sgd": _launch_sgd, "adam": _launch_adam}
_KEYS = {
    "sgd": ("lr", "weight_decay", "momentum", "dampening", "nesterov", "maximize", "first"),
    "adam": (
        "lr", "weight_decay", "decoupled", "shrink", "beta1", "beta2", "eps", "size", "root",
        "maximize",
    ),
}  # fmt: skip


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
        _total_norm(1, 1024, kind, partial, total, start, int(largest))
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
    """Multiply dense arrays by a float32 on the device, or leave them as they are if that is None;
    found becomes 1 if one was not finite."""
    for dtype, rows in _by_dtype(arrays).items():
        table, chunks = _table("gradients", rows)
        _unscale(grid_over(chunks, 1), 256, dtype, *table, scale, found)
