"""The pooling kernels: one to three dimensions, both orders of memory, gradients gathered."""

import numpy as np
import pytest

import lucid
from lucid.backend.cpu import max_pooling
from lucid.backend.cpu.pooling import Axis, Bins
from lucid.backend.cuda import pooling_planes as planes
from lucid.nn import functional as F
from tests.cuda.captured import counting
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
# Whole planes, and windows of 2 x 2 that cover them: kernels of their own.
PLANES = [
    (F.adaptive_avg_pool2d, (2, 16, 7, 7), {"output_size": 1}),
    (F.adaptive_avg_pool2d, (3, 5, 1, 1), {"output_size": 1}),
    (F.adaptive_avg_pool1d, (2, 8, 5000), {"output_size": 1}),  # a block per plane
    (F.adaptive_avg_pool3d, (2, 24, 3, 4, 5), {"output_size": 1}),
    (F.avg_pool2d, (2, 80, 6, 8), {"kernel_size": (6, 8)}),
    (F.avg_pool2d, (2, 3, 3, 2), {"kernel_size": (3, 2), "divisor_override": -5}),
    (F.avg_pool2d, (2, 3, 6, 16), {"kernel_size": 2}),
    (F.avg_pool2d, (2, 3, 4, 32), {"kernel_size": 2, "divisor_override": 3}),
    (F.avg_pool2d, (2, 3, 6, 14), {"kernel_size": 2}),  # half vectors
    (F.max_pool2d, (2, 3, 6, 16), {"kernel_size": 2}),
    (F.max_pool2d, (1, 2, 4, 8), {"kernel_size": 2}),
    (F.max_pool2d, (2, 3, 7, 16), {"kernel_size": 2}),  # a row remains
]
CASES += PLANES
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
    y, numbers = max_pooling.max_pool(x, axes, True)
    for a in (cuda.asarray(x), last(cuda, x)):
        ours, found = cuda.kernels.max_pool(a, axes, "uint8")
        np.testing.assert_array_equal(cuda.to_numpy(ours), y)
        np.testing.assert_array_equal(cuda.to_numpy(found), numbers)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", FLOATS, ids=name_of)
@pytest.mark.parametrize("function, shape, settings", PLANES, ids=IDS[-len(PLANES) :])
def test_planes_as_the_general_kernels_have_them(
    cuda, function, shape, settings, dtype, channels_last, monkeypatch
):
    """Sums in another order; maxima, means of four and all gradients bit for bit."""
    x = draw(*shape, dtype=dtype)
    x.flat[::7] = x.flat[0]
    if function is F.max_pool2d:
        x[0, 0, 0, :3], x[0, 1, :2, :2] = np.nan, -np.inf
    found = []
    for known in (planes.shape_of, lambda axes: None):
        monkeypatch.setattr(planes, "shape_of", known)
        laid = last(cuda, x) if channels_last else None
        found.append(run(function, x, settings, dtype, "cuda", laid))
    (y, dx), (other, other_dx) = found
    np.testing.assert_array_equal(bits(cuda, dx._array), bits(cuda, other_dx._array))
    assert dx._array.strides == other_dx._array.strides
    if shape[2:] == settings.get("kernel_size") or "output_size" in settings:
        assert_close(cuda, y._array, cuda.to_numpy(other._array).astype(np.float64), times=2)
    else:
        np.testing.assert_array_equal(bits(cuda, y._array), bits(cuda, other._array))


def test_which_shapes_have_kernels_of_their_own():
    half = Axis(8, 4, 2, 2)
    assert planes.shape_of((half, half)) == "pairs"
    assert planes.shape_of((Axis(7, 1, 7, 7), Axis(5, 1, 5, 1))) == "global"
    assert planes.shape_of((Bins(7, 1), Bins(1, 1))) == "global"
    for axes in (
        (half,), (half, half, half),
        (half, Axis(9, 4, 2, 2)), (half, Axis(8, 3, 2, 2, 0, 2)), (half, Axis(8, 5, 2, 2, 1)),
        (Axis(7, 1, 6, 7), Axis(5, 1, 5, 1)), (Bins(7, 2), Bins(5, 1)),
    ):  # fmt: skip
        assert planes.shape_of(axes) is None


