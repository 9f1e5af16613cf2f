"""Resizing: Pillow's result for uint8 arrays, F.interpolate's for tensors."""

import numpy as np
import pytest

import lucid
from lucid.vision.transforms import InterpolationMode, Resize
from lucid.vision.transforms import functional as F

FILTERS = ["BILINEAR", "BICUBIC", "BOX", "HAMMING", "LANCZOS"]
SIZES = [((37, 53), (20, 31)), ((37, 53), (80, 60)), ((9, 100), (30, 7)), ((5, 4), (1, 1))]


def noise(h, w):
    return np.random.default_rng(h * w).integers(0, 256, (h, w, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize(("size", "wanted"), SIZES)
def test_uint8_arrays_are_pillows_bit_for_bit(size, wanted, name):
    image_module = pytest.importorskip("PIL.Image")
    image = noise(*size)
    kind = image_module.Resampling[name]
    # In two steps: since Pillow 13 its own order of the two depends on the sizes.
    across = image_module.fromarray(image).resize((wanted[1], size[0]), kind)
    expected = np.asarray(across.resize(wanted[::-1], kind))
    assert (F.resize(image, wanted, InterpolationMode[name]) == expected).all()


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("name", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("size", "wanted"), SIZES)
def test_float_tensors_are_torchs(size, wanted, name, antialias, device):
    torch = pytest.importorskip("torch")
    image = (noise(*size).transpose(2, 0, 1) / 255).astype(np.float32)
    expected = torch.nn.functional.interpolate(
        torch.tensor(image)[None], wanted, mode=name, antialias=antialias, align_corners=False
    )[0]
    result = F.resize(lucid.tensor(image), wanted, InterpolationMode(name), antialias=antialias)
    # torch computes the weights in float32: 1e-5 is 80 of its ulps, and 1/400 of a grey level
    assert abs(result.cpu().numpy() - expected.numpy()).max() < 1e-5


@pytest.mark.parametrize("name", ["nearest", "nearest-exact"])
@pytest.mark.parametrize(("size", "wanted"), SIZES)
def test_nearest_is_torchs(size, wanted, name, device):
    torch = pytest.importorskip("torch")
    image = noise(*size).transpose(2, 0, 1).copy()
    expected = torch.nn.functional.interpolate(torch.tensor(image)[None], wanted, mode=name)[0]
    result = F.resize(lucid.tensor(image), wanted, InterpolationMode(name))
    assert (result.cpu().numpy() == expected.numpy()).all()


@pytest.mark.parametrize("name", FILTERS)
def test_a_flat_image_stays_flat(name, device):
    image = np.full((13, 17, 3), 201, np.uint8)
    assert (F.resize(image, (31, 5), InterpolationMode[name]) == 201).all()
    x = F.resize(lucid.full((1, 13, 17), 0.3), (31, 5), InterpolationMode[name])
    assert (x - 0.3).abs().max().item() < 1e-6


def test_a_uint8_tensor_is_the_rounded_float_result(device):
    image = noise(20, 30).transpose(2, 0, 1).copy()
    exact = F.resize(lucid.tensor(image.astype(np.float32)), (7, 11)).cpu().numpy()
    assert abs(F.resize(lucid.tensor(image), (7, 11)).cpu().numpy() - exact).max() <= 0.5 + 1e-4


@pytest.mark.parametrize(
    ("shape", "size", "max_size", "expected"),
    [
        ((40, 60), 20, None, (20, 30)),
        ((60, 40), 20, None, (30, 20)),
        ((33, 50), 20, None, (20, 30)),  # 30.3 is cut to 30
        ((40, 60), (5, 7), None, (5, 7)),
        ((40, 60), [20], None, (20, 30)),
        ((40, 80), 30, 50, (25, 50)),
        ((80, 40), 30, 50, (50, 25)),
    ],
)
def test_one_number_is_the_shorter_side(shape, size, max_size, expected):
    assert Resize(size, max_size=max_size)(np.zeros((*shape, 1), np.uint8)).shape[:2] == expected


def test_a_pil_image_is_resized_by_pillow():
    image_module = pytest.importorskip("PIL.Image")
    image = image_module.fromarray(noise(37, 53))
    expected = image.resize((11, 90), image_module.Resampling.BICUBIC)
    result = F.resize(image, (90, 11), InterpolationMode.BICUBIC)
    assert (np.asarray(result) == np.asarray(expected)).all()


def test_a_batch_is_resized_image_by_image(device):
    x = lucid.rand(2, 3, 8, 9)
    assert (F.resize(x, (5, 4))[1] == F.resize(x[1], (5, 4))).all()


def test_wrong_sizes_are_named():
    image = np.zeros((8, 8, 1), np.uint8)
    with pytest.raises(ValueError, match=r"resize: size must be a number or \(h, w\), positive"):
        F.resize(image, (1, 2, 3))
    with pytest.raises(ValueError, match="resize: max_size must be greater than size; got 4 and 4"):
        F.resize(image, 4, max_size=4)
    with pytest.raises(ValueError, match="resize: max_size needs size as one number"):
        F.resize(image, (4, 4), max_size=8)
