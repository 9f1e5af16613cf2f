"""The CPU kernel of the dropout family: keep ? scale * x + shift : fill, at the logical index."""

import itertools

import ml_dtypes
import numpy as np
import pytest

from lucid.backend import philox
from lucid.backend.cpu import dropout, threads
from lucid.backend.cpu.dropout import bernoulli_affine
from lucid.backend.philox import Key

DTYPES = [np.float16, ml_dtypes.bfloat16, np.float32, np.float64]
KEY = Key(1234, 0, 2**32 - 3)
THRESHOLD = philox.threshold(0.3)
LAWS = [(1 / 0.7, 0.0, 0.0), (0.86, 0.45, -1.06)]


@pytest.fixture(params=[None, 64], ids=["block", "block=64"])
def block(request, monkeypatch):
    """Also with blocks so small that every array is cut."""
    if request.param is not None:
        monkeypatch.setattr(dropout, "BLOCK", request.param)


def sample(shape, dtype, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def expected(x, scale, shift, fill, channel_dims=None):
    decisions = x.shape if channel_dims is None else x.shape[:channel_dims]
    drop = philox.drops(KEY, THRESHOLD, int(np.prod(decisions))).reshape(decisions)
    drop = drop.reshape(drop.shape + (1,) * (x.ndim - drop.ndim))
    compute = np.float64 if x.dtype == np.float64 else np.float32
    kept = x.astype(compute) * compute(scale) + compute(shift)
    return np.where(drop, np.array(fill).astype(x.dtype), kept.astype(x.dtype))


def same_bits(y, reference):
    assert y.dtype == reference.dtype
    np.testing.assert_array_equal(
        np.ascontiguousarray(y).view(np.uint8), np.ascontiguousarray(reference).view(np.uint8)
    )


def layouts(shape, dtype):
    """Named arrays of one shape in different memory layouts."""
    x = sample(shape, dtype)
    yield "contiguous", x
    for order in itertools.permutations(range(len(shape))):
        back = np.argsort(order)
        yield f"permuted {order}", np.ascontiguousarray(x.transpose(order)).transpose(back)
    wide = np.repeat(x, 2, axis=-1)
    yield "sliced", wide[..., ::2]
    yield "reversed", np.ascontiguousarray(x[:, ::-1])[:, ::-1]
    yield (
        "offset by one element",
        np.concatenate([x.reshape(-1)[:1], x.reshape(-1)])[1:].reshape(shape),
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("law", LAWS, ids=["dropout", "alpha"])
@pytest.mark.parametrize("channel_dims", [None, 1, 2])
def test_every_layout_gives_the_bits_of_the_definition(dtype, law, channel_dims, block):
    for _, x in layouts((3, 5, 7, 11), dtype):
        y = bernoulli_affine(x, KEY, THRESHOLD, *law, channel_dims=channel_dims)
        same_bits(y, expected(x, *law, channel_dims=channel_dims))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channel_dims", [None, 2])
def test_in_place_works_in_every_layout(dtype, channel_dims, block):
    for _, x in layouts((2, 5, 3, 7), dtype):
        reference = expected(x, *LAWS[1], channel_dims=channel_dims)
        y = bernoulli_affine(x, KEY, THRESHOLD, *LAWS[1], channel_dims=channel_dims, out=x)
        assert y is x
        same_bits(x, reference)


@pytest.mark.parametrize("channel_dims", [None, 1])
def test_the_result_may_be_written_into_another_layout(channel_dims, block):
    x = sample((9, 40), np.float32)
    for out in (np.empty((40, 9), np.float32).T, np.empty((9, 80), np.float32)[:, ::2]):
        y = bernoulli_affine(x, KEY, THRESHOLD, *LAWS[1], channel_dims=channel_dims, out=out)
        assert y is out
        same_bits(out, expected(x, *LAWS[1], channel_dims=channel_dims))


@pytest.mark.parametrize("shape", [(), (0,), (1,), (15,), (16,), (17,), (3, 0, 2), (1, 1, 1, 1)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_any_shape_is_taken(shape, dtype, block):
    x = sample(shape, dtype) if shape else np.array(2.5, dtype)
    y = bernoulli_affine(x, KEY, THRESHOLD, *LAWS[0])
    assert y.shape == shape
    same_bits(y.reshape(-1), expected(x, *LAWS[0]).reshape(-1))


@pytest.mark.parametrize("law", LAWS, ids=["dropout", "alpha"])
def test_every_float16_number_gives_the_same_in_a_small_and_a_large_array(law):
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    large = bernoulli_affine(every, KEY, THRESHOLD, *law)
    drop = philox.drops(KEY, THRESHOLD, every.size)
    kept = [bernoulli_affine(part, KEY, 0, *law) for part in np.split(every, 16)]
    fill = np.float16(law[2])
    same_bits(large, np.where(drop, fill, np.concatenate(kept)))
    image = bernoulli_affine(every.reshape(256, 256).T, KEY, THRESHOLD, *law)
    same_bits(
        image,
        np.where(drop, fill, np.concatenate(kept).reshape(256, 256).T.reshape(-1)).reshape(
            256, 256
        ),
    )


def test_the_result_is_dense_in_the_input_order_of_strides():
    x = sample((2, 3, 4, 5), np.float32)
    for order in itertools.permutations(range(4)):
        permuted = np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))
        y = bernoulli_affine(permuted, KEY, THRESHOLD, 2.0)
        assert y.transpose(order).flags.c_contiguous
    assert bernoulli_affine(x[:, :, ::2], KEY, THRESHOLD, 2.0).flags.c_contiguous


def test_an_expanded_input_is_dropped_element_by_element_into_a_contiguous_result():
    x = np.broadcast_to(sample((3, 1, 5), np.float32), (3, 200, 5))
    y = bernoulli_affine(x, KEY, THRESHOLD, *LAWS[0])
    assert y.flags.c_contiguous
    same_bits(y, expected(x, *LAWS[0]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("law", LAWS, ids=["dropout", "alpha"])
@pytest.mark.parametrize("channel_dims", [None, 1])
def test_a_dropped_nan_or_inf_leaves_exactly_the_fill(dtype, special, law, channel_dims):
    x = np.full((100, 20), special, dtype)
    y = bernoulli_affine(x, KEY, THRESHOLD, *law, channel_dims=channel_dims).astype(np.float64)
    dropped = np.isfinite(y)
    reference = expected(np.ones_like(x), 0.0, 9.0, law[2], channel_dims).astype(np.float64)
    np.testing.assert_array_equal(dropped, reference != 9)
    assert (y[dropped] == float(np.array(law[2]).astype(dtype))).all()
    assert not np.signbit(y[dropped]).any() or law[2] < 0  # +0, never -0


def test_halves_are_rounded_once():
    # Rounding the product before the shift is added would change one result in three.
    x = sample(100_000, ml_dtypes.bfloat16)
    y = bernoulli_affine(x, KEY, 0, 0.9212845161497115, 0.1619709700575702, -1.457738730518132)
    wide = x.astype(np.float32) * np.float32(0.9212845161497115) + np.float32(0.1619709700575702)
    same_bits(y, wide.astype(ml_dtypes.bfloat16))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("threshold", "value"), [(0, 2.0), (2**32, 0.0)])
def test_p_0_keeps_and_p_1_drops_everything(dtype, threshold, value):
    y = bernoulli_affine(np.ones((10, 10), dtype), KEY, threshold, 2.0)
    assert (y.astype(np.float64) == value).all()


@pytest.mark.parametrize("channel_dims", [None, 2])
@pytest.mark.parametrize("dtype", DTYPES)
def test_bits_do_not_depend_on_the_number_of_threads(channel_dims, dtype):
    x = sample((3, 7, 123, 457), dtype)  # more than one million elements: nine blocks
    before, results = threads.get_num_threads(), []
    try:
        for number in (1, 2, 3):
            threads.set_num_threads(number)
            results.append(bernoulli_affine(x, KEY, THRESHOLD, 2.0, channel_dims=channel_dims))
    finally:
        threads.set_num_threads(before)
    same_bits(results[0], results[1])
    same_bits(results[0], results[2])
    same_bits(results[0], expected(x, 2.0, 0.0, 0.0, channel_dims))


def test_overflow_warns_of_nothing():
    x = np.full(1000, 60000, np.float16)
    assert np.isinf(bernoulli_affine(x, KEY, THRESHOLD, 1e9)).any()


@pytest.mark.parametrize("bad", [np.empty((3,), np.float32), np.empty((2,), np.float64)])
def test_out_must_match(bad):
    with pytest.raises(ValueError, match="bernoulli_affine: out must have x's shape and dtype"):
        bernoulli_affine(np.ones(2, np.float32), KEY, THRESHOLD, 2.0, out=bad)
