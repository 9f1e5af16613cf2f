"""Device memory: CuPy's pool and those of graphs, statistics, and what to say if it won't do."""

from __future__ import annotations

import gc
import threading
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from lucid.backend.cuda.availability import cupy
from lucid.errors import DeviceError

_HOLDERS_SHOWN = 5


class OutOfMemoryError(DeviceError):
    """The device has no room for an allocation: what was asked for, what is held, and by whom."""


class _Peak:
    """Bytes in use and their maximum, per device, as lucid's threads allocate and free."""

    def __init__(self) -> None:
        self.used: Counter[int] = Counter()
        self.most: Counter[int] = Counter()
        self.reserved: Counter[int] = Counter()  # at most, when the pool was last asked

    def malloc(self, device: int, size: int) -> None:
        self.used[device] = used = self.used[device] + size
        if used > self.most[device]:
            self.most[device] = used

    def correct(self, device: int, used: int) -> None:
        """Take the pool's own number: frees in a thread that lucid does not know went unseen."""
        self.used[device] = used
        self.most[device] = max(self.most[device], used)


_peak = _Peak()


class _Watched(threading.local):
    hook: Any = None


_watched = _Watched()


def watch() -> None:
    """Count what this thread allocates and frees, and make out-of-memory errors speak."""
    if _watched.hook is None:
        _use_pool()
        _watched.hook = _hook()()
        _watched.hook.__enter__()


@cache
def _hook() -> Any:
    """The class of CuPy's hooks for malloc and free; it takes 0.5 us per array."""

    base: Any = cupy().cuda.MemoryHook

    class Watch(base):
        name = "lucid"

        def malloc_postprocess(self, **about: Any) -> None:
            if about["mem_ptr"]:
                _peak.malloc(about["device_id"], about["mem_size"])

        def free_postprocess(self, **about: Any) -> None:
            _peak.used[about["device_id"]] -= about["mem_size"]

    return Watch


@cache
def _use_pool() -> Any:
    """Allocate from CuPy's pool, whose errors speak; the function that does."""
    module = cupy()
    pool = module.get_default_memory_pool()
    shortage = module.cuda.memory.OutOfMemoryError

    def allocate(size: int) -> Any:
        try:
            return pool.malloc(size)
        except shortage:
            text = _shortage(size)
        raise OutOfMemoryError(text)

    module.cuda.set_allocator(allocate)
    return allocate


@contextmanager
def ordinary() -> Iterator[None]:
    """Within it, in this thread, memory comes from CuPy's pool also while a graph is captured."""
    with cupy().cuda.using_allocator(_use_pool()):
        yield


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()
_MEMORY_ALLOCATION = 2  # cudaErrorMemoryAllocation


class Pool:
    """Memory that captured graphs use, and nobody else. Freed blocks stay here as long as it lives:
    a graph may write to them."""

    def __init__(self) -> None:
        self._pool = cupy().cuda.MemoryPool(_from_driver)
        _pools.add(self)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Within it, in this thread, memory comes from here."""
        with cupy().cuda.using_allocator(self._pool.malloc):
            yield


def _from_driver(size: int) -> Any:
    """A new block. CuPy's error would make the pool give back what its graphs write to."""
    cuda = cupy().cuda
    try:
        return cuda.MemoryPointer(cuda.Memory(size), 0)
    except cuda.runtime.CUDARuntimeError as error:
        if error.status != _MEMORY_ALLOCATION:
            raise
        text = _shortage(size)
    raise OutOfMemoryError(text)


def _all_pools() -> list[Any]:
    return [cupy().get_default_memory_pool(), *(p._pool for p in _pools)]


def _shortage(size: int) -> str:
    used, reserved, (free, total) = allocated(), reserved_bytes(), info()
    limit = cupy().get_default_memory_pool().get_limit()
    text = (
        f"cuda: out of memory; asked for {_amount(size)}, {_amount(used)} is in use and"
        f" {_amount(reserved - used)} cached, {_amount(free)} of {_amount(total)} is free"
    )
    if limit:
        text += f", the pool's limit is {_amount(limit)}"
    largest = holders()[:_HOLDERS_SHOWN]
    if largest:
        text += ". Held by: " + ", ".join(f"{name} {_amount(held)}" for name, held in largest)
    return text + ". Hint: a smaller batch, no_grad() for inference, or checkpointing"


