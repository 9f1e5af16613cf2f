"""Batch norm on the device, and its chain with relu and dropout2d, in both orders of memory."""

import numpy as np
import pytest

import lucid
from lucid.backend import philox
from lucid.backend.cuda import batch_norm as backward
from lucid.backend.cuda import batch_statistics as family
from lucid.backend.cuda.batch_norm import chain_of
from lucid.nn import functional as F
from tests.kernels.agreement import FLOATS, assert_close, bits, draw, last, name_of, unaligned

SHAPES = [(6, 5), (40, 16), (3, 5, 4, 4), (2, 8, 7, 7), (2, 16, 3, 4), (2, 3, 70, 70), (300, 4, 2)]


def run(x, dy, w, b, training, device, laid=None):
    x = (
        lucid.Tensor._wrap(laid, lucid.device(device).concrete())
        if laid is not None
        else (lucid.tensor(x, device=device))
    )
    wide = np.float64 if w.dtype == np.float64 else np.float32
    w, b = lucid.tensor(w, device=device), lucid.tensor(b, device=device)
    c = w.shape[0]
    mean = lucid.tensor(np.linspace(-1, 1, c).astype(wide), device=device)
    var = lucid.tensor(np.linspace(0.5, 2, c).astype(wide), device=device)
    for t in (x, w, b):
        t.requires_grad_()
    y = F.batch_norm(x, mean, var, w, b, training, 0.2)
    y.backward(lucid.tensor(dy, device=device))
    return [y.detach(), x.grad, w.grad, b.grad, mean, var]


def compare(cuda, shape, dtype, training, times=8.0, channels_last=False, narrow=False):
    x, dy = draw(*shape, dtype=dtype), draw(*shape, dtype=dtype, seed=1)
    kind = dtype if narrow or np.dtype(dtype).itemsize == 8 else np.float32
    w, b = draw(shape[1], dtype=kind, seed=2), draw(shape[1], dtype=kind, seed=3)
    expected = run(*(a.astype(np.float64) for a in (x, dy, w, b)), training, "cpu")
    laid = last(cuda, x) if channels_last else None
    found = run(x, dy, w, b, training, "cuda", laid)
    for ours, exact in zip(found, expected, strict=True):
        assert_close(cuda, ours._array, exact.numpy(), times)
    if channels_last:
        assert found[0]._array.strides == found[1]._array.strides == laid.strides


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_shape(cuda, shape, training):
    compare(cuda, shape, np.float32, training)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(3, 5, 4, 4), (2, 16, 9, 5), (40, 8, 2, 2)], ids=str)
def test_channels_last(cuda, shape, training):
    compare(cuda, shape, np.float32, training, channels_last=True)


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("dtype", FLOATS, ids=name_of)
def test_every_dtype_with_parameters_of_either_width(cuda, dtype, narrow):
    for training in (True, False):
        compare(cuda, (3, 8, 4, 4), dtype, training, 4, narrow=narrow)
        compare(cuda, (3, 8, 4, 4), dtype, training, 4, channels_last=True, narrow=narrow)


def test_the_statistics_are_outputs_with_gradients_of_their_own(cuda):
    from lucid.ops.batch_norm import BatchNorm

    def total(device, dtype):
        x = lucid.tensor(draw(4, 3, 5).astype(dtype), device=device, requires_grad=True)
        y, mean, var = BatchNorm((0, 2), 1e-5)(x, None, None)
        (y * y * y + mean * 2 + var * 3).sum().backward()
        return x.grad

    assert_close(cuda, total("cuda", np.float32)._array, total("cpu", np.float64).numpy(), 8)


@pytest.mark.parametrize("channels_last", [False, True])
def test_a_mean_a_thousand_deviations_away(cuda, channels_last):
    x = (draw(50, 8, 10, 12, dtype=np.float64, scale=1.0) + 1000).astype(np.float32)
    a = last(cuda, x) if channels_last else cuda.asarray(x)
    mean, var = cuda.kernels.batch_statistics(a)
    wide = x.astype(np.float64)
    np.testing.assert_allclose(cuda.to_numpy(mean), wide.mean((0, 2, 3)), rtol=1e-7)
    np.testing.assert_allclose(cuda.to_numpy(var), wide.var((0, 2, 3)), rtol=1e-5)


