"""Convolution on NumPy arrays and its gradients against sums written out, and against PyTorch."""

import itertools

import ml_dtypes
import numpy as np
import pytest

from lucid.backend.cpu import convolution
from lucid.backend.cpu.convolution import convolve, input_gradient, weight_gradient
from lucid.backend.cpu.spreading import AlongRows, ByOffset, BySlices, form_of_sum
from lucid.backend.cpu.threads import get_num_threads, set_num_threads

# x shape, outputs, kernel, stride, padding, dilation, groups
CASES = [
    ((2, 3, 7), 4, (3,), (1,), [(1, 1)], (1,), 1),
    ((3, 4, 9), 6, (2,), (3,), [(2, 0)], (2,), 2),
    ((2, 3, 6, 5), 4, (3, 3), (1, 1), [(1, 1), (1, 1)], (1, 1), 1),
    ((2, 4, 6, 5), 6, (2, 3), (2, 1), [(0, 1), (2, 0)], (1, 2), 2),
    ((2, 6, 5, 5), 6, (3, 3), (1, 1), [(1, 1), (1, 1)], (1, 1), 6),
    ((2, 3, 5, 5), 6, (2, 2), (2, 2), [(0, 0), (0, 0)], (1, 1), 3),
    ((2, 5, 4, 4), 3, (1, 1), (1, 1), [(0, 0), (0, 0)], (1, 1), 1),
    ((2, 4, 5, 4), 2, (1, 1), (2, 3), [(0, 0), (0, 0)], (1, 1), 2),
    ((1, 16, 4, 4), 5, (3, 3), (1, 1), [(3, 3), (4, 2)], (1, 1), 1),
    ((2, 1, 8, 8), 32, (3, 3), (1, 1), [(1, 1), (1, 1)], (1, 1), 1),
    ((3, 32, 6, 6), 4, (3, 3), (2, 2), [(1, 1), (1, 1)], (1, 1), 1),
    ((1, 1, 40, 20), 2, (3, 5), (1, 1), [(1, 1), (2, 2)], (1, 1), 1),
    ((2, 2, 4, 3, 5), 3, (2, 3, 2), (1, 2, 1), [(1, 0), (1, 1), (0, 1)], (1, 1, 2), 1),
    ((1, 4, 3, 3, 3), 4, (3, 1, 2), (2, 1, 1), [(1, 1), (0, 0), (0, 0)], (1, 1, 1), 4),
    ((0, 3, 6, 6), 4, (3, 3), (1, 1), [(1, 1), (1, 1)], (1, 1), 1),
]


def naive(x, w, stride, padding, dilation, groups):
    """y and the list of (y index, x index, w index) of all products that make it."""
    size = [
        (n + sum(p) - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True)
    ]
    y = np.zeros((x.shape[0], w.shape[0], *size))
    per_group = w.shape[0] // groups
    terms = []
    for n, o in itertools.product(range(x.shape[0]), range(w.shape[0])):
        for p in itertools.product(*map(range, size)):
            for c, *k in itertools.product(*map(range, w.shape[1:])):
                i = [
                    a * s + b * d - before
                    for a, b, s, d, (before, _) in zip(p, k, stride, dilation, padding, strict=True)
                ]
                if all(0 <= a < limit for a, limit in zip(i, x.shape[2:], strict=True)):
                    channel = o // per_group * w.shape[1] + c
                    terms.append(((n, o, *p), (n, channel, *i), (o, c, *k)))
    for at_y, at_x, at_w in terms:
        y[at_y] += x[at_x] * w[at_w]
    return y, terms


def channels_last(a):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)


