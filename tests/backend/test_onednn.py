"""oneDNN's convolution equals lucid's own; needs `pip install onednn-cpu-gomp` or LUCID_ONEDNN."""

import gc
import os
import signal
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid.backend.cpu import convolution as own
from lucid.backend.cpu import threads
from lucid.backend.cpu.onednn import convolution as engine
from lucid.backend.cpu.onednn import cut, library, parts

pytestmark = pytest.mark.skipif(
    not lucid.backends.onednn.is_available(), reason=lucid.backends.onednn.why_unavailable()
)

# Samples, x's channels, y's channels, size; kernel, stride, padding, dilation, groups.
PROBLEMS = {
    "image": (3, 3, 8, (9, 8), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    "one channel": (2, 1, 6, (12, 12), (5, 5), (1, 1), ((2, 2), (2, 2)), (1, 1), 1),
    "odd channels": (3, 17, 33, (7, 9), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    "wide": (2, 32, 48, (6, 6), (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), 1),
    "pointwise": (3, 16, 20, (5, 4), (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    "pointwise, strided": (3, 16, 20, (5, 4), (1, 1), (2, 2), ((0, 0), (0, 0)), (1, 1), 1),
    "dilated": (2, 8, 8, (11, 10), (3, 2), (1, 1), ((2, 2), (1, 1)), (2, 3), 1),
    "same, of even kernels": (2, 8, 8, (6, 6), (4, 2), (1, 1), ((1, 2), (0, 1)), (1, 1), 1),
    "unequal strides": (2, 8, 16, (9, 10), (3, 3), (2, 3), ((1, 1), (0, 0)), (1, 1), 1),
    "fields that do not reach the end": (2, 8, 8, (8, 8), (2, 2), (3, 3), ((0, 0),) * 2, (1, 1), 1),
    "groups": (3, 12, 18, (6, 5), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 3),
    "wide groups": (2, 64, 64, (5, 5), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 2),
    "depthwise": (3, 40, 40, (7, 6), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 40),
    "depthwise, strided": (3, 16, 16, (7, 6), (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), 16),
    "depthwise, two outputs": (2, 16, 32, (7, 6), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 16),
    "one sample": (1, 16, 80, (6, 6), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    "one position": (2, 16, 32, (3, 3), (3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    "sequence": (3, 8, 16, (20,), (5,), (2,), ((2, 2),), (1,), 1),
    "sequence in groups": (3, 8, 16, (20,), (3,), (1,), ((2, 2),), (2,), 4),
    "volume": (2, 4, 16, (5, 4, 6), (3, 2, 3), (1, 2, 1), ((1, 1), (0, 0), (1, 1)), (1, 1, 1), 1),
    "depthwise volume": (2, 16, 16, (5, 4, 6), (3, 3, 3), (1,) * 3, ((1, 1),) * 3, (1,) * 3, 16),
}


@pytest.fixture(autouse=True)
def many_tasks_of_every_problem(monkeypatch):
    """Small problems are cut as large ones are, with a rest, and none is left to lucid's own."""
    monkeypatch.setattr(cut, "_WORK", 5_000)
    monkeypatch.setattr(cut, "_CACHE", 8_000)
    monkeypatch.setattr(engine, "worth", lambda problem: True)
    engine._plan.cache_clear()
    yield
    engine._plan.cache_clear()


@pytest.fixture
def number_of_threads():
    before = lucid.get_num_threads()
    yield lucid.set_num_threads
    lucid.set_num_threads(before)


def arrays(problem, seed=0):
    """x, w, bias, dy of float32, and how they meet."""
    n, c, o, size, kernel, *how, groups = problem
    sides = zip(size, kernel, *how, strict=True)
    out = [(m + sum(p) - d * (k - 1) - 1) // s + 1 for m, k, s, p, d in sides]
    shapes = (n, c, *size), (o, c // groups, *kernel), (o,), (n, o, *out)
    draw = np.random.default_rng(seed).normal
    return *(draw(size=shape).astype(np.float32) for shape in shapes), (*how, groups)


def channels_last(a):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)


def strided(a):
    """The same values, no two of them neighbours in memory."""
    return np.repeat(np.repeat(a, 2, 0), 2, -1)[::2, ..., ::2]


LAYOUTS = {"contiguous": np.ascontiguousarray, "channels-last": channels_last, "strided": strided}
each_problem = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
each_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)


def assert_sums(actual, compute, *factors):
    """`actual` is compute(*factors) but for the rounding of its sums.

    In float64 that is known; in float32 a sum of n products errs by at most n / 2 units in the last
    place of the sum of their sizes, and hardly ever by more than sqrt(n) / 2: 16 is for n ~ 1000.
    """
    assert actual is not None, "oneDNN did not take it"
    expected = compute(*(a.astype(np.float64) for a in factors))
    scale = compute(*(abs(a.astype(np.float64)) for a in factors))
    assert actual.shape == expected.shape
    assert actual.dtype == np.float32
    assert np.all(abs(actual - expected) <= 16 * 2**-24 * scale)


@each_layout
@each_problem
def test_y_is_the_sum_that_lucids_own_code_computes(problem, layout):
    x, w, bias, _, how = arrays(problem)
    y = engine.convolve(layout(x), w, *how, bias)
    assert_sums(y, lambda x, w, b: own.convolve(x, w, *how, b), x, w, bias)
    assert_sums(
        engine.convolve(layout(x), w, *how, None), lambda x, w: own.convolve(x, w, *how), x, w
    )


@each_layout
@each_problem
def test_dx_is_the_sum_that_lucids_own_code_computes(problem, layout):
    x, w, _, dy, how = arrays(problem)
    dx = engine.input_gradient(layout(dy), w, x.shape, *how)
    assert_sums(dx, lambda dy, w: own.input_gradient(dy, w, x.shape, *how), dy, w)


@each_layout
@each_problem
def test_dw_is_the_sum_that_lucids_own_code_computes(problem, layout):
    x, w, _, dy, how = arrays(problem)
    own_dw = lambda x, dy: own.weight_gradient(x, dy, w.shape, *how)  # noqa: E731
    assert_sums(engine.weight_gradient(layout(x), layout(dy), w.shape, *how), own_dw, x, dy)
    assert_sums(engine.weight_gradient(layout(x), dy, w.shape, *how), own_dw, x, dy)


@each_problem
def test_results_do_not_depend_on_the_number_of_threads(problem, number_of_threads):
    x, w, bias, dy, how = arrays(problem)
    found = []
    for count in (1, 2, 5):
        number_of_threads(count)
        y = engine.convolve(x, w, *how, bias)
        dx = engine.input_gradient(dy, w, x.shape, *how)
        found.append((y, dx, engine.weight_gradient(x, dy, w.shape, *how)))
    for others in found[1:]:
        for one, other in zip(found[0], others, strict=True):
            np.testing.assert_array_equal(one, other)


def test_channels_last_stays_so():
    x, w, _, dy, how = arrays(PROBLEMS["odd channels"])
    y = engine.convolve(channels_last(x), w, *how, None)
    dx = engine.input_gradient(channels_last(dy), w, x.shape, *how)
    assert np.moveaxis(y, 1, -1).flags.c_contiguous
    assert np.moveaxis(dx, 1, -1).flags.c_contiguous
    assert engine.convolve(x, w, *how, None).flags.c_contiguous


def test_weights_in_any_order_are_read_as_they_stand():
    x, w, _, dy, how = arrays(PROBLEMS["wide"])
    turned = np.asfortranarray(w)
    plain = engine.convolve(x, w, *how, None), engine.input_gradient(dy, w, x.shape, *how)
    np.testing.assert_array_equal(engine.convolve(x, turned, *how, None), plain[0])
    np.testing.assert_array_equal(engine.input_gradient(dy, turned, x.shape, *how), plain[1])


def test_inputs_are_only_read():
    x, w, bias, dy, how = arrays(PROBLEMS["wide"])
    before = [a.copy() for a in (x, w, bias, dy)]
    for a in (x, w, bias, dy):
        a.flags.writeable = False
    engine.convolve(x, w, *how, bias)
    engine.input_gradient(dy, w, x.shape, *how)
    engine.weight_gradient(x, dy, w.shape, *how)
    for a, b in zip((x, w, bias, dy), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_result_is_not_overwritten_by_the_next_call():
    x, w, bias, dy, how = arrays(PROBLEMS["wide"])
    y, dw = engine.convolve(x, w, *how, bias), engine.weight_gradient(x, dy, w.shape, *how)
    kept = y.copy(), dw.copy()
    engine.convolve(-x, w, *how, bias)
    engine.weight_gradient(-x, dy, w.shape, *how)
    np.testing.assert_array_equal(y, kept[0])
    np.testing.assert_array_equal(dw, kept[1])


def test_new_weights_at_an_old_address_are_noticed():
    x, w, _, _, how = arrays(PROBLEMS["wide"])
    y = engine.convolve(x, w, *how, None)
    w *= 2
    np.testing.assert_array_equal(engine.convolve(x, w, *how, None), 2 * y)


@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_other_types_than_float32_are_left_to_lucids_own_code(dtype):
    x, w, bias, dy, how = (
        a.astype(dtype) if isinstance(a, np.ndarray) else a for a in arrays(PROBLEMS["image"])
    )
    assert engine.convolve(x, w, *how, bias) is None
    assert engine.input_gradient(dy, w, x.shape, *how) is None
    assert engine.weight_gradient(x, dy, w.shape, *how) is None


def test_negative_padding_is_left_to_lucids_own_code():
    x, w, _, _, (stride, _, *rest) = arrays(PROBLEMS["wide"])
    assert engine.convolve(x, w, stride, ((-1, 0), (0, 0)), *rest, None) is None


def test_a_batch_of_no_samples_has_a_result_of_no_samples():
    x, w = lucid.zeros(0, 3, 8, 8, requires_grad=True), lucid.ones(4, 3, 3, 3, requires_grad=True)
    y = F.conv2d(x, w)
    y.sum().backward()
    assert y.shape == (0, 4, 6, 6)
    assert x.grad.shape == x.shape
    assert not w.grad.any()


def through_the_graph(enabled, operation):
    """y, gradients, and gradients of a sum of squares of those gradients, as NumPy arrays."""
    with lucid.backends.onednn.flags(enabled=enabled):
        *inputs, y = operation()
        first = lucid.autograd.grad(y.sin().sum(), inputs, create_graph=True)
        second = lucid.autograd.grad(sum((g * g).sum() for g in first), inputs)
    return [t.detach().numpy() for t in (y, *first, *second)]


OPERATIONS = {
    "conv1d": ((2, 4, 9), (8, 4, 3), (8,), F.conv1d, {"stride": 2, "padding": 1}),
    "conv2d": ((2, 4, 6, 7), (8, 4, 3, 3), (8,), F.conv2d, {"padding": "same"}),
    "conv2d in groups": ((2, 8, 6, 7), (16, 4, 3, 3), (16,), F.conv2d, {"groups": 2}),
    "conv3d": ((2, 4, 4, 5, 4), (8, 4, 2, 3, 2), (8,), F.conv3d, {"dilation": (1, 2, 1)}),
    "conv_transpose1d": ((2, 8, 5), (8, 4, 3), (4,), F.conv_transpose1d, {"stride": 2}),
    "conv_transpose2d": (
        (2, 8, 4, 5), (8, 4, 3, 3), (8,), F.conv_transpose2d,
        {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2},
    ),
    "conv_transpose3d": ((1, 8, 3, 3, 3), (8, 4, 2, 2, 2), (4,), F.conv_transpose3d, {}),
}  # fmt: skip


@pytest.mark.parametrize("last", [False, True], ids=["contiguous", "channels-last"])
@pytest.mark.parametrize("case", OPERATIONS.values(), ids=OPERATIONS)
def test_the_graph_and_second_gradients_are_the_same_with_and_without(case, last):
    *shapes, function, settings = case
    draw = np.random.default_rng(1).normal
    values = [draw(size=shape).astype(np.float32) / 2 for shape in shapes]
    if last:
        values[0] = channels_last(values[0])

    def operation():
        x, w, b = (lucid.tensor(v).requires_grad_() for v in values)
        return x, w, b, function(x, w, b, **settings)

    pairs = zip(
        through_the_graph(True, operation), through_the_graph(False, operation), strict=True
    )
    for with_it, without in pairs:
        # Sums of some hundreds of products, squared and summed again.
        np.testing.assert_allclose(with_it, without, rtol=1e-4, atol=1e-5 * abs(without).max())


def test_half_types_are_computed_in_float32_and_rounded_once():
    x, w, bias, _, how = arrays(PROBLEMS["wide"])
    halves = [a.astype(np.float16) for a in (x, w, bias)]
    y = engine.convolve(*(a.astype(np.float32) for a in halves[:2]), *how, halves[2].astype("f4"))
    np.testing.assert_array_equal(own.convolve(*halves[:2], *how, halves[2]), y.astype(np.float16))


def test_the_switch_is_read_by_each_operation(monkeypatch):
    x, w, bias, _, how = arrays(PROBLEMS["odd channels"])
    switch = lucid.backends.onednn
    with switch.flags(enabled=False):
        assert not switch.enabled
        assert engine.convolve(x, w, *how, bias) is None
    assert switch.enabled
    np.testing.assert_array_equal(own.convolve(x, w, *how, bias), engine.convolve(x, w, *how, bias))
    switch.enabled = False
    try:
        assert engine.convolve(x, w, *how, bias) is None
    finally:
        switch.enabled = True


def test_an_exception_in_the_block_leaves_the_switch_as_it_was():
    with pytest.raises(KeyError), lucid.backends.onednn.flags(enabled=False):
        raise KeyError
    assert lucid.backends.onednn.enabled


def test_unknown_settings_are_refused():
    with pytest.raises(AttributeError, match="backends.onednn has enabled; got 'fast'"):
        lucid.backends.onednn.fast = True
    with pytest.raises(AttributeError, match="backends.onednn has enabled; got 'fast'"):
        _ = lucid.backends.onednn.fast


def test_the_version_is_one_of_the_third():
    assert lucid.backends.onednn.version().startswith("3.")


def test_the_callers_number_of_openmp_threads_stays():
    control = library.library().threads
    if control is None:
        pytest.skip("this oneDNN knows no threads")
    get, set_ = control
    before = get()
    x, w, bias, _, how = arrays(PROBLEMS["wide"])
    try:
        set_(3)
        engine.convolve(x, w, *how, bias)
        assert get() == 3
    finally:
        set_(before)


def test_many_threads_may_compute_one_problem_at_once():
    problems = [arrays(PROBLEMS["wide"], seed) for seed in range(16)]
    expected = [engine.convolve(x, w, *how, bias) for x, w, bias, _, how in problems]
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(engine.convolve, x, w, *how, b) for x, w, b, _, how in problems]
        for job, y in zip(jobs, expected, strict=True):
            np.testing.assert_array_equal(job.result(), y)


def test_it_may_run_inside_a_block_of_the_thread_pool():
    x, w, bias, _, how = arrays(PROBLEMS["wide"])
    expected = engine.convolve(x, w, *how, bias)
    results = [None] * 4

    def run(start, stop):
        for i in range(start, stop):
            results[i] = engine.convolve(x, w, *how, bias)

    threads.parallel_for(run, 4, 1)
    for y in results:
        np.testing.assert_array_equal(y, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_computes_the_same(number_of_threads):
    number_of_threads(2)
    x, w, bias, dy, how = arrays(PROBLEMS["wide"])
    y, dw = engine.convolve(x, w, *how, bias), engine.weight_gradient(x, dy, w.shape, *how)
    sys.stdout.flush()
    child = os.fork()
    if child == 0:  # no pytest in here
        signal.alarm(30)  # OpenMP's threads, if they were used, would be waited for for ever
        same = np.array_equal(engine.convolve(x, w, *how, bias), y)
        os._exit(
            0 if same and np.array_equal(engine.weight_gradient(x, dy, w.shape, *how), dw) else 1
        )
    assert os.waitpid(child, 0)[1] == 0


def test_primitives_that_nobody_needs_are_given_back():
    x, w, bias, _, how = arrays(PROBLEMS["wide"])
    engine.convolve(x, w, *how, bias)
    parts.part.cache_clear()
    problem = parts.Problem(
        parts.FORWARD, x.shape, w.shape, (2, 48, 3, 3), *how, False, False, False
    )
    made = weakref.ref(parts.part(library.library(), problem, 1, 48).primitive)
    parts.part.cache_clear()
    gc.collect()
    assert made() is None


def test_problems_are_kept_up_to_a_number():
    for cache in (engine._plan, parts.part):
        assert 0 < cache.cache_info().maxsize <= 1024
