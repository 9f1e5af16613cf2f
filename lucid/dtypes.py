"""Element types, the default one, and PyTorch's promotion lattice.

A ``dtype`` is one object per type: compare with ``is`` or ``==``. The arrays underneath carry the
NumPy dtype in ``.numpy`` (bfloat16 is ml_dtypes'); ``of(array.dtype)`` leads back.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy

from lucid.errors import DTypeError


class dtype:
    """An element type, such as ``lucid.float32``. Sizes are in bytes."""

    __slots__ = ("category", "itemsize", "name", "numpy", "rank")

    def __init__(self, name: str, numpy_type: Any, category: int, rank: int):
        self.name = name
        self.numpy = numpy.dtype(numpy_type)
        self.itemsize = self.numpy.itemsize
        self.category = category  # 0 bool, 1 integer, 2 floating point
        self.rank = rank  # within the category, narrow to wide

    @property
    def is_floating_point(self) -> bool:
        return self.category == 2

    @property
    def is_complex(self) -> bool:
        return False

    @property
    def is_signed(self) -> bool:
        return self.name not in ("bool", "uint8")

    def __repr__(self) -> str:
        return f"lucid.{self.name}"

    def __reduce__(self) -> tuple:
        return named, (self.name,)


# Assigned under private names first: ``bool`` would hide Python's.
__all__ = [
    "bfloat16",
    "double",
    "dtype",
    "finfo",
    "float16",
    "float32",
    "float64",
    "get_default_dtype",
    "half",
    "iinfo",
    "int16",
    "int32",
    "int64",
    "int8",
    "long",
    "promote_types",
    "set_default_dtype",
    "short",
    "uint8",
]

_bool = dtype("bool", numpy.bool_, 0, 0)
uint8 = dtype("uint8", numpy.uint8, 1, 0)
int8 = dtype("int8", numpy.int8, 1, 0)
int16 = short = dtype("int16", numpy.int16, 1, 1)
int32 = dtype("int32", numpy.int32, 1, 2)
int64 = long = dtype("int64", numpy.int64, 1, 3)
float16 = half = dtype("float16", numpy.float16, 2, 0)
bfloat16 = dtype("bfloat16", ml_dtypes.bfloat16, 2, 0)
float32 = dtype("float32", numpy.float32, 2, 1)
float64 = double = dtype("float64", numpy.float64, 2, 2)

ALL = (_bool, uint8, int8, int16, int32, int64, float16, bfloat16, float32, float64)
_BY_NAME = {d.name: d for d in ALL}
_BY_NUMPY = {d.numpy: d for d in ALL}
_default = float32


def is_name(name: str) -> bool:
    """Whether a dtype is called ``name``."""
    return name in _BY_NAME


def named(name: str) -> dtype:
    """The dtype called ``name``, e.g. ``named("float32")``."""
    try:
        return _BY_NAME[name]
    except KeyError:
        raise DTypeError(
            f"dtype: expected one of {', '.join(_BY_NAME)}; got {name!r}. Hint: lucid.float32"
        ) from None


def of(numpy_dtype: numpy.dtype) -> dtype:
    """The lucid dtype of an array's dtype."""
    try:
        return _BY_NUMPY[numpy_dtype]
    except KeyError:
        raise DTypeError(
            f"tensor: element type {numpy_dtype} is not supported; lucid has {', '.join(_BY_NAME)}."
            " Hint: convert the array first, e.g. array.astype('float32')"
        ) from None


def as_dtype(value: Any) -> dtype:
    """A dtype given as lucid.float32, "float32", numpy.float32, or Python's float, int or bool."""
    if type(value) is dtype:
        return value
    if value is float:
        return _default
    if value is int:
        return int64
    if value is bool:
        return _bool
    if isinstance(value, str):
        return named(value.removeprefix("lucid."))
    try:
        return of(numpy.dtype(value))
    except TypeError:
        raise DTypeError(
            f"dtype: expected a lucid dtype; got {value!r}. Hint: lucid.float32"
        ) from None


def get_default_dtype() -> dtype:
    """The type that new floating point tensors get. float32 until set_default_dtype()."""
    return _default


def set_default_dtype(d: Any) -> None:
    """Set the type that new floating point tensors get; must be a floating point type."""
    global _default
    chosen = as_dtype(d)
    if not chosen.is_floating_point:
        raise DTypeError(
            f"set_default_dtype: the default must be a floating point type; got {chosen!r}."
            " Hint: lucid.float32 or lucid.float64"
        )
    _default = chosen


def promote_types(a: dtype, b: dtype) -> dtype:
    """The smallest type that holds both: uint8 and int8 are held by int16, both halves by float32.

    A floating point type wins over an integer one whatever its width, as in PyTorch.
    """
    if a is b:
        return a
    if a.category != b.category:
        return a if a.category > b.category else b
    if a.rank != b.rank:
        return a if a.rank > b.rank else b
    return float32 if a.category == 2 else int16


def can_cast(source: dtype, target: dtype) -> bool:
    """Whether an in-place result of type ``source`` may be stored as ``target``.

    Categories may not shrink: a float result never lands in an integer tensor.
    """
    return source.category <= target.category


class finfo:
    """Limits of a floating point type: bits, eps, max, min, tiny, smallest_normal, resolution."""

    def __init__(self, type: dtype | None = None):
        self.dtype = (type or _default).name
        info = ml_dtypes.finfo((type or _default).numpy)
        self.bits = int(info.bits)
        self.eps, self.max, self.min = float(info.eps), float(info.max), float(info.min)
        self.tiny = self.smallest_normal = float(info.tiny)
        self.resolution = float(info.resolution)

    def __repr__(self) -> str:
        return f"finfo(dtype={self.dtype}, min={self.min:g}, max={self.max:g}, eps={self.eps:g})"


class iinfo:
    """Limits of an integer type: bits, min, max."""

    def __init__(self, type: dtype):
        info = numpy.iinfo(type.numpy)
        self.dtype, self.bits = type.name, int(info.bits)
        self.min, self.max = int(info.min), int(info.max)

    def __repr__(self) -> str:
        return f"iinfo(dtype={self.dtype}, min={self.min}, max={self.max})"
