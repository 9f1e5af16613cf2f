"""Batch norm in training by cuDNN; lucid's own kernels are the oracle."""

import numpy
import pytest

import lucid
from lucid import backends, nn
from lucid.backend.cuda.cudnn_batch_norm import variance
from lucid.nn import functional as F
from lucid.ops.batch_norm import BatchNorm
from tests import cuda_emulator
from tests.cuda.batch_norm_step import CLOSE, ORDERS, SHAPES, assert_close, own, step, values


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_agrees_with_lucids_own_kernels(shape, dtype, order, cuda, problems):
    expected = own(shape, dtype, order)
    assert not problems
    assert_close(step(shape, dtype, order), expected, CLOSE[dtype])
    assert [p.kind for p in problems] == ["forward", "backward"]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_parameters_agree_as_well(dtype, cuda, problems):
    shape = SHAPES["2d"]
    expected = own(shape, dtype, parameters=dtype)
    assert_close(step(shape, dtype, parameters=dtype), expected, CLOSE[dtype])
    assert {p.parameters for p in problems} == {dtype}


@pytest.mark.parametrize("order", ORDERS)
def test_a_plan_is_made_once_per_problem(order, cuda, problems):
    for _ in range(3):
        step(SHAPES["2d"], order=order)
    assert [p.kind for p in problems] == ["forward", "backward"]
    step(SHAPES["2d"], "float16", order)
    step(SHAPES["2d"], order=ORDERS[order == "contiguous"])
    step(SHAPES["1d"], order=order)
    assert len(problems) == len(set(problems)) == 8


def test_a_step_is_one_plan_forward_and_one_back(emulated, cuda, problems):
    layer = nn.BatchNorm2d(16).to(cuda)
    x = values(SHAPES["2d"], lucid.float32).requires_grad_()
    dy = lucid.ones_like(x)

    def count():
        with cuda_emulator.counting() as forward:
            y = layer(x)
        with cuda_emulator.counting() as backward:
            y.backward(dy)
        return [(c.launches, c.d2h, c.h2d, c.synchronisations) for c in (forward, backward)]

    count()
    # Forward also: the variance from cuDNN's inverse deviation, and the running statistics.
    assert count() == [(3, 0, 0, 0), (1, 0, 0, 0)]


