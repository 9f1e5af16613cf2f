"""What functions that draw random numbers share: the draw itself, its range, and its scaling."""

from __future__ import annotations

import math
from typing import Any

from lucid import dtypes, random
from lucid.backend import Array, Device, philox
from lucid.errors import DTypeError
from lucid.random import Generator
from lucid.tensor import Tensor


def draw(
    kind: str, count: int, dtype: Any, device: Device, generator: Generator | None, *settings: Any
) -> Array:
    """``count`` random numbers on the device; nothing is consumed when count is 0."""
    source = random.default_generator if generator is None else generator
    if not isinstance(source, Generator):
        raise DTypeError(f"generator: expected a lucid.Generator; got {type(source).__name__}")
    if count == 0:
        return device.xp.empty(0, dtype or "int64")
    key = source.reserve(philox.blocks_for(kind, count, dtype))  # type: ignore[arg-type]
    if kind in ("uniform", "normal"):
        return device.draw(kind, key, count, dtype)
    return device.draw(kind, key, count, *settings)


def reserve(
    name: str, kind: Any, count: int, dtype: Any, generator: Generator | None
) -> philox.Key:
    """The key to ``count`` numbers of a kind: the generator moves on behind them."""
    source = random.default_generator if generator is None else generator
    if not isinstance(source, Generator):
        raise DTypeError(f"{name}: generator must be a Generator; got {type(source).__name__}")
    return source.reserve(philox.blocks_for(kind, count, dtype))


def check_probability(name: str, p: float) -> float:
    """``p`` as a float, if it is a number in [0, 1]; NaN is not."""
    if isinstance(p, (str, bytes)) or not hasattr(p, "__float__"):
        raise DTypeError(f"{name}: p must be a number in [0, 1]; got {p!r}")
    p = float(p)
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"{name}: p must be in [0, 1]; got {p}")
    return p


def check_tensor(name: str, x: Any) -> None:
    """Arrays and lists are refused: a copy of them would be dropped from, not they."""
    if not isinstance(x, Tensor):
        raise DTypeError(f"{name}: expected a Tensor; got {type(x).__name__}. Hint: lucid.tensor()")


def affine(values: Array, scale: float, shift: float) -> Array:
    """values * scale + shift in their dtype; halves are rounded once."""
    if values.dtype.itemsize > 2:
        return values * scale + shift
    wide = values.astype(dtypes.float32.numpy) * scale + shift
    return wide.astype(values.dtype)


def integers(
    name: str, low: Any, high: Any, count: int, dtype: dtypes.dtype, where: Device, generator: Any
) -> Array:
    """``count`` whole numbers in [low, high), which ``dtype`` must be able to hold."""
    for bound in (low, high):
        if not hasattr(bound, "__index__"):
            raise DTypeError(f"{name}: low and high must be ints; got low={low!r}, high={high!r}")
    if not low < high:
        raise ValueError(f"{name}: low must be below high; got low={low}, high={high}")
    least, most = whole_numbers(dtype)
    if low < least or high - 1 > most:
        got = f"got low={low}, high={high}"
        raise ValueError(f"{name}: {dtype} holds whole numbers from {least} to {most}; {got}")
    values = draw("integers", count, None, where, generator, int(low), int(high))
    return values.astype(dtype.numpy, copy=False)


def whole_numbers(dtype: dtypes.dtype) -> tuple[int, int]:
    """The whole numbers that a dtype holds one by one; of those, what a draw can give."""
    if dtype.category == 0:
        return 0, 1
    if dtype.is_floating_point:
        most = 2 ** {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}[dtype.name]
        return -most, most
    info = dtypes.iinfo(dtype)
    return info.min, min(info.max, 2**63 - 1)


def flags(p: Any, shape: tuple, where: Device, generator: Any) -> Array:
    """Bool array, true with probability p (a number, or an array of ``shape``)."""
    count = math.prod(shape)
    if isinstance(p, float):
        return draw("decisions", count, None, where, generator, philox.threshold(p)).reshape(shape)
    u = draw("uniform", count, dtypes.float64.numpy, where, generator).reshape(shape)
    return u < p
