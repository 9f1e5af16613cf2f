"""Batch norm on the device, and its chain with relu and dropout2d, in both orders of memory."""

import numpy as np
import pytest

import lucid
from lucid.backend import philox
from lucid.backend.cuda import batch_norm as family
from lucid.backend.cuda.batch_norm import Chain
from lucid.backend.cuda.random import key_arguments
from lucid.nn import functional as F
from tests.kernels.agreement import FLOATS, assert_close, bits, draw, last, name_of, unaligned

SHAPES = [(6, 5), (40, 16), (3, 5, 4, 4), (2, 8, 7, 7), (2, 16, 3, 4), (2, 3, 70, 70), (300, 4, 2)]


def run(x, dy, w, b, training, device, laid=None):
    x = (
        lucid.Tensor._wrap(laid, lucid.device(device).concrete())
        if laid is not None
        else (lucid.tensor(x, device=device))
    )
    wide = np.float64 if w.dtype == np.float64 else np.float32
    w, b = lucid.tensor(w, device=device), lucid.tensor(b, device=device)
    c = w.shape[0]
    mean = lucid.tensor(np.linspace(-1, 1, c).astype(wide), device=device)
    var = lucid.tensor(np.linspace(0.5, 2, c).astype(wide), device=device)
    for t in (x, w, b):
        t.requires_grad_()
    y = F.batch_norm(x, mean, var, w, b, training, 0.2)
    y.backward(lucid.tensor(dy, device=device))
    return [y.detach(), x.grad, w.grad, b.grad, mean, var]


def compare(cuda, shape, dtype, training, times=8.0, channels_last=False, narrow=False):
    x, dy = draw(*shape, dtype=dtype), draw(*shape, dtype=dtype, seed=1)
    kind = dtype if narrow or np.dtype(dtype).itemsize == 8 else np.float32
    w, b = draw(shape[1], dtype=kind, seed=2), draw(shape[1], dtype=kind, seed=3)
    expected = run(*(a.astype(np.float64) for a in (x, dy, w, b)), training, "cpu")
    laid = last(cuda, x) if channels_last else None
    found = run(x, dy, w, b, training, "cuda", laid)
    for ours, exact in zip(found, expected, strict=True):
        assert_close(cuda, ours._array, exact.numpy(), times)
    if channels_last:
        assert found[0]._array.strides == found[1]._array.strides == laid.strides


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_shape(cuda, shape, training):
    compare(cuda, shape, np.float32, training)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(3, 5, 4, 4), (2, 16, 9, 5), (40, 8, 2, 2)], ids=str)
def test_channels_last(cuda, shape, training):
    compare(cuda, shape, np.float32, training, channels_last=True)


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("dtype", FLOATS, ids=name_of)
def test_every_dtype_with_parameters_of_either_width(cuda, dtype, narrow):
    for training in (True, False):
        compare(cuda, (3, 8, 4, 4), dtype, training, 4, narrow=narrow)
        compare(cuda, (3, 8, 4, 4), dtype, training, 4, channels_last=True, narrow=narrow)


def test_the_statistics_are_outputs_with_gradients_of_their_own(cuda):
    from lucid.ops.batch_norm import BatchNorm

    def total(device, dtype):
        x = lucid.tensor(draw(4, 3, 5).astype(dtype), device=device, requires_grad=True)
        y, mean, var = BatchNorm((0, 2), 1e-5)(x, None, None)
        (y * y * y + mean * 2 + var * 3).sum().backward()
        return x.grad

    assert_close(cuda, total("cuda", np.float32)._array, total("cpu", np.float64).numpy(), 8)


@pytest.mark.parametrize("channels_last", [False, True])
def test_a_mean_a_thousand_deviations_away(cuda, channels_last):
    x = (draw(50, 8, 10, 12, dtype=np.float64, scale=1.0) + 1000).astype(np.float32)
    a = last(cuda, x) if channels_last else cuda.asarray(x)
    mean, var = cuda.kernels.batch_statistics(a)
    wide = x.astype(np.float64)
    np.testing.assert_allclose(cuda.to_numpy(mean), wide.mean((0, 2, 3)), rtol=1e-7)
    np.testing.assert_allclose(cuda.to_numpy(var), wide.var((0, 2, 3)), rtol=1e-5)