def test_running_statistics_are_those_of_the_cpu(cuda, problems):
    shape = SHAPES["2d"]
    here, there = (nn.BatchNorm2d(16, device=d) for d in ("cpu", cuda))
    for seed in range(3):
        x = values(shape, lucid.float32, seed)
        here(x.cpu())
        there(x)
    assert len(problems) == 1
    assert there.num_batches_tracked.item() == 3
    for name in ("running_mean", "running_var"):
        expected, actual = (getattr(layer, name).cpu().numpy() for layer in (here, there))
        numpy.testing.assert_allclose(actual, expected, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("kinds", [("float64", "float64"), ("float32", "float64")], ids=str)
@pytest.mark.parametrize("momentum", [0.3, None])
def test_running_statistics_may_be_more_exact_than_the_batch(kinds, momentum, cuda):
    def moved(device):
        x = values((4, 8, 5), lucid.float32).to(device)
        mean, var = (lucid.ones(8, dtype=getattr(lucid, k), device=device) for k in kinds)
        count = lucid.tensor(2, device=device)
        w, b = lucid.ones(8, device=device), lucid.zeros(8, device=device)
        F.batch_norm(x, mean, var, w, b, True, momentum, num_batches_tracked=count)
        assert count.item() == 3
        return [t.cpu().double().numpy() for t in (mean, var)]

    for here, there in zip(moved("cpu"), moved("cuda"), strict=True):
        numpy.testing.assert_allclose(there, here, rtol=1e-5)


def test_without_momentum_they_are_the_mean_over_all_batches(cuda, problems):
    layer = nn.BatchNorm2d(16, momentum=None).to(cuda)
    batches = [values(SHAPES["2d"], lucid.float32, seed) for seed in range(3)]
    for x in batches:
        layer(x)
    arrays = [x.cpu().double().numpy() for x in batches]
    mean = sum(a.mean((0, 2, 3)) for a in arrays) / 3
    var = sum(a.var((0, 2, 3), ddof=1) for a in arrays) / 3
    assert len(problems) == 1
    numpy.testing.assert_allclose(layer.running_mean.cpu().numpy(), mean, rtol=1e-5)
    numpy.testing.assert_allclose(layer.running_var.cpu().numpy(), var, rtol=1e-5)


def test_the_variance_is_as_exact_as_the_inverse_that_it_is_made_from(cuda):
    eps, exact = 1e-5, numpy.array([1e6, 1.0, 1e-4, 1e-6, 1e-8, 0.0, numpy.inf, numpy.nan])
    inverse = cuda.xp.asarray((1 / numpy.sqrt(exact + eps)).astype("float32"))
    with cuda:
        actual = variance(inverse, eps).get().astype("float64")
    # The inverse is off by 2**-24 of itself, its square by twice that; and the result is rounded.
    assert (abs(actual[:6] - exact[:6]) <= 2**-22 * (exact[:6] + eps)).all()
    assert (actual[:6] >= 0).all() and actual[6] == numpy.inf and numpy.isnan(actual[7])


def test_gradients_of_the_statistics_are_left_to_lucid(cuda, problems):
    def gradients(device):
        x, w, b = (values(s, lucid.float32, i).to(device) for i, s in enumerate([(4, 8, 5), 8, 8]))
        for t in (x, w, b):
            t.requires_grad_()
        y, mean, var = BatchNorm((0, 2), 1e-5)(x, w, b)
        ((y * y).sum() + (mean * mean).sum() + (var * var).sum()).backward()
        return [t.grad.double().cpu().numpy() for t in (x, w, b)]

    assert_close(gradients("cuda"), gradients("cpu"), 1e-5)
    assert [p.kind for p in problems] == ["forward"]


def test_second_derivatives_follow_the_generic_path(cuda, problems):
    def second(device):
        x, w, b = (values(s, lucid.float32, i).to(device) for i, s in enumerate([(4, 8, 5), 8, 8]))
        for t in (x, w, b):
            t.requires_grad_()
        y = F.batch_norm(x, None, None, w, b, True)
        dx, dw = lucid.autograd.grad((y**3).sum(), (x, w), create_graph=True)
        ((dx**2).sum() + dw.sum()).backward()
        return [t.grad.double().cpu().numpy() for t in (x, w, b)]

    assert_close(second("cuda"), second("cpu"), 2e-4)  # third powers of sums, in float32
    assert [p.kind for p in problems] == ["forward"]


def test_a_part_of_an_array_may_begin_anywhere(cuda, problems):
    x = values((5, 8, 3, 3), lucid.float32)
    w, b = values((9,), lucid.float32)[1:], values((9,), lucid.float32, 1)[1:]
    part = x[..., 1:][1:]  # with gaps; w and b begin 4 bytes after 16
    y = F.batch_norm(part, None, None, w, b, True)
    expected = F.batch_norm(part.cpu(), None, None, w.cpu(), b.cpu(), True)
    assert problems
    assert y.cpu().allclose(expected, rtol=2e-6, atol=2e-6)


def test_plans_run_inside_a_graph_and_new_problems_do_without(cuda, problems):
    x, w, b = values(SHAPES["2d"], lucid.float32), lucid.ones(16), lucid.zeros(16)
    pool, stream = cuda.xp.cuda.MemoryPool(), cuda.stream

    def captured(call):
        stream.begin_capture()
        y = call()
        graph = stream.end_capture()
        graph.launch(stream)
        return y

    with cuda.xp.cuda.using_allocator(pool.malloc):
        expected = F.batch_norm(x, None, None, w, b, True)
        y = captured(lambda: F.batch_norm(x, None, None, w, b, True))
        asked = problems.executions
        z = captured(lambda: F.batch_norm(x[:2], None, None, w, b, True))
    cuda.synchronize()
    assert y.allclose(expected)
    assert problems.executions == asked and not backends.cudnn.refusals()
    assert z.allclose(F.batch_norm(x[:2], None, None, w, b, True), rtol=2e-6, atol=2e-6)
    assert len(problems) == 2
