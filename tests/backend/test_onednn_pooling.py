"""oneDNN's pooling equals lucid's own; needs `pip install onednn-cpu-gomp` or LUCID_ONEDNN."""

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid.backend.cpu import max_pooling, pooling
from lucid.backend.cpu.onednn import pooling as engine
from lucid.backend.cpu.pooling import Axis

pytestmark = pytest.mark.skipif(
    not lucid.backends.onednn.is_available(), reason=lucid.backends.onednn.why_unavailable()
)

# x's shape, kernel, stride, padding, dilation
WINDOWS = {
    "pairs": ((3, 20, 8, 6), (2, 2), (2, 2), (0, 0), (1, 1)),
    "overlapping, padded": ((2, 33, 9, 8), (3, 3), (2, 2), (1, 1), (1, 1)),
    "not to the end": ((2, 16, 8, 8), (2, 2), (3, 3), (0, 0), (1, 1)),
    "unequal": ((2, 16, 7, 11), (3, 2), (1, 2), (1, 0), (1, 1)),
    "whole": ((2, 16, 5, 5), (5, 5), (1, 1), (0, 0), (1, 1)),
    "few channels": ((2, 3, 8, 8), (2, 2), (2, 2), (1, 1), (1, 1)),
    "sequence": ((3, 17, 20), (3,), (2,), (1,), (1,)),
    "volume": ((2, 16, 4, 6, 5), (2, 3, 2), (2, 2, 1), (1, 1, 0), (1, 1, 1)),
    "one large sample": ((1, 70, 12, 12), (2, 2), (2, 2), (0, 0), (1, 1)),
}


@pytest.fixture(autouse=True)
def many_tasks_of_every_problem(monkeypatch):
    """Small problems are cut as large ones are, with a rest."""
    monkeypatch.setattr(engine, "_BLOCK", 2_500)


def channels_last(a):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)


LAYOUTS = {"contiguous": np.ascontiguousarray, "channels-last": channels_last}
each_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
each_case = pytest.mark.parametrize("case", WINDOWS.values(), ids=WINDOWS)


def axes_of(case, ceil=False):
    shape, *spaces = case
    found = []
    for extent, kernel, stride, padding, dilation in zip(shape[2:], *spaces, strict=True):
        room = extent + 2 * padding - dilation * (kernel - 1) - 1
        size = -(-room // stride) + 1 if ceil else room // stride + 1
        if ceil and (size - 1) * stride >= extent + padding:
            size -= 1  # a window must begin inside
        found.append(Axis(extent, size, kernel, stride, padding, dilation))
    return tuple(found)


def values(shape, seed=0):
    """Few different ones, so that many are equal."""
    return np.random.default_rng(seed).integers(-9, 9, shape).astype(np.float32)


def in_order(a):
    """Which orders it is contiguous in."""
    return a.flags.c_contiguous, np.moveaxis(a, 1, -1).flags.c_contiguous


def without(function, *arguments):
    with lucid.backends.onednn.flags(enabled=False):
        return function(*arguments)


@each_layout
@each_case
@pytest.mark.parametrize("ceil", [False, True], ids=["floor", "ceil"])
def test_maxima_and_their_numbers_are_those_of_lucids_own_code(case, layout, ceil):
    axes, x = axes_of(case, ceil), layout(values(case[0]))
    taken = engine.maximum(x, axes, True)
    assert taken is not None, "oneDNN did not take it"
    for mine, own in zip(taken, without(max_pooling.max_pool, x, axes, True), strict=True):
        np.testing.assert_array_equal(mine, own)
        assert mine.dtype == own.dtype
        assert in_order(mine) == in_order(own)
    y, numbers = engine.maximum(x, axes, False)
    np.testing.assert_array_equal(y, taken[0])
    assert numbers is None


@each_layout
@each_case
def test_gradients_go_where_lucids_own_code_puts_them(case, layout):
    axes = axes_of(case)
    y, numbers = engine.maximum(layout(values(case[0])), axes, True)
    dy = layout(values(y.shape, 1))
    dx = engine.maximum_gradient(dy, numbers, axes)
    assert dx is not None, "oneDNN did not take it"
    np.testing.assert_array_equal(dx, without(max_pooling.place, dy, numbers, axes))


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf, 3e38])
def test_values_whose_maximum_onednn_has_otherwise_are_left_to_lucids_own_code(special):
    case = WINDOWS["pairs"]
    axes, x = axes_of(case), values(case[0])
    x[1, 2, :2, :2] = special
    y, numbers = max_pooling.max_pool(x, axes, True)
    own = without(max_pooling.max_pool, x, axes, True)
    np.testing.assert_array_equal(y, own[0])
    np.testing.assert_array_equal(numbers, own[1])
    assert np.array_equal(y[1, 2, 0, 0], np.float32(special), equal_nan=True)


