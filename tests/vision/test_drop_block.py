"""DropBlock drops squares."""

import pytest

import lucid
from lucid.vision.ops import DropBlock2d, drop_block2d


def test_what_is_dropped_are_squares(device):
    y = drop_block2d(lucid.ones(50, 4, 12, 12), 0.05, 3)
    dropped = (y == 0).float()
    # A pixel is dropped exactly if it lies in a 3 x 3 square of which all pixels are.
    whole = lucid.nn.functional.avg_pool2d(dropped, 3, 1) > 0.999
    covered = lucid.nn.functional.max_pool2d(
        lucid.nn.functional.pad(whole.float(), [2, 2, 2, 2]), 3, 1
    )
    assert dropped.sum().item() > 0
    assert (covered == dropped).all()


def test_about_a_fraction_p_is_dropped(device):
    # Of overlapping squares a pixel counts once: p less about p^2 / 2, and less at the borders.
    y = drop_block2d(lucid.ones(200, 8, 20, 20), 0.1, 5)
    assert 0.08 < (y == 0).float().mean().item() < 0.1


def test_squares_of_one_pixel_are_dropout(device):
    n, p = 50 * 4 * 8 * 8, 0.3
    dropped = (drop_block2d(lucid.ones(50, 4, 8, 8), p, 1) == 0).sum().item()
    five_sigma = 5 * (n * p * (1 - p)) ** 0.5
    assert abs(dropped - n * p) < five_sigma


def test_a_dropped_nan_leaves_no_trace_and_in_place_is_the_same(device):
    x = lucid.full((4, 2, 8, 8), float("nan"))
    assert (drop_block2d(x, 1.0, 8) == 0).all()
    z = lucid.rand(4, 2, 8, 8)
    lucid.manual_seed(3)
    expected = drop_block2d(z, 0.3, 3)
    lucid.manual_seed(3)
    assert drop_block2d(z, 0.3, 3, inplace=True) is z
    assert (z == expected).all()


def test_the_sum_is_kept(device):
    y = drop_block2d(lucid.ones(10, 3, 16, 16), 0.2, 4)
    assert y.sum().item() == pytest.approx(10 * 3 * 256, rel=1e-4)


def test_the_gradient_is_the_scale(device):
    x = lucid.rand(4, 2, 8, 8, requires_grad=True)
    y = drop_block2d(x, 0.3, 3)
    y.sum().backward()
    assert (x.grad * x - y).abs().max().item() < 1e-6


def test_a_block_larger_than_the_image_is_cut(device):
    y = drop_block2d(lucid.ones(400, 1, 3, 5), 0.3, 7)
    assert y.shape == (400, 1, 3, 5)
    assert {int(n) for n in (y == 0).sum((1, 2, 3)).tolist()} <= {0, 9, 12, 15}


def test_is_the_identity_in_eval_mode_and_for_p_of_0():
    x = lucid.ones(1, 1, 4, 4)
    assert DropBlock2d(0.5, 3).eval()(x) is x
    assert DropBlock2d(0.0, 3)(x) is x


def test_wrong_settings_are_named():
    with pytest.raises(ValueError, match=r"drop_block2d: x must be \(N, C, H, W\); got shape \(2,"):
        drop_block2d(lucid.ones(2, 3), 0.1, 3)
    with pytest.raises(ValueError, match="block_size must be a positive integer; got 0"):
        drop_block2d(lucid.ones(1, 1, 4, 4), 0.1, 0)
    assert repr(DropBlock2d(0.1, 7)) == "DropBlock2d(p=0.1, block_size=7, inplace=False)"
