"""Group and instance norm of channels-last memory: no copies, and the generic path's values."""

import numpy as np
import pytest

import lucid
from lucid.backend.cuda import group_norm as family
from lucid.nn import functional as F
from lucid.op.standardize import PerGroup
from tests.cuda.captured import counting
from tests.kernels.agreement import FLOATS, assert_close, bits, draw, last, name_of, unaligned

# shape, groups (None: instance norm): several pieces, groups within and across vectors.
CASES = [
    ((2, 8, 5, 7), 2),
    ((3, 6, 4, 4), 3),
    ((2, 16, 9, 9), 16),
    ((2, 32, 6), 4),
    ((1, 64, 3, 3, 2), 1),
    ((2, 24, 20, 20), 2),
    ((2, 3, 40, 41), None),
    ((3, 16, 8, 8), None),
]
IDS = [f"{shape}-{groups}" for shape, groups in CASES]


def steps(a):
    """The strides that say something: those of dimensions longer than 1."""
    return [step for step, n in zip(a.strides, a.shape, strict=True) if n > 1]


def run(x, dy, w, b, groups, device):
    """y and the gradients of x, w and b. x, dy: arrays of the device."""
    concrete = lucid.device(device).concrete()
    x, dy = lucid.Tensor._wrap(x, concrete), lucid.Tensor._wrap(dy, concrete)
    w, b = [None if a is None else lucid.tensor(a, device=device) for a in (w, b)]
    leaves = [t.requires_grad_() for t in (x, w, b) if t is not None]
    y = F.instance_norm(x, None, None, w, b) if groups is None else F.group_norm(x, groups, w, b)
    y.backward(dy)
    return [y.detach(), *[t.grad for t in leaves]]


def compare(cuda, shape, groups, dtype, affine=True, narrow=False, times=8.0):
    x, dy = draw(*shape, dtype=dtype), draw(*shape, dtype=dtype, seed=1)
    kind = dtype if narrow or np.dtype(dtype).itemsize == 8 else np.float32
    w, b = draw(shape[1], dtype=kind, seed=2), draw(shape[1], dtype=kind, seed=3)
    if not affine:
        w = b = None
    double = [None if a is None else a.astype(np.float64) for a in (x, dy, w, b)]
    expected = run(*double, groups, "cpu")
    laid = last(cuda, x)
    found = run(laid, last(cuda, dy), w, b, groups, "cuda")
    assert steps(found[0]._array) == steps(found[1]._array) == steps(laid)
    for ours, exact in zip(found, expected, strict=True):
        assert_close(cuda, ours._array, exact.numpy(), times)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape, groups", CASES, ids=IDS)
def test_every_shape(cuda, shape, groups, affine):
    compare(cuda, shape, groups, np.float32, affine)


@pytest.mark.parametrize("narrow", [True, False])
@pytest.mark.parametrize("dtype", FLOATS, ids=name_of)
@pytest.mark.parametrize("groups", [2, None])
def test_every_dtype_with_parameters_of_either_width(cuda, groups, dtype, narrow):
    compare(cuda, (2, 16, 5, 7), groups, dtype, narrow=narrow)


@pytest.mark.parametrize("groups", [4, None])
def test_nothing_is_copied(cuda, groups):
    """3 kernels forward, 4 backward, and relu's: a leaf would copy a gradient that is a view."""
    x, dy = last(cuda, draw(2, 16, 6, 6)), last(cuda, draw(2, 16, 6, 6, seed=1))
    w, b = [lucid.tensor(draw(16, seed=s), device="cuda") for s in (2, 3)]
    x, dy = [lucid.Tensor._wrap(a, cuda) for a in (x, dy)]
    for t in (x, w, b):
        t.requires_grad_()
    x = x.relu()
    with counting() as forward:
        y = (
            F.instance_norm(x, None, None, w, b)
            if groups is None
            else F.group_norm(x, groups, w, b)
        )
    with counting() as backward:
        y.backward(dy)
    assert (forward.launches, backward.launches) == (3, 5)
    for c in (forward, backward):
        assert (c.operations, c.d2d) == (0, 0)


def test_a_mean_a_thousand_deviations_away_costs_no_digits_of_the_variance(cuda):
    x = (draw(2, 8, 50, 50, dtype=np.float64, scale=1.0) + 1000).astype(np.float32)
    form = family.grouped_last(last(cuda, x), None)
    y, mean, var = family.group_norm_last(last(cuda, x), None, None, form, 1e-5)
    wide = x.astype(np.float64).reshape(16, -1)
    np.testing.assert_allclose(cuda.to_numpy(var), wide.var(1), rtol=1e-5)
    exact = (wide - wide.mean(1, keepdims=True)) / wide.std(1, keepdims=True)
    # mean, as float32, is known to 3e-5
    np.testing.assert_allclose(cuda.to_numpy(y).reshape(16, -1), exact, atol=1e-4)