@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_gradients_that_are_not_finite_touch_no_other_element(special):
    case = WINDOWS["pairs"]
    axes = axes_of(case)
    y, numbers = engine.maximum(values(case[0]), axes, True)
    dy = np.ones_like(y)
    dy[1, 2, 1, 1] = special
    dx = engine.maximum_gradient(dy, numbers, axes)
    np.testing.assert_array_equal(dx, without(max_pooling.place, dy, numbers, axes))
    assert (~np.isfinite(dx)).sum() == 1


AVERAGES = [name for name in WINDOWS if name != "few channels"]


@each_layout
@pytest.mark.parametrize("name", AVERAGES)
def test_averages_and_their_gradients_are_those_of_lucids_own_code(name, layout):
    case = WINDOWS[name]
    axes, x = axes_of(case), layout(values(case[0]))
    terms = np.prod(case[1]).item()
    y = engine.average(x, axes, terms)
    dx = engine.average_gradient(layout(values(y.shape, 1)), axes, terms)
    own = without(pooling.window_sums, x, axes, terms)
    own_dx = without(pooling.window_spread, layout(values(y.shape, 1)), axes, terms)
    assert in_order(y) == in_order(own)
    # Sums of small whole numbers are exact; the division rounds once, each share of a gradient too.
    np.testing.assert_allclose(y, own, rtol=2**-22, atol=0)
    np.testing.assert_allclose(dx, own_dx, rtol=2**-20, atol=1e-5)


def test_averages_that_onednn_has_otherwise_or_later_are_left_to_lucids_own_code():
    case = WINDOWS["pairs"]
    axes, x = axes_of(case), values(case[0])
    assert engine.average(x, axes, 4) is not None
    assert engine.average(x, axes, 3) is None
    assert engine.average(x, axes, np.full(axes[0].size, 4.0)) is None
    assert engine.average(np.ascontiguousarray(x[:, :8]), axes, 4) is None
    whole = (Axis(8, 1, 8, 8), Axis(6, 1, 6, 6))
    assert engine.average(x, whole, 48) is None


@pytest.mark.parametrize("kind", ["float64", "strided", "disabled", "empty", "dilated"])
def test_what_is_not_onednns_is_left_alone(kind):
    case = WINDOWS["pairs"]
    axes, x = axes_of(case), values(case[0])
    if kind == "dilated":
        axes = tuple(Axis(n, 2, 2, 2, dilation=3) for n in (8, 6))
        assert engine.maximum(x, axes, True) is None
        return
    if kind == "disabled":
        assert without(engine.maximum, x, axes, True) is None
        return
    other = {"float64": x.astype("f8"), "strided": x.swapaxes(2, 3), "empty": x[:0]}[kind]
    assert engine.maximum(other, axes, True) is None


@each_case
def test_results_do_not_depend_on_the_number_of_threads(case):
    axes, x = axes_of(case), np.random.default_rng(0).normal(size=case[0]).astype(np.float32)
    before, found = lucid.get_num_threads(), []
    try:
        for threads in (1, 3):
            lucid.set_num_threads(threads)
            y, numbers = engine.maximum(x, axes, True)
            found.append((y, numbers, engine.maximum_gradient(y, numbers, axes)))
    finally:
        lucid.set_num_threads(before)
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ["max_pool1d", "max_pool2d", "max_pool3d", "avg_pool2d"])
def test_the_graph_and_second_gradients_are_the_same_with_and_without(name):
    d = int(name[-2])
    values_ = np.random.default_rng(2).normal(size=(2, 16, *(6,) * d)).astype(np.float32)

    def run():
        x = lucid.tensor(values_).requires_grad_()
        y = getattr(F, name)(x, 2)
        (first,) = lucid.autograd.grad((y * y * y).sum(), x, create_graph=True)
        (second,) = lucid.autograd.grad((first * first).sum(), x)
        return [t.detach().numpy() for t in (y, first, second)]

    for with_it, own in zip(run(), without(run), strict=True):
        np.testing.assert_allclose(with_it, own, rtol=1e-5, atol=1e-6)  # a few roundings
