"""SELU and dropout in one kernel: what the two kernels give, decision by decision."""

import numpy as np
import pytest

from lucid.backend import philox
from tests.kernels.agreement import FLOATS, assert_close, bits, draw, last, name_of, unaligned

SELU = 1.6732632423543772, 1.0507009873554805, 1.0
KEY, THRESHOLD, LAW = philox.Key(5, 1, 2**64 + 3), philox.threshold(0.4), (1.3, -0.2, -0.9)
SHAPES = [((1,), None), ((15,), None), ((513,), None), ((3, 7, 11), None), ((40, 3), 2)]
SHAPES += [
    ((2, 5, 3), 2),
    ((3, 8, 4, 4), 2),
    ((1, 3, 70, 70), 2),
    ((9, 5, 1, 3), 2),
    ((0, 3, 2), 2),
]


def apart(cuda, x, dy, channel_dims):
    """Value and gradient by the kernels of activation.cu and dropout.cu."""
    kernels = cuda.kernels
    y = kernels.activation("elu", x, None, *SELU)
    y = kernels.bernoulli_affine(y, KEY, THRESHOLD, *LAW, channel_dims)
    g = kernels.bernoulli_affine(dy, KEY, THRESHOLD, LAW[0], channel_dims=channel_dims)
    return y, kernels.activation_gradient("elu", g, x, *SELU)


def together(cuda, x, dy, channel_dims):
    y = cuda.kernels.selu_dropout(x, KEY, THRESHOLD, *LAW, channel_dims)
    return y, cuda.kernels.selu_dropout_gradient(dy, x, KEY, THRESHOLD, LAW[0], channel_dims)


@pytest.mark.parametrize("dtype", FLOATS, ids=name_of)
@pytest.mark.parametrize("shape, dims", SHAPES, ids=str)
def test_gives_what_two_kernels_give(cuda, shape, dims, dtype):
    """To the last bit where nothing in between is rounded to a half."""
    x, dy = (cuda.asarray(draw(*shape, dtype=dtype, seed=i)) for i in (0, 1))
    for ours, theirs in zip(together(cuda, x, dy, dims), apart(cuda, x, dy, dims), strict=True):
        assert ours.dtype == x.dtype
        if x.itemsize == 2:
            assert_close(cuda, ours, cuda.to_numpy(theirs), times=4)
        else:
            np.testing.assert_array_equal(cuda.to_numpy(ours), cuda.to_numpy(theirs))


@pytest.mark.parametrize("dtype", FLOATS, ids=name_of)
@pytest.mark.parametrize("shape", [(3, 8, 4, 4), (2, 5, 3, 7), (4, 40, 1, 9)], ids=str)
def test_channels_last_stays_and_keeps_its_decisions(cuda, shape, dtype):
    x, dy = draw(*shape, dtype=dtype), draw(*shape, dtype=dtype, seed=1)
    expected = together(cuda, cuda.asarray(x), cuda.asarray(dy), 2)
    a = last(cuda, x)
    for order in (last(cuda, dy), cuda.asarray(dy)):
        for ours, theirs in zip(together(cuda, a, order, 2), expected, strict=True):
            assert ours.strides == a.strides
            np.testing.assert_array_equal(cuda.to_numpy(ours), cuda.to_numpy(theirs))


@pytest.mark.parametrize("dims", [None, 1, 2])
@pytest.mark.parametrize("order", ["channels last", "transposed", "with gaps"])
def test_any_order_of_memory_gives_the_same_numbers(cuda, order, dims):
    x, dy = draw(4, 3, 6, 4), draw(4, 3, 6, 4, seed=1)
    expected = together(cuda, cuda.asarray(x), cuda.asarray(dy), dims)
    if order == "channels last":
        a = last(cuda, x)
    elif order == "transposed":
        a = cuda.asarray(x.T.copy()).T
    else:
        a = cuda.asarray(np.repeat(x, 2, -1))[..., ::2]
    for ours, theirs in zip(together(cuda, a, cuda.asarray(dy), dims), expected, strict=True):
        np.testing.assert_array_equal(cuda.to_numpy(ours), cuda.to_numpy(theirs))


@pytest.mark.parametrize("shape, dims", [((1037,), None), ((3, 5, 8), 2)], ids=str)
def test_unaligned_memory_gives_the_same_bits(cuda, shape, dims):
    x, dy = draw(*shape, dtype=np.float16), draw(*shape, dtype=np.float16, seed=1)
    expected = together(cuda, cuda.asarray(x), cuda.asarray(dy), dims)
    found = together(cuda, unaligned(cuda, x), unaligned(cuda, dy), dims)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(bits(cuda, ours), bits(cuda, theirs))


@pytest.mark.parametrize("dims", [None, 2])
def test_what_is_dropped_leaves_no_trace(cuda, dims):
    shape = (6, 40, 3)
    count = 240 if dims else 720
    drop = philox.drops(KEY, THRESHOLD, count).reshape(shape[:dims])
    drop = np.broadcast_to(drop.reshape(*drop.shape, *[1] * (3 - drop.ndim)), shape)
    x = np.where(drop, np.float32(np.nan), np.float32(0.5))
    y, dx = together(cuda, cuda.asarray(x), cuda.asarray(x), dims)
    y, dx = cuda.to_numpy(y), cuda.to_numpy(dx)
    assert (y[drop] == np.float32(LAW[2])).all() and not dx[drop].any()
    assert np.isfinite(y).all() and (dx[~drop] != 0).all()


@pytest.mark.parametrize(
    "name, block", [("", 32), ("", 96), ("_planes", 64), ("_columns", (4, 16))]
)
@pytest.mark.parametrize("grid", [1, 3])
def test_grid_and_block_change_nothing(cuda, name, block, grid):
    from lucid.backend.cuda.random import key_arguments
    from lucid.backend.cuda.selu_dropout import _kernels

    x = draw(5, 12, 7, 9)
    a = last(cuda, x) if name == "_columns" else cuda.asarray(x)
    dims = 2 if name else None
    expected = together(cuda, a, a, dims)[0]
    sizes = {"": (a.size,), "_planes": (a.size, 63), "_columns": (5, 63, 12)}[name]
    y = cuda.xp.empty_like(a)
    if name == "_columns":
        grid, block = (grid, 2, 1), (*block, 1)
    kernel = _kernels["selu_dropout" + name, ""]
    kernel(grid, block, a.dtype, a, y, *sizes, *LAW, THRESHOLD, *key_arguments(KEY))
    np.testing.assert_array_equal(bits(cuda, y), bits(cuda, expected))
