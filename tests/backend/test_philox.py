"""Addressed random numbers are numpy.random.Philox; what is made of them is as documented."""

import math

import ml_dtypes
import numpy as np
import pytest

from lucid.backend import philox
from lucid.backend.cpu import threads
from lucid.backend.philox import Key
from tests import golden

KEYS = [
    Key(0, 0, 0),
    Key(1234, 0, 5),
    Key(2**64 - 1, 3, 2**32 + 1),  # an offset that needs more than 32 bits
    Key(7, 2**63, 2**64 - 2),  # the low counter word carries within the draw
    Key(7, 0, 2**128 - 1),  # the carry runs through two words
]
COUNTS = [0, 1, 7, 8, 9, 255, 256, 257, 10007]
MANY = 3 * 2**16 + 5  # words: several blocks of work, the last one partial


def raw(key, count):
    bits = np.random.Philox(key=np.array([key.seed, key.stream], np.uint64))
    return bits.advance(key.offset).random_raw(count)


def lanes_of(key, count, width):
    """Lanes of `width` bits in pure Python: low lane of each word first."""
    per_word = 64 // width
    words = [int(word) for word in raw(key, -(-count // per_word))]
    mask = 2**width - 1
    return [words[i // per_word] >> width * (i % per_word) & mask for i in range(count)]


def decisions_of(key, threshold, count):
    lanes = lanes_of(key, 16 * -(-count // 16), 16)
    dropped = []
    for i in range(count):
        xor = 0
        for lane in lanes[i // 16 * 16 : i // 16 * 16 + 16]:
            xor ^= lane
        dropped.append((lanes[i] << 16 | lanes[i] ^ xor) < threshold)
    return dropped


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("count", COUNTS)
def test_words_are_those_of_numpy(key, count):
    np.testing.assert_array_equal(philox.words(key, count), raw(key, count))


@pytest.mark.parametrize("key", KEYS)
def test_any_part_of_a_draw_can_be_computed_alone(key):
    words, dropped = philox.words(key, 400), philox.drops(key, 2**31 + 12345, 400)
    for first, count in [(4, 1), (8, 100), (396, 4)]:
        part = philox.words(key, count, first)
        np.testing.assert_array_equal(part, words[first : first + count])
    for first, count in [(16, 1), (32, 100), (384, 16)]:
        part = philox.drops(key, 2**31 + 12345, count, first)
        np.testing.assert_array_equal(part, dropped[first : first + count])


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("threshold", [0, 1, 65535, 65536, 429496730, 2**31, 2**32 - 1, 2**32])
def test_a_decision_compares_lane_and_tie_word_with_the_threshold(key, threshold):
    for count in COUNTS[:-1]:
        expected = decisions_of(key, threshold, count)
        assert philox.drops(key, threshold, count).tolist() == expected


def test_ties_of_the_high_half_are_decided_by_the_low_half():
    key = Key(11, 0, 0)
    lane, xor = lanes_of(key, 1, 16)[0], 0
    for other in lanes_of(key, 16, 16):
        xor ^= other
    word = lane << 16 | lane ^ xor
    assert not philox.drops(key, word, 1)[0]
    assert philox.drops(key, word + 1, 1)[0]


def test_drops_fill_the_array_they_are_given():
    out = np.empty(100, np.bool_)
    assert philox.drops(KEYS[1], 2**30, 100, out=out) is out
    np.testing.assert_array_equal(out, philox.drops(KEYS[1], 2**30, 100))


def test_a_larger_p_drops_a_superset():
    key = Key(3, 0, 0)
    smaller, larger = (philox.drops(key, philox.threshold(p), 100_000) for p in (0.3, 0.3001))
    assert not (smaller & ~larger).any()
    assert (larger & ~smaller).any()


@pytest.mark.parametrize(
    ("p", "expected"), [(0.0, 0), (0.5, 2**31), (1.0, 2**32), (0.1, 429496730)]
)
def test_threshold_is_p_in_units_of_2_to_the_minus_32(p, expected):
    assert philox.threshold(p) == expected


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("dtype", "width", "bits"),
    [(np.float16, 32, 11), (ml_dtypes.bfloat16, 32, 8), (np.float32, 32, 24), (np.float64, 64, 53)],
)
def test_uniform_is_the_top_bits_of_each_lane(key, dtype, width, bits):
    for count in COUNTS[:-1]:
        expected = [(lane >> width - bits) / 2**bits for lane in lanes_of(key, count, width)]
        result = philox.uniform(key, count, dtype)
        assert result.dtype == dtype
        assert result.astype(np.float64).tolist() == expected


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_uniform_stays_below_one(dtype):
    largest = philox.uniform(Key(1, 0, 0), 200_000, dtype).astype(np.float64).max()
    assert 0.99 < largest < 1


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(("dtype", "width", "ulps"), [(np.float32, 32, 6), (np.float64, 64, 6)])
def test_normal_is_box_muller_on_pairs(key, dtype, width, ulps):
    # In double from the lanes themselves; 2 pi u is rounded, which near a zero of cos costs
    # up to an ulp of the angle, hence an absolute bound of a few eps times the radius.
    for count in (1, 8, 255):
        lanes = lanes_of(key, count + count % 2, width)
        top = 24 if width == 32 else 53
        expected = []
        for a, b in zip(lanes[::2], lanes[1::2], strict=True):
            radius = math.sqrt(-2 * math.log((a + 0.5) / 2**width))
            angle = 2 * math.pi * (b >> width - top) / 2**top
            expected += [radius * math.cos(angle), radius * math.sin(angle)]
        result = philox.normal(key, count, dtype)
        assert result.dtype == dtype
        bound = ulps * np.finfo(dtype).eps * 10  # the radius stays below 10
        np.testing.assert_allclose(result, expected[:count], rtol=0, atol=bound)


@pytest.mark.parametrize(("dtype", "width"), [(np.float32, 32), (np.float64, 64)])
def test_the_logarithm_of_normal_never_meets_zero(dtype, width, monkeypatch):
    # The smallest lane stands for 2^-33 (2^-65), the largest for 1, whose logarithm is 0.
    ends = np.array([0, 0, 2**64 - 1, 2**64 - 1], np.uint64)
    monkeypatch.setattr(philox, "_words", lambda key, count, first: ends)
    z = philox.normal(KEYS[0], 4 * 64 // width, dtype)
    assert math.isclose(z[0], (2 * (width + 1) * math.log(2)) ** 0.5, rel_tol=1e-6)
    assert (z[-2:] == 0).all()


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_half_normals_are_the_float32_ones_rounded(dtype):
    np.testing.assert_array_equal(
        philox.normal(Key(5, 0, 1), 1001, dtype),
        philox.normal(Key(5, 0, 1), 1001, np.float32).astype(dtype),
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normals_have_the_moments_of_the_normal_distribution(dtype):
    n = 1_000_000
    z = philox.normal(Key(9, 0, 0), n, dtype).astype(np.float64)
    # Variances of z, z^2, z^3, z^4 are 1, 2, 15, 96.
    for power, mean, variance in [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)]:
        assert abs((z**power).mean() - mean) < 5 * (variance / n) ** 0.5


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("low", "high"),
    [(0, 1), (0, 2), (-5, 10), (0, 2**32), (-3, 2**32 + 6), (0, 2**63), (-(2**63), 2**63)],
)
def test_an_integer_is_the_high_part_of_word_times_range(key, low, high):
    for count in COUNTS[:-1]:
        expected = [low + (int(word) * (high - low) >> 64) for word in raw(key, count)]
        result = philox.integers(key, count, low, high)
        assert result.dtype == np.int64
        assert result.tolist() == expected


@pytest.mark.parametrize(("low", "high"), [(3, 3), (4, 3), (-(2**63) - 1, 0), (0, 2**63 + 1)])
def test_an_empty_or_too_large_range_is_refused(low, high):
    with pytest.raises(ValueError, match="integers: low must be below high, both within int64"):
        philox.integers(KEYS[0], 1, low, high)


@pytest.mark.parametrize("n", [0, 1, 2, 1000])
def test_a_permutation_is_the_stable_order_of_words(n):
    result = philox.permutation(KEYS[1], n)
    assert result.dtype == np.int64
    assert result.tolist() == sorted(range(n), key=lambda i: int(raw(KEYS[1], n)[i]))


def test_equal_words_of_a_permutation_keep_their_order(monkeypatch):
    drawn = np.arange(1000, dtype=np.uint64)[::-1] // np.uint64(100)
    monkeypatch.setattr(philox, "words", lambda key, count: drawn)
    expected = sorted(range(1000), key=lambda i: int(drawn[i]))
    assert philox.permutation(KEYS[0], 1000).tolist() == expected


@pytest.mark.parametrize(
    ("kind", "dtype", "per_block"),
    [
        ("decisions", None, 16),
        ("uniform", np.float32, 8),
        ("uniform", np.float16, 8),
        ("uniform", ml_dtypes.bfloat16, 8),
        ("uniform", np.float64, 4),
        ("normal", np.float32, 8),
        ("normal", np.float64, 4),
        ("integers", None, 4),
        ("permutation", None, 4),
    ],
)
def test_a_draw_owns_enough_blocks_and_no_more(kind, dtype, per_block):
    counts = [0, 1, per_block, per_block + 1, 10 * per_block]
    assert [philox.blocks_for(kind, count, dtype) for count in counts] == [0, 1, 1, 2, 10]


@pytest.mark.parametrize("p", [0.001, 0.1, 0.5, 0.9])
def test_drops_a_fraction_p(p):
    n = 1_000_000
    rate = philox.drops(Key(21, 0, 0), philox.threshold(p), n).mean()
    assert abs(rate - p) < 5 * (p * (1 - p) / n) ** 0.5


def test_the_tie_words_of_a_block_are_pairwise_independent():
    # The low halves u_i ^ X as signs of their top bit: any two agree half of the time.
    n = 200_000
    lanes = raw(Key(33, 0, 0), 4 * n).astype("<u8").view("<u2").reshape(n, 16)
    low = lanes ^ np.bitwise_xor.reduce(lanes, axis=1, keepdims=True)
    signs = np.where(low >> 15, 1.0, -1.0)
    correlations = np.triu(signs.T @ signs, 1) / n
    assert abs(correlations).max() < 5 / n**0.5


def test_the_drops_of_a_block_are_independent():
    # Chi-square of the joint law of lanes 0, 1, 14 and 15: 2^4 cells, p = 0.3.
    n = 100_000
    dropped = philox.drops(Key(34, 0, 0), philox.threshold(0.3), 16 * n).reshape(n, 16)
    cells = dropped[:, [0, 1, 14, 15]] @ np.array([8, 4, 2, 1])
    p = np.array([0.7, 0.3])
    expected = n * np.einsum("a,b,c,d->abcd", p, p, p, p).reshape(16)
    chi_square = ((np.bincount(cells, minlength=16) - expected) ** 2 / expected).sum()
    assert chi_square < 15 + 5 * 30**0.5  # mean 15, variance 30 for 15 degrees of freedom


@pytest.mark.parametrize("key", KEYS)
def test_the_end_of_a_large_draw_is_a_draw_of_its_own(key):
    n, blocks = MANY - MANY % 16, 5
    for kind, draw, per_block in [
        ("decisions", lambda key, n: philox.drops(key, 2**30 + 1, n), 16),
        ("uniform", lambda key, n: philox.uniform(key, n, np.float32), 8),
        ("uniform", lambda key, n: philox.uniform(key, n, np.float64), 4),
        ("normal", lambda key, n: philox.normal(key, n, np.float32), 8),
        ("integers", lambda key, n: philox.integers(key, n, 0, 1000), 4),
    ]:
        later = key._replace(offset=key.offset + n // per_block - blocks)
        end = draw(later, blocks * per_block)
        np.testing.assert_array_equal(draw(key, n)[-end.size :], end, err_msg=kind)


def test_results_do_not_depend_on_the_number_of_threads():
    key, results = KEYS[3], []
    before = threads.get_num_threads()
    try:
        for number in (1, 2, 3):
            threads.set_num_threads(number)
            results.append(
                [
                    philox.words(key, MANY),
                    philox.drops(key, philox.threshold(0.1), 4 * MANY),
                    philox.uniform(key, MANY, np.float32),
                    philox.normal(key, MANY, np.float64),
                    philox.integers(key, MANY, -3, 9),
                ]
            )
    finally:
        threads.set_num_threads(before)
    for other in results[1:]:
        for expected, result in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("case", golden.CASES, ids=str)
def test_the_stream_is_frozen(case):
    assert golden.digest(golden.draw(philox, case)) == golden.CASES[case]
