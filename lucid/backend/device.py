"""A device: its name, its array module, and the few things that NumPy and CuPy spell differently.

``lucid.device("cuda")`` only names a device; nothing is imported or initialised before its first
use, so it is safe to write on a machine without a GPU.
"""

from __future__ import annotations

import threading
from types import ModuleType
from typing import Any

from lucid.errors import DeviceError

Array = Any  # numpy.ndarray or cupy.ndarray


class Device:
    """``device("cpu")``, ``device("cuda")``, ``device("cuda:1")`` or ``device("cuda", 1)``.

    One object per name, so ``is`` and ``==`` agree. As a context manager it becomes the device on
    which new tensors are made:

    >>> with lucid.device("cpu"):
    ...     lucid.zeros(2).device
    device(type='cpu')
    """

    type: str
    index: int | None
    _known: dict[tuple[str, int | None], Device] = {}

    def __new__(cls, type: Any = "cpu", index: int | None = None) -> Device:
        if isinstance(type, Device):
            return type
        kind, index = _parse(type, index)
        known = Device._known.get((kind, index))
        if known is None:
            known = object.__new__(_class_of(kind))
            known.type, known.index = kind, index
            known = Device._known.setdefault((kind, index), known)
        return known

    # What every device offers; NumPy and CuPy differ in how.

    xp: ModuleType  # the array module: numpy or cupy
    array_type: Any  # its ndarray
    kernels: Any  # fused functions, on devices that have them: backend/cuda/kernels.py

    def enter(self) -> Any:
        """Prepare this thread for array work here (current device, silent floating point errors).

        Returns a token for ``leave``. Ops stand between the two.
        """
        raise NotImplementedError

    def leave(self, token: Any) -> None:
        """Undo ``enter``."""
        raise NotImplementedError

    def concrete(self) -> Device:
        """This device with its index filled in: ``cuda`` is the current CUDA device."""
        return self

    def asarray(self, value: Any, dtype: Any = None, non_blocking: bool = False) -> Array:
        """``value`` (array, number, nested list) as an array here; copies only if it must.

        ``non_blocking``: a copy between pinned memory and a device is only queued.
        """
        raise NotImplementedError

    def to_numpy(self, array: Array) -> Any:
        """``array`` in host memory; the array itself if it is there already."""
        raise NotImplementedError

    def pinned_copy(self, array: Any) -> Any:
        """A copy of a NumPy array in host memory that this device copies from by itself."""
        raise NotImplementedError

    def is_pinned(self, array: Any) -> bool:
        """Whether a NumPy array lies in such memory."""
        raise NotImplementedError

    def matmul(self, a: Array, b: Array) -> Array:
        """The matrix product, as numpy.matmul."""
        return self.xp.matmul(a, b)

    def scatter_add(self, target: Array, index: Any, value: Array) -> None:
        """``target[index] += value`` where an index that stands twice counts twice."""
        raise NotImplementedError

    def erf(self, x: Array) -> Array:
        """The error function, element by element."""
        raise NotImplementedError

    def draw(self, kind: str, key: Any, *settings: Any) -> Array:
        """Random numbers, 1-D: backend.philox's function for ``kind`` with these settings."""
        raise NotImplementedError

    def bernoulli_affine(self, x: Array, *settings: Any) -> Array:
        """The dropout family fused: see backend/cpu/dropout.py."""
        raise NotImplementedError

    def synchronize(self) -> None:
        """Wait until all work queued here is done."""

    def __enter__(self) -> Device:
        _stack().append(self)
        return self

    def __exit__(self, *exc_info: object) -> None:
        _stack().pop()

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        where = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{where})"

    def __reduce__(self) -> tuple:
        return Device, (self.type, self.index)

    def __deepcopy__(self, memo: dict) -> Device:
        return self


def _parse(name: Any, index: int | None) -> tuple[str, int | None]:
    if isinstance(name, int) and not isinstance(name, bool):
        return "cuda", name
    if isinstance(name, str):
        kind, colon, digits = name.partition(":")
        if colon and index is None and digits.isascii() and digits.isdigit():
            colon, index = "", int(digits)
        valid_index = index is None or (isinstance(index, int) and index >= 0)
        if not colon and valid_index:
            if kind == "cuda":
                return kind, index
            if kind == "cpu" and index in (None, 0):
                return kind, None
    shown = repr(name) if index is None else f"{name!r}, {index!r}"
    raise DeviceError(
        f'device: expected "cpu", "cuda" or "cuda:<n>"; got {shown}. Hint: lucid.device("cpu")'
    )


def _class_of(kind: str) -> type[Device]:
    if kind == "cpu":
        from lucid.backend.cpu.device import CpuDevice

        return CpuDevice
    from lucid.backend.cuda.device import CudaDevice

    return CudaDevice


def device_of(array: Array) -> Device:
    """The device that holds ``array``."""
    place = getattr(array, "device", "cpu")
    return Device("cpu") if isinstance(place, str) else Device("cuda", place.id)


_thread = threading.local()
_default: list[Device] = []


def _stack() -> list[Device]:
    """The ``with device:`` blocks that this thread is in."""
    try:
        return _thread.stack
    except AttributeError:
        _thread.stack = []
        return _thread.stack


def set_default_device(device: Any) -> None:
    """Make new tensors on ``device`` when no ``device=`` is given; None means the CPU again."""
    _default[:] = [] if device is None else [Device(device)]


def get_default_device() -> Device:
    """Where new tensors are made: the innermost ``with device:``, or set_default_device()'s."""
    stack = _stack()
    if stack:
        return stack[-1].concrete()
    return _default[-1].concrete() if _default else Device("cpu")


def resolve(device: Any) -> Device:
    """The device that a ``device=`` argument means; None is the default device."""
    return get_default_device() if device is None else Device(device).concrete()
