"""What random transforms may do to an image, and how often."""

import numpy as np
import pytest

import lucid
from lucid.errors import ShapeError
from lucid.vision import transforms as T

ROW = np.arange(64, dtype=np.uint8).reshape(8, 8, 1)  # every pixel is told from the others


def often(p, n=400):
    """Five sigma around n * p."""
    spread = 5 * (n * p * (1 - p)) ** 0.5
    return n * p - spread, n * p + spread


@pytest.mark.parametrize(
    ("make", "turned"),
    [(T.RandomHorizontalFlip, ROW[:, ::-1]), (T.RandomVerticalFlip, ROW[::-1])],
)
def test_flips_with_probability_p(make, turned):
    flip = make(0.3)
    results = [flip(ROW) for _ in range(400)]
    flipped = sum((result == turned).all() for result in results)
    assert sum((result == ROW).all() for result in results) + flipped == 400
    low, high = often(0.3)
    assert low < flipped < high


def test_random_crop_takes_every_part():
    parts = {T.RandomCrop(6)(ROW).tobytes() for _ in range(200)}
    every = {ROW[i : i + 6, j : j + 6].tobytes() for i in range(3) for j in range(3)}
    assert parts == every


def test_random_crop_pads_first():
    crop = T.RandomCrop(8, padding=2, fill=200)
    results = [crop(ROW) for _ in range(100)]
    assert all(result.shape == (8, 8, 1) for result in results)
    assert any((result == 200).any() for result in results)
    assert any((result[:2] == 200).all() for result in results)
    reflected = T.RandomCrop(8, padding=4, padding_mode="reflect")
    assert all(set(reflected(ROW).ravel()) <= set(range(64)) for _ in range(20))


def test_random_crop_of_a_small_image():
    with pytest.raises(ShapeError, match=r"RandomCrop: .* smaller than \(9, 9\); got \(8, 8\)"):
        T.RandomCrop(9)(ROW)
    assert T.RandomCrop(9, pad_if_needed=True)(ROW).shape == (9, 9, 1)


def test_random_resized_crop_has_area_and_shape_within_its_ranges():
    image = np.zeros((60, 80, 3), np.uint8)
    for _ in range(200):
        i, j, h, w = T.RandomResizedCrop.get_params(image, (0.2, 0.5), (0.5, 2.0))
        assert 0 <= i <= 60 - h
        assert 0 <= j <= 80 - w
        # height and width are rounded: half a pixel in 21, the least side
        assert 0.2 * 0.95 < h * w / 4800 < 0.5 * 1.05
        assert 0.5 * 0.95 < w / h < 2.0 * 1.05
    assert T.RandomResizedCrop((5, 7))(image).shape == (5, 7, 3)


def test_random_resized_crop_falls_back_to_the_middle():
    image = np.zeros((10, 100, 1), np.uint8)
    part = T.RandomResizedCrop.get_params(image, (0.9, 1.0), (1.0, 1.0))
    assert part == (0, 45, 10, 10)


def test_random_erasing_fills_a_rectangle():
    x = lucid.ones(3, 20, 20)
    erased = [T.RandomErasing(p=1.0, scale=(0.1, 0.2), value=5.0)(x) for _ in range(50)]
    assert (x == 1).all()
    for y in erased:
        rows, columns = np.nonzero(y.numpy()[0] == 5)
        area = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        assert len(rows) == area  # all of the rectangle
        assert 0.1 * 0.85 < area / 400 < 0.2 * 1.15  # sides are rounded
        assert (y[0] == y[1]).all()


def test_random_erasing_by_noise_and_by_channel():
    x = lucid.zeros(3, 32, 32)
    noise = T.RandomErasing(p=1.0, scale=(0.5, 0.5), ratio=(1, 1), value="random")(x).numpy()
    drawn = noise[noise != 0]
    assert abs(drawn.mean()) < 5 / len(drawn) ** 0.5
    assert drawn.std() == pytest.approx(1, abs=5 / (2 * len(drawn)) ** 0.5)
    colored = T.RandomErasing(p=1.0, value=(1.0, 2.0, 3.0))(x)
    assert [colored[c].max().item() for c in range(3)] == [1.0, 2.0, 3.0]
    with pytest.raises(ValueError, match=r"RandomErasing: value must be 1 or 3 numbers .*\(1, 2\)"):
        T.RandomErasing(p=1.0, value=(1, 2))(x)


