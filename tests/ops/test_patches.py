"""unfold and fold: one is the other's transpose; x.unfold is a view that writes through."""

import pytest

import lucid
from lucid.autograd import gradcheck, gradgradcheck
from lucid.nn import functional as F
from lucid.testing import assert_close

WAYS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "padding": 1, "stride": 2},
    {"kernel_size": (2, 1), "dilation": (2, 3)},
]


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_fold_is_the_transpose_of_unfold(way, device):
    x = lucid.rand(2, 3, 6, 5, dtype=lucid.float64)
    columns = F.unfold(x, **way)
    y = lucid.rand(*columns.shape, dtype=lucid.float64)
    assert_close((columns * y).sum(), (x * F.fold(y, (6, 5), **way)).sum())


def test_folding_what_was_unfolded_counts_the_windows(device):
    ones = lucid.ones(1, 1, 3, 3)
    counts = F.fold(F.unfold(ones, 2), (3, 3), 2)
    assert counts[0, 0].tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]


def test_a_layer_of_windows_is_a_convolution(device):
    x, w = lucid.rand(2, 3, 6, 5), lucid.rand(4, 3, 3, 3)
    y = w.reshape(4, -1) @ F.unfold(x, 3)
    assert_close(y.reshape(2, 4, 4, 3), F.conv2d(x, w), rtol=1e-4, atol=1e-5)


def test_a_view_of_windows_writes_through(device):
    x = lucid.zeros(5)
    x.unfold(0, 2, 2)[1] = 7.0
    assert x.tolist() == [0, 0, 7, 7, 0]


def test_overlapping_windows_add_up_their_gradients(device):
    x = lucid.rand(2, 5, dtype=lucid.float64, requires_grad=True)
    assert gradcheck(lambda x: x.unfold(1, 3, 1), x)
    assert gradgradcheck(lambda x: x.unfold(1, 3, 1) ** 2, x)
