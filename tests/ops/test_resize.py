"""interpolate: borders, memory orders, and what the maps along a dimension are."""

import pytest

import lucid
from lucid.autograd import gradcheck, gradgradcheck
from lucid.nn import functional as F
from lucid.op import taps
from lucid.testing import assert_close

MODES = ["nearest", "nearest-exact", "bilinear", "bicubic", "area"]


def image(*shape):
    return lucid.arange(float(lucid.zeros(shape).numel())).reshape(shape)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(3, 9), (8, 2)])
def test_the_weights_of_each_result_sum_to_one(mode, size, device):
    assert_close(F.interpolate(lucid.ones(1, 1, 5, 4), size, mode=mode), lucid.ones(1, 1, *size))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("antialias", [False, True])
def test_gradients_of_every_mode_agree_with_differences(mode, antialias, device):
    if antialias and mode not in ("bilinear", "bicubic"):
        pytest.skip("antialias is for these two")
    x = lucid.rand(1, 2, 5, 4, dtype=lucid.float64, requires_grad=True)

    def resized(x):
        return F.interpolate(x, (3, 7), mode=mode, antialias=antialias)

    assert gradcheck(resized, x)
    assert gradgradcheck(resized, x)


@pytest.mark.parametrize("mode", MODES)
def test_channels_last_stays_and_gives_the_same_numbers(mode, device):
    x = image(2, 3, 4, 5)
    y = F.interpolate(x.contiguous(memory_format=lucid.channels_last), scale_factor=2, mode=mode)
    assert y.is_contiguous(memory_format=lucid.channels_last)
    assert_close(y.contiguous(), F.interpolate(x, scale_factor=2, mode=mode))


def test_the_same_size_is_a_copy(device):
    x = image(1, 1, 3, 3)
    y = F.interpolate(x, size=3)
    y.zero_()
    assert x[0, 0, 2, 2].item() == 8


def test_what_is_not_looked_at_does_not_spoil_a_gradient(device):
    x = lucid.ones(1, 1, 4, requires_grad=True)
    y = F.interpolate(x, size=2)  # elements 0 and 2
    y.backward(lucid.tensor([[[float("inf"), 1.0]]]))
    assert x.grad.tolist() == [[[float("inf"), 0.0, 1.0, 0.0]]]


def test_a_map_transposed_twice_is_itself():
    m = taps.cubic(5, 7, 5 / 7, False)
    back = m.transposed.transposed
    assert [sorted(row) for row in back.rows] == [sorted(row) for row in m.rows]
    assert (m.transposed.extent, len(m.transposed.rows)) == (7, 5)


def test_maps_are_worked_out_once_for_each_pair_of_sizes():
    assert taps.linear(5, 7, 5 / 7, False) is taps.linear(5, 7, 5 / 7, False)


def test_integers_have_no_means():
    with pytest.raises(lucid.errors.DTypeError, match="mode 'bilinear' needs floating point"):
        F.interpolate(lucid.ones(1, 1, 2, 2, dtype=lucid.uint8), size=3, mode="bilinear")


def test_the_old_names_warn():
    x = lucid.ones(1, 1, 2, 2)
    for name in ("upsample", "upsample_nearest", "upsample_bilinear"):
        with pytest.warns(UserWarning, match=f"{name} is now"):
            getattr(F, name)(x, size=3)
