"""Activations agree with PyTorch: values, gradients, kinks, infinities, memory order, in place."""

import numpy
import pytest

import lucid
from lucid.errors import GradError
from lucid.nn import functional as ops

torch = pytest.importorskip("torch")
F = torch.nn.functional

# Function here, the same in PyTorch, keyword arguments.
ACTIVATIONS = [
    (ops.relu, F.relu, {}),
    (ops.relu6, F.relu6, {}),
    (ops.leaky_relu, F.leaky_relu, {}),
    (ops.leaky_relu, F.leaky_relu, {"negative_slope": 0.0}),
    (ops.leaky_relu, F.leaky_relu, {"negative_slope": -0.5}),
    (ops.leaky_relu, F.leaky_relu, {"negative_slope": 2.0}),
    (ops.elu, F.elu, {"alpha": 0.7}),
    (ops.celu, F.celu, {"alpha": 0.7}),
    (ops.selu, F.selu, {}),
    (ops.gelu, F.gelu, {}),
    (ops.gelu, F.gelu, {"approximate": "tanh"}),
    (ops.silu, F.silu, {}),
    (ops.mish, F.mish, {}),
    (ops.sigmoid, torch.sigmoid, {}),
    (ops.logsigmoid, F.logsigmoid, {}),
    (ops.tanh, torch.tanh, {}),
    (ops.tanhshrink, F.tanhshrink, {}),
    (ops.softsign, F.softsign, {}),
    (ops.hardtanh, F.hardtanh, {"min_val": -0.5, "max_val": 2.0}),
    (ops.hardsigmoid, F.hardsigmoid, {}),
    (ops.hardswish, F.hardswish, {}),
    (ops.softplus, F.softplus, {}),
    (ops.softplus, F.softplus, {"beta": 2.0, "threshold": 1.0}),
    (ops.softshrink, F.softshrink, {"lambd": 0.5}),
    (ops.hardshrink, F.hardshrink, {"lambd": 0.5}),
    (ops.threshold, F.threshold, {"threshold": 0.5, "value": 7.0}),
]
IDS = [f"{a[0].__name__}-{a[2]}" for a in ACTIVATIONS]
# Every kink and its neighbourhood, and numbers so large that exp overflows.
POINTS = [-1e4, -100, -20, -3, -1, -0.5, -1e-6, 0, 1e-6, 0.5, 1, 2, 3, 6, 20, 21, 100, 1e4]
IN_PLACE = [
    (ops.relu, {}),
    (ops.relu6, {}),
    (ops.leaky_relu, {"negative_slope": 0.1}),
    (ops.leaky_relu, {"negative_slope": -0.1}),
    (ops.elu, {"alpha": 0.7}),
    (ops.celu, {"alpha": 0.7}),
    (ops.selu, {}),
    (ops.silu, {}),
    (ops.mish, {}),
    (ops.hardtanh, {}),
    (ops.hardsigmoid, {}),
    (ops.hardswish, {}),
    (ops.threshold, {"threshold": 0.1, "value": 2.0}),
]


def run(function, x, module, **kwargs):
    """Value, and gradient for an output gradient of 1, 2, 3, ... (as float64 arrays)."""
    x = x.clone() if module is torch else x.clone().detach()
    x.requires_grad_()
    y = function(x, **kwargs)
    n = 1
    for size in y.shape:
        n *= size
    g = module.arange(1, n + 1).reshape(y.shape).to(y.dtype)
    y.backward(g)
    return [t.detach().double().cpu().numpy() for t in (y, x.grad)]


