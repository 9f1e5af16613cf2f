"""Max and average pooling on NumPy arrays, against the definition."""

import itertools

import numpy as np
import pytest

import lucid
from lucid.backend.cpu.max_pooling import max_pool, place
from lucid.backend.cpu.pooling import Axis, window_spread, window_sums

# shape, kernel, stride, padding, dilation: what the fast forms tell apart
SETTINGS = [
    ((2, 3, 8, 6), 2, 2, 0, 1),  # each element in one window
    ((2, 3, 9, 7), 3, 2, 1, 1),  # windows overlap, with padding
    ((2, 3, 6, 5), 3, 1, 1, 1),  # one phase
    ((2, 3, 9, 8), 2, 3, 0, 1),  # gaps between windows
    ((1, 2, 11, 9), 3, 2, 1, 2),  # an element of a window is in another phase than its neighbour
    ((2, 32, 6, 4), 2, 2, 0, 1),  # channels long enough to stay where they are
    ((2, 3, 7, 8), 3, 2, 0, 1),  # the last column of one row is beside the first of the next
    ((2, 3, 4, 4), 4, 4, 0, 1),  # one window: both layouts at once
    ((2, 3, 11), 3, 2, 1, 1),
    ((1, 2, 4, 5, 6), 2, 2, 1, 1),
]
settings = pytest.mark.parametrize("setting", SETTINGS, ids=str)
ORDERS = {
    "contiguous": lambda a: a,
    "channels_last": lambda a: np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1),
    "samples_inside": lambda a: np.ascontiguousarray(a.swapaxes(0, 1)).swapaxes(0, 1),
}
orders = pytest.mark.parametrize("order", ORDERS)


def axes_of(shape, kernel, stride, padding, dilation):
    reach = dilation * (kernel - 1) + 1
    return tuple(
        Axis(n, (n + 2 * padding - reach) // stride + 1, kernel, stride, padding, dilation)
        for n in shape[2:]
    )


def elements_of(axes, window):
    """The number and the place of each element of a window that is inside x."""
    for number, k in enumerate(itertools.product(*(range(axis.kernel) for axis in axes))):
        at = [
            axis.stride * i - axis.padding + axis.dilation * j
            for axis, i, j in zip(axes, window, k, strict=True)
        ]
        if all(0 <= a < axis.extent for a, axis in zip(at, axes, strict=True)):
            yield number, (slice(None), slice(None), *at)


def by_definition(x, dy, axes):
    """y, numbers and dx, window by window."""
    size = tuple(axis.size for axis in axes)
    y = np.full((*x.shape[:2], *size), -np.inf, x.dtype)
    numbers, dx = np.zeros(y.shape, int), np.zeros_like(x)
    for window in itertools.product(*map(range, size)):
        here = (slice(None), slice(None), *window)
        elements = list(elements_of(axes, window))
        numbers[here] = elements[0][0]
        for number, at in elements:
            higher = x[at] > y[here]
            y[here] = np.where(higher, x[at], y[here])
            numbers[here] = np.where(higher, number, numbers[here])
        for number, at in elements:
            dx[at] += np.where(numbers[here] == number, dy[here], 0)
    return y, numbers, dx


@orders
@settings
def test_maxima_numbers_and_gradient_are_the_definitions(setting, order):
    shape, axes = setting[0], axes_of(*setting)
    random = np.random.default_rng(0)
    x = random.integers(-3, 4, shape).astype(np.float64)  # many equal ones; exact in any order
    dy = random.integers(-9, 10, (*shape[:2], *(axis.size for axis in axes))).astype(np.float64)
    y, numbers, dx = by_definition(x, dy, axes)
    ours, ours_numbers = max_pool(ORDERS[order](x), axes, True)
    np.testing.assert_array_equal(ours, y)
    np.testing.assert_array_equal(ours_numbers, numbers)
    np.testing.assert_array_equal(max_pool(ORDERS[order](x), axes, False)[0], y)
    np.testing.assert_array_equal(place(ORDERS[order](dy), ours_numbers, axes), dx)


@orders
def test_a_nan_that_is_not_chosen_reaches_nothing(order):
    axes = axes_of((1, 2, 5, 5), 3, 2, 1, 1)
    dy = np.full((1, 2, 3, 3), np.nan)
    numbers = np.full((1, 2, 3, 3), 4, np.uint8)  # the middle of each window
    dx = place(ORDERS[order](dy), ORDERS[order](numbers), axes)
    assert np.isnan(dx[:, :, ::2, ::2]).all()
    assert np.isnan(dx).sum() == dy.size


@orders
def test_one_window_over_all_is_the_mean_and_its_gradient_is_even(order):
    x = np.random.default_rng(0).normal(size=(3, 5, 6, 7))
    axes, count = (Axis(6, 1, 6, 6), Axis(7, 1, 7, 7)), 42
    y = window_sums(ORDERS[order](x), axes, count)
    np.testing.assert_allclose(y, x.mean((2, 3), keepdims=True), rtol=1e-13)
    dx = window_spread(ORDERS[order](y), axes, count)
    np.testing.assert_allclose(dx, np.broadcast_to(y / count, x.shape), rtol=1e-13)


def test_a_mean_of_many_equal_numbers_is_that_number():
    x = np.full((1, 1, 512, 512), 0.1, np.float32)  # a running sum would be off in the 4th digit
    y = window_sums(x, (Axis(512, 1, 512, 512),) * 2, 512 * 512)
    np.testing.assert_allclose(y, 0.1, rtol=1e-6)


@pytest.mark.parametrize("setting", [(2, 2, 0), (3, 2, 1), (3, 1, 1)], ids=str)
def test_results_do_not_depend_on_the_number_of_threads(setting):
    shape = (8, 64, 32, 32)  # four blocks of 2**17 elements
    axes = axes_of(shape, *setting, 1)
    random, before = np.random.default_rng(0), lucid.get_num_threads()
    x = random.normal(size=shape).astype(np.float32)
    dy = random.normal(size=(*shape[:2], axes[0].size, axes[1].size)).astype(np.float32)
    answers = []
    try:
        for threads in (1, 3):
            lucid.set_num_threads(threads)
            y, numbers = max_pool(x, axes, True)
            answers.append([y, numbers, place(dy, numbers, axes)])
    finally:
        lucid.set_num_threads(before)
    for one, other in zip(*answers, strict=True):
        np.testing.assert_array_equal(one, other)