def test_a_first_element_far_from_the_others_costs_few_digits(cuda):
    """Sums are of x - first: in a piece of 256, 256 * 2**-24 of the variance is all that can go."""
    x = draw(1, 8, 16, 16, scale=1.0)
    x[:, :, 0, 0] = 1e4
    form = family.grouped_last(last(cuda, x), None)
    var = family.group_norm_last(last(cuda, x), None, None, form, 1e-5)[2]
    exact = x.astype(np.float64).reshape(8, -1).var(1)
    np.testing.assert_allclose(cuda.to_numpy(var), exact, rtol=256 * 2.0**-24)


def test_unaligned_memory_gives_the_same_values(cuda):
    x = draw(2, 5, 6, 16)  # as memory: samples, positions, channels
    answers = []
    for a in (cuda.asarray(x), unaligned(cuda, x)):
        a = cuda.xp.moveaxis(a, -1, 1)
        form = family.grouped_last(a, None)
        answers.append(bits(cuda, family.group_norm_last(a, None, None, form, 1e-5)[0]))
    np.testing.assert_array_equal(*answers)


@pytest.mark.parametrize("grid, block", [((1, 1, 1), (8, 4, 1)), ((2, 3, 2), (8, 16, 1))])
def test_sums_of_pieces_do_not_depend_on_grid_and_block(cuda, grid, block):
    a, kind = cuda.asarray(draw(2, 100, 40)), np.dtype("float32")
    found = []
    for shape in ((grid, block), ((2, 4, 2), (8, 32, 1))):
        partial = cuda.xp.zeros((2, 2, 4, 40), kind)
        family._moments(*shape, kind, a, partial, 2, 100, 40, 32)
        found.append(bits(cuda, partial))
    np.testing.assert_array_equal(*found)


def test_gradients_of_the_gradient_keep_the_values(cuda):
    """With create_graph the generic formulas run, on whatever order of memory."""
    x = draw(2, 4, 3, 3, dtype=np.float64)
    seconds = []
    for device in ("cpu", "cuda"):
        t = lucid.tensor(x, device=device).to(memory_format=lucid.channels_last).requires_grad_()
        y = F.group_norm(t, 2)
        (g,) = lucid.autograd.grad((y * y * y).sum(), t, create_graph=True)
        (g * g).sum().backward()
        seconds.append(t.grad.cpu().numpy())
    np.testing.assert_allclose(*seconds, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("order", [(0, 2, 1), (0, 2, 3, 1)], ids=str)
@pytest.mark.parametrize("affine", [True, False])
def test_layer_norm_of_a_permuted_row_keeps_its_order(cuda, order, affine):
    shape = (5, 6, 8, 3)[: len(order)]
    x, dy = draw(*shape), draw(*shape, seed=1)
    back = np.argsort(order)
    laid = [cuda.asarray(np.ascontiguousarray(a.transpose(order))).transpose(back) for a in (x, dy)]
    w, b = (draw(*shape[1:], seed=s) if affine else None for s in (2, 3))
    found = []
    for device, arrays in (("cpu", (x, dy)), ("cuda", laid)):
        t, g = [lucid.Tensor._wrap(a, lucid.device(device).concrete()) for a in arrays]
        parameters = [None if a is None else lucid.tensor(a, device=device) for a in (w, b)]
        leaves = [p.requires_grad_() for p in (t, *parameters) if p is not None]
        y = F.layer_norm(t, shape[1:], *parameters)
        y.backward(g)
        found.append([y.detach(), *[p.grad for p in leaves]])
    for ours, exact in zip(found[1], found[0], strict=True):
        assert_close(cuda, ours._array, exact.numpy().astype(np.float64), 8.0)
    assert steps(found[1][0]._array) == steps(found[1][1]._array) == steps(laid[0])


def test_gradients_of_mean_and_variance_flow_back(cuda):
    x, slopes = draw(2, 8, 3, 5), [draw(2, 4, 1, 1, 1, seed=s) for s in (1, 2)]
    found = []
    for device, a in (("cpu", x), ("cuda", last(cuda, x))):
        t = lucid.Tensor._wrap(a, lucid.device(device).concrete()).requires_grad_()
        grouped = t.reshape(2, 4, 2, 3, 5)
        _, mean, var = PerGroup((2, 3, 4), 1e-5, 4)(grouped, None, None)
        ours = [lucid.tensor(s, device=device) for s in slopes]
        (mean * ours[0] + var * ours[1]).sum().backward()
        found.append(t.grad)
    assert_close(cuda, found[1]._array, found[0].numpy().astype(np.float64), 8.0)