@pytest.mark.parametrize("function", [F.adaptive_avg_pool2d, F.adaptive_max_pool2d])
def test_the_gradient_of_a_whole_plane_has_the_order_of_the_plane(cuda, function):
    """One number per plane doesn't show in which order the planes lay."""
    x = lucid.Tensor._wrap(last(cuda, draw(2, 16, 5, 6)), cuda).requires_grad_()
    function(x, 1).sum().backward()
    assert x.grad._array.strides == x._array.strides


@pytest.mark.parametrize("channels_last", [False, True])
def test_global_average_pooling_is_one_kernel_each_way(cuda, channels_last):
    a = last(cuda, draw(2, 16, 6, 6)) if channels_last else cuda.asarray(draw(2, 16, 6, 6))
    x = lucid.Tensor._wrap(a, cuda).requires_grad_()
    dy = lucid.ones(2, 16, 1, 1, device="cuda")
    with counting() as c:
        F.adaptive_avg_pool2d(x, 1).backward(dy)
    assert (c.launches, c.operations, c.d2d) == (2, 0, 0)


@pytest.mark.parametrize("grid, block", [(1, 32), (3, 96), (2, 256)])
def test_planes_do_not_depend_on_grid_and_block(cuda, grid, block):
    kind, found = np.dtype("float16"), []
    a, dy = cuda.asarray(draw(6, 4, 48, dtype=kind)), cuda.asarray(draw(6, 2, 24, dtype=kind))
    for shape in ((grid, block), (5, 128)):
        mean, half = cuda.xp.empty(6, kind), cuda.xp.empty((6, 2, 24), kind)
        spread, back = cuda.xp.empty_like(a), cuda.xp.empty_like(a)
        columns, wide = cuda.xp.empty((3, 48), kind), cuda.xp.empty_like(a)
        high = (1, grid, 1), (8, block // 8 if block < 256 else 32, 1)
        planes._mean_rows(*shape, kind, a, mean, 6, 192, 3.0, 0)
        planes._avg_pairs(*shape, kind, a, half, 12, 48, 4.0)
        planes._spread_rows(*shape, kind, mean, spread, a.size, 192, 3.0)
        planes._avg_pairs_gather(*shape, kind, dy, back, 12, 48, 4.0)
        if 32 % high[1][1] == 0:
            planes._mean_columns(*high, kind, a, columns, 3, 8, 48, 3.0)
        else:
            planes._mean_columns((1, 1, 1), (8, 32, 1), kind, a, columns, 3, 8, 48, 3.0)
        planes._spread_columns(*shape, kind, columns, wide, 3, 8, 48, 3.0)
        found.append(np.concatenate([
            bits(cuda, b).reshape(-1) for b in (mean, half, spread, back, columns, wide)
        ]))  # fmt: skip
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("grid, block", [(1, 32), (3, 100), (7, 256)])
def test_grid_and_block_change_nothing(cuda, grid, block):
    from lucid.backend.cuda import pooling as family

    axes = (Axis(9, 9, 3, 1, 1), Axis(8, 8, 3, 1, 1))
    dy, kind = cuda.asarray(draw(2, 3, 9, 8)), np.dtype("float32")
    expected = cuda.kernels.avg_pool_gather(dy, axes, ((3,) * 9, (3,) * 8))
    dx = cuda.xp.empty_like(dy)
    family._avg_pool_gather(grid, block, kind, dy, dx, dx.size, 0, *family._numbers(axes), 1, 3, 3)
    np.testing.assert_array_equal(bits(cuda, dx), bits(cuda, expected))
