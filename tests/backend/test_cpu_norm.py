"""Layer and group normalization, softmax and channel dropout on NumPy arrays, at the sizes at which
they change their ways."""

import numpy as np
import pytest

import lucid
from lucid.backend import philox
from lucid.backend.cpu import dropout, softmax
from lucid.backend.cpu.group_norm import group_backward, group_forward
from lucid.backend.cpu.norm import layer_backward, layer_forward

EPS = 1e-5
# few elements; columns as products; rows on which NumPy broadcasts; blocks that don't come out even
LAYERS = [(4, 8), (128, 256), (3, 5000), (1025, 300)]
GROUPS = [(2, 3, 2, 5), (4, 8, 8, 16, 16), (2, 2, 3, 5000), (65, 4, 2, 300)]


def draw(*shapes):
    random = np.random.default_rng(0)
    return [random.normal(size=shape) for shape in shapes]


def standardized(x, axes):
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    scale = 1 / np.sqrt(var + EPS)
    return mean, var, scale, (x - mean) * scale


def gradient(g, xhat, scale, axes):
    """dx of g = w dy, by the formula."""
    mean = g.mean(axes, keepdims=True)
    return (g - mean - xhat * (g * xhat).mean(axes, keepdims=True)) * scale


@pytest.mark.parametrize("shape", LAYERS, ids=str)
def test_layer_norm_and_its_gradients_are_the_formula(shape):
    x, dy, w, b = draw(shape, shape, shape[1:], shape[1:])
    x += 3.0
    mean, var, scale, xhat = standardized(x, (1,))
    y, ours_mean, ours_var = layer_forward(x, w, b, EPS, 1)
    np.testing.assert_allclose(y, xhat * w + b, atol=1e-11)
    np.testing.assert_allclose(ours_mean, mean, rtol=1e-12)
    np.testing.assert_allclose(ours_var, var, rtol=1e-12)
    needs = (True, True, True)
    dx, dw, db = layer_backward(dy, None, None, x, w, mean, var, EPS, needs)
    np.testing.assert_allclose(dx, gradient(dy * w, xhat, scale, (1,)), atol=1e-11)
    np.testing.assert_allclose(dw, (dy * xhat).sum(0), atol=1e-10)
    np.testing.assert_allclose(db, dy.sum(0), atol=1e-10)


@pytest.mark.parametrize("parameters", [True, False], ids=["w and b", "neither"])
@pytest.mark.parametrize("shape", GROUPS, ids=str)
def test_group_norm_and_its_gradients_are_the_formula(shape, parameters):
    channels, axes = shape[1] * shape[2], tuple(range(2, len(shape)))
    x, dy, w, b = draw(shape, shape, (channels,), (channels,))
    if not parameters:
        w = b = None
    lined_up = (1, *shape[1:3], *(1,) * (len(shape) - 3))
    weight = 1.0 if w is None else w.reshape(lined_up)
    mean, var, scale, xhat = standardized(x, axes)
    y, ours_mean, ours_var = group_forward(x, w, b, EPS)
    wanted = xhat * weight if b is None else xhat * weight + b.reshape(lined_up)
    np.testing.assert_allclose(y, wanted, atol=1e-11)
    np.testing.assert_allclose(ours_mean, mean, atol=1e-13)
    np.testing.assert_allclose(ours_var, var, rtol=1e-12)
    count = channels if parameters else None
    needs = (True, parameters, parameters)
    dx, dw, db = group_backward(dy, None, None, x, w, mean, var, EPS, needs, count)
    np.testing.assert_allclose(dx, gradient(dy * weight, xhat, scale, axes), atol=1e-11)
    if parameters:
        others = (0, *range(3, len(shape)))
        np.testing.assert_allclose(dw.reshape(shape[1:3]), (dy * xhat).sum(others), atol=1e-10)
        np.testing.assert_allclose(db.reshape(shape[1:3]), dy.sum(others), atol=1e-10)