def chain(x, mean, var, w, b, keep, factor):
    y = (x - mean[:, None, None]) / np.sqrt(var + 1e-5)[:, None, None]
    y = np.maximum(y * w[:, None, None] + b[:, None, None], 0)
    return np.where(keep[:, :, None, None], y * factor, 0)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", FLOATS, ids=name_of)
@pytest.mark.parametrize(
    "shape", [(3, 7, 3, 5), (2, 40, 8, 8), (1, 8, 50, 50), (9, 5, 1, 3)], ids=str
)
def test_norm_relu_and_dropout2d_in_one_pass(cuda, shape, dtype, channels_last):
    """The mask is dropout2d's, whatever the order of memory; backward needs the output only."""
    c, p = shape[1], 0.3
    key, threshold = philox.Key(7, 0, 2**32 + 5), philox.threshold(p)
    keep = ~philox.drops(key, threshold, shape[0] * c).reshape(shape[:2])
    x, dy = draw(*shape, dtype=dtype), draw(*shape, dtype=dtype, seed=1)
    wide = np.float64 if dtype == np.float64 else np.float32
    mean, var, w, b = (np.abs(draw(c, dtype=wide, seed=i)) + 0.2 for i in range(4))
    place = (lambda a: last(cuda, a)) if channels_last else cuda.asarray
    a, statistics = place(x), [cuda.asarray(v) for v in (mean, var, w, b)]
    link = Chain(1, threshold, 1 / (1 - p), key_arguments(key))
    z = cuda.kernels.batch_norm(a, *statistics, 1e-5, link)
    exact = chain(*(v.astype(np.float64) for v in (x, mean, var, w, b)), keep, 1 / (1 - p))
    assert_close(cuda, z, exact, times=2)
    assert not cuda.to_numpy(z)[~keep].any()
    dx, dw, db = cuda.kernels.batch_norm_gradient(
        place(dy), a, *statistics[:3], 1e-5, (True, True, True), fixed=True, z=z, factor=link.factor
    )
    g = np.where(cuda.to_numpy(z) == 0, 0, dy.astype(np.float64) * link.factor)
    scale = 1 / np.sqrt(var.astype(np.float64) + 1e-5)
    assert_close(cuda, dx, g * (scale * w)[:, None, None], times=4)
    assert_close(cuda, db, g.sum((0, 2, 3)), times=8)
    away = x.astype(np.float64) - mean[:, None, None]
    assert_close(cuda, dw, (g * away).sum((0, 2, 3)) * scale, times=8)


def test_unaligned_memory_gives_the_same_bits(cuda):
    x = draw(4, 3, 6, 6)
    found = [cuda.kernels.batch_statistics(a) for a in (cuda.asarray(x), unaligned(cuda, x))]
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(bits(cuda, a), bits(cuda, b))
    answers = [cuda.kernels.batch_norm(a, *found[0], None, None, 1e-5)
               for a in (cuda.asarray(x), unaligned(cuda, x))]  # fmt: skip
    np.testing.assert_array_equal(bits(cuda, answers[0]), bits(cuda, answers[1]))


@pytest.mark.parametrize("rows, grid", [(1, 1), (4, 2), (16, 5)])
def test_the_block_changes_no_statistic(cuda, rows, grid):
    x, kind, found = cuda.asarray(draw(500, 12)), np.dtype("float32"), []
    for shape in (((1, grid, 1), (8, rows, 1)), ((1, 4, 1), (8, 32, 1))):
        means, squares = cuda.xp.empty((8, 12), kind), cuda.xp.empty((8, 12), kind)
        family._columns_statistics(*shape, kind, x, means, squares, 500, 12, 64)
        found.append(np.concatenate([bits(cuda, means), bits(cuda, squares)]))
    np.testing.assert_array_equal(*found)
