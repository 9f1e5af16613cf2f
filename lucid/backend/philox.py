"""Addressed random numbers on the CPU: words of numpy.random.Philox, found by position.

A draw has a Key (seed, stream, offset). Its block b is Philox4x64-10 with the two key words (seed,
stream) and the 256-bit counter offset + b + 1; it yields four uint64 words. So word number w of a
draw is what `Philox(key=[seed, stream]).advance(offset).random_raw()` returns the w-th time, and
any part of a draw can be computed alone, by any thread, on any device. What is made of the words:

    decisions    16 per block   16-bit lanes u, low lane first; v = (u << 16) | (u ^ X) with X the
                                xor of the block's lanes; drop when v < threshold
    uniform       8 per block   float32: top 24 bits of each uint32 half, low half first; float16
                                and bfloat16: its top 11 and 8 bits, all that they hold below 1
                  4 per block   float64: top 53 bits of each word
    normal        8 per block   Box-Muller on pairs (a, b) of uint32 halves (float64: of words, 4
                                per block): u = a * 2^-32 + 2^-33 in (0, 1], r = sqrt(-2 log u),
                                t = 2 pi * uniform(b); the pair becomes (r cos t, r sin t); every
                                step is rounded to the type. float16, bfloat16: rounded float32
    integers      4 per block   low + floor(word * (high - low) / 2^64): no rejection, so that one
                                word is one integer; the bias is below (high - low) / 2^64
    permutation   4 per block   the stable order of n words

These definitions are frozen: tests/golden.py pins them, the CUDA kernels repeat them.
"""

import threading
from typing import Any, Literal, NamedTuple

import ml_dtypes
import numpy as np

from lucid.backend.cpu.threads import parallel_for

__all__ = [
    "Key",
    "blocks_for",
    "drops",
    "integers",
    "normal",
    "permutation",
    "threshold",
    "uniform",
    "words",
]

Kind = Literal["decisions", "uniform", "normal", "integers", "permutation"]

_MASK64 = 2**64 - 1
_GRAIN = 1 << 16  # words per block of work: 250 us, long against handing over the GIL
_UNIFORM_BITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}
_HALVES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))


class Key(NamedTuple):
    """The address of a draw: two key words below 2**64 and an offset in blocks of four words."""

    seed: int
    stream: int
    offset: int


class _Thread(threading.local):
    """One bit generator per thread: setting its state takes 1 us, making a new one 8 us."""

    def __init__(self) -> None:
        self.bits = np.random.Philox(key=0)


_thread = _Thread()


def threshold(p: float) -> int:
    """round(p * 2**32): the number of the 2**32 decision words that drop."""
    return round(p * 2**32)


