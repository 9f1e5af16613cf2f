"""Average pooling: PyTorch's values, gradients and second gradients; layouts and types."""

import numpy as np
import pytest

import lucid
from lucid.ops import avg_pooling
from lucid.ops.avg_pooling import adaptive_avg_pool2d, avg_pool2d

CASES = [
    ("avg_pool1d", (2, 3, 9), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("avg_pool1d", (3, 9), {"kernel_size": 2, "count_include_pad": False, "ceil_mode": True}),
    ("avg_pool2d", (2, 3, 6, 8), {"kernel_size": 2}),
    ("avg_pool2d", (2, 3, 7, 5), {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0)}),
    ("avg_pool2d", (1, 2, 6, 7), {"kernel_size": 3, "padding": 1, "stride": 2, "ceil_mode": True}),
    (
        "avg_pool2d",
        (1, 2, 6, 7),
        {"kernel_size": 3, "padding": 1, "ceil_mode": True, "count_include_pad": False},
    ),
    ("avg_pool2d", (3, 6, 7), {"kernel_size": 5, "stride": 1, "divisor_override": 7}),
    ("avg_pool3d", (2, 2, 4, 5, 6), {"kernel_size": 2, "padding": 1, "stride": (1, 2, 2)}),
    ("adaptive_avg_pool1d", (2, 3, 8), {"output_size": 4}),
    ("adaptive_avg_pool2d", (2, 3, 7, 10), {"output_size": (3, 4)}),
    ("adaptive_avg_pool2d", (3, 6, 5), {"output_size": (None, 1)}),
    ("adaptive_avg_pool2d", (1, 2, 3, 3), {"output_size": 5}),
    ("adaptive_avg_pool3d", (1, 2, 4, 5, 3), {"output_size": (2, 3, None)}),
]


def derivatives(library, function, shape, settings):
    rng = np.random.default_rng(0)
    x = library.tensor(rng.normal(size=shape), requires_grad=True)
    y = function(x, **settings)
    grad = library.autograd.grad
    (dx,) = grad((y**3).sum(), [x], create_graph=True)
    (ddx,) = grad((dx**2).sum(), [x])
    return [t.detach().numpy() for t in (y, dx, ddx)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients_are_pytorchs(case):
    torch = pytest.importorskip("torch")
    name, shape, settings = case
    ours = derivatives(lucid, getattr(avg_pooling, name), shape, settings)
    theirs = derivatives(torch, getattr(torch.nn.functional, name), shape, settings)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("op", ["AvgPool", "Spread"])
def test_the_generic_form_is_the_oracle_of_the_fast_one(case, op, monkeypatch):
    name, shape, settings = case
    fast = derivatives(lucid, getattr(avg_pooling, name), shape, settings)
    cls = getattr(avg_pooling, op)
    monkeypatch.setitem(cls._forward, "cpu", cls.forward)
    generic = derivatives(lucid, getattr(avg_pooling, name), shape, settings)
    for a, b in zip(fast, generic, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_are_summed_in_float32_and_rounded_once(dtype):
    """Sums of 4096 ones: a half would stop counting at 2048 (float16) or 256 (bfloat16)."""
    x = lucid.ones(1, 1, 64, 64, dtype=getattr(lucid, dtype), requires_grad=True)
    for y in (avg_pool2d(x, 64), adaptive_avg_pool2d(x, 1)):
        y.sum().backward()
        assert y.dtype is x.grad.dtype is x.dtype
        assert y.item() == 1
    assert float(x.grad[0, 0, 0, 0].item()) == 2 / 4096


@pytest.mark.parametrize("settings", [{"kernel_size": 2}, {"kernel_size": 3, "padding": 1}])
def test_channels_last_stays_channels_last(settings):
    values = np.random.default_rng(0).normal(size=(3, 6, 7, 5))
    x = lucid.tensor(values).permute(0, 3, 1, 2).requires_grad_()
    y = avg_pool2d(x, **settings)
    y.backward(y.detach())
    assert y.permute(0, 2, 3, 1).is_contiguous()
    assert x.grad.permute(0, 2, 3, 1).is_contiguous()
    dense = avg_pool2d(lucid.tensor(np.ascontiguousarray(x.detach().numpy())), **settings)
    np.testing.assert_allclose(y.detach().numpy(), dense.numpy(), rtol=1e-15)


def test_a_global_mean_is_the_mean():
    x = lucid.randn(2, 3, 9, 7)
    np.testing.assert_allclose(
        adaptive_avg_pool2d(x, 1).numpy(), x.numpy().mean((2, 3), keepdims=True), rtol=1e-5
    )
