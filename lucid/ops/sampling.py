"""Random tensors: addressed draws, the same numbers on every device for the same generator state.

Every function takes ``generator=``; without it the one default generator of the process is used,
on all devices alike (see lucid.random). Element i of a draw is that of its logical, C-order index.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lucid import dtypes, random
from lucid.backend import Device, resolve
from lucid.errors import DTypeError, ShapeError
from lucid.op.conventions import as_number, sizes
from lucid.op.drawing import affine, draw, integers
from lucid.random import Generator
from lucid.spec import Case, spec
from lucid.tensor import Tensor, tensor_method

__all__ = [
    "get_rng_state", "multinomial", "normal", "rand", "rand_like", "randint", "randint_like",
    "randn", "randn_like", "randperm", "set_rng_state",
]  # fmt: skip


def _shape(name: str, args: Any) -> tuple[int, ...]:
    shape = sizes(name, args)
    if any(n < 0 for n in shape):
        raise ShapeError(f"{name}: sizes must not be negative; got {shape}")
    return shape


def _floating(
    name: str, kind: str, size: tuple, dtype: Any, device: Any, requires_grad: bool, generator: Any
) -> Tensor:
    shape, where = _shape(name, size), resolve(device)
    chosen = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    if not chosen.is_floating_point:
        raise DTypeError(f"{name}: dtype must be floating point; got {chosen}. Hint: randint")
    values = draw(kind, math.prod(shape), chosen.numpy, where, generator)
    t = Tensor._wrap(values.reshape(shape), where)
    return t.requires_grad_() if requires_grad else t


def rand(
    *sizes: Any, size: Any = None, generator: Generator | None = None, dtype: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Uniform numbers in [0, 1). ``rand(2, 3)`` -> (2, 3)."""
    given = sizes if size is None else (size,)
    return _floating("rand", "uniform", given, dtype, device, requires_grad, generator)


