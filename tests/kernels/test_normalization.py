"""Layer, group, instance and rms norm on the device agree with the ops' formulas in double."""

import numpy as np
import pytest

import lucid
from lucid.backend.cuda import normalization as family
from lucid.nn import functional as F
from tests.kernels.agreement import FLOATS, assert_close, bits, draw, name_of, unaligned

# function, shape of x, settings, shape of the parameters (None: without)
CASES = [
    (F.layer_norm, (5, 3), {"normalized_shape": 3}, (3,)),
    (F.layer_norm, (40, 128), {"normalized_shape": 128}, (128,)),
    (F.layer_norm, (3, 2, 50), {"normalized_shape": (2, 50)}, (2, 50)),
    (F.layer_norm, (2, 4200), {"normalized_shape": 4200}, (4200,)),
    (F.layer_norm, (2, 9000), {"normalized_shape": 9000}, None),
    (F.group_norm, (3, 6, 4, 5), {"num_groups": 2}, (6,)),
    (F.group_norm, (2, 4, 32), {"num_groups": 4}, (4,)),
    (F.group_norm, (70, 6), {"num_groups": 2}, (6,)),
    (F.instance_norm, (3, 5, 7, 7), {}, (5,)),
    (F.instance_norm, (1, 2, 80, 80), {}, None),
]
IDS = [f"{f.__name__}-{shape}" for f, shape, *_ in CASES]


def run(function, x, dy, w, b, settings, device):
    tensors = [None if a is None else lucid.tensor(a, device=device) for a in (x, w, b)]
    for t in tensors:
        if t is not None:
            t.requires_grad_()
    named = {"weight": tensors[1], "bias": tensors[2]}
    if function is F.rms_norm:
        del named["bias"]
    y = function(tensors[0], **settings, **named)
    y.backward(lucid.tensor(dy, device=device))
    return y.detach(), [None if t is None else t.grad for t in tensors]


def compare(cuda, function, shape, settings, parameters, dtype, times=8.0, narrow=False):
    x, dy = draw(*shape, dtype=dtype), draw(*shape, dtype=dtype, seed=1)
    kind = dtype if narrow or np.dtype(dtype).itemsize == 8 else np.float32
    w = b = None
    if parameters is not None:
        w = draw(*parameters, dtype=kind, seed=2)
        b = None if function is F.rms_norm else draw(*parameters, dtype=kind, seed=3)
    double = [None if a is None else a.astype(np.float64) for a in (x, dy, w, b)]
    expected, slopes = run(function, *double, settings, "cpu")
    y, gradients = run(function, x, dy, w, b, settings, "cuda")
    assert_close(cuda, y._array, expected.numpy(), times)
    for gradient, slope in zip(gradients, slopes, strict=True):
        if slope is not None:
            assert_close(cuda, gradient._array, slope.numpy(), times)


@pytest.mark.parametrize("function, shape, settings, parameters", CASES, ids=IDS)
def test_every_shape(cuda, function, shape, settings, parameters):
    compare(cuda, function, shape, settings, parameters, np.float32)


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("dtype", FLOATS, ids=name_of)
def test_every_dtype_with_parameters_of_either_width(cuda, dtype, narrow):
    compare(cuda, F.layer_norm, (9, 64), {"normalized_shape": 64}, (64,), dtype, 4, narrow)
    compare(cuda, F.group_norm, (2, 6, 21), {"num_groups": 3}, (6,), dtype, 4, narrow)


@pytest.mark.parametrize("parameters", [None, (50,)])
def test_rms_norm(cuda, parameters):
    compare(cuda, F.rms_norm, (7, 50), {"normalized_shape": 50}, parameters, np.float32)


def test_a_mean_a_thousand_deviations_away_is_subtracted_exactly(cuda):
    x = (draw(4, 3000, dtype=np.float64, scale=1.0) + 1000).astype(np.float32)
    y, _, var = cuda.kernels.row_norm(cuda.asarray(x), None, None, 4, 1, 1, 1e-5)
    wide = x.astype(np.float64)
    np.testing.assert_allclose(cuda.to_numpy(var), wide.var(1), rtol=1e-5)
    # mean, as float32, is known to 3e-5
    exact = (wide - wide.mean(1, keepdims=True)) / wide.std(1, keepdims=True)
    np.testing.assert_allclose(cuda.to_numpy(y), exact, atol=1e-4)


def test_unaligned_memory_gives_the_same_bits(cuda):
    x = draw(6, 40)
    answers = [
        cuda.kernels.row_norm(a, None, None, 6, 1, 1, 1e-5)[0]
        for a in (cuda.asarray(x), unaligned(cuda, x))
    ]
    np.testing.assert_array_equal(bits(cuda, answers[0]), bits(cuda, answers[1]))


@pytest.mark.parametrize("grid, block", [(1, 32), (2, 96), (4, 512)])
@pytest.mark.parametrize("lanes", [8, 32, 0])
def test_grid_and_block_change_nothing(cuda, lanes, grid, block):
    x, kind = cuda.asarray(draw(11, 1030)), np.dtype("float32")
    found = []
    for shape in ((grid, block), (3, 256)):
        y, mean, var = cuda.xp.empty_like(x), cuda.xp.empty(11, kind), cuda.xp.empty(11, kind)
        settings = 11, 1030, 1, 1, 1e-5, lanes
        family._forward(*shape, kind, x, y, mean, var, None, None, None, None, *settings)
        found.append(bits(cuda, y))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("rows", [1, 2, 8, 16])
def test_sums_over_rows_do_not_depend_on_the_block(cuda, rows):
    partial, kind = cuda.asarray(draw(2, 77, 20)), np.dtype("float32")
    found = []
    for y in (rows, 32):
        dw, db = cuda.xp.empty(20, kind), cuda.xp.empty(20, kind)
        family._totals(3, (8, y, 1), kind, partial, dw, db, 77, 20)
        found.append(np.concatenate([bits(cuda, dw), bits(cuda, db)]))
    np.testing.assert_array_equal(*found)
    assert_close(cuda, dw, cuda.to_numpy(partial)[0].astype(np.float64).sum(0), times=10)
