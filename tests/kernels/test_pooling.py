"""The pooling kernels: one to three dimensions, both orders of memory, gradients gathered."""

import numpy as np
import pytest

import lucid
from lucid.backend.cpu import pooling as cpu
from lucid.backend.cpu.pooling import Axis
from lucid.nn import functional as F
from tests.kernels.agreement import FLOATS, assert_close, bits, draw, last, name_of

CASES = [
    (F.max_pool1d, (2, 3, 17), {"kernel_size": 3, "stride": 2, "padding": 1}),
    (F.max_pool1d, (2, 3, 20), {"kernel_size": 3, "stride": 3, "dilation": 4}),
    (F.max_pool2d, (2, 3, 8, 10), {"kernel_size": 2}),
    (F.max_pool2d, (1, 2, 9, 7), {"kernel_size": 3, "stride": 2, "padding": 1}),
    (F.max_pool2d, (2, 3, 5, 6), {"kernel_size": 2, "stride": 3, "ceil_mode": True}),
    (F.max_pool2d, (1, 2, 9, 8), {"kernel_size": 3, "stride": 2, "padding": 1, "dilation": 2}),
    (F.max_pool2d, (1, 2, 19, 20), {"kernel_size": 17, "stride": 1}),  # more than 256 elements
    (F.max_pool3d, (1, 2, 5, 4, 6), {"kernel_size": 3, "stride": 2, "padding": 1}),
    (F.adaptive_max_pool2d, (2, 3, 7, 9), {"output_size": (3, 4)}),
    (F.avg_pool1d, (2, 3, 17), {"kernel_size": 5, "stride": 2, "padding": 2}),
    (F.avg_pool2d, (2, 3, 8, 10), {"kernel_size": 2}),
    (F.avg_pool2d, (1, 2, 9, 7), {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    (F.avg_pool2d, (1, 2, 9, 8), {"kernel_size": 3, "padding": 1, "count_include_pad": False}),
    (F.avg_pool2d, (1, 2, 6, 6), {"kernel_size": 2, "divisor_override": 3}),
    (F.avg_pool2d, (1, 2, 6, 6), {"kernel_size": 2, "divisor_override": -3}),
    (F.avg_pool3d, (1, 2, 5, 4, 6), {"kernel_size": 3, "stride": 2, "padding": 1}),
    (F.adaptive_avg_pool1d, (2, 3, 11), {"output_size": 4}),
    (F.adaptive_avg_pool2d, (2, 3, 7, 9), {"output_size": (3, 4)}),
    (F.adaptive_avg_pool2d, (2, 3, 3, 2), {"output_size": (5, 7)}),  # more parts than elements
    (F.adaptive_avg_pool2d, (2, 3, 8, 8), {"output_size": 1}),
    (F.adaptive_avg_pool3d, (1, 2, 4, 5, 3), {"output_size": (2, 3, 1)}),
]
IDS = [f"{f.__name__}-{i}" for i, (f, *_) in enumerate(CASES)]


def run(function, x, settings, dtype, device, laid=None):
    t = (
        lucid.tensor(x.astype(dtype), device=device)
        if laid is None
        else (lucid.Tensor._wrap(laid, lucid.device(device).concrete()))
    )
    t.requires_grad_()
    y = function(t, **settings)
    dy = draw(*y.shape, seed=4).astype(dtype)
    y.backward(lucid.tensor(dy, device=device))
    return y.detach(), t.grad


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("function, shape, settings", CASES, ids=IDS)
def test_value_and_gradient(cuda, function, shape, settings, channels_last):
    x = draw(*shape).round(1)  # with many equal elements
    laid = last(cuda, x) if channels_last else None
    y, dx = run(function, x, settings, np.float64, "cpu")
    ours, slope = run(function, x, settings, np.float32, "cuda", laid)
    assert_close(cuda, ours._array, y.numpy())
    assert_close(cuda, slope._array, dx.numpy(), times=4)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", FLOATS, ids=name_of)
@pytest.mark.parametrize("function", [F.max_pool2d, F.avg_pool2d])
def test_every_dtype(cuda, function, dtype, channels_last):
    """16 channels: whole vectors in every dtype. dy of halves is rounded before the comparison."""
    x = draw(2, 16, 9, 7, dtype=dtype)
    settings = {"kernel_size": 3, "stride": 2, "padding": 1}
    laid = last(cuda, x) if channels_last else None
    ours, slope = run(function, x, settings, dtype, "cuda", laid)
    t = lucid.tensor(x.astype(np.float64), device="cpu", requires_grad=True)
    y = function(t, **settings)
    dy = draw(*y.shape, seed=4).astype(dtype)
    y.backward(lucid.tensor(dy.astype(np.float64), device="cpu"))
    assert_close(cuda, ours._array, y.detach().numpy())
    assert_close(cuda, slope._array, t.grad.numpy(), times=2)
    if channels_last:
        assert ours._array.transpose(0, 2, 3, 1).flags.c_contiguous


def test_the_numbers_are_the_cpus(cuda):
    """The first of equals, the first NaN, and the first element where all are -inf."""
    axes = (Axis(9, 5, 3, 2, 1), Axis(8, 8, 3, 1, 1))
    x = draw(2, 3, 9, 8).round(0)
    x[0, 0, 3], x[0, 1], x[1, 2, :, 4] = np.nan, -np.inf, np.nan
    y, numbers = cpu.max_pool(x, axes, True)
    for a in (cuda.asarray(x), last(cuda, x)):
        ours, found = cuda.kernels.max_pool(a, axes, "uint8")
        np.testing.assert_array_equal(cuda.to_numpy(ours), y)
        np.testing.assert_array_equal(cuda.to_numpy(found), numbers)


@pytest.mark.parametrize("grid, block", [(1, 32), (3, 100), (7, 256)])
def test_grid_and_block_change_nothing(cuda, grid, block):
    from lucid.backend.cuda import pooling as family

    axes = (Axis(9, 9, 3, 1, 1), Axis(8, 8, 3, 1, 1))
    dy, kind = cuda.asarray(draw(2, 3, 9, 8)), np.dtype("float32")
    expected = cuda.kernels.avg_pool_gather(dy, axes, ((3,) * 9, (3,) * 8))
    dx = cuda.xp.empty_like(dy)
    family._avg_pool_gather(grid, block, kind, dy, dx, dx.size, 0, *family._numbers(axes), 1, 3, 3)
    np.testing.assert_array_equal(bits(cuda, dx), bits(cuda, expected))