def chained(x, mean, var, w, b, keep, factor):
    """What the chain makes of x, and per element what of dy passes, in double."""
    along = (slice(None), None, None)
    y = (x - mean[along]) / np.sqrt(var + 1e-5)[along] * w[along] + b[along]
    passes = np.where(keep[:, :, None, None] & (y > 0), factor, 0)
    return y * passes, passes


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", FLOATS, ids=name_of)
@pytest.mark.parametrize("p", [0.0, 0.3])
@pytest.mark.parametrize(
    "shape",
    [(3, 7, 3, 5), (2, 40, 8, 8), (1, 8, 50, 50), (9, 5, 1, 3), (300, 8, 1, 2), (2, 2, 96, 97)],
    ids=str,
)
def test_norm_relu_and_dropout2d_in_one_pass(cuda, shape, p, dtype, channels_last):
    """The mask is dropout2d's in every order of memory; backward needs what went in, not what
    came out. (300, 8, 1, 2): more samples than decisions of a block are held."""
    c = shape[1]
    key, threshold = philox.Key(7, 0, 2**32 + 5), philox.threshold(p)
    keep = ~philox.drops(key, threshold, shape[0] * c).reshape(shape[:2])
    x, dy = draw(*shape, dtype=dtype), draw(*shape, dtype=dtype, seed=1)
    wide = np.float64 if dtype == np.float64 else np.float32
    mean, var, w, b = (np.abs(draw(c, dtype=wide, seed=i)) + 0.2 for i in range(4))
    place = (lambda a: last(cuda, a)) if channels_last else cuda.asarray
    a, statistics = place(x), [cuda.asarray(v) for v in (mean, var, w, b)]
    link = chain_of(key if p else None, threshold, 1 / (1 - p))
    z = cuda.kernels.batch_norm(a, *statistics, 1e-5, link)
    mean, var, w, b, away, dy = (v.astype(np.float64) for v in (mean, var, w, b, x, dy))
    exact, passes = chained(away, mean, var, w, b, keep, 1 / (1 - p))
    assert_close(cuda, z, exact, times=2)
    assert not cuda.to_numpy(z)[~keep].any()
    away -= mean[:, None, None]
    g, scale, n = dy * passes, 1 / np.sqrt(var + 1e-5), x.size // c
    dw, db = (g * away).sum((0, 2, 3)) * scale, g.sum((0, 2, 3))
    plain = g * (scale * w)[:, None, None]
    own = plain - ((scale * w / n)[:, None, None]) * (
        db[:, None, None] + away * (scale * dw)[:, None, None]
    )
    for fixed, dx in ((True, plain), (False, own)):
        found = cuda.kernels.batch_norm_gradient(
            place(dy.astype(dtype)), a, *statistics[:3], 1e-5, (True, True, True), fixed=fixed,
            b=statistics[3], chain=link,
        )  # fmt: skip
        for ours, right, times in zip(found, (dx, dw, db), (4, 8, 8), strict=True):
            assert_close(cuda, ours, right, times)


@pytest.mark.parametrize("channels_last", [False, True])
def test_neither_the_grid_nor_the_block_changes_a_sum_of_the_chain(cuda, channels_last):
    """Planes and columns are shared out otherwise, and decisions drawn for other groups of them."""
    x, dy = draw(37, 6, 2, 5), draw(37, 6, 2, 5, seed=1)
    place = (lambda a: last(cuda, a)) if channels_last else cuda.asarray
    statistics = cuda.kernels.batch_statistics(place(x))
    chain = chain_of(philox.Key(7, 0, 3), philox.threshold(0.4), 1.5)
    norm = *statistics, None, None, None, None, 1e-5, *chain.arguments
    if channels_last:
        kernel, parts, sizes = backward._columns_sums, 6, (370, 10, 6, 64)
        shapes = [((1, y, 1), (8, rows, 1)) for y in (1, 2, 6) for rows in (1, 8, 32)]
    else:
        kernel, parts, sizes = backward._planes_sums, 37, (222, 10, 6, 4)
        shapes = [(grid, block) for grid in (1, 3, 60) for block in (32, 96, 512)]
    found = []
    for shape in shapes:
        partial = cuda.xp.empty((2, parts, 6), "float32")
        kernel(*shape, x.dtype, place(dy), place(x), partial, *sizes, *norm)
        found.append(bits(cuda, partial))
    assert all((sums == found[0]).all() for sums in found)