@pytest.mark.parametrize("here, there, kwargs", ACTIVATIONS, ids=IDS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_value_and_slope_are_torchs_also_at_kinks(here, there, kwargs, dtype, device):
    x = torch.tensor(POINTS, dtype=getattr(torch, dtype))
    y, dx = run(here, lucid.tensor(x.numpy()), lucid, **kwargs)
    y_there, dx_there = run(there, x, torch, **kwargs)
    # float32: a few roundings. float64: PyTorch's celu and hardsigmoid have constants in float32.
    tolerance = 1e-12 if dtype == "float64" else 2e-6
    if dtype == "float64" and here in (ops.celu, ops.hardsigmoid):
        tolerance = 1e-7
    numpy.testing.assert_allclose(y, y_there, rtol=tolerance, atol=tolerance)
    numpy.testing.assert_allclose(dx, dx_there, rtol=tolerance, atol=tolerance * len(POINTS))


@pytest.mark.parametrize("here, there, kwargs", ACTIVATIONS, ids=IDS)
def test_nan_and_infinities_are_torchs(here, there, kwargs, device):
    x = torch.tensor([float("nan"), float("inf"), -float("inf")])
    if here is ops.gelu and not kwargs:
        x = x[:1]  # gelu(inf) is inf here, and NaN there
    actual = here(lucid.tensor(x.numpy()), **kwargs).cpu().numpy()
    numpy.testing.assert_array_equal(actual, there(x, **kwargs).numpy())


@pytest.mark.parametrize("here, there, kwargs", ACTIVATIONS, ids=IDS)
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_large_arrays_are_computed_in_blocks_to_the_same_result(here, there, kwargs, dtype, device):
    values = numpy.random.default_rng(0).uniform(-8, 8, 100_003)  # three blocks and a bit
    x = torch.tensor(values).to(getattr(torch, dtype)).requires_grad_()
    ours = lucid.tensor(x.detach().float().numpy()).to(getattr(lucid, dtype)).requires_grad_()
    y, y_there = here(ours, **kwargs), there(x, **kwargs)
    y.sum().backward()
    y_there.sum().backward()
    # One rounding of the type; float32: gelu adds numbers of size 8 that cancel.
    step = {"float32": 2e-6, "float16": 1e-3, "bfloat16": 8e-3}[dtype]
    for a, b in ((y, y_there), (ours.grad, x.grad)):
        numpy.testing.assert_allclose(
            a.detach().double().cpu().numpy(), b.detach().double().numpy(), rtol=3 * step, atol=step
        )


@pytest.mark.parametrize("here, kwargs", [(a, k) for a, _, k in ACTIVATIONS], ids=IDS)
def test_channels_last_stays_channels_last(here, kwargs, device):
    x = lucid.randn(4, 16, 32, 32).contiguous(memory_format=lucid.channels_last)
    x.requires_grad_()
    y = here(x, **kwargs)
    y.backward(lucid.ones(y.shape).contiguous(memory_format=lucid.channels_last))
    plain = x.detach().contiguous().requires_grad_()
    expected = here(plain, **kwargs)
    expected.backward(lucid.ones(y.shape))
    assert y.is_contiguous(memory_format=lucid.channels_last)
    assert y.allclose(expected) and x.grad.allclose(plain.grad)


@pytest.mark.parametrize("here, kwargs", [(a, k) for a, _, k in ACTIVATIONS], ids=IDS)
def test_strided_input_gives_the_same(here, kwargs, device):
    x = lucid.randn(300, 300)[::2, ::3]
    assert here(x, **kwargs).allclose(here(x.contiguous(), **kwargs))


@pytest.mark.parametrize("function, kwargs", IN_PLACE)
@pytest.mark.parametrize("size", [5, 40_000])  # at once, and in blocks
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_in_place_writes_the_same_value_and_has_the_same_gradient(
    function, kwargs, size, dtype, device
):
    x = lucid.randn(size).to(getattr(lucid, dtype)).requires_grad_()
    apart = function(x, **kwargs)
    apart.sum().backward()
    expected, x.grad = x.grad, None
    copy = x.clone()
    y = function(copy, inplace=True, **kwargs)
    assert y is copy
    assert y.equal(apart)
    y.sum().backward()
    loose = 1e-6 if dtype == "float32" else 2e-2  # elu's gradient from its rounded output
    assert x.grad.allclose(expected, rtol=loose, atol=loose)


@pytest.mark.parametrize("name", ["relu_", "sigmoid_", "tanh_"])
def test_underscore_methods_write_to_the_tensor(name, device):
    x = lucid.randn(5)
    expected = getattr(x, name[:-1])()
    assert getattr(x, name)() is x
    assert x.equal(expected)


@pytest.mark.parametrize("function", [ops.relu, ops.sigmoid, ops.tanh])
def test_changing_an_output_that_the_gradient_needs_is_noticed(function, device):
    x = lucid.randn(5, requires_grad=True)
    y = function(x)
    y.add_(1.0)
    with pytest.raises(GradError, match="modified in place"):
        y.sum().backward()


@pytest.mark.parametrize("function", [ops.relu, ops.sigmoid, ops.tanh])
def test_the_input_may_change_after_an_op_that_keeps_its_output(function, device):
    x = lucid.randn(5, requires_grad=True)
    z = x * 1.0
    y = function(z)
    z.add_(1.0)
    y.sum().backward()
    assert x.grad is not None


def test_a_dropped_gradient_is_zero_even_if_it_is_infinite(device):
    x = lucid.tensor([-1.0, 2.0], requires_grad=True)
    ops.relu(x).backward(lucid.tensor([float("inf"), 1.0]))
    assert x.grad.tolist() == [0.0, 1.0]


def test_relu_takes_integers(device):
    assert ops.relu(lucid.tensor([-1, 2])).tolist() == [0, 2]


@pytest.mark.parametrize(
    "shape, channels", [((4, 3), 3), ((2, 3, 4, 4), 3), ((5,), 1), ((4, 3), 1)]
)
def test_prelu_is_torchs(shape, channels, device):
    x = torch.randn(shape, requires_grad=True)
    w = torch.rand(channels, requires_grad=True)
    ours = lucid.tensor(x.detach().numpy(), requires_grad=True)
    weight = lucid.tensor(w.detach().numpy(), requires_grad=True)
    F.prelu(x, w).square().sum().backward()
    ops.prelu(ours, weight).square().sum().backward()
    numpy.testing.assert_allclose(ours.grad.cpu().numpy(), x.grad.numpy(), rtol=1e-5, atol=1e-6)
    numpy.testing.assert_allclose(weight.grad.cpu().numpy(), w.grad.numpy(), rtol=1e-5, atol=1e-6)


def test_glu_is_torchs(device):
    x = torch.randn(3, 6, 2)
    ours = ops.glu(lucid.tensor(x.numpy()), 1).cpu().numpy()
    numpy.testing.assert_allclose(ours, F.glu(x, 1).numpy(), rtol=1e-6)


def test_celu_with_alpha_zero_is_refused():
    with pytest.raises(ZeroDivisionError, match="celu: alpha must not be 0"):
        ops.celu(lucid.ones(2), 0)
