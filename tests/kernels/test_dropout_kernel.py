"""The dropout kernels give the CPU's bits: every dtype, size, order of memory, grid and block."""

import itertools

import ml_dtypes
import numpy as np
import pytest

from lucid.backend import philox
from lucid.backend.cpu.dropout import bernoulli_affine
from lucid.backend.cuda import dropout, layout
from lucid.backend.cuda.random import CapturedKey, key_arguments

KEY = philox.Key(2**64 - 1, 3, 2**64 + 2**32 - 7)  # the offset needs more than 64 bits
T = philox.threshold(0.3)
LAW = 1.25, -0.375, 0.7071  # scale, shift, fill; the last is rounded in every type but double
DTYPES = [np.float32, np.float64, np.float16, ml_dtypes.bfloat16]
SIZES = [1, 7, 8, 9, 255, 256, 257, 511, 513, 1024, 1025, 1537, 2048, 10007]


def numbers(shape, dtype):
    """Whole and broken, large and subnormal numbers; infinities and zeros of both signs."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=shape) * 10.0 ** generator.integers(-41, 38, size=shape)
    special = np.array([0.0, -0.0, np.inf, -np.inf])
    with np.errstate(over="ignore"):
        return np.where(generator.random(shape) < 0.1, generator.choice(special, shape), x).astype(
            dtype
        )


def on_cpu(*args):
    with np.errstate(over="ignore"):  # as an op's caller sets it
        return bernoulli_affine(*args)


def assert_same_bits(y, expected):
    assert y.shape == expected.shape and y.dtype == expected.dtype
    assert np.ascontiguousarray(y).tobytes() == np.ascontiguousarray(expected).tobytes()


def steps(a):
    """The strides that say something: those of dimensions longer than 1."""
    return [step for step, n in zip(a.strides, a.shape, strict=True) if n > 1]


def check(cuda, x, a, channel_dims=None, key=KEY, threshold=T, law=LAW):
    """a is x on the device, in some layout."""
    y = cuda.bernoulli_affine(a, key, threshold, *law, channel_dims)
    assert_same_bits(cuda.to_numpy(y), on_cpu(x, key, threshold, *law, channel_dims))
    return y


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("size", SIZES)
def test_every_size(cuda, size, dtype):
    x = numbers(size, dtype)
    check(cuda, x, cuda.asarray(x))


def test_nothing_is_launched_for_an_empty_array(cuda):
    x = cuda.asarray(np.empty((0, 3), np.float32))
    assert cuda.bernoulli_affine(x, KEY, T, *LAW).shape == (0, 3)


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("start", [1, 2, 3])
def test_views_that_are_not_aligned(cuda, start, dtype):
    x = numbers(1030 + start, dtype)
    check(cuda, x[start:], cuda.asarray(x)[start:])


LAWS = [(1.25, 0.0, 0.0), (1.25, -0.375, 0.0), (0.8, 0.0, 0.3), (2.0, 0.0, 0.0), (1.0, 0.0, 0.3)]
# Scales by which halves may be multiplied as they are, and their neighbours: 0.5 rounds subnormals.
LAWS += [(2.0**k, 0.0, 0.0) for k in (-1, 15, 16, 127)] + [(2.0, 0.25, 0.0), (3.0, 0.0, 0.0)]


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("law", LAWS)
def test_every_law(cuda, law, dtype):
    """And zeros keep their sign where nothing is added."""
    x = numbers(1600, dtype)
    check(cuda, x, cuda.asarray(x), law=law)


@pytest.mark.parametrize("dtype", DTYPES[::2], ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("threshold", [0, 1, 2**16 - 1, 2**16, 2**31, 2**32 - 1, 2**32])
def test_every_threshold(cuda, threshold, dtype):
    x = numbers(2000, dtype)
    check(cuda, x, cuda.asarray(x), threshold=threshold)


@pytest.mark.parametrize("dtype", DTYPES[::2], ids=lambda d: np.dtype(d).name)
def test_ties_are_decided_by_the_lower_half(cuda, dtype):
    """Thresholds cut at a block's own decisions: one more than its number is a drop, itself not."""
    words = philox.words(KEY, 4 * 64).view(np.uint16).reshape(64, 16).astype(np.uint64)
    folded = np.bitwise_xor.reduce(words, axis=1)
    x = np.ones(1024, dtype)
    for block in range(0, 64, 7):
        u = words[block, block % 16]
        decision = int(u << np.uint64(16) | (u ^ folded[block]))
        for threshold in (decision, decision + 1):
            y = check(cuda, x, cuda.asarray(x), threshold=threshold, law=(1.0, 0.0, 0.0))
            kept = cuda.to_numpy(y)[16 * block + block % 16] == 1
            assert kept == (threshold == decision)