def test_gradients_of_the_statistics_reach_x():
    x, dmean, dvar = draw((4, 8, 8, 16, 16), (4, 8, 1, 1, 1), (4, 8, 1, 1, 1))
    n, mean, var, *_ = 8 * 256, *standardized(x, (2, 3, 4))
    needs = (True, False, False)
    dx, _, _ = group_backward(np.zeros_like(x), dmean, dvar, x, None, mean, var, EPS, needs, None)
    np.testing.assert_allclose(dx, dmean / n + dvar * 2 * (x - mean) / n, atol=1e-13)


def test_a_row_of_equal_numbers_is_the_bias():
    x = np.full((128, 256), 1000.0, np.float32)
    b = np.arange(256, dtype=np.float32)
    y, _, var = layer_forward(x, None, b, EPS, 1)
    np.testing.assert_array_equal(y, np.broadcast_to(b, x.shape))
    assert not var.any()


@pytest.mark.parametrize("logarithm", [False, True], ids=["softmax", "log_softmax"])
@pytest.mark.parametrize("shape", [(90, 100), (70, 1000), (3, 5000)], ids=str)
def test_softmax_and_its_gradient_are_the_formula(shape, logarithm):
    x, dy = draw(shape, shape)
    x[0, 1:] = -np.inf
    assert softmax.rows_of(1, x, dy)
    powers = np.exp(x - x.max(1, keepdims=True))
    y = powers / powers.sum(1, keepdims=True)
    with np.errstate(divide="ignore"):
        wanted = np.log(y) if logarithm else y
        np.testing.assert_allclose(softmax.softmax(x, logarithm), wanted, atol=1e-13)
    if logarithm:
        dx = dy - y * dy.sum(1, keepdims=True)
    else:
        dx = y * (dy - (y * dy).sum(1, keepdims=True))
    np.testing.assert_allclose(softmax.gradient(dy, wanted, logarithm), dx, atol=1e-12)


# many rows to a block; a row longer than a block; rows of halves, which a table or float32 computes
@pytest.mark.parametrize("dtype", [np.float32, np.float16], ids=["float32", "float16"])
@pytest.mark.parametrize("shape", [(6, 50, 40), (3, 2, 300_000)], ids=str)
def test_dropped_channels_are_written_over_whatever_they_were(shape, dtype):
    key, threshold = philox.Key(1, 0, 0), philox.threshold(0.4)
    drop = philox.drops(key, threshold, shape[0] * shape[1]).reshape(*shape[:2], 1)
    assert 0 < drop.sum() < drop.size
    x = draw(shape)[0].astype(dtype)
    x[np.broadcast_to(drop, shape)] = np.nan
    y = dropout.bernoulli_affine(x, key, threshold, 1.5, 0.25, -0.5, 2)
    kept = (x.astype(np.float32) * np.float32(1.5) + np.float32(0.25)).astype(dtype)
    np.testing.assert_array_equal(y, np.where(drop, dtype(-0.5), kept))


def test_results_do_not_depend_on_the_number_of_threads():
    x, dy, w = (a.astype(np.float32) for a in draw((64, 8, 8, 300), (64, 8, 8, 300), (64,)))
    rows = x.reshape(-1, 300)
    before, answers = lucid.get_num_threads(), []
    try:
        for threads in (1, 3):
            lucid.set_num_threads(threads)
            y, mean, var = group_forward(x, w, w, EPS)
            needs = (True, True, True)
            back = group_backward(dy, None, None, x, w, mean, var, EPS, needs, 64)
            probabilities = softmax.softmax(rows, False)
            answers.append([y, *back, layer_forward(rows, None, None, EPS, 1)[0], probabilities])
    finally:
        lucid.set_num_threads(before)
    for one, other in zip(*answers, strict=True):
        np.testing.assert_array_equal(one, other)
