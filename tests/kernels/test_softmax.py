"""The softmax kernels: every dtype, row length and order of memory; sums in a fixed order."""

import itertools

import numpy as np
import pytest

import lucid
from lucid.backend.cuda import softmax as family
from lucid.nn import functional as F
from tests.cuda.captured import counting
from tests.kernels.agreement import FLOATS, assert_close, bits, draw, last, name_of, unaligned


def reference(x, dy, axis, logarithm):
    x, dy = x.astype(np.float64), dy.astype(np.float64)
    z = x - x.max(axis, keepdims=True)
    e = np.exp(z)
    y = e / e.sum(axis, keepdims=True)
    if logarithm:
        return np.log(y), dy - y * dy.sum(axis, keepdims=True)
    return y, y * (dy - (y * dy).sum(axis, keepdims=True))


# Rows that a lane, a warp (one vector each, or several) and a block take; then columns.
SHAPES = [
    ((5, 1), 1), ((9, 10), 1), ((7, 33), 1), ((3, 128), 1), ((3, 1000), 1), ((2, 1024), 1),
    ((2, 1025), 1), ((2, 5003), 1), ((3, 6, 5), 1), ((2, 7, 16), 1), ((40, 3), 0),
    ((4, 3, 2, 8), 0),
]  # fmt: skip


@pytest.mark.parametrize("logarithm", [False, True])
@pytest.mark.parametrize("shape, axis", SHAPES)
def test_every_shape(cuda, shape, axis, logarithm):
    x, dy = draw(*shape), draw(*shape, seed=1)
    value, gradient = reference(x, dy, axis, logarithm)
    y = cuda.kernels.softmax(cuda.asarray(x), axis, logarithm)
    dx = cuda.kernels.softmax_gradient(cuda.asarray(dy), y, axis, logarithm)
    assert_close(cuda, y, value, times=2)
    assert_close(cuda, dx, gradient, times=16)


@pytest.mark.parametrize("dtype", FLOATS, ids=name_of)
@pytest.mark.parametrize("shape, axis", [((3, 250), 1), ((2, 2000), 1), ((2, 5, 16), 1)])
def test_every_dtype(cuda, shape, axis, dtype):
    x, dy = draw(*shape, dtype=dtype), draw(*shape, dtype=dtype, seed=1)
    value, _ = reference(x, dy, axis, False)
    y = cuda.kernels.softmax(cuda.asarray(x), axis)
    assert_close(cuda, y, value, times=2)
    kept = cuda.to_numpy(y).astype(np.float64)
    wide = dy.astype(np.float64)
    dx = cuda.kernels.softmax_gradient(cuda.asarray(dy), y, axis)
    assert_close(cuda, dx, kept * (wide - (kept * wide).sum(axis, keepdims=True)), times=2)


@pytest.mark.parametrize("shape", [(3, 36), (2, 1500)])
def test_unaligned_memory_gives_the_same_bits(cuda, shape):
    x = draw(*shape)
    y, z = (cuda.kernels.softmax(a, 1) for a in (cuda.asarray(x), unaligned(cuda, x)))
    np.testing.assert_array_equal(bits(cuda, y), bits(cuda, z))


def test_channels_last_stays(cuda):
    x = draw(2, 12, 3, 5)
    a = last(cuda, x)
    y = cuda.kernels.softmax(a, 1)
    assert y.strides == a.strides
    assert_close(cuda, y, reference(x, x, 1, False)[0])


def test_infinities_and_nan(cuda):
    x = draw(4, 40)
    x[0, 3], x[1], x[2, 5] = -np.inf, -np.inf, np.nan
    x[3, :39] = -np.inf
    for a, axis in ((cuda.asarray(x), 1), (cuda.asarray(np.ascontiguousarray(x.T)), 0)):
        y = cuda.to_numpy(cuda.kernels.softmax(a, axis))
        y = y if axis else y.T
        assert y[0, 3] == 0 and np.isfinite(y[0]).all()
        assert np.isnan(y[1]).all() and np.isnan(y[2]).all()
        assert y[3, 39] == 1 and (y[3, :39] == 0).all()


@pytest.mark.parametrize("grid, block", [(1, 32), (2, 64), (3, 96), (5, 256), (2, 1024)])
def test_grid_and_block_change_nothing(cuda, grid, block):
    x = cuda.asarray(draw(6, 4100, dtype=np.float16))
    y, expected = cuda.xp.empty_like(x), cuda.kernels.softmax(x, 1)
    family._forward["block"](grid, block, x.dtype, x, y, 6, 4100, 0)
    np.testing.assert_array_equal(bits(cuda, y), bits(cuda, expected))


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_every_order_of_memory_is_kept_without_a_copy(cuda, order, axis):
    shape = (4, 6, 8)
    x, dy = draw(*shape), draw(*shape, seed=1)
    back = np.argsort(order).tolist()
    a, g = (cuda.asarray(b.transpose(order).copy()).transpose(back) for b in (x, dy))
    value, gradient = reference(x, dy, axis, False)
    with counting() as c:
        y = cuda.kernels.softmax(a, axis)
        dx = cuda.kernels.softmax_gradient(g, y, axis)
    assert (c.launches, c.operations, c.d2d) == (2, 0, 0)
    assert y.strides == dx.strides == a.strides
    assert_close(cuda, y, value, times=2)
    assert_close(cuda, dx, gradient, times=16)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("function", [F.softmax, F.log_softmax])
def test_segmentation_scores_are_not_copied(cuda, function, channels_last):
    """(N, C, H, W) over the classes: one kernel forward, one back."""
    a = last(cuda, draw(2, 21, 5, 6)) if channels_last else cuda.asarray(draw(2, 21, 5, 6))
    x, dy = (lucid.Tensor._wrap(b, cuda) for b in (a, a.copy(order="K")))
    x.requires_grad_()
    with counting() as c:
        y = function(x, 1)
        y.backward(dy)
    assert (c.launches, c.operations, c.d2d) == (2, 0, 0)
    assert y._array.strides == x.grad._array.strides == a.strides