@pytest.mark.parametrize("dtype", DTYPES[::2], ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("offset", [0, 5, 2**32 - 2, 2**64 - 2, 2**64 - 1, 2**64, 2**95])
def test_every_offset(cuda, offset, dtype):
    """Carries within the draw: from the lower word, and from the low half to the high one."""
    x = np.ones(1100, dtype)
    check(cuda, x, cuda.asarray(x), key=philox.Key(1, 2, offset))


@pytest.mark.parametrize("left", [62, 63, 64, 65, 66, 67])
def test_a_carry_at_the_end_of_a_draw(cuda, left):
    """The last block is the last before the carry, or the first behind it."""
    x = np.ones(1024, np.float16)
    check(cuda, x, cuda.asarray(x), key=philox.Key(1, 2, 2**64 - left))


def test_a_dropped_nan_leaves_no_trace(cuda):
    x = np.full(4000, np.nan, np.float32)
    y = cuda.to_numpy(cuda.bernoulli_affine(cuda.asarray(x), KEY, T, 2.0))
    dropped = philox.drops(KEY, T, x.size)
    assert (y[dropped] == 0).all() and np.isnan(y[~dropped]).all()


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("inner", [1, 2, 3, 4, 5, 7, 8, 15, 16, 49, 1000, 5000])
def test_channels(cuda, inner, dtype):
    x = numbers((3, 37 if inner < 1000 else 3, inner), dtype)
    check(cuda, x, cuda.asarray(x), channel_dims=2)


@pytest.mark.parametrize("chunk", [1024, 2048, 4096])
@pytest.mark.parametrize("inner", [16, 17, 100])
def test_channels_do_not_depend_on_what_a_warp_takes(cuda, inner, chunk, monkeypatch):
    monkeypatch.setattr(dropout, "_chunk", lambda *of: chunk)
    x = numbers((5, 33, inner), np.float16)
    check(cuda, x, cuda.asarray(x), channel_dims=2)


@pytest.mark.parametrize("inner", [2, 3])
def test_small_channels_need_all_the_lanes(cuda, inner):
    """512 channels of 2 in 1024 elements are what 32 lanes hold."""
    x = numbers((3, 2049, inner), np.float32)
    check(cuda, x, cuda.asarray(x), channel_dims=2)


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("channels", [1, 3, 8, 16, 40])
@pytest.mark.parametrize("channel_dims", [None, 2])
def test_channels_last(cuda, channel_dims, channels, dtype):
    x = numbers((2, channels, 5, 7), dtype)
    a = cuda.asarray(x.transpose(0, 2, 3, 1).copy()).transpose(0, 3, 1, 2)
    y = check(cuda, x, a, channel_dims)
    assert steps(y) == steps(a)


@pytest.mark.parametrize("run", [1, 2, 8])
@pytest.mark.parametrize("inner", [16, 31, 33, 300])
def test_channels_last_do_not_depend_on_what_a_thread_takes(cuda, inner, run):
    x = numbers((2, 24, inner), np.float16)
    a = cuda.asarray(x.transpose(0, 2, 1).copy()).transpose(0, 2, 1)
    y = cuda.xp.empty_like(a)
    rest = (T, *LAW[:2], 0.5, *key_arguments(KEY))
    dropout._element_last(3, 64, a.dtype, a, y, 2, inner, 24, run, *rest)
    assert_same_bits(cuda.to_numpy(y), on_cpu(x, KEY, T, *LAW[:2], 0.5))


@pytest.mark.parametrize("channel_dims", [None, 1, 2])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_every_order_of_dimensions(cuda, order, channel_dims):
    x = numbers((3, 5, 18), np.float32)
    a = cuda.asarray(x.transpose(order).copy()).transpose(np.argsort(order).tolist())
    y = check(cuda, x, a, channel_dims)
    assert steps(y) == steps(a)


def test_gaps_are_closed_in_the_same_order(cuda):
    x = numbers((4, 6, 10), np.float32)
    a = cuda.asarray(x.transpose(0, 2, 1).copy()).transpose(0, 2, 1)
    y = check(cuda, x[:, :, ::2], a[:, :, ::2])
    assert layout.order_of(y) == [0, 2, 1]


def test_an_expanded_array_becomes_dense(cuda):
    x = numbers((4, 1, 5), np.float32)
    a = cuda.xp.broadcast_to(cuda.asarray(x), (4, 3, 5))
    assert check(cuda, np.broadcast_to(x, (4, 3, 5)), a).flags.c_contiguous


@pytest.mark.parametrize("step", [1, 2])
def test_in_place(cuda, step):
    x = numbers(1200, np.float32)
    a = cuda.asarray(x)
    view = a[::step]
    assert cuda.bernoulli_affine(view, KEY, T, *LAW, None, view) is view
    x[::step] = on_cpu(x[::step], KEY, T, *LAW)
    assert_same_bits(cuda.to_numpy(a), x)


def test_into_another_array(cuda):
    x = numbers((6, 20), np.float32)
    a, out = cuda.asarray(x), cuda.asarray(np.zeros((20, 6), np.float32)).T
    assert cuda.bernoulli_affine(a, KEY, T, *LAW, None, out) is out
    assert_same_bits(cuda.to_numpy(out), on_cpu(x, KEY, T, *LAW))
    with pytest.raises(ValueError, match=r"out must have x's shape and dtype; got \(20, 6\)"):
        cuda.bernoulli_affine(a, KEY, T, *LAW, None, out.T)


@pytest.mark.parametrize(("grid", "block"), [(1, 32), (3, 64), (7, 256), (100, 96)])
def test_grid_and_block_do_not_matter(cuda, grid, block):
    x = numbers((2, 40, 63), np.float16)
    a = cuda.asarray(x)
    law = LAW[0], LAW[1], 0.5
    rest = (T, *law, *key_arguments(KEY))
    y = cuda.xp.empty_like(a)
    dropout._element(grid, block, a.dtype, a, y, a.size, *rest)
    assert_same_bits(cuda.to_numpy(y), on_cpu(x, KEY, T, *law))
    settings = a.size, 63, *dropout._divisor(63), 1024
    dropout._channel(grid, block, a.dtype, a, y, *settings, *rest)
    expected = on_cpu(x, KEY, T, *law, 2)
    assert_same_bits(cuda.to_numpy(y), expected)
    last = cuda.asarray(x.transpose(0, 2, 1).copy())
    y = cuda.xp.empty_like(last)
    dropout._channel_last((grid, 2, 1), (block // 4, 4, 1), a.dtype, last, y, 2, 63, 40, *rest)
    assert_same_bits(cuda.to_numpy(y).transpose(0, 2, 1), expected)


def test_the_divisor_divides_every_number_below_2_to_the_31():
    generator = np.random.default_rng(0)
    divisors = [2, 3, 5, 7, 2**16 - 1, 2**30 + 1, 2**31 - 4096, *generator.integers(2, 2**31, 99)]
    for d in map(int, divisors):
        magic, shift = dropout._divisor(d)
        assert magic < 2**32
        multiples = [q * d + r for q in (0, 1, (2**31 - 1) // d) for r in (-1, 0, 1)]
        for k in (*multiples, 2**31 - 1, *map(int, generator.integers(0, 2**31, 99))):
            if 0 <= k < 2**31:
                assert k * magic >> 32 >> shift == k // d


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_offset_seed_and_stream_may_come_from_device_memory(cuda, dtype):
    """A captured graph draws from the generator's state as the replay found it."""
    x = np.ones(1500, dtype)
    a = cuda.asarray(x)
    start = 6 * 2**64 + 2**64 - 2
    key = CapturedKey(9, 9, start + 5)
    key.base, key.first = cuda.asarray(np.array([2**64 - 2, 6, 1, 2], np.uint64)), start
    y = cuda.bernoulli_affine(a, key, T, 2.0)
    assert_same_bits(cuda.to_numpy(y), on_cpu(x, philox.Key(1, 2, start + 5), T, 2.0))
    key.base[...] = cuda.asarray(np.array([100, 0, 3, 4], np.uint64))
    y = cuda.bernoulli_affine(a, key, T, 2.0)
    assert_same_bits(cuda.to_numpy(y), on_cpu(x, philox.Key(3, 4, 105), T, 2.0))


@pytest.mark.parametrize("channel_dims", [None, 1])
def test_beyond_2_to_the_31_elements(cuda, channel_dims):
    """The last ones, in float16: two channels, each of more than 2**30 elements, or one draw."""
    free, _ = cuda.xp.cuda.runtime.memGetInfo()
    if free < 12 << 30:
        pytest.skip("needs a device with 12 GiB of free memory")
    half = 2**30 + 1000
    a = cuda.xp.ones((2, half), np.float16)
    cuda.bernoulli_affine(a, KEY, T, 2.0, 0.0, 0.0, channel_dims, a)
    count = 100_000  # from a block of 16 decisions on
    first = (2 * half - count) // 16 * 16
    if channel_dims is None:
        dropped = philox.drops(KEY, T, 2 * half - first, first)
    else:
        dropped = np.broadcast_to(philox.drops(KEY, T, 2)[1], 2 * half - first)
    assert (cuda.to_numpy(a.reshape(-1)[first:]) == np.where(dropped, 0, 2)).all()
