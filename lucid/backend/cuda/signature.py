"""Kernel signatures: what a __global__ function takes, and what is wrong with what it is given."""

from __future__ import annotations

import ctypes
import struct
from functools import lru_cache
from typing import Any, NamedTuple

import ml_dtypes
import numpy

# dtype -> how kernels/include/types.cuh spells it.
C_NAMES = {
    numpy.dtype("float32"): "float",
    numpy.dtype("float64"): "double",
    numpy.dtype("float16"): "half_t",
    numpy.dtype(ml_dtypes.bfloat16): "bfloat16_t",
    numpy.dtype("int64"): "i64",
    numpy.dtype("uint64"): "u64",
    numpy.dtype("int32"): "int",
    numpy.dtype("uint8"): "unsigned char",
    numpy.dtype("bool"): "bool",
}
_POINTERS = {
    "float": numpy.dtype("float32"),
    "double": numpy.dtype("float64"),
    "i64": numpy.dtype("int64"),
    "u64": numpy.dtype("uint64"),
    "u32": numpy.dtype("uint32"),
    "int": numpy.dtype("int32"),
    "u8": numpy.dtype("uint8"),
    "bool": numpy.dtype("bool"),
}
# Scalars: struct format, smallest and largest value (None: floating point).
_SCALARS: dict[str, tuple[str, Any, Any]] = {
    "int": ("i", -(2**31), 2**31 - 1),
    "u32": ("I", 0, 2**32 - 1),
    "i64": ("q", -(2**63), 2**63 - 1),
    "u64": ("Q", 0, 2**64 - 1),
    "float": ("f", None, None),
    "double": ("d", None, None),
    "bool": ("?", 0, 1),
}
# What may stand for a number. Anything else that Python could convert is refused: a CuPy array, for
# one, would wait for the device.
NUMBERS = frozenset(
    {int, float, bool, numpy.bool_, numpy.float16, numpy.float32, numpy.float64}
    | {numpy.dtype(f"{kind}{width}").type for kind in "iu" for width in (1, 2, 4, 8)}
)


def wide(dtype: Any) -> numpy.dtype:
    """What kernels compute in, Compute<T>::type: float64 for itself, float32 for all others."""
    return numpy.dtype("float64" if dtype == _POINTERS["double"] else "float32")


class Parameter(NamedTuple):
    """One declared parameter: ``const T* x`` or ``i64 n``."""

    name: str
    type: str
    pointer: bool
    nullable: bool  # declared as ``T*? x``: None is passed as a null pointer

    @property
    def code(self) -> str:
        """The struct format of its value."""
        return "Q" if self.pointer else _SCALARS[self.type][0]

    def dtype(self, dtype: Any) -> Any:
        """What a pointer points to, in a launch for T = ``dtype``."""
        if self.type == "W":
            return wide(dtype)
        return dtype if self.type == "T" else _POINTERS[self.type]

    def fault(self, value: Any) -> str:
        """What is wrong with a number; empty if nothing is."""
        code, low, high = _SCALARS[self.type]
        wanted = "a number" if low is None else f"a whole number in [{low}, {high}]"
        if type(value) not in NUMBERS:
            return f"must be {wanted}; got {type(value).__name__}"
        try:
            struct.pack(code, value)
            fits = low is None or low <= value <= high
        except (struct.error, OverflowError):
            fits = False
        return "" if fits else f"must be {wanted}; got {value}"


def parse(signature: str) -> list[Parameter]:
    """The parameters of ``"const T* x, T*? y, i64 n"``."""
    parameters = []
    for part in signature.split(","):
        words = part.split()
        name, kind = words[-1], words[-2]
        bare = kind.rstrip("*?")
        pointer = "*" in kind
        if bare not in ((*_POINTERS, "T", "W") if pointer else _SCALARS):
            raise TypeError(f"kernel signature: unknown type {kind!r} in {part.strip()!r}")
        parameters.append(Parameter(name, bare, pointer, "?" in kind))
    return parameters


def lies_without_gaps(a: Any) -> bool:
    """Whether some order of its dimensions makes the array C-contiguous."""
    return without_gaps(a.shape, a.strides, a.itemsize)


@lru_cache(4096)  # a training step meets the same shapes again and again
def without_gaps(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> bool:
    """The same, of the array's fields. strides in bytes."""
    for step, n in sorted(zip(strides, shape, strict=True)):
        if n > 1:
            if step != itemsize:
                return False
            itemsize *= n
    return True


class Arguments:
    """Memory for one launch's arguments, and the array of addresses that the driver wants."""

    __slots__ = ("_addresses", "address", "memory", "pack")

    def __init__(self, parameters: list[Parameter]):
        codes = [p.code for p in parameters]
        layout = struct.Struct("@" + "".join(codes))
        self.pack, self.memory = layout.pack_into, ctypes.create_string_buffer(layout.size)
        start = ctypes.addressof(self.memory)
        # "@" aligns each value as C does; its end is the size of the layout so far.
        ends = [struct.calcsize("@" + "".join(codes[: i + 1])) for i in range(len(codes))]
        places = [start + end - struct.calcsize(c) for end, c in zip(ends, codes, strict=True)]
        self._addresses = (ctypes.c_void_p * len(places))(*places)
        self.address = ctypes.addressof(self._addresses)
