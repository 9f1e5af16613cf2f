"""Brightness, contrast, saturation, hue, grey."""

import colorsys

import numpy as np
import pytest

import lucid
from lucid.vision import transforms as T
from lucid.vision.transforms import functional as F

IMAGE = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
FLOATS = np.random.default_rng(1).random((3, 6, 5), dtype=np.float32)
ADJUST = {
    "brightness": F.adjust_brightness,
    "contrast": F.adjust_contrast,
    "saturation": F.adjust_saturation,
}


def luma(rgb):
    return 0.2989 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]


@pytest.mark.parametrize("factor", [0.0, 0.4, 1.0, 1.7])
@pytest.mark.parametrize("name", ADJUST)
def test_an_adjustment_is_a_blend_cut_to_the_range(name, factor, device):
    other = {"brightness": 0, "contrast": luma(FLOATS).mean(), "saturation": luma(FLOATS)}[name]
    expected = (factor * FLOATS + (1 - factor) * other).clip(0, 1)
    y = ADJUST[name](lucid.tensor(FLOATS), factor)
    assert y.cpu().numpy() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("shift", [-0.5, -0.2, 0.0, 0.1, 0.5])
def test_hue_turns_the_colour_circle(shift, device):
    y = F.adjust_hue(lucid.tensor(FLOATS), shift).cpu().numpy()
    for i, j in np.ndindex(6, 5):
        h, s, v = colorsys.rgb_to_hsv(*FLOATS[:, i, j].tolist())
        assert y[:, i, j] == pytest.approx(colorsys.hsv_to_rgb((h + shift) % 1, s, v), abs=1e-5)


def test_hue_of_grey_is_grey(device):
    grey = lucid.full((3, 2, 2), 0.4)
    assert (F.adjust_hue(grey, 0.3) == grey).all()


def test_grey_weighs_the_colours(device):
    y = T.Grayscale()(lucid.tensor(FLOATS)).cpu().numpy()
    assert y[0] == pytest.approx(luma(FLOATS), abs=1e-6)
    three = T.Grayscale(3)(lucid.tensor(FLOATS))
    assert (three.cpu().numpy() == y).all()
    assert three.shape == (3, 6, 5)


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue"])
def test_uint8_is_the_float_result_to_a_grey_level(name):
    change = F.adjust_hue if name == "hue" else ADJUST[name]
    factor = 0.2 if name == "hue" else 1.4
    planes = IMAGE.transpose(2, 0, 1)
    exact = change(lucid.tensor((planes / 255).astype(np.float32)), factor).numpy() * 255
    assert abs(change(IMAGE, factor).transpose(2, 0, 1) - exact).max() <= 1.5  # both steps cut
    assert (
        change(lucid.tensor(planes.copy()), factor).numpy()
        == change(IMAGE, factor).transpose(2, 0, 1)
    ).all()


@pytest.mark.parametrize("name", ADJUST)
def test_pil_images_go_through_pillow(name):
    image_module = pytest.importorskip("PIL.Image")
    from PIL import ImageEnhance

    kind = {"saturation": "Color"}.get(name, name.capitalize())
    image = image_module.fromarray(IMAGE)
    expected = getattr(ImageEnhance, kind)(image).enhance(1.3)
    assert (np.asarray(ADJUST[name](image, 1.3)) == np.asarray(expected)).all()


def test_pil_hue_and_grey_keep_the_kind():
    image = pytest.importorskip("PIL.Image").fromarray(IMAGE)
    assert (
        np.asarray(F.adjust_hue(image, 0.0)) == np.asarray(image.convert("HSV").convert("RGB"))
    ).all()
    assert F.adjust_hue(image.convert("L"), 0.2).mode == "L"
    assert T.Grayscale()(image).mode == "L"
    assert T.Grayscale(3)(image).mode == "RGB"


def test_images_of_one_channel_have_no_colour():
    grey = IMAGE[..., :1]
    assert (F.adjust_saturation(grey, 0.1) == grey).all()
    assert (F.adjust_hue(grey, 0.1) == grey).all()
    assert (F.rgb_to_grayscale(grey) == grey).all()
    assert T.Grayscale(3)(IMAGE[..., 0]).shape == (6, 5, 3)
    assert F.adjust_contrast(IMAGE[..., 0], 0.0).std() == 0


def test_wrong_factors_and_channels_are_named():
    with pytest.raises(
        ValueError, match="adjust_brightness: brightness_factor must not be negativ"
    ):
        F.adjust_brightness(IMAGE, -0.1)
    with pytest.raises(ValueError, match=r"adjust_hue: hue_factor must be in \[-0.5, 0.5\]; got 1"):
        F.adjust_hue(IMAGE, 1)
    with pytest.raises(ValueError, match="adjust_saturation: the image must have 1 or 3 channels"):
        F.adjust_saturation(np.zeros((2, 2, 4), np.uint8), 0.5)
    with pytest.raises(ValueError, match="num_output_channels must be 1 or 3; got 2"):
        T.Grayscale(2)(IMAGE)