def randn(
    *sizes: Any, size: Any = None, generator: Generator | None = None, dtype: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Normal numbers with mean 0 and variance 1. ``randn(2, 3)`` -> (2, 3)."""
    given = sizes if size is None else (size,)
    return _floating("randn", "normal", given, dtype, device, requires_grad, generator)


def rand_like(
    input: Tensor, *, generator: Generator | None = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """``rand`` with the input's shape, dtype, device and memory order."""
    t = rand(
        *input.shape,
        generator=generator,
        dtype=dtype or input.dtype,
        device=input.device if device is None else device,
    )
    return _as_laid_out(t, input, memory_format, requires_grad)


def randn_like(
    input: Tensor, *, generator: Generator | None = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """``randn`` with the input's shape, dtype, device and memory order."""
    t = randn(
        *input.shape,
        generator=generator,
        dtype=dtype or input.dtype,
        device=input.device if device is None else device,
    )
    return _as_laid_out(t, input, memory_format, requires_grad)


def _as_laid_out(t: Tensor, model: Tensor, memory_format: Any, requires_grad: bool) -> Tensor:
    """The numbers drawn, which belong to logical positions, in the model's order of memory."""
    if memory_format is not None and memory_format.name != "preserve_format":
        t = t.contiguous(memory_format=memory_format)
    elif not model.is_contiguous():
        xp = t._device.xp
        array = xp.empty_like(model._array, dtype=t._array.dtype)
        array[...] = t._device.asarray(t._array)
        t = Tensor._wrap(array, t._device)
    return t.requires_grad_() if requires_grad else t


def randint(
    low: int = 0, high: Any = None, size: Any = None, *, generator: Generator | None = None,
    dtype: Any = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Whole numbers in [low, high): ``randint(10, (3,))`` or ``randint(5, 10, (3,))``."""
    if size is None:
        high, size = None, high
    if size is None:
        raise ShapeError("randint: size is needed; got none. Hint: randint(10, (3,))")
    if high is None:
        low, high = 0, low
    shape, where = _shape("randint", (size,)), resolve(device)
    chosen = dtypes.int64 if dtype is None else dtypes.as_dtype(dtype)
    values = integers("randint", low, high, math.prod(shape), chosen, where, generator)
    t = Tensor._wrap(values.reshape(shape), where)
    return t.requires_grad_() if requires_grad else t


def randint_like(
    input: Tensor, low: int = 0, high: int | None = None, *, generator: Generator | None = None,
    dtype: Any = None, device: Any = None, requires_grad: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """``randint`` with the input's shape, dtype, device and memory order."""
    t = randint(
        low,
        high,
        input.shape,
        generator=generator,
        dtype=dtype or input.dtype,
        device=input.device if device is None else device,
    )
    return _as_laid_out(t, input, memory_format, requires_grad)


def randperm(
    n: int, *, generator: Generator | None = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """0 … n-1 in random order. -> (n,) int64."""
    (n,) = _shape("randperm", (n,))
    where = resolve(device)
    chosen = dtypes.int64 if dtype is None else dtypes.as_dtype(dtype)
    order = draw("permutation", n, None, where, generator)
    t = Tensor._wrap(order.astype(chosen.numpy), where)
    return t.requires_grad_() if requires_grad else t


def normal(
    mean: Any = 0.0, std: Any = 1.0, size: Sequence[int] | None = None, *,
    generator: Generator | None = None, dtype: Any = None, device: Any = None,
) -> Tensor:  # fmt: skip
    """Normal numbers. mean and std are numbers with ``size``, or tensors that broadcast."""
    tensors = [t for t in (mean, std) if isinstance(t, Tensor)]
    if not tensors:
        if size is None:
            raise ShapeError(
                "normal: size is needed when mean and std are numbers; got"
                f" mean={mean!r}, std={std!r}"
            )
        mean, std = as_number("normal", "mean", mean), as_number("normal", "std", std)
        if not std >= 0:
            raise ValueError(f"normal: std must not be negative; got {std}")
        t = randn(size, generator=generator, dtype=dtype, device=device)
        return Tensor._wrap(affine(t._array, std, mean), t._device)
    for what, value in (("mean", mean), ("std", std)):
        if not isinstance(value, Tensor):
            as_number("normal", what, value)
    like = tensors[0] if len(tensors) == 1 else mean + std
    return randn_like(like, generator=generator) * std + mean


@tensor_method("multinomial")
def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Indices drawn with probabilities proportional to ``input``. (N, C) -> (N, num_samples)."""
    if input.ndim not in (1, 2):
        raise ShapeError(f"multinomial: weights must be (C,) or (N, C); got {input.shape}")
    if num_samples < 1:
        raise ValueError(f"multinomial: num_samples must be positive; got {num_samples}")
    xp, where = input._device.xp, input._device
    weights = input._array.astype(dtypes.float64.numpy).reshape(-1, input.shape[-1])
    total = weights.sum(-1, keepdims=True)
    if not bool((weights >= 0).all()) or not bool(((total > 0) & (total < math.inf)).all()):
        raise ValueError("multinomial: weights must be finite, not negative, and not all 0")
    rows, columns = weights.shape
    choices = int((weights > 0).sum(-1).min()) if rows else num_samples
    if not replacement and num_samples > choices:
        raise ValueError(
            f"multinomial: can't draw {num_samples} of {choices} nonzero weights without"
            " replacement. Hint: replacement=True"
        )
    if replacement:
        u = draw("uniform", rows * num_samples, dtypes.float64.numpy, where, generator)
        edges = xp.cumsum(weights / total, -1)
        edges /= edges[:, -1:]
        u = u.reshape(rows, num_samples)
        picked = xp.empty((rows, num_samples), dtypes.int64.numpy)
        for row in range(rows):
            picked[row] = xp.searchsorted(edges[row], u[row], side="right")
    else:  # the smallest of exponential clocks that tick at these rates
        u = draw("uniform", rows * columns, dtypes.float64.numpy, where, generator)
        clocks = -xp.log1p(-u).reshape(rows, columns) / xp.where(weights > 0, weights, 1)
        clocks = xp.where(weights > 0, clocks, math.inf)
        picked = xp.argsort(clocks, -1, kind="stable")[:, :num_samples]
    picked = picked.astype(dtypes.int64.numpy, copy=False)
    return Tensor._wrap(picked[0] if input.ndim == 1 else picked, where)


# The generator's state as a tensor, as PyTorch has it; it fits into checkpoints.


def _get_state(self: Generator) -> Tensor:
    """The whole state as a uint8 tensor of a few bytes, for set_state."""
    device = Device("cpu")
    return Tensor._wrap(device.asarray(list(self._state_bytes()), "uint8"), device)


def _set_state(self: Generator, new_state: Tensor) -> None:
    """Continue from a state that get_state returned."""
    kind = getattr(new_state, "dtype", type(new_state).__name__)
    if not isinstance(new_state, Tensor) or kind is not dtypes.uint8:
        raise DTypeError(f"set_state: expected the uint8 tensor of get_state(); got {kind}")
    self._set_state_bytes(bytes(new_state.tolist()))


Generator.get_state = _get_state  # type: ignore[attr-defined]
Generator.set_state = _set_state  # type: ignore[attr-defined]


def get_rng_state() -> Tensor:
    """The default generator's state, as a uint8 tensor."""
    return _get_state(random.default_generator)


def set_rng_state(new_state: Tensor) -> None:
    """Set the default generator's state to one that get_rng_state returned."""
    _set_state(random.default_generator, new_state)


# lucid.random lies below tensors; these two arrive there from here, as the methods above do.
random.get_rng_state = get_rng_state  # type: ignore[attr-defined]
random.set_rng_state = set_rng_state  # type: ignore[attr-defined]


spec(
    multinomial,
    cases=[Case([(3, 4)], {"num_samples": 2}, low=0.1, high=1.0)],
    random=True,
    differentiable=False,
)
