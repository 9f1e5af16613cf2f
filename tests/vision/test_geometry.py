"""Crops, borders, mirror images, rotations: alike for arrays, tensors and PIL images."""

import numpy as np
import pytest

import lucid
from lucid.errors import DTypeError, GradError, ShapeError
from lucid.vision import transforms as T
from lucid.vision.transforms import functional as F

IMAGE = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)

CHANGES = {
    "crop": lambda x: F.crop(x, 2, 3, 4, 5),
    "crop beyond": lambda x: F.crop(x, -2, 5, 12, 9),
    "center_crop": lambda x: F.center_crop(x, (4, 12)),
    "hflip": F.hflip,
    "vflip": F.vflip,
    "pad": lambda x: F.pad(x, [1, 2, 3, 4], fill=7),
    "pad by colour": lambda x: F.pad(x, 2, fill=(1, 2, 3)),
    "pad edge": lambda x: F.pad(x, (2, 1), padding_mode="edge"),
    "pad reflect": lambda x: F.pad(x, 3, padding_mode="reflect"),
    "pad symmetric": lambda x: F.pad(x, 3, padding_mode="symmetric"),
    "pad less": lambda x: F.pad(x, [-1, 2, 3, -2]),
    "erase": lambda x: F.erase(x, 1, 2, 3, 4, 9),
}


def tensor(image):
    return lucid.tensor(image.transpose(2, 0, 1).copy())


@pytest.mark.parametrize("name", CHANGES)
def test_a_tensor_changes_as_an_array_does(name, device):
    expected = CHANGES[name](IMAGE)
    result = CHANGES[name](tensor(IMAGE))
    assert result.device.type == device.type
    assert (result.cpu().numpy().transpose(1, 2, 0) == expected).all()


THREE = ("RGB", "HSV")  # modes of three channels, for three fill values
MODES = [(n, m) for m in (*THREE, "L", "RGBA", "F") for n in CHANGES]


@pytest.mark.parametrize(
    ("name", "mode"), [p for p in MODES if p[0] != "pad by colour" or p[1] in THREE]
)
def test_a_pil_image_changes_as_an_array_does(name, mode):
    image_module = pytest.importorskip("PIL.Image")
    image = image_module.fromarray(IMAGE).convert(mode)
    result = CHANGES[name](image)
    assert result.mode == mode
    assert (np.asarray(result) == CHANGES[name](np.asarray(image))).all()


@pytest.mark.parametrize("name", ["crop", "hflip", "pad edge", "erase"])
def test_a_batch_of_tensors_changes_image_by_image(name, device):
    x = lucid.rand(2, 4, 3, 7, 9)
    y = CHANGES[name](x)
    assert (y[1, 2] == CHANGES[name](x[1, 2])).all()


@pytest.mark.parametrize("name", CHANGES)
def test_the_result_shares_no_memory_with_the_image(name):
    before = IMAGE.copy()
    result = CHANGES[name](IMAGE)
    assert result.flags.c_contiguous
    result[...] = 1
    assert (before == IMAGE).all()


def test_crop_is_the_part_and_black_beyond():
    part = F.crop(IMAGE, -1, 7, 3, 4)
    assert (part[1:, :2] == IMAGE[:2, 7:]).all()
    assert (part[0] == 0).all()
    assert (part[:, 2:] == 0).all()


def test_pad_has_left_top_right_bottom():
    padded = F.pad(IMAGE, [1, 2, 3, 4], fill=5)
    assert padded.shape == (7 + 6, 9 + 4, 3)
    assert (padded[2:-4, 1:-3] == IMAGE).all()
    assert (padded[:2] == 5).all()


def test_grey_arrays_without_channels_are_images_too():
    grey = IMAGE[..., 0]
    assert (F.hflip(grey) == grey[:, ::-1]).all()
    assert F.pad(grey, 1).shape == (9, 11)
    assert T.Resize((3, 4))(grey).shape == (3, 4)
    assert T.RandomErasing(p=1.0, value="random")(grey.astype(np.float32)).shape == (7, 9)


def test_a_quarter_turn_is_numpys(device):
    square = np.arange(25, dtype=np.uint8).reshape(1, 5, 5)
    x = lucid.tensor(square)
    for turns in range(4):
        expected = np.rot90(square, turns, (1, 2))  # counter-clockwise, too
        assert (F.rotate(x, 90 * turns).cpu().numpy() == expected).all()
        tall = F.rotate(tensor(IMAGE), 90 * turns, expand=True).cpu().numpy()
        assert (tall == np.rot90(IMAGE.transpose(2, 0, 1), turns, (1, 2))).all()


def test_rotation_fills_the_corners(device):
    y = F.rotate(lucid.ones(1, 9, 9), 45, fill=[3.0])
    assert y[0, 0, 0].item() == 3.0
    assert y[0, 4, 4].item() == 1.0
    smooth = F.rotate(lucid.ones(1, 9, 9), 45, T.InterpolationMode.BILINEAR, fill=[3.0])
    assert ((smooth >= 1 - 1e-6) & (smooth <= 3 + 1e-6)).all()


def test_rotation_about_a_corner_moves_the_rest():
    x = np.zeros((5, 5, 1), np.uint8)
    x[0, 3] = 1  # 90 degrees counter-clockwise about the pixel (2, 2): to row 1, column 0
    y = F.rotate(x, 90, center=(2.5, 2.5))
    assert np.argwhere(y[..., 0]).tolist() == [[1, 0]]


def test_what_is_no_image_is_named():
    with pytest.raises(DTypeError, match="hflip: expected a PIL image, a NumPy array or a Tensor"):
        F.hflip([[1, 2]])
    with pytest.raises(ShapeError, match=r"an array must be \(H, W, C\) or \(H, W\); got shape"):
        F.hflip(np.zeros((2, 3, 4, 5)))
    with pytest.raises(ShapeError, match=r"a tensor must be \(..., H, W\); got shape \(3,\)"):
        F.hflip(lucid.ones(3))
    with pytest.raises(ValueError, match="pad: padding_mode must be constant, edge, reflect"):
        F.pad(IMAGE, 1, padding_mode="mirror")
    with pytest.raises(ShapeError, match=r"pad: reflect padding must not exceed the image"):
        F.pad(IMAGE, 8, padding_mode="reflect")
    with pytest.raises(ValueError, match="pad: fill must be a number or one for each of 3"):
        F.pad(IMAGE, 1, fill=(1, 2))


def test_a_palette_is_refused_with_a_way_out():
    image = pytest.importorskip("PIL.Image").fromarray(IMAGE).convert("P")
    with pytest.raises(DTypeError, match=r"mode 'P'. Hint: image.convert\('RGB'\)"):
        F.hflip(image)


def test_a_gradient_is_not_lost_silently():
    x = lucid.rand(3, 4, 4, requires_grad=True)
    with pytest.raises(GradError, match="hflip: transforms record no gradient"):
        F.hflip(x)
    with lucid.no_grad():
        assert F.hflip(x).shape == (3, 4, 4)
