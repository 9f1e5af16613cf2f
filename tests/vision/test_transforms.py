"""RandomShift moves images, and nothing else."""

import pytest

import lucid
from lucid.errors import ShapeError
from lucid.vision.transforms import RandomShift


def test_moves_every_image_by_at_most_its_pixels(device):
    x = lucid.zeros(200, 1, 9, 9)
    x[:, :, 4, 4] = 1
    y = RandomShift(2)(x)
    assert (y.sum((1, 2, 3)) == 1).all()  # the dot is still there, once
    assert y[:, :, 2:7, 2:7].sum().item() == 200
    assert (y.sum(0) > 0).sum().item() == 25  # and all 25 places occur


def test_fills_what_comes_in_from_outside(device):
    y = RandomShift(1, fill=7.0)(lucid.zeros(100, 2, 3, 3))
    assert set(y.flatten().tolist()) == {0.0, 7.0}


def test_zero_pixels_change_nothing(device):
    x = lucid.randn(3, 2, 4, 5)
    assert (RandomShift(0)(x) == x).all()


def test_channels_of_an_image_move_together(device):
    x = lucid.randn(20, 1, 4, 4).expand(20, 3, 4, 4)
    y = RandomShift(1)(x)
    assert (y[:, :1] == y[:, 1:]).all()


def test_takes_a_single_image(device):
    assert RandomShift(1)(lucid.ones(1, 8, 8)).shape == (1, 8, 8)


def test_same_generator_state_same_shifts(device):
    x = lucid.randn(10, 1, 8, 8)
    one, two = (RandomShift(1, generator=lucid.Generator().manual_seed(5)) for _ in range(2))
    state = lucid.default_generator.state_tuple()
    assert (one(x) == two(x)).all()
    assert lucid.default_generator.state_tuple() == state


def test_the_result_is_its_own_memory_and_row_major(device):
    x = lucid.randn(4, 3, 8, 8)
    before = x.clone()
    y = RandomShift(1)(x)
    y.fill_(0)
    assert (x == before).all()
    assert y.is_contiguous()


def test_wrong_shape_is_named():
    with pytest.raises(ShapeError, match=r"RandomShift: x must be .* got shape \(3, 3\)"):
        RandomShift(1)(lucid.ones(3, 3))


def test_negative_pixels_are_refused():
    with pytest.raises(ValueError, match="RandomShift: pixels must be an integer >= 0; got -1"):
        RandomShift(-1)
