"""The cross entropy kernels: the op's generic formulas, and losses that add up in a fixed order."""

import numpy as np
import pytest

import lucid
from lucid.backend.cuda import loss as family
from lucid.nn import functional as F
from tests.cuda.captured import counting
from tests.kernels.agreement import FLOATS, assert_close, bits, draw, last, name_of


def compare(cuda, x, t, times=4.0, weight=None, device_x=None, **settings):
    """Loss and gradient on the CPU in double, and on the device."""
    a = lucid.tensor(x.astype(np.float64), requires_grad=True, device="cpu")
    w = None if weight is None else lucid.tensor(weight.astype(np.float64), device="cpu")
    expected = F.cross_entropy(a, lucid.tensor(t, device="cpu"), w, **settings)
    expected.sum().backward()
    b = lucid.Tensor._wrap(cuda.asarray(x) if device_x is None else device_x, cuda)
    b.requires_grad_()
    v = None if weight is None else lucid.tensor(weight, device="cuda")
    y = F.cross_entropy(b, lucid.tensor(t, device="cuda"), v, **settings)
    y.sum().backward()
    assert_close(cuda, y._array, expected.detach().numpy(), times)
    assert_close(cuda, b.grad._array, a.grad.numpy(), times)
    return b


SETTINGS = [
    {}, {"reduction": "sum"}, {"reduction": "none"}, {"label_smoothing": 0.1}, {"ignore_index": 2},
    {"ignore_index": 2, "label_smoothing": 0.3, "reduction": "none"},
]  # fmt: skip


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("shape", [(9, 10), (3, 1100), (2, 5, 3, 4)])
def test_every_setting(cuda, shape, settings, weighted):
    t = np.random.default_rng(2).integers(0, 5, (shape[0], *shape[2:]))
    weight = np.abs(draw(shape[1], seed=3)) + 0.1 if weighted else None
    compare(cuda, draw(*shape), t, weight=weight, **settings)


@pytest.mark.parametrize("dtype", FLOATS, ids=name_of)
def test_every_dtype_with_weights_of_either_width(cuda, dtype):
    t = np.arange(6) % 4
    weight = np.array([0.5, 1.0, 2.0, 0.25], np.float32)
    compare(cuda, draw(6, 4, dtype=dtype), t, times=2)
    if np.dtype(dtype) != np.float64:
        compare(cuda, draw(6, 4, dtype=dtype), t, times=2, weight=weight)


def test_channels_last_images_are_rows(cuda):
    x, t = draw(2, 6, 3, 5), np.random.default_rng(0).integers(0, 6, (2, 3, 5))
    a = last(cuda, x)
    b = compare(cuda, x, t, device_x=a)
    assert b.grad._array.strides == a.strides


def test_many_samples_are_summed_in_two_steps(cuda):
    n = family.CHUNK + 700
    compare(cuda, draw(n, 3), np.arange(n) % 3, label_smoothing=0.1)


def test_a_wrong_label_makes_the_loss_nan(cuda):
    y = F.cross_entropy(lucid.zeros(2, 3), lucid.tensor([0, 3]), reduction="none")
    assert np.isfinite(y[0].item()) and np.isnan(y[1].item())


@pytest.mark.parametrize("block", [32, 128, 512])
def test_the_block_changes_nothing(cuda, block):
    losses, counts = cuda.asarray(draw(3000)), cuda.asarray(np.ones(3000, np.float32))
    kind = np.dtype("float32")
    found = []
    for threads in (block, 256):
        loss, divisor = cuda.xp.empty((), kind), cuda.xp.empty((), kind)
        family._total(1, threads, kind, losses, counts, loss, divisor, 3000)
        found.append(bits(cuda, loss))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("channels_last", [False, True])
def test_segmentation_scores_are_not_copied(cuda, channels_last):
    """(N, C, H, W) with labels (N, H, W): two kernels forward, one back."""
    a = last(cuda, draw(2, 21, 5, 6)) if channels_last else cuda.asarray(draw(2, 21, 5, 6))
    x = lucid.Tensor._wrap(a, cuda).requires_grad_()
    t = lucid.tensor(np.random.default_rng(0).integers(0, 21, (2, 5, 6)), device="cuda")
    one = lucid.ones((), device="cuda")
    with counting() as c:
        F.cross_entropy(x, t).backward(one)
    assert (c.launches, c.operations, c.d2d) == (3, 0, 0)
    assert x.grad._array.strides == a.strides
