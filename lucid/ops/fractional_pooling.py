"""Fractional max pooling: windows of one size at uneven distances, drawn for each channel.

With u in [0, 1) and alpha = (L - K) / (L' - 1), window i begins at floor((i + u) alpha) -
floor(u alpha), the last one at L - K. Graham, Fractional Max-Pooling, 2015.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from lucid import dtypes
from lucid.errors import ShapeError
from lucid.op import Op, casts, floating
from lucid.op.drawing import draw
from lucid.op.windows import Ints, Sizes, batched, per_dimension, product
from lucid.random import Generator
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = ["fractional_max_pool2d", "fractional_max_pool3d"]


class FractionalPositions(Op):
    """x and u (N, C, d) -> where in the flattened dimensions the maximum of each window is."""

    kernel: Ints
    size: Ints
    differentiable = upcasts = promotes = False

    def forward(self, x, u):
        xp, extent = self.xp, x.shape[2:]
        at = xp.zeros((1,) * x.ndim, "int64")
        for axis, (n, k, m) in enumerate(zip(extent, self.kernel, self.size, strict=True)):
            starts = self._starts(u[:, :, axis, None], n - k, m)
            shape = [1] * len(extent)
            shape[axis] = m
            at = at * n + starts.reshape(*starts.shape[:2], *shape)
        rows = x.shape[:2]
        at = xp.broadcast_to(at, (*rows, *self.size)).reshape(*rows, product(self.size))
        flat = x.reshape(*rows, product(extent))
        best, where = xp.take_along_axis(flat, at, 2), at.copy()
        for offset in itertools.islice(itertools.product(*map(range, self.kernel)), 1, None):
            step = 0
            for o, n in zip(offset, extent, strict=True):
                step = step * n + o
            value = xp.take_along_axis(flat, at + step, 2)
            larger = (value > best) | xp.isnan(value)
            best, where = xp.where(larger, value, best), xp.where(larger, at + step, where)
        return where

    def _starts(self, u, room, size):
        """Where the windows of one dimension begin: (N, C, size)."""
        xp = self.xp
        if size == 1:
            return xp.full(u.shape, room, "int64")
        alpha = u.dtype.type(room) / u.dtype.type(size - 1)
        i = xp.arange(size).astype(u.dtype)
        starts = ((i + u) * alpha).astype("int64") - (u * alpha).astype("int64")
        starts[..., -1] = room
        return starts


@casts(cpu="float32")
def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
    *,
    generator: Generator | None = None,
) -> Any:
    """The maxima of randomly placed windows. x: (N, C, H, W) -> y: (N, C, H', W').

    (H', W') is ``output_size``, else ``output_ratio`` times (H, W). Windows overlap or leave gaps,
    as ``generator`` draws for each sample and channel. With return_indices a pair (y, positions in
    the flattened H and W). ``_random_samples`` (N, C, 2), in [0, 1), for W and H, replace the
    draw.
    """
    sizes = output_size, output_ratio
    return _fractional(2, input, kernel_size, *sizes, return_indices, _random_samples, generator)


@casts(cpu="float32")
def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
    *,
    generator: Generator | None = None,
) -> Any:
    """The maxima of randomly placed windows. x: (N, C, D, H, W) -> y: (N, C, D', H', W').

    As fractional_max_pool2d, in three dimensions; ``_random_samples`` (N, C, 3) are for D, H and W.
    """
    sizes = output_size, output_ratio
    return _fractional(3, input, kernel_size, *sizes, return_indices, _random_samples, generator)


def _fractional(
    d: int, input: Tensor, kernel_size: Any, output_size: Any, output_ratio: Any,
    return_indices: bool, samples: Tensor | None, generator: Generator | None,
) -> Any:  # fmt: skip
    name = f"fractional_max_pool{d}d"
    x = batched(name, floating(name, "input", input), d)
    kernel = per_dimension(name, "kernel_size", kernel_size, d, 1)
    size = _size(name, d, x, output_size, output_ratio)
    if any(k + m - 1 > n for k, m, n in zip(kernel, size, x.shape[2:], strict=True)):
        raise ShapeError(
            f"{name}: the windows must fit into the input: output_size + kernel_size - 1 at most;"
            f" got output_size={size}, kernel_size={kernel} for an input of shape {input.shape}"
        )
    u = _draw(x, d, generator) if samples is None else samples
    if u.shape != (*x.shape[:2], d):
        raise ShapeError(
            f"{name}: _random_samples must be {(*x.shape[:2], d)}, one number per sample, channel"
            f" and dimension; got {u.shape}"
        )
    if d == 2:  # there the first number is the width's
        u = u.flip(2)
    at = FractionalPositions(kernel, size)(x, u)
    y = x.flatten(2).gather(2, at)
    shape = (*x.shape[:2], *size) if x is input else (x.shape[1], *size)
    return (y.reshape(shape), at.reshape(shape)) if return_indices else y.reshape(shape)


def _size(name: str, d: int, x: Tensor, output_size: Any, output_ratio: Any) -> Ints:
    if output_size is None and output_ratio is None:
        raise ValueError(
            f"{name}: either output_size or output_ratio must be given; got None and None"
        )
    if output_size is not None:
        return per_dimension(name, "output_size", output_size, d, 1)
    ratio = (output_ratio,) * d if isinstance(output_ratio, float | int) else tuple(output_ratio)
    if len(ratio) != d or not all(0 < r < 1 for r in ratio):
        raise ValueError(
            f"{name}: output_ratio must be a number in (0, 1) or {d} of them; got {output_ratio}"
        )
    size = tuple(int(n * r) for n, r in zip(x.shape[2:], ratio, strict=True))
    if 0 in size:
        raise ShapeError(
            f"{name}: there must be something left; got output_ratio={output_ratio} for an input"
            f" of shape {x.shape}"
        )
    return size


def _draw(x: Tensor, d: int, generator: Generator | None) -> Tensor:
    kind = x.dtype if x.dtype is dtypes.float64 else dtypes.float32
    shape = (*x.shape[:2], d)
    values = draw("uniform", product(shape), kind.numpy, x._device, generator)
    return Tensor._wrap(values.reshape(shape), x._device)


_ratio = {"kernel_size": 2, "output_ratio": 0.6}
spec(
    fractional_max_pool2d,
    cases=[
        Case([(2, 3, 7, 5)], {"kernel_size": 2, "output_size": (4, 3)}),
        Case([(3, 7, 6)], _ratio),
        Case([(0, 2, 4, 4)], {"kernel_size": 2, "output_size": 1}),
    ],
    random=True,
    errors=[
        (
            Case([(1, 1, 4, 4)], {"kernel_size": 3, "output_size": 3}),
            ShapeError,
            r"fractional_max_pool2d: the windows must fit into the input: .* got output_size=\(3,",
        ),
        (
            Case([(1, 1, 4, 4)], {"kernel_size": 2}),
            ValueError,
            "fractional_max_pool2d: either output_size or output_ratio must be given; got None",
        ),
        (
            Case([(1, 1, 4, 4)], {"kernel_size": 2, "output_ratio": 1.5}),
            ValueError,
            r"fractional_max_pool2d: output_ratio must be a number in \(0, 1\)",
        ),
    ],
)
spec(
    fractional_max_pool3d,
    cases=[Case([(1, 2, 4, 5, 4)], {"kernel_size": 2, "output_size": (2, 3, 2)})],
    random=True,
)