def _amount(size: int) -> str:
    for unit, width in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size >= 1 << width:
            return f"{size / (1 << width):.2f} {unit}"
    return f"{size} bytes"


# Statistics; of the current device.


def allocated() -> int:
    """Bytes that arrays hold."""
    used = sum(int(pool.used_bytes()) for pool in _all_pools())
    _peak.correct(_device(), used)
    return used


def most_allocated() -> int:
    """The largest that ``allocated`` has been since the start, or since ``forget_peak``."""
    allocated()
    return _peak.most[_device()]


def forget_peak() -> None:
    """Let the peak begin again from now."""
    _peak.most[_device()] = _peak.reserved[_device()] = 0
    allocated()


def reserved_bytes() -> int:
    """Bytes that the pools have taken from the driver: in use, or free for the next array."""
    return sum(int(pool.total_bytes()) for pool in _all_pools())


def most_reserved() -> int:
    """The largest that ``reserved_bytes`` has been since the start, or since ``forget_peak``.

    The pool gives back only what ``empty_cache`` makes it give, so it is enough to ask then.
    """
    here = _device()
    _peak.reserved[here] = most = max(_peak.reserved[here], reserved_bytes())
    return most


def info() -> tuple[int, int]:
    """(free, total) bytes of the device, as the driver sees it."""
    free, total = cupy().cuda.runtime.memGetInfo()
    return int(free), int(total)


def empty_cache() -> None:
    """Give what no array holds back to the driver, pinned host memory too."""
    most_reserved()
    cupy().get_default_memory_pool().free_all_blocks()
    cupy().get_default_pinned_memory_pool().free_all_blocks()


def summary() -> str:
    """The statistics as text, with the largest holders."""
    free, total = info()
    rows = {
        "in use": allocated(),
        "in use at most": most_allocated(),
        "cached": reserved_bytes() - allocated(),
        "free on the device": free,
        "of altogether": total,
    }
    lines = [f"{name:20s}{_amount(size):>14s}" for name, size in rows.items()]
    lines += [f"  {name:34s}{_amount(size):>14s}" for name, size in holders()[:20]]
    return "\n".join(lines)


def _device() -> int:
    return int(cupy().cuda.runtime.getDevice())


# Who holds it. Looked for only when somebody asks, among all objects that Python knows: the floors
# above are recognised by what they are like.


def holders() -> list[tuple[str, int]]:
    """(name, bytes) of what holds the device's memory, the largest first.

    Parameters and their gradients are named by layer, arrays kept for backward by the operation;
    the rest is not listed.
    """
    sizes: Counter[str] = Counter()
    seen: set[int] = set()

    def count(name: str, array: Any) -> None:
        data: Any = getattr(array, "data", None)
        memory: Any = getattr(data, "mem", None)
        if memory is not None and memory.ptr not in seen and data.device_id == here:
            seen.add(memory.ptr)
            sizes[name] += memory.size

    here, objects = _device(), gc.get_objects()
    modules = [o for o in objects if _is_lucid(o) and hasattr(type(o), "named_modules")]
    inner = {id(m) for root in modules for path, m in root.named_modules() if path}
    for root in modules:
        if id(root) not in inner:
            for path, tensor in root.named_parameters():
                layer = f"{type(root).__name__} {path.rpartition('.')[0]}".rstrip()
                count(f"{layer} (parameters)", getattr(tensor, "_array", None))
                grad = tensor.grad
                count(f"{layer} (gradients)", getattr(grad, "_array", None))
    for node in objects:
        if _is_lucid(node) and hasattr(type(node), "saved_arrays"):
            try:
                arrays = node.saved_arrays
            except RuntimeError:  # freed already, or changed in place since
                continue
            for array in arrays:
                count(f"{node.name()} (kept for backward)", array)
    return sizes.most_common()


def _is_lucid(thing: Any) -> bool:
    """Whether the class, or one that it derives from, is lucid's."""
    return any(str(c.__module__).startswith("lucid.") for c in type(thing).__mro__[:-1])