def test_backward_finds_the_signs_that_forward_found(cuda):
    """y is 0 up to its last bit: the gradient passes exactly where the output is not 0."""
    x = draw(4, 8, 6, 6)
    w, b, var = (cuda.asarray(np.full(8, v, np.float32)) for v in (0.7, -0.3, 1.7))
    for place in (cuda.asarray, lambda a: last(cuda, a)):
        flat = np.full_like(x, np.float32(0.3 / 0.7 * np.sqrt(1.7 + 1e-5)))
        steps = np.random.default_rng(0).integers(-3, 4, x.shape)
        a = place(flat + steps.astype(np.float32) * np.spacing(flat))
        mean = cuda.asarray(np.zeros(8, np.float32))
        z = cuda.to_numpy(cuda.kernels.batch_norm(a, mean, var, w, b, 1e-5, chain_of(None, 0, 1.0)))
        dx = cuda.kernels.batch_norm_gradient(
            place(np.ones_like(x)), a, mean, var, w, 1e-5, (True, False, False), fixed=True, b=b,
            chain=chain_of(None, 0, 1.0),
        )[0]  # fmt: skip
        assert 0 < np.count_nonzero(z) < z.size
        np.testing.assert_array_equal(cuda.to_numpy(dx) != 0, z != 0)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("running", ["own", "wide", "mean only", "average", "none"])
@pytest.mark.parametrize("dtype", FLOATS, ids=name_of)
def test_what_a_training_step_wants_besides_the_statistics(cuda, dtype, running, channels_last):
    """The running ones move in the same launch, or in one more, to the same bits; b is copied."""
    x = draw(5, 12, 3, 4, dtype=dtype)
    wide = np.float64 if dtype == np.float64 else np.float32
    kind = dtype if running == "own" else wide
    a = last(cuda, x) if channels_last else cuda.asarray(x)
    b = draw(12, dtype=dtype, seed=3)
    start = draw(12, dtype=kind, seed=4), np.abs(draw(12, dtype=kind, seed=5))
    found, momentum = [], None if running == "average" else 0.2
    for together in (True, False):
        mean, var = (cuda.asarray(v.copy()) for v in start)
        var = None if running == "mean only" else var
        count = cuda.asarray(np.array(4, np.int64))
        moved = None if running == "none" else (mean, var, count, momentum, 60 / 59)
        if together:
            *statistics, copy = cuda.kernels.training_statistics(a, moved, cuda.asarray(b))
            np.testing.assert_array_equal(cuda.to_numpy(copy), b.astype(wide))
        else:
            statistics = cuda.kernels.batch_statistics(a)
            if moved:
                update = cuda.kernels.update_running_statistics
                update(mean, var, *statistics, momentum, 60 / 59, count)
        left = [*statistics, mean, count] + ([] if var is None else [var])
        found.append([np.asarray(cuda.to_numpy(v)) for v in left])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert found[0][3] == (4 if running == "none" else 5)


def test_without_b_there_is_no_copy(cuda):
    assert cuda.kernels.training_statistics(cuda.asarray(draw(4, 3)), None, None)[2] is None


def test_unaligned_memory_gives_the_same_bits(cuda):
    x = draw(4, 3, 6, 6)
    found = [cuda.kernels.batch_statistics(a) for a in (cuda.asarray(x), unaligned(cuda, x))]
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(bits(cuda, a), bits(cuda, b))
    answers = [cuda.kernels.batch_norm(a, *found[0], None, None, 1e-5)
               for a in (cuda.asarray(x), unaligned(cuda, x))]  # fmt: skip
    np.testing.assert_array_equal(bits(cuda, answers[0]), bits(cuda, answers[1]))


@pytest.mark.parametrize("rows, grid", [(1, 1), (4, 2), (16, 5)])
def test_the_block_changes_no_statistic(cuda, rows, grid):
    x, kind, found = cuda.asarray(draw(500, 12)), np.dtype("float32"), []
    for shape in (((1, grid, 1), (8, rows, 1)), ((1, 4, 1), (8, 32, 1))):
        means, squares = cuda.xp.empty((8, 12), kind), cuda.xp.empty((8, 12), kind)
        family._columns_statistics(*shape, kind, x, means, squares, 500, 12, 64)
        found.append(np.concatenate([bits(cuda, means), bits(cuda, squares)]))
    np.testing.assert_array_equal(*found)
