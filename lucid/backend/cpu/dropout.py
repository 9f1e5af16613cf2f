"""The dropout family on NumPy arrays: y = keep ? scale * x + shift : fill, without a stored mask.

Decision i belongs to the i-th element (or channel) in C order, whatever the memory layout. A block
draws its decisions, computes the affine part and selects by bits, so a dropped NaN or Inf leaves no
trace: y = ((y ^ fill) & keep) ^ fill on the integers of the same width, keep being -1 or 0.
"""

import math
from functools import lru_cache
from typing import Any

import ml_dtypes
import numpy as np

from lucid.backend import philox
from lucid.backend.cpu import arena
from lucid.backend.cpu.threads import parallel_for, scratch

__all__ = ["bernoulli_affine"]

# Elements per block. Smaller blocks would stay in a nearer cache, but a NumPy call must be long
# (30 us here) against handing the GIL to the next thread. A quarter of it where there are few.
BLOCK = 1 << 18

_FEW = 1 << 15  # elements that are one block whatever their shape
_TABLE = 1 << 16  # elements that pay for a table of the float16 numbers

_INTEGERS = {2: np.int16, 4: np.int32, 8: np.int64}
_HALVES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))


def bernoulli_affine(
    x: np.ndarray,
    key: philox.Key,
    threshold: int,
    scale: float,
    shift: float = 0.0,
    fill: float = 0.0,
    channel_dims: int | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """keep ? scale * x + shift : fill. x: (*) -> y: (*), dense in x's order of strides.

    One decision per element, or per index of the first `channel_dims` dimensions: 2 for (N, C, *),
    1 for (C, *). The half types are computed in float32 and rounded once. `out` may be x itself
    (any strides, no two elements sharing memory).
    """
    if out is None:
        out = _dense_like(x)
    elif out.shape != x.shape or out.dtype != x.dtype:
        raise ValueError(
            f"bernoulli_affine: out must have x's shape and dtype; got {out.shape} {out.dtype} "
            f"for x {x.shape} {x.dtype}"
        )
    if x.size == 0:
        return out
    keep = None
    if channel_dims is not None:
        keep = _channel_keep(x, key, threshold, channel_dims)
    law = _law(x.dtype, x.size >= _TABLE, scale, shift, fill)
    source, target, rows = x, out, None
    if x.flags.c_contiguous and out.flags.c_contiguous:
        leading = () if channel_dims is None else (math.prod(x.shape[:channel_dims]),)
        source, target = x.reshape(*leading, -1), out.reshape(*leading, -1)
        rows = None if keep is None else keep.reshape(-1) == 0
    elif keep is not None:
        keep = np.broadcast_to(keep, source.shape)
    if x.size <= _FEW:
        if rows is not None:
            law.apply_rows(source, rows, target)
        else:
            kept = _drawn_keep(source, key, threshold, 0) if keep is None else keep
            law.apply(source, kept, target)
        return out

    blocks = _Blocks(source.shape, BLOCK if x.size >= 4 * BLOCK else BLOCK // 4)

    def run(start: int, stop: int) -> None:
        for number in range(start, stop):
            index, first = blocks.locate(number)
            piece = source[index]
            if rows is not None:
                law.apply_rows(piece, rows[index[0]], target[index])
                continue
            kept = _drawn_keep(piece, key, threshold, first) if keep is None else keep[index]
            law.apply(piece, kept, target[index])

    parallel_for(run, blocks.count, 1)
    return out


class _Law:
    """The affine rule and the fill, in the type that computes them."""

    def __init__(
        self, dtype: np.dtype[Any], tabled: bool, scale: float, shift: float, fill: float
    ) -> None:
        self.compute = np.dtype(np.float32) if dtype in _HALVES else dtype
        self.scale = self.compute.type(scale)
        self.shift = self.compute.type(shift)
        self.integer = _INTEGERS[dtype.itemsize]
        self.fill = np.array(fill).astype(dtype).view(self.integer)[()]
        self.table = None
        if tabled and dtype == np.float16:
            self.table = _float16_table(scale, shift)

    def apply_rows(self, x: np.ndarray, dropped: np.ndarray, y: np.ndarray) -> None:
        """One decision per row of x, or one for all of it: dropped rows are written over."""
        if dropped.ndim or not dropped:
            self.keep_all(x, y)
        if dropped.any():
            y.view(self.integer)[np.flatnonzero(dropped) if dropped.ndim else ...] = self.fill

    def keep_all(self, x: np.ndarray, y: np.ndarray) -> None:
        """y = scale * x + shift."""
        if self.table is not None:
            np.take(self.table, x.view(np.uint16), out=y.view(self.integer), mode="wrap")
            return
        if y.dtype == self.compute:
            self.affine(x, y)
            return
        with np.errstate(all="ignore"):  # infinite numbers may come of the conversions
            y[...] = self.affine(x, y)

    def apply(self, x: np.ndarray, keep: np.ndarray, y: np.ndarray) -> None:
        bits = y.view(self.integer)
        self.keep_all(x, y)
        if self.fill:
            bits ^= self.fill
        bits &= keep
        if self.fill:
            bits ^= self.fill

    def affine(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """scale * x + shift in the computing type; in y where y is of that type."""
        if y.dtype == self.compute:
            wide = np.multiply(x, self.scale, out=y)
        else:
            wide = x.astype(self.compute)
            wide *= self.scale
        if self.shift:
            wide += self.shift
        return wide


_law = lru_cache(maxsize=64)(_Law)  # a model has a few; making one takes as long as a small array


@lru_cache(maxsize=8)
def _float16_table(scale: float, shift: float) -> np.ndarray:
    """The rule for each of the 65,536 float16 numbers, as integers, at the place of its bits.

    Looking up takes a fifth of the time of NumPy's conversions to float32 and back.
    """
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    law = _Law(every.dtype, False, scale, shift, 0.0)
    with np.errstate(all="ignore"):
        return law.affine(every, every).astype(np.float16).view(np.int16)


class _Blocks:
    """A shape cut into pieces of at most about `size` elements, consecutive in C order."""

    def __init__(self, shape: tuple[int, ...], size: int) -> None:
        axis = 0  # the one to cut: a slice across it has at most `size` elements
        while math.prod(shape[axis + 1 :]) > size:
            axis += 1
        self.outer, self.extent = shape[:axis], shape[axis]
        self.inner = math.prod(shape[axis + 1 :])
        self.rows = max(1, size // self.inner)
        self.per_row = -(-self.extent // self.rows)
        self.count = math.prod(self.outer) * self.per_row

    def locate(self, number: int) -> tuple[tuple[int | slice, ...], int]:
        """The index of a piece and the C-order position of its first element."""
        outer, piece = divmod(number, self.per_row)
        start = piece * self.rows
        leading = tuple(int(i) for i in np.unravel_index(outer, self.outer)) if self.outer else ()
        first = (outer * self.extent + start) * self.inner
        return (*leading, slice(start, start + self.rows)), first


def _dense_like(x: np.ndarray) -> np.ndarray:
    expanded = not x.flags.c_contiguous and any(
        stride == 0 and size > 1 for stride, size in zip(x.strides, x.shape, strict=True)
    )
    return arena.empty(x.shape, x.dtype) if expanded else arena.empty_like(x)


def _drawn_keep(x: np.ndarray, key: philox.Key, threshold: int, first: int) -> np.ndarray:
    """-1 (keep) or 0 (drop) for x.size elements from C-order position `first` on.

    One byte each, in the memory order of x, for the selection to widen in its own small buffer.
    """
    if x.size <= _FEW and x.flags.c_contiguous and not first:
        few = philox.drops(key, threshold, x.size).view(np.int8).reshape(x.shape)
        few -= 1
        return few
    skip = first % 16
    dropped = scratch("drop", skip + x.size, np.bool_)
    philox.drops(key, threshold, dropped.size, first - skip, out=dropped)
    flags = dropped[skip:].view(np.int8).reshape(x.shape)
    keep = flags if x.flags.c_contiguous else np.empty_like(x, dtype=np.int8, subok=False)
    return np.subtract(flags, 1, out=keep)


def _channel_keep(x: np.ndarray, key: philox.Key, threshold: int, channel_dims: int) -> np.ndarray:
    """-1 (keep) or 0 (drop) for each channel, as wide as an element, to be broadcast over x."""
    leading = x.shape[:channel_dims]
    flags = philox.drops(key, threshold, math.prod(leading)).view(np.int8)
    keep = (flags - 1).astype(_INTEGERS[x.itemsize])
    return keep.reshape(leading + (1,) * (x.ndim - channel_dims))