def blocks_for(kind: Kind, count: int, dtype: Any = None) -> int:
    """Blocks that a draw of `count` numbers owns; uniform and normal depend on the dtype."""
    if kind == "decisions":
        per_block = 16
    elif kind in ("uniform", "normal") and np.dtype(dtype).itemsize < 8:
        per_block = 8
    else:
        per_block = 4
    return -(-count // per_block)


def words(key: Key, count: int, first: int = 0) -> np.ndarray:
    """Words first, first + 1, ... of a draw, uint64. `first` is a multiple of 4."""
    if count <= _GRAIN:
        return _words(key, count, first)
    result = np.empty(count, np.uint64)

    def fill(start: int, stop: int) -> None:
        result[start:stop] = _words(key, stop - start, first + start)

    parallel_for(fill, count, _GRAIN)
    return result


def drops(
    key: Key, threshold: int, count: int, first: int = 0, out: np.ndarray | None = None
) -> np.ndarray:
    """Decisions first, first + 1, ... of a draw, True for a drop. `first` is a multiple of 16."""
    result = np.empty(count, np.bool_) if out is None else out

    if count <= 4 * _GRAIN:
        _decide(_lanes(_words(key, 4 * -(-count // 16), first // 4), "<u2"), threshold, result)
        return result

    def decide(start: int, stop: int) -> None:
        part = _words(key, 4 * -(-(stop - start) // 16), (first + start) // 4)
        _decide(_lanes(part, "<u2"), threshold, result[start:stop])

    parallel_for(decide, count, 4 * _GRAIN)
    return result


def uniform(key: Key, count: int, dtype: Any) -> np.ndarray:
    """Uniform numbers in [0, 1)."""
    dtype = np.dtype(dtype)
    wide = np.dtype(np.float32) if dtype in _HALVES else dtype

    def make(part: np.ndarray) -> np.ndarray:
        return _fraction(_lanes(part, f"<u{wide.itemsize}"), _UNIFORM_BITS[dtype.name], wide)

    return _made(make, key, count, dtype, 8 // wide.itemsize)


def normal(key: Key, count: int, dtype: Any) -> np.ndarray:
    """Standard normal numbers; CPU and CUDA agree to a few ulp (their log, sin and cos differ)."""
    dtype = np.dtype(dtype)
    wide = np.dtype(np.float32) if dtype in _HALVES else dtype

    def make(part: np.ndarray) -> np.ndarray:
        return _box_muller(_lanes(part, f"<u{wide.itemsize}"), wide)

    return _made(make, key, count, dtype, 8 // wide.itemsize)


def integers(key: Key, count: int, low: int, high: int) -> np.ndarray:
    """Integers in [low, high), int64; the range may be all of int64."""
    if not -(2**63) <= low < high <= 2**63:
        raise ValueError(
            f"integers: low must be below high, both within int64; got low={low}, high={high}"
        )

    def make(part: np.ndarray) -> np.ndarray:
        scaled = part if high - low == 2**64 else _multiply_high(part, high - low)
        return (scaled + np.uint64(low & _MASK64)).view(np.int64)  # wraps, as two's complement

    return _made(make, key, count, np.dtype(np.int64), 1)


def permutation(key: Key, n: int) -> np.ndarray:
    """A random order of range(n), int64."""
    return np.argsort(words(key, n), kind="stable").astype(np.int64, copy=False)


def _words(key: Key, count: int, first: int) -> np.ndarray:
    counter = key.offset + first // 4
    state: Any = {
        "bit_generator": "Philox",
        "state": {
            "counter": [counter >> shift & _MASK64 for shift in (0, 64, 128, 192)],
            "key": (key.seed, key.stream),
        },
        "buffer": (0, 0, 0, 0),
        "buffer_pos": 4,  # the buffer is used up: the next word begins a block
        "has_uint32": 0,
        "uinteger": 0,
    }
    bits = _thread.bits
    bits.state = state
    return bits.random_raw(count)  # releases the GIL


def _lanes(part: np.ndarray, dtype: str) -> np.ndarray:
    return part.astype("<u8", copy=False).view(dtype)


def _decide(lanes: np.ndarray, threshold: int, out: np.ndarray) -> None:
    """out[i] = v_i < threshold, by the high halves; the low ones matter only where those tie."""
    high, low = divmod(threshold, 1 << 16)
    if high > 0xFFFF:
        out.fill(True)
        return
    used = lanes[: out.size]
    np.less(used, np.uint16(high), out=out)
    if not low:
        return
    ties = np.flatnonzero(used == np.uint16(high))  # one in 65,536
    if ties.size:
        xor = np.bitwise_xor.reduce(lanes.reshape(-1, 16)[ties // 16], axis=1)
        out[ties] = (used[ties] ^ xor) < low


def _made(make: Any, key: Key, count: int, dtype: np.dtype[Any], per_word: int) -> np.ndarray:
    """`count` numbers, `per_word` from each word, made by blocks in all threads."""
    result = np.empty(count, dtype)

    def fill(start: int, stop: int) -> None:
        # Whole blocks, so that pairs stay together; an unused end is dropped.
        part = _words(key, 4 * -(-(stop - start) // (4 * per_word)), start // per_word)
        result[start:stop] = make(part)[: stop - start]

    parallel_for(fill, count, _GRAIN)
    return result


def _fraction(lanes: np.ndarray, bits: int, dtype: np.dtype[Any]) -> np.ndarray:
    """The top bits of unsigned integers as a fraction in [0, 1): exact."""
    width = 8 * lanes.itemsize
    top = (lanes >> lanes.dtype.type(width - bits)).view(f"i{lanes.itemsize}")  # converts faster
    return np.multiply(top.astype(dtype), dtype.type(2.0**-bits))


def _box_muller(lanes: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    width = 8 * lanes.itemsize
    radius = lanes[0::2].astype(dtype)
    radius *= dtype.type(2.0**-width)
    radius += dtype.type(2.0 ** -(width + 1))
    np.log(radius, out=radius)
    radius *= dtype.type(-2)
    np.sqrt(radius, out=radius)
    angle = _fraction(lanes[1::2], _UNIFORM_BITS[dtype.name], dtype)
    angle *= dtype.type(2 * np.pi)
    result = np.empty(lanes.size, dtype)
    np.multiply(radius, np.cos(angle), out=result[0::2])
    np.multiply(radius, np.sin(angle, out=angle), out=result[1::2])
    return result


def _multiply_high(part: np.ndarray, factor: int) -> np.ndarray:
    """The high 64 bits of the 128-bit products part * factor, by 32-bit halves."""
    mask, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    high, low = np.uint64(factor >> 32), np.uint64(factor & 0xFFFFFFFF)
    part_high, part_low = part >> half, part & mask
    middle = part_high * low + (part_low * low >> half)
    if not high:
        return middle >> half
    return part_high * high + (middle >> half) + ((middle & mask) + part_low * high >> half)
