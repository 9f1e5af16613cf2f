"""Max pooling: PyTorch's values, positions, gradients and second gradients; ties, NaN, layouts."""

import numpy as np
import pytest

import lucid
from lucid.ops import max_pooling
from lucid.ops.max_pooling import adaptive_max_pool2d, max_pool2d

CASES = [
    ("max_pool1d", (2, 3, 9), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("max_pool1d", (3, 9), {"kernel_size": (4,), "stride": 1, "dilation": 2}),
    ("max_pool2d", (2, 3, 6, 8), {"kernel_size": 2}),
    ("max_pool2d", (2, 3, 7, 5), {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0)}),
    ("max_pool2d", (2, 3, 7, 5), {"kernel_size": 2, "ceil_mode": True}),
    ("max_pool2d", (1, 2, 6, 7), {"kernel_size": 3, "padding": 1, "stride": 2, "ceil_mode": True}),
    ("max_pool2d", (1, 2, 5, 5), {"kernel_size": 1, "stride": 3, "ceil_mode": True}),
    ("max_pool2d", (3, 8, 9), {"kernel_size": 3, "stride": 1, "padding": 1, "dilation": 2}),
    ("max_pool2d", (1, 1, 20, 20), {"kernel_size": 17, "stride": 2}),  # more than 256 elements
    ("max_pool3d", (2, 2, 4, 5, 6), {"kernel_size": 2, "padding": 1, "stride": (1, 2, 2)}),
    ("adaptive_max_pool1d", (2, 3, 8), {"output_size": 4}),
    ("adaptive_max_pool2d", (2, 3, 7, 10), {"output_size": (3, 4)}),
    ("adaptive_max_pool2d", (3, 6, 5), {"output_size": (None, 1)}),
    ("adaptive_max_pool2d", (1, 2, 3, 3), {"output_size": 5}),
    ("adaptive_max_pool3d", (1, 2, 4, 5, 3), {"output_size": (2, 3, None)}),
]


def with_ties(shape, seed=0):
    """Small integers, so that many windows have several maxima."""
    return np.random.default_rng(seed).integers(-2, 3, shape).astype(float)


def distinct(shape):
    return np.random.default_rng(0).standard_normal(shape)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("draw", [with_ties, distinct])
def test_values_positions_and_gradients_are_pytorchs(case, draw):
    torch = pytest.importorskip("torch")
    name, shape, settings = case
    array = draw(shape)

    def derivatives(library, function):
        x = library.tensor(array, requires_grad=True)
        y, positions = function(x, **settings, return_indices=True)
        plain = function(x, **settings)
        scale = library.tensor(np.random.default_rng(1).normal(size=tuple(y.shape)))
        grad = library.autograd.grad
        (dx,) = grad((plain**3 * scale).sum(), [x], create_graph=True)
        (ddx,) = grad((dx**2).sum(), [x])
        return [t.detach().numpy() for t in (y, plain, positions, dx, ddx)]

    ours = derivatives(lucid, getattr(max_pooling, name))
    theirs = derivatives(torch, getattr(torch.nn.functional, name))
    assert ours[2].dtype == np.int64
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("op", ["MaxPool", "Place", "Take"])
def test_the_generic_form_is_the_oracle_of_the_fast_one(case, op, monkeypatch):
    name, shape, settings = case

    def derivatives():
        x = lucid.tensor(with_ties(shape), requires_grad=True)
        y = getattr(max_pooling, name)(x, **settings)
        (dx,) = lucid.autograd.grad((y**3).sum(), [x], create_graph=True)
        (ddx,) = lucid.autograd.grad((dx**2).sum(), [x])
        return [t.detach().numpy() for t in (y, dx, ddx)]

    fast = derivatives()
    cls = getattr(max_pooling, op)
    monkeypatch.setitem(cls._forward, "cpu", cls.forward)
    for a, b in zip(fast, derivatives(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("form", ["forward_cpu", "forward"])
def test_nan_is_larger_than_all_and_the_first_of_them_gets_the_gradient(form, monkeypatch):
    op = max_pooling.MaxPool
    monkeypatch.setitem(op._forward, "cpu", getattr(op, form))
    values = np.array([[1.0, 2.0, np.nan, 3.0], [0.0, np.nan, np.inf, np.nan]])
    x = lucid.tensor(values.reshape(1, 1, 2, 4), requires_grad=True)
    y, positions = max_pool2d(x, 2, return_indices=True)
    y.backward(lucid.tensor([[[[5.0, 7.0]]]], dtype=lucid.float64))
    assert np.isnan(y.detach().numpy()).all()
    assert positions.tolist() == [[[[5, 2]]]]
    assert x.grad.tolist() == [[[[0, 0, 7, 0], [0, 5, 0, 0]]]]


@pytest.mark.parametrize("form", ["forward_cpu", "forward"])
def test_padding_is_never_the_maximum_not_even_of_minus_infinity(form, monkeypatch):
    op = max_pooling.MaxPool
    monkeypatch.setitem(op._forward, "cpu", getattr(op, form))
    x = lucid.full((1, 1, 3, 3), -float("inf"))
    y, positions = max_pool2d(x, 2, 2, 1, return_indices=True)
    assert (y.numpy() == -np.inf).all()
    assert positions.tolist() == [[[[0, 1], [3, 4]]]]


def test_an_infinite_gradient_reaches_the_maximum_only():
    x = lucid.tensor([[[1.0, 3.0, 2.0, 0.0]]], requires_grad=True)
    max_pooling.max_pool1d(x, 2).backward(lucid.tensor([[[np.inf, np.nan]]]))
    np.testing.assert_array_equal(x.grad.numpy(), [[[0, np.inf, np.nan, 0]]])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_every_floating_type_pools_exactly_and_keeps_its_type(dtype):
    values = with_ties((2, 3, 6, 6))
    x = lucid.tensor(values, dtype=getattr(lucid, dtype), requires_grad=True)
    y = max_pool2d(x, 3, 2, 1)
    y.sum().backward()
    expected = max_pool2d(lucid.tensor(values), 3, 2, 1)
    assert y.dtype is x.grad.dtype is x.dtype
    np.testing.assert_array_equal(y.detach().double().numpy(), expected.numpy())


@pytest.mark.parametrize("settings", [{"kernel_size": 2}, {"kernel_size": 3, "padding": 1}])
def test_channels_last_stays_channels_last_and_changes_no_value(settings):
    values = with_ties((3, 5, 6, 7))
    results = []
    for last in (False, True):
        x = lucid.tensor(values)
        if last:
            x = x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
        x.requires_grad_()
        y = max_pool2d(x, **settings)
        y.backward(y.detach())
        results += [y.detach().numpy(), x.grad.numpy()]
        assert y.permute(0, 2, 3, 1).is_contiguous() == last
        assert x.grad.permute(0, 2, 3, 1).is_contiguous() == last
    np.testing.assert_array_equal(results[0], results[2])
    np.testing.assert_array_equal(results[1], results[3])


def test_an_in_place_relu_after_pooling_is_allowed():
    """The gradient keeps neither input nor output, only which elements were the maxima."""
    x = lucid.tensor([[[1.0, -3.0, -2.0, -5.0]]], requires_grad=True)
    y = max_pooling.max_pool1d(x * 1, 2)
    y.mul_(2).sum().backward()
    assert x.grad.tolist() == [[[2, 0, 2, 0]]]


def test_adaptive_pooling_to_its_own_size_is_the_identity():
    x = lucid.tensor(with_ties((2, 3, 4, 5)))
    np.testing.assert_array_equal(adaptive_max_pool2d(x, (None, None)).numpy(), x.numpy())
