"""Windows that slide over the last dimensions: what convolution and pooling share.

A window of a kernel's size stands at every stride-th position of the padded input; its elements are
`dilation` apart. Dimensions are (N, C, *) or (C, *), with 1, 2 or 3 spatial ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from lucid.backend import Array
from lucid.backend.cpu.pooling import Axis
from lucid.errors import ShapeError
from lucid.op.conventions import several, whole
from lucid.tensor import Tensor

Sizes = int | Sequence[int]
Ints = tuple[int, ...]
Pairs = Sequence[tuple[int, int]]


def per_dimension(name: str, what: str, value: Any, d: int, least: int) -> Ints:
    """A setting given as one int for all dimensions, or as one for each."""
    given = (value,) if isinstance(value, int) else several(name, what, value)
    if len(given) == 1:
        given = given * d
    given = tuple([n if n.__class__ is int else whole(name, what, n) for n in given])
    if len(given) != d or any(n < least for n in given):
        raise ValueError(
            f"{name}: {what} must be an int or {d} ints, each at least {least}; got {value!r}"
        )
    return given


def batched(name: str, x: Tensor, d: int) -> Tensor:
    """x: (N, C, *), made from (C, *) if need be."""
    if x.ndim == d + 2:
        return x
    if x.ndim == d + 1:
        return x.unsqueeze(0)
    sides = ", ".join("LHWDHW"[d * (d - 1) // 2 :][:d])
    raise ShapeError(f"{name}: the input must be (N, C, {sides}) or (C, {sides}); got {x.shape}")


def output_size(extent: Ints, kernel: Ints, stride: Ints, padding: Pairs, dilation: Ints) -> Ints:
    """How many windows there are, per dimension."""
    sides = zip(extent, kernel, stride, padding, dilation, strict=True)
    return tuple((n + sum(p) - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in sides)


def padded(xp: Any, x: Array, padding: Pairs, fill: float = 0.0) -> Array:
    """x with `fill` around its spatial dimensions; negative padding crops."""
    keep = [
        slice(max(-before, 0), n - max(-after, 0))
        for n, (before, after) in zip(x.shape[2:], padding, strict=True)
    ]
    around = [(max(before, 0), max(after, 0)) for before, after in padding]
    x = x[(..., *keep)]
    if not any(map(any, around)):
        return x
    return xp.pad(x, [(0, 0), (0, 0), *around], constant_values=fill)


def windows(xp: Any, x: Array, kernel: Ints, size: Ints, stride: Ints, dilation: Ints) -> Array:
    """The windows of (N, C, *) as a view (N, C, *kernel, *size)."""
    leading, steps = x.strides[:2], x.strides[2:]
    across = tuple(d * step for d, step in zip(dilation, steps, strict=True))
    along = tuple(s * step for s, step in zip(stride, steps, strict=True))
    shape = (*x.shape[:2], *kernel, *size)
    return xp.lib.stride_tricks.as_strided(x, shape, (*leading, *across, *along))


def by_offset(
    kernel: Ints, size: Ints, stride: Ints, dilation: Ints
) -> Iterator[tuple[Ints, tuple[Any, ...]]]:
    """For each offset in the kernel: the offset, and the index of that element of all windows."""
    for offset in itertools.product(*map(range, kernel)):
        sides = zip(offset, size, stride, dilation, strict=True)
        yield offset, (..., *(slice(d * k, d * k + s * (n - 1) + 1, s) for k, n, s, d in sides))


def product(sizes: Sequence[int]) -> int:
    """All sizes multiplied; 1 for none."""
    n = 1
    for size in sizes:
        n *= size
    return n


def pooling_axes(
    name: str, x: Tensor, d: int, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool
) -> tuple[Axis, ...]:
    """The windows of a pooling along each of the last d dimensions of x.

    ceil: a last window that only begins inside x, or in the padding before it, counts too.
    """
    kernel = per_dimension(name, "kernel_size", kernel, d, 1)
    stride = kernel if stride in (None, ()) else per_dimension(name, "stride", stride, d, 1)
    padding = per_dimension(name, "padding", padding, d, 0)
    dilation = per_dimension(name, "dilation", dilation, d, 1)
    axes = []
    for n, k, s, p, g in zip(x.shape[-d:], kernel, stride, padding, dilation, strict=True):
        reach = g * (k - 1) + 1
        if 2 * p > reach:
            raise ValueError(
                f"{name}: padding must be at most half of the window; got padding={padding},"
                f" kernel_size={kernel}, dilation={dilation}"
            )
        size = (n + 2 * p - reach + (s - 1 if ceil else 0)) // s + 1
        if ceil and (size - 1) * s >= n + p:
            size -= 1
        if size < 1 or n < 1:
            raise ShapeError(
                f"{name}: the window must fit into the padded input; got kernel_size={kernel},"
                f" dilation={dilation}, padding={padding} for an input of shape {x.shape}"
            )
        axes.append(Axis(n, size, k, s, p, g))
    return tuple(axes)


def part_sizes(name: str, x: Tensor, d: int, output_size: Any) -> Ints:
    """How many parts adaptive pooling makes of each of the last d dimensions; None keeps it."""
    alone = isinstance(output_size, int | None)
    given = (output_size,) * d if alone else several(name, "output_size", output_size)
    given = tuple([n if n is None else whole(name, "output_size", n) for n in given])
    if len(given) == 1:
        given = given * d
    if len(given) != d or any(n is not None and n < 0 for n in given):
        raise ValueError(
            f"{name}: output_size must be an int, or {d} of ints and None; got {output_size!r}"
        )
    if 0 in x.shape[-d:]:
        raise ShapeError(f"{name}: there is nothing to pool; got an input of shape {x.shape}")
    return tuple(n if want is None else want for n, want in zip(x.shape[-d:], given, strict=True))
