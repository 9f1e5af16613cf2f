"""What an optimizer remembers of a parameter: making it, and fitting in what was saved."""

from __future__ import annotations

import struct
from typing import Any

from lucid import dtypes
from lucid.errors import CheckpointError
from lucid.tensor import Tensor, to_array


def zeros_like(p: Tensor, value: float = 0.0) -> Tensor:
    """A state tensor for p, in p's order of memory."""
    token = p._device.enter()
    try:
        return Tensor._wrap(p._device.xp.full_like(p._array, value), p._device)
    finally:
        p._device.leave(token)


def step_on_device(p: Tensor, step: int) -> Tensor:
    """A count of steps where p is, float32 as PyTorch's: exact to 2^24."""
    token = p._device.enter()
    try:
        return Tensor._wrap(p._device.xp.full((), step, dtypes.float32.numpy), p._device)
    finally:
        p._device.leave(token)


def rounded(value: float) -> float:
    """A number with the precision that PyTorch keeps it in: float32, unless the default dtype is
    float64. Trainings that go on there and here then stay the same."""
    if dtypes.get_default_dtype() is dtypes.float64:
        return value
    return struct.unpack("f", struct.pack("f", value))[0]


def fit(what: str, value: Any, shape: tuple[int, ...] | None, p: Tensor) -> Any:
    """A saved value as p's state: tensors with p's dtype, on p's device, copied, and of ``shape``
    unless they are single numbers or that is None."""
    if not isinstance(value, Tensor) and hasattr(value, "__array__"):
        value = Tensor._wrap(*to_array(value.__array__(), None, "cpu"))
    if not isinstance(value, Tensor):
        return value
    if shape is not None and value.ndim and value.shape != shape:
        raise CheckpointError(f"{what}: must have its shape {shape}; got {value.shape}")
    return value.detach().to(p.device, p.dtype, copy=True)


def number(what: str, key: str, value: Any) -> Any:
    """A saved number: an int if it counts steps."""
    try:
        return int(value) if key == "step" else float(value)
    except (TypeError, ValueError):
        raise CheckpointError(f"{what}: must be a number; got {type(value).__name__}") from None
