"""Batch normalization on the CPU against the definition in float64: near and far means."""

import numpy as np
import pytest

from lucid.backend.cpu import batch_norm
from lucid.backend.cpu.threads import get_num_threads, set_num_threads

EPS = 1e-5
# (N, C): small and large; images: by row, by sample, with few and with many samples; 3d
SHAPES = [(64, 256), (2000, 7), (8, 3, 40, 40), (32, 5, 12, 12), (20, 6, 3, 3), (3, 4, 5, 6, 7)]


def _arrays(shape: tuple, offset: float, last: bool, dtype: str = "float32") -> tuple:
    rng = np.random.default_rng(0)
    x = (rng.normal(size=shape) * 2 + offset).astype(dtype)
    dy = rng.normal(size=shape).astype(dtype)
    if last:
        x, dy = (np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1) for a in (x, dy))
    w, b = rng.normal(size=(2, shape[1])).astype("float32")
    return x, dy, w, b


def _definition(x: np.ndarray, dy: np.ndarray, w: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
    """y, mean, var, dx, dw, db in float64."""
    x, dy = x.astype("float64"), dy.astype("float64")
    axes = (0, *range(2, x.ndim))
    column = (1, -1) + (1,) * (x.ndim - 2)
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    scale = 1 / np.sqrt(var + EPS)
    hat = (x - mean) * scale
    dw, db = (dy * hat).sum(axes), dy.sum(axes)
    n = x.size // x.shape[1]
    slope = scale * w.reshape(column)
    dx = (dy - db.reshape(column) / n - hat * dw.reshape(column) / n) * slope
    y = hat * w.reshape(column) + b.reshape(column)
    return [y, mean.reshape(-1), var.reshape(-1), dx, dw, db]


def _computed(x: np.ndarray, dy: np.ndarray, w: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
    y, mean, var = batch_norm.forward(x, w, b, EPS)
    dx, dw, db = batch_norm.backward(dy, None, None, x, w, mean, var, EPS, (True,) * 3)
    return [y, mean, var, dx, dw, db]


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("offset", [0.0, 3.5, 300.0])
def test_values_and_gradients_are_the_definitions(shape: tuple, last: bool, offset: float) -> None:
    arrays = _arrays(shape, offset, last)
    # x itself is rounded by half an ulp of its size: a far mean costs these digits whatever is done
    tolerance = 2e-5 * (1 + offset / 50)
    for got, want in zip(_computed(*arrays), _definition(*arrays), strict=True):
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * np.abs(want).max())


def test_a_far_mean_costs_no_digits_of_the_variance() -> None:
    x, dy, w, b = _arrays((8, 3, 40, 40), 1e4, False)
    _, _, var = batch_norm.forward(x, w, b, EPS)
    # From sums of squares, of which a float32 has 24 bits, the error would be about 0.1.
    np.testing.assert_allclose(var, x.astype("float64").var((0, 2, 3)), rtol=1e-5)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_number_of_threads_changes_no_bit(shape: tuple, last: bool) -> None:
    before = get_num_threads()
    answers = []
    try:
        for threads in (1, 2, 3):
            set_num_threads(threads)
            answers.append(_computed(*_arrays(shape, 1.0, last)))
    finally:
        set_num_threads(before)
    for one, two, three in zip(*answers, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_bad_element_spoils_its_channel_and_no_other(value: float) -> None:
    x, dy, w, b = _arrays((32, 5, 12, 12), 0.0, False)
    clean = batch_norm.forward(x, w, b, EPS)[0]
    x[3, 2, 1, 1] = value
    with np.errstate(invalid="ignore"):
        y = batch_norm.forward(x, w, b, EPS)[0]
    assert np.isnan(y[:, 2]).all()
    others = [0, 1, 3, 4]
    np.testing.assert_allclose(y[:, others], clean[:, others], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(64, 256), (32, 5, 12, 12), (8, 3, 40, 40)])
def test_a_channel_of_one_value_becomes_its_bias(shape: tuple) -> None:
    x, dy, w, b = _arrays(shape, 0.0, False)
    x[:, 1] = 1.25
    y = batch_norm.forward(x, w, b, EPS)[0]
    np.testing.assert_array_equal(y[:, 1], b[1])


def test_halves_are_rounded_once() -> None:
    x, dy, w, b = _arrays((32, 5, 12, 12), 0.5, False, "float16")
    for got, want in zip(_computed(x, dy, w, b)[::3], _definition(x, dy, w, b)[::3], strict=True):
        assert got.dtype == np.float16
        np.testing.assert_allclose(got, want, rtol=2**-10, atol=1e-4)


def test_gradients_of_the_statistics_are_added() -> None:
    x, dy, w, b = _arrays((32, 5, 12, 12), 0.5, False)
    _, mean, var = batch_norm.forward(x, w, b, EPS)
    dmean, dvar = np.arange(5, dtype="f") * 100, np.arange(5, dtype="f") * -70
    plain = batch_norm.backward(dy, None, None, x, w, mean, var, EPS, (True,) * 3)[0]
    both = batch_norm.backward(dy, dmean, dvar, x, w, mean, var, EPS, (True,) * 3)[0]
    n, column = x.size // 5, (1, 5, 1, 1)
    extra = (dmean.reshape(column) + 2 * dvar.reshape(column) * (x - mean.reshape(column))) / n
    np.testing.assert_allclose(both - plain, extra, rtol=1e-3, atol=1e-5)