def test_random_erasing_in_place_writes_to_the_tensor():
    x = lucid.ones(1, 16, 16)
    assert T.RandomErasing(p=1.0, inplace=True)(x) is x
    assert (x == 0).any()


def test_cutout_may_lie_partly_outside():
    counts = {int((T.Cutout(4)(ROW + 1) == 0).sum()) for _ in range(300)}
    assert max(counts) == 16
    assert {8, 12} <= counts
    assert (T.Cutout(4, n_holes=0)(ROW) == ROW).all()


def test_color_jitter_stays_within_its_ranges_and_changes_the_order():
    jitter = T.ColorJitter(brightness=0.4, contrast=(0.5, 0.6), hue=0.1)
    assert (jitter.brightness, jitter.contrast) == ((0.6, 1.4), (0.5, 0.6))
    assert (jitter.saturation, jitter.hue) == (None, (-0.1, 0.1))
    orders = set()
    for _ in range(300):
        order, (b, c, s, h) = jitter.get_params(
            *[jitter.brightness, jitter.contrast, None, jitter.hue]
        )
        orders.add(tuple(order))
        assert 0.6 <= b < 1.4
        assert 0.5 <= c < 0.6
        assert s is None
        assert -0.1 <= h < 0.1
    assert len(orders) == 24


def test_color_jitter_of_nothing_changes_nothing():
    image = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    assert (T.ColorJitter()(image) == image).all()
    assert T.ColorJitter(brightness=2).brightness == (0.0, 3.0)


def test_random_rotation_draws_from_its_range():
    angles = [T.RandomRotation.get_params((-30.0, 10.0)) for _ in range(500)]
    assert -30 <= min(angles) < -29
    assert 9 < max(angles) < 10
    assert T.RandomRotation(15).degrees == [-15.0, 15.0]


def test_random_choice_has_the_weights_asked_for():
    choice = T.RandomChoice([lambda x: "a", lambda x: "b"], p=[3, 1])
    low, high = often(0.75)
    assert low < sum(choice(0) == "a" for _ in range(400)) < high
    assert {T.RandomChoice([lambda x: 1, lambda x: 2])(0) for _ in range(50)} == {1, 2}


def test_random_apply_does_all_or_nothing():
    apply = T.RandomApply([lambda x: x + 1, lambda x: x + 1], p=0.25)
    results = [apply(0) for _ in range(400)]
    assert set(results) == {0, 2}
    low, high = often(0.25)
    assert low < results.count(2) < high


def test_random_order_does_each_once():
    order = T.RandomOrder([lambda x: x + "a", lambda x: x + "b", lambda x: x + "c"])
    assert {"".join(order("")) for _ in range(200)} == {"abc", "acb", "bac", "bca", "cab", "cba"}


def test_random_grayscale_keeps_the_number_of_channels():
    image = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    grey = T.RandomGrayscale(1.0)(image)
    assert grey.shape == (4, 4, 3)
    assert (grey == grey[..., :1]).all()
    assert (T.RandomGrayscale(0.0)(image) == image).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.RandomHorizontalFlip(1.5), "RandomHorizontalFlip: p must be in"),
        (lambda: T.RandomErasing(value="noise"), "value must be numbers or 'random'; got 'noise'"),
        (lambda: T.RandomErasing(scale=(0.5, 2)), "RandomErasing: scale must be within"),
        (lambda: T.RandomResizedCrop(4, scale=(0, 1)), "RandomResizedCrop: scale must be 0 < low"),
        (lambda: T.ColorJitter(hue=0.6), "ColorJitter: hue must be within"),
        (lambda: T.ColorJitter(brightness=-1), "ColorJitter: brightness must not be negative"),
        (lambda: T.RandomRotation(-3), "RandomRotation: degrees must not be negative; got -3"),
        (lambda: T.RandomChoice([len], p=[0.0]), "RandomChoice: p must be a weight for each of 1"),
        (lambda: T.RandomCrop((1, 2, 3)), "RandomCrop: size must be a number or"),
        (lambda: T.Pad((1, 2, 3)), "Pad: padding must be a number"),
        (lambda: T.Cutout(0), "Cutout: length must be positive"),
    ],
)
def test_wrong_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
