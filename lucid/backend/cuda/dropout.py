"""The dropout family on CuPy arrays: the contract of lucid.backend.cpu.dropout, fused.

Which kernel draws depends on how x lies in memory; the decisions do not. Results equal the CPU's
bit for bit, a NaN's payload apart.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy

from lucid.backend.cuda import layout
from lucid.backend.cuda.arrays import THREADS, is_contiguous, is_dense
from lucid.backend.cuda.availability import cupy
from lucid.backend.cuda.kernel import Kernel, multiprocessors
from lucid.backend.cuda.random import KEY, decisions, key_arguments
from lucid.backend.philox import Key

__all__ = ["bernoulli_affine"]

_LAW = "double scale, double shift, double fill"
_ROTATED = "const T* x, T* y, i64 samples, i64 inner, u32 channels"
_FILE = "dropout.cu"

_element = Kernel(
    _FILE, "bernoulli_affine", f"const T* x, T* y, i64 n, u64 threshold, {_LAW}, {KEY}"
)
_channel = Kernel(
    _FILE,
    "bernoulli_affine_channel",
    "const T* x, T* y, i64 n, u32 inner, u32 magic, u32 shift_by, u32 chunk,"
    f" u64 threshold, {_LAW}, {KEY}",
)
_channel_last = Kernel(
    _FILE, "bernoulli_affine_channel_last", f"{_ROTATED}, u64 threshold, {_LAW}, {KEY}"
)
_element_last = Kernel(
    _FILE, "bernoulli_affine_element_last", f"{_ROTATED}, u32 run, u64 threshold, {_LAW}, {KEY}"
)
_given = Kernel(
    _FILE, "bernoulli_affine_given", f"const T* x, T* y, const bool* drop, i64 n, {_LAW}"
)

_MOST_INNER = 2**31 - 4096  # the channel kernel divides numbers below 2**31
_MOST_BLOCKS = 2**31 - 1
_WAVES = 32  # blocks per multiprocessor from which a warp is given more than one piece of work


def bernoulli_affine(
    x: Any,
    key: Key,
    threshold: int,
    scale: float,
    shift: float = 0.0,
    fill: float = 0.0,
    channel_dims: int | None = None,
    out: Any = None,
) -> Any:
    """keep ? scale * x + shift : fill. x: (*) -> y: (*), dense in x's order of strides.

    One decision per element, or per index of the first ``channel_dims`` dimensions. The half types
    are computed in float32 and rounded once. ``out`` may be x itself.
    """
    if out is not None and (out.shape != x.shape or out.dtype != x.dtype):
        raise ValueError(
            f"bernoulli_affine: out must have x's shape and dtype; got {out.shape} {out.dtype} "
            f"for x {x.shape} {x.dtype}"
        )
    source = _dense(x)
    if x.size == 0:
        return cupy().empty_like(source) if out is None else out
    target = out
    if out is None or (out is not x and out.strides != source.strides) or source is not x:
        target = cupy().empty_like(source)
    law = scale, shift, rounded(fill, x.dtype) if fill else 0.0
    _launch(source, target, key, threshold, law, channel_dims)
    if out is not None and target is not out:
        out[...] = target
        return out
    return target


def _launch(x: Any, y: Any, key: Key, threshold: int, law: Any, channel_dims: int | None) -> None:
    """The kernel for x's layout; x and y are dense and lie alike."""
    rest = (threshold, *law, *key_arguments(key))
    inner = 1 if channel_dims is None else math.prod(x.shape[channel_dims:])
    processors = multiprocessors(x.data.device_id)
    if is_contiguous(x):
        if inner == 1:
            grid = _warps(x.size, 1024 if x.itemsize == 2 else 512, processors)
            _element(grid, THREADS, x.dtype, x, y, x.size, *rest)
            return
        if inner <= _MOST_INNER:
            chunk = _chunk(x.size, inner, processors)
            grid = _warps(x.size, chunk, processors)
            numbers = x.size, inner, *_divisor(inner), chunk
            _channel(grid, THREADS, x.dtype, x, y, *numbers, *rest)
            return
    else:
        turned = layout.rotation(x)
        if turned and turned.channels < 2**32 and inner in (1, turned.inner):
            launch = _launch_element_last if inner == 1 else _launch_channel_last
            launch(x, y, turned, processors, rest)
            return
    _launch_given(x, y, key, threshold, law, channel_dims)


