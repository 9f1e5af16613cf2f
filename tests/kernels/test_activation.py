"""The activation kernels agree with the generic ops, in every dtype, size and order of memory."""

import numpy as np
import pytest

import lucid
from lucid.backend import philox
from lucid.backend.cpu.dropout import bernoulli_affine
from lucid.ops import activation, gated, piecewise
from tests.kernels.agreement import FLOATS, assert_close, bits, draw, last, name_of, unaligned

OPS = [
    activation.Sigmoid(), activation.Tanh(), activation.LogSigmoid(), activation.Softplus(2.0, 5.0),
    activation.Tanhshrink(), activation.Softsign(), activation.Elu(0.7),
    activation.Elu(0.7, 1.0, 1.4), activation.Elu(1.6732632423543772, 1.0507009873554805),
    gated.Gelu(), gated.GeluTanh(), gated.Silu(), gated.Mish(), piecewise.Relu(),
    piecewise.Hardtanh(-1.0, 1.5), piecewise.LeakyRelu(0.1), piecewise.LeakyRelu(-1.5),
    piecewise.Hardsigmoid(), piecewise.Hardswish(), piecewise.Softshrink(0.5),
    piecewise.Hardshrink(0.5),
    piecewise.Threshold(0.1, -3.0),
]  # fmt: skip
IDS = [repr(op) for op in OPS]


def both(op, x, dy):
    """The op's value and gradient on the CPU, by its generic formulas, in double."""
    x = lucid.tensor(x.astype(np.float64), requires_grad=True, device="cpu")
    y = op.again()(x)
    y.backward(lucid.tensor(dy.astype(np.float64), device="cpu"))
    return y.detach().numpy(), x.grad.numpy(), y


def on_device(cuda, op, x, dy):
    op = op.again()
    op.device = cuda  # what an op keeps may depend on it
    kernels, name = cuda.kernels, op._kernel()
    y = kernels.activation(name, x, None, *op._constants())
    kept = y if op.keeps == "output" else x
    return y, kernels.activation_gradient(name, dy, kept, *op._constants())


@pytest.mark.parametrize("dtype", FLOATS, ids=name_of)
@pytest.mark.parametrize("op", OPS, ids=IDS)
def test_value_and_gradient(cuda, op, dtype):
    x, dy = draw(1031, dtype=dtype), draw(1031, dtype=dtype, seed=1)
    value, gradient, _ = both(op, x, dy)
    y, dx = on_device(cuda, op, cuda.asarray(x), cuda.asarray(dy))
    assert y.dtype == dx.dtype == x.dtype
    assert_close(cuda, y, value, times=4)
    # an op that keeps its output computes the gradient from its rounded value
    assert_close(cuda, dx, gradient, times=8)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 255, 256, 257, 1025])
def test_every_size_and_unaligned_memory_give_the_same_bits(cuda, size):
    x, dy = draw(size, dtype=np.float16), draw(size, dtype=np.float16, seed=1)
    op = gated.Silu()
    y, dx = on_device(cuda, op, cuda.asarray(x), cuda.asarray(dy))
    z, dz = on_device(cuda, op, unaligned(cuda, x), unaligned(cuda, dy))
    np.testing.assert_array_equal(bits(cuda, y), bits(cuda, z))
    np.testing.assert_array_equal(bits(cuda, dx), bits(cuda, dz))


def test_channels_last_stays_and_the_gradient_follows(cuda):
    x, dy = draw(2, 5, 3, 4), draw(2, 5, 3, 4, seed=1)
    value, gradient, _ = both(piecewise.Relu(), x, dy)
    a = last(cuda, x)
    y, dx = on_device(cuda, piecewise.Relu(), a, cuda.asarray(dy))
    assert y.strides == dx.strides == a.strides
    assert_close(cuda, y, value)
    assert_close(cuda, dx, gradient)


def test_a_slope_of_zero_stops_infinite_gradients(cuda):
    x = cuda.asarray(np.array([-1.0, 2.0, -3.0], np.float32))
    dy = cuda.asarray(np.array([np.inf, 1.0, np.nan], np.float32))
    _, dx = on_device(cuda, piecewise.Relu(), x, dy)
    np.testing.assert_array_equal(cuda.to_numpy(dx), [0, 1, 0])


def test_in_place_elu_takes_its_gradient_from_the_output(cuda):
    x = draw(100)
    a = lucid.tensor(x, device="cuda", requires_grad=True)
    b = lucid.tensor(x, device="cpu", requires_grad=True)
    for t in (a, b):
        lucid.nn.functional.elu(t * 1.0, 0.7, inplace=True).sum().backward()
    assert_close(cuda, a.grad._array, b.grad.numpy(), times=4)


def test_nan_stays_nan(cuda):
    x = cuda.asarray(np.array([np.nan, 1.0], np.float32))
    for op in (piecewise.Relu(), piecewise.Hardtanh(-1.0, 1.0), gated.Gelu(), activation.Elu(1.0)):
        y, _ = on_device(cuda, op, x, x)
        assert np.isnan(cuda.to_numpy(y)[0]), op


@pytest.mark.parametrize("block", [32, 96, 256])
@pytest.mark.parametrize("grid", [1, 3, 100])
def test_grid_and_block_change_nothing(cuda, grid, block):
    from lucid.backend.cuda.activation import _forward

    x = cuda.asarray(draw(5000))
    y, expected = cuda.xp.empty_like(x), cuda.kernels.activation("gelu", x)
    _forward["gelu"](grid, block, x.dtype, x, y, x.size, 0.0, 0.0, 0.0)
    np.testing.assert_array_equal(bits(cuda, y), bits(cuda, expected))


@pytest.mark.parametrize("dtype", FLOATS, ids=name_of)
@pytest.mark.parametrize("size", [1, 15, 513, 3001])
def test_selu_and_alpha_dropout_in_one_pass(cuda, size, dtype):
    key, threshold, law = philox.Key(5, 1, 2**64 + 3), philox.threshold(0.4), (1.3, -0.2, -0.9)
    x, dy = draw(size, dtype=dtype), draw(size, dtype=dtype, seed=1)
    selu = activation.Elu(1.6732632423543772, 1.0507009873554805)
    value, gradient, _ = both(selu, x, dy)
    a, b = cuda.asarray(x), cuda.asarray(dy)
    y = cuda.kernels.selu_dropout(a, key, threshold, *law)
    assert_close(cuda, y, bernoulli_affine(value, key, threshold, *law), times=4)
    dx = cuda.kernels.selu_dropout_gradient(b, a, key, threshold, law[0])
    assert_close(cuda, dx, bernoulli_affine(gradient, key, threshold, law[0]), times=4)
