"""Reading CIFAR's pickles without running anything that is in them.

A pickle may name any function to be called. Here the only names known are those that an array of
numbers is written with, and they lead to stand-ins that note what they are given. No NumPy function
is called by the pickle either: arrays are made afterwards, from checked types, shapes and bytes.
"""

from __future__ import annotations

import math
import os
import pickle
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from lucid.vision.datasets.files import DatasetError

__all__ = ["read_pickle"]

_DTYPES = {"u1": np.uint8, "i4": np.int32, "i8": np.int64, "f4": np.float32, "f8": np.float64}


def read_pickle(path: str | os.PathLike) -> Any:
    """Dicts, lists, numbers, strings and arrays of numbers from a pickle, and nothing else.

    The strings of Python 2 are read as Latin-1. Anything else is a DatasetError.
    """
    path = os.fspath(path)
    try:
        with open(path, "rb") as file:
            return _plain(_Reader(file, encoding="latin1").load())
    except FileNotFoundError:
        raise
    except Exception as error:  # damaged bytes can raise nearly anything
        raise DatasetError(
            f"read_pickle: {path!r} must be a pickle of plain values and arrays of numbers; got"
            f" {type(error).__name__}: {error}"
        ) from None


class _Named:
    """What stands for a name in the pickle: it can be called, but not changed."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Any]):
        self.function = function

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)

    def __setstate__(self, state: Any) -> NoReturn:
        raise pickle.UnpicklingError("a name can't be changed")


class _Dtype:
    """The type of an array's elements, by its code."""

    def __init__(self, code: Any, *_: Any):
        if code not in _DTYPES:
            raise pickle.UnpicklingError(f"arrays of type {code!r} are not read")
        self.dtype: np.dtype[Any] = np.dtype(_DTYPES[code])
        self.order: Any = "="

    def __setstate__(self, state: tuple) -> None:
        """(version, byte order, ...): the rest is for structured types."""
        if state[1] not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError(f"byte order {state[1]!r}")
        self.order = state[1]


class _Array:
    """An array as its pickle describes it: shape, type, order, bytes."""

    state: tuple | None = None

    def __init__(self, *_: Any):
        pass

    def __setstate__(self, state: tuple) -> None:
        self.state = state

    def array(self) -> np.ndarray:
        """The array itself, after every part was checked."""
        _, shape, kind, fortran, data = self.state or (0, (), None, False, b"")
        if isinstance(data, str):  # written by Python 2
            data = data.encode("latin1")
        if not (isinstance(kind, _Dtype) and isinstance(data, bytes) and isinstance(shape, tuple)):
            raise pickle.UnpicklingError("an array that is not numbers")
        if any(type(n) is not int or n < 0 for n in shape):
            raise pickle.UnpicklingError(f"shape {shape}")
        if math.prod(shape) * kind.dtype.itemsize != len(data):
            raise pickle.UnpicklingError(f"{len(data)} bytes for shape {shape}")
        swapped = kind.dtype if kind.order in "|=" else kind.dtype.newbyteorder(kind.order)
        flat = np.frombuffer(data, swapped).astype(kind.dtype)
        return flat.reshape(shape, order="F" if fortran else "C")


def _latin1(text: Any, encoding: Any) -> bytes:
    """How Python 3 writes bytes in a pickle of protocol 2."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError(f"_codecs.encode({text!r:.20}, {encoding!r:.20})")
    return text.encode("latin1")


_NAMES: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("_codecs", "encode"): _latin1,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise pickle.UnpicklingError(f"the name {module}.{name}, which is not allowed")
        return _Named(_NAMES[module, name])


def _plain(value: Any) -> Any:
    """The value with arrays in place of their descriptions; other objects are refused."""
    if isinstance(value, _Array):
        return value.array()
    if isinstance(value, dict):
        return {_plain(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value))
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    raise pickle.UnpicklingError(f"a {type(value).__name__}")