def draw(case, seed=0, dtype=np.float64):
    shape, outputs, kernel, *settings = case
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape).astype(dtype)
    w = rng.standard_normal((outputs, shape[1] // settings[-1], *kernel)).astype(dtype)
    return x, w, settings


@pytest.mark.parametrize("layout", [np.ascontiguousarray, channels_last])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_equals_the_sum_written_out(case, layout):
    x, w, settings = draw(case)
    y, terms = naive(x, w, *settings)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for at_y, at_x, at_w in terms:
        dx[at_x] += dy[at_y] * w[at_w]
        dw[at_w] += dy[at_y] * x[at_x]
    x, dy = layout(x), layout(dy)
    np.testing.assert_allclose(convolve(x, w, *settings), y, rtol=1e-12, atol=1e-12)
    found = input_gradient(dy, w, x.shape, *settings)
    np.testing.assert_allclose(found, dx, rtol=1e-12, atol=1e-12)
    found = weight_gradient(x, dy, w.shape, *settings)
    np.testing.assert_allclose(found, dw, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(5, 3, 9, 9), (2, 24, 5, 6), (1, 3, 70, 50)], ids=str)
def test_channels_last_in_is_channels_last_out(shape):
    x = channels_last(np.ones(shape))
    w = np.ones((7, shape[1], 3, 3))
    settings = (1, 1), [(1, 1), (1, 1)], (1, 1)
    y = convolve(x, w, *settings)
    dx = input_gradient(y, w, x.shape, *settings)
    strided = input_gradient(
        convolve(x, w, (2, 2), *settings[1:]), w, x.shape, (2, 2), *settings[1:]
    )
    for a in (y, dx, strided):
        assert np.moveaxis(a, 1, -1).flags.c_contiguous and not a.flags.c_contiguous
    assert convolve(np.ascontiguousarray(x), w, *settings).flags.c_contiguous


@pytest.mark.parametrize(
    "order", [lambda a: a[::2], lambda a: a[:, ::2], lambda a: np.flip(a, 2), np.asfortranarray]
)
def test_any_strides_give_the_same_result(order):
    rng = np.random.default_rng(0)
    x = order(rng.standard_normal((4, 8, 6, 7)))
    w = order(rng.standard_normal((12, 2 * x.shape[1], 3, 2)))[:, : x.shape[1]]
    for settings in [((1, 1), [(1, 1), (0, 1)], (1, 1)), ((2, 1), [(0, 0), (0, 0)], (1, 2))]:
        dense = np.ascontiguousarray(x), np.ascontiguousarray(w)
        y = convolve(x, w, *settings)
        np.testing.assert_allclose(y, convolve(*dense, *settings), rtol=1e-12, atol=1e-12)
        found = weight_gradient(x, y, w.shape, *settings)
        expected = weight_gradient(dense[0], np.ascontiguousarray(y), w.shape, *settings)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_halves_are_computed_in_float32_and_rounded_once(dtype):
    x, w, settings = draw(CASES[2], dtype=dtype)
    bias = np.ones(len(w), dtype)
    wide = convolve(x.astype(np.float32), w.astype(np.float32), *settings, bias.astype(np.float32))
    y = convolve(x, w, *settings, bias)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, wide.astype(dtype))
    dx = input_gradient(wide.astype(np.float32), w.astype(np.float32), x.shape, *settings)
    assert input_gradient(y, w, x.shape, *settings).dtype == dtype
    assert np.isfinite(dx).all()
    assert weight_gradient(x, y, w.shape, *settings).dtype == dtype


def test_bias_is_added_to_every_point():
    x, w, settings = draw(CASES[3])
    bias = np.arange(6.0)
    y = convolve(x, w, *settings, bias)
    expected = convolve(x, w, *settings) + bias[:, None, None]
    np.testing.assert_allclose(y, expected, rtol=1e-15, atol=1e-15)


@pytest.fixture
def threads():
    """set_num_threads, undone afterwards."""
    before = get_num_threads()
    yield set_num_threads
    set_num_threads(before)


THREADED = [
    ((64, 16, 16, 16), 32),
    ((3, 8, 90, 90), 32),
    ((40, 32, 4, 4), 32),
    ((16, 3, 48, 48), 32),  # few inputs: parts that need no packing, and AlongRows
    ((32, 32, 14, 14), 64),  # a small map: ByOffset for stride 1 too
    ((16, 128, 4, 4), 128),  # a large weight gradient, whose partial sums are shared as well
]


@pytest.mark.parametrize("shape, outputs", THREADED, ids=str)
@pytest.mark.parametrize("layout", [np.ascontiguousarray, channels_last])
def test_results_do_not_depend_on_the_number_of_threads(shape, outputs, layout, threads):
    """Bit for bit: the work of these shapes is well above what is shared among threads."""
    rng = np.random.default_rng(0)
    x = layout(rng.standard_normal(shape, np.float32))
    w = rng.standard_normal((outputs, shape[1], 3, 3), np.float32)
    results = []
    for number in (1, 2, 3):
        threads(number)
        for stride in ((1, 1), (2, 2)):
            settings = stride, [(1, 1), (1, 1)], (1, 1)
            y = convolve(x, w, *settings)
            results += [
                y,
                input_gradient(y, w, x.shape, *settings),
                weight_gradient(x, y, w.shape, *settings),
            ]
    for once, again in zip(results[:6] * 2, results[6:], strict=True):
        np.testing.assert_array_equal(once, again)