def _warps(n: int, chunk: int, processors: int) -> int:
    """Blocks for a warp per chunk; where there are very many chunks, a warp takes up to four."""
    blocks = -(-n // (chunk * (THREADS // 32)))
    each = min(4, max(1, blocks // (_WAVES * processors)))
    return min(-(-blocks // each), _MOST_BLOCKS)


def _chunk(n: int, inner: int, processors: int) -> int:
    """Elements per warp: many, as it draws anew for each chunk; but all processors want work.

    Its lanes hold 32 * 16 decisions, which limits it for small inner.
    """
    chunk = 1024 if inner < 4 else 2048 if inner < 16 else 4096
    while chunk > 1024 and n < chunk * 64 * processors:
        chunk //= 2
    return chunk


@lru_cache(maxsize=1024)
def _divisor(d: int) -> tuple[int, int]:
    """magic and s with k // d == (k * magic >> 32) >> s for every 0 <= k < 2**31; d from 2 on."""
    bits = (d - 1).bit_length()
    return (2 ** (31 + bits)) // d + 1, bits - 1


def _vector(x: Any, channels: int) -> int:
    """How many neighbouring channels a thread takes; the kernels decide in the same way."""
    most = 16 // x.itemsize
    return most if channels % most == 0 else 1


def _launch_channel_last(
    x: Any, y: Any, turned: layout.Rotation, processors: int, rest: tuple
) -> None:
    samples, channels, inner = turned
    groups = channels // _vector(x, channels)
    # A row of threads covers the channels of a position, so that neighbours read neighbours.
    wide = min(groups, THREADS)
    high = max(1, THREADS // wide)
    columns = -(-samples * groups // wide)
    # A thread draws once and should then meet some 16 positions; but all processors want work.
    full = 16 * processors
    rows = -(-inner // (high * (16 if columns >= full else 4)))
    grid = (min(columns, _MOST_BLOCKS), min(rows, 65535), 1)
    _channel_last(grid, (wide, high, 1), x.dtype, x, y, samples, inner, channels, *rest)


def _launch_element_last(
    x: Any, y: Any, turned: layout.Rotation, processors: int, rest: tuple
) -> None:
    samples, channels, inner = turned
    groups = samples * (channels // _vector(x, channels))
    threads = 8 * THREADS * processors  # resident at once
    run = max(1, min(8, groups * -(-inner // 16) // threads))
    blocks = -(-groups * -(-inner // (16 * run)) // THREADS)
    grid = min(blocks, _MOST_BLOCKS)
    _element_last(grid, THREADS, x.dtype, x, y, samples, inner, channels, run, *rest)


def _launch_given(
    x: Any, y: Any, key: Key, threshold: int, law: Any, channel_dims: int | None
) -> None:
    """Any order of memory: the decisions are drawn first, and brought into that order."""
    xp = cupy()
    leading = x.shape if channel_dims is None else x.shape[:channel_dims]
    drop = decisions(key, math.prod(leading), threshold)
    drop = xp.broadcast_to(drop.reshape(leading + (1,) * (x.ndim - len(leading))), x.shape)
    ordered = xp.empty_like(x, dtype=numpy.bool_)  # in x's order
    ordered[...] = drop
    grid = min(-(-x.size // THREADS), _MOST_BLOCKS)
    _given(grid, THREADS, x.dtype, x, y, ordered, x.size, *law)


def _dense(x: Any) -> Any:
    """x, or a copy without gaps in the same order of dimensions; C order if x was expanded."""
    if is_dense(x):
        return x
    expanded = any(step == 0 and n > 1 for step, n in zip(x.strides, x.shape, strict=True))
    if expanded:
        return cupy().ascontiguousarray(x)
    return x.copy(order="K")


@lru_cache(maxsize=256)
def rounded(fill: float, dtype: Any) -> float:
    """fill as an element: rounded once, as NumPy does it."""
    return float(numpy.array(fill).astype(dtype))