FORMS = [
    # dy shape, inputs, kernel, stride, padding, dilation, groups, x's spatial shape
    ((3, 8, 9), 2, (3,), (1,), [(1, 1)], (1,), 1, (9,)),
    ((2, 8, 5, 7), 6, (3, 2), (1, 1), [(1, 1), (0, 1)], (1, 1), 2, (5, 7)),
    ((2, 4, 4, 5), 3, (3, 3), (1, 1), [(0, 3), (2, 1)], (2, 1), 1, (5, 4)),
    ((1, 8, 300, 80), 4, (3, 3), (1, 1), [(1, 1), (1, 1)], (1, 1), 1, (300, 80)),  # in bands
    ((2, 4, 2, 3, 4), 3, (2, 1, 2), (1, 1, 1), [(1, 0), (0, 0), (0, 1)], (1, 1, 1), 1, (2, 3, 4)),
    ((5, 4, 9, 8), 6, (3, 3), (2, 3), [(1, 1), (2, 0)], (1, 2), 2, (18, 24)),
    ((2, 3, 3, 3), 5, (2, 2), (3, 3), [(0, 0), (0, 0)], (1, 1), 1, (9, 8)),  # some x in no field
]


@pytest.mark.parametrize("layout", [np.ascontiguousarray, channels_last])
@pytest.mark.parametrize("case", FORMS, ids=str)
def test_all_forms_of_an_input_gradient_agree(case, layout, monkeypatch):
    """Each form is right for every shape, not only for those for which it is the fastest.

    What they are compared with is the gradient by definition: <dy, w * x> = <dx, x> for any x.
    """
    shape, inputs, kernel, stride, padding, dilation, groups, extent = case
    rng = np.random.default_rng(0)
    dy = layout(rng.standard_normal(shape))
    w = rng.standard_normal((shape[1], inputs // groups, *kernel))
    x = rng.standard_normal((shape[0], inputs, *extent))
    settings = stride, padding, dilation, groups
    product = (dy * convolve(x, w, *settings)).sum()
    forms = [ByOffset]
    if layout is np.ascontiguousarray:
        forms.append(BySlices)
        if all(s == 1 for s in stride):
            forms.append(AlongRows)
    expected = None
    for form in forms:
        monkeypatch.setattr(convolution, "form_of_sum", lambda *_, form=form: form)
        dx = input_gradient(dy, w, x.shape, *settings)
        np.testing.assert_allclose((dx * x).sum(), product, rtol=1e-10)
        expected = dx if expected is None else expected
        np.testing.assert_allclose(dx, expected, rtol=1e-12, atol=1e-12)


def test_the_fields_of_few_channels_are_added_along_the_rows():
    stride, last = (1, 1), False
    assert form_of_sum((32, 1, 5, 5), (64, 1, 28, 28), stride, last) is AlongRows
    assert form_of_sum((64, 32, 5, 5), (64, 32, 14, 14), stride, last) is ByOffset
    assert form_of_sum((64, 64, 3, 3), (16, 64, 32, 32), stride, last) is None
    assert form_of_sum((64, 3, 7, 7), (16, 3, 64, 64), (2, 2), last) is BySlices
    assert form_of_sum((256, 128, 3, 3), (16, 128, 16, 16), (2, 2), last) is ByOffset


@pytest.mark.parametrize("layout", [np.ascontiguousarray, channels_last])
@pytest.mark.parametrize("stride, padding, dilation", [(1, 1, 1), (2, 1, 1), (1, 4, 2), (3, 0, 1)])
@pytest.mark.parametrize("groups", [1, 4, 16])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_agrees_with_pytorch(d, groups, stride, padding, dilation, layout):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(d)
    x = layout(rng.standard_normal((2, 16, *(7, 9, 8)[-d:])))
    w = rng.standard_normal((32, 16 // groups, *(3, 2, 3)[:d]))
    settings = (stride,) * d, [(padding, padding)] * d, (dilation,) * d, groups
    y = convolve(x, w, *settings)
    dy = layout(rng.standard_normal(y.shape))
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, w)]
    convolution = getattr(torch.nn.functional, f"conv{d}d")
    expected = convolution(*tensors, None, stride, padding, dilation, groups)
    expected.backward(torch.tensor(dy))
    close = {"rtol": 1e-10, "atol": 1e-10}  # float64, sums of at most 576 products
    np.testing.assert_allclose(y, expected.detach().numpy(), **close)
    dx, dw = input_gradient(dy, w, x.shape, *settings), weight_gradient(x, dy, w.shape, *settings)
    np.testing.assert_allclose(dx, tensors[0].grad.numpy(), **close)
    np.testing.assert_allclose(dw, tensors[1].grad.numpy(), **close)
