"""Transforms compute what torchvision's do, on its tensors and on PIL images."""

import numpy as np
import pytest

import lucid
from lucid.vision import transforms as T
from lucid.vision.transforms import InterpolationMode
from lucid.vision.transforms import functional as F
from tests.vision import peer

IMAGE = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)
FLOATS = np.random.default_rng(1).random((3, 37, 53), dtype=np.float32)


@pytest.fixture(scope="module")
def torchvision():
    return peer.torchvision("transforms")


CHANGES = {  # what to compute, and by how much an 8-bit and a float result may differ
    "hflip": (lambda f, x, mode: f.hflip(x), 0, 0),
    "crop": (lambda f, x, mode: f.crop(x, -3, 30, 20, 60), 0, 0),
    "center_crop": (lambda f, x, mode: f.center_crop(x, (21, 60)), 0, 0),
    "pad": (lambda f, x, mode: f.pad(x, [1, 2, 3, 4], 7), 0, 0),
    "pad less": (lambda f, x, mode: f.pad(x, [-1, 2, 3, -4]), 0, 0),
    "pad symmetric": (lambda f, x, mode: f.pad(x, [5, 6], 0, "symmetric"), 0, 0),
    "resize": (lambda f, x, mode: f.resize(x, 20, mode.BILINEAR), 1, 1e-5),
    "resize bicubic": (lambda f, x, mode: f.resize(x, (20, 61), mode.BICUBIC), 1, 1e-5),
    "resize at most": (lambda f, x, mode: f.resize(x, 30, max_size=40), 1, 1e-5),
    "rotate": (lambda f, x, mode: f.rotate(x, 33.3), 0, 0),
    "rotate expand": (lambda f, x, mode: f.rotate(x, -10, expand=True, fill=[5.0]), 0, 0),
    "rotate smooth": (lambda f, x, mode: f.rotate(x, 77, mode.BILINEAR), 1, 1e-4),
    "rotate about": (lambda f, x, mode: f.rotate(x, 77, mode.BILINEAR, center=[9, 4]), 1, 1e-4),
    "brightness": (lambda f, x, mode: f.adjust_brightness(x, 1.7), 1, 1e-6),
    "contrast": (lambda f, x, mode: f.adjust_contrast(x, 0.3), 1, 1e-6),
    "saturation": (lambda f, x, mode: f.adjust_saturation(x, 1.7), 1, 1e-6),
    "hue": (lambda f, x, mode: f.adjust_hue(x, -0.21), 1, 1e-5),
    "grey": (lambda f, x, mode: f.rgb_to_grayscale(x, 3), 0, 1e-6),
}


@pytest.mark.parametrize("name", CHANGES)
def test_same_function_same_result(name, torchvision):
    torch = pytest.importorskip("torch")
    image_module = pytest.importorskip("PIL.Image")
    change, levels, tolerance = CHANGES[name]
    theirs, mode = torchvision.functional, torchvision.InterpolationMode
    for image, allowed in ((IMAGE.transpose(2, 0, 1).copy(), levels), (FLOATS, tolerance)):
        expected = change(theirs, torch.tensor(image), mode).numpy().astype(np.float64)
        result = change(F, lucid.tensor(image), InterpolationMode).numpy()
        assert result.shape == expected.shape
        assert abs(result - expected).max() <= allowed
    image = image_module.fromarray(IMAGE)
    expected, result = change(theirs, image, mode), change(F, image, InterpolationMode)
    assert (np.asarray(result) == np.asarray(expected)).all()


TRANSFORMS = [
    ("RandomCrop", (4,), {"padding": 2}), ("Resize", (4,), {}), ("CenterCrop", (3,), {}),
    ("Pad", (2,), {}), ("Normalize", ([0.5], [0.2]), {}), ("ColorJitter", (0.4, 0.4, 0.4, 0.1), {}),
    ("RandomRotation", (10,), {}), ("RandomErasing", (), {}), ("RandomResizedCrop", (8,), {}),
    ("Grayscale", (3,), {}), ("RandomHorizontalFlip", (), {}), ("RandomVerticalFlip", (), {}),
    ("ToTensor", (), {}), ("PILToTensor", (), {}), ("RandomGrayscale", (), {}),
    ("Lambda", (len,), {}), ("ToPILImage", ("L",), {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "settings"), TRANSFORMS)
def test_same_arguments_same_repr(name, args, settings, torchvision):
    ours, theirs = (getattr(module, name)(*args, **settings) for module in (T, torchvision))
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("name", ["Compose", "RandomApply", "RandomChoice", "RandomOrder"])
def test_containers_have_the_same_repr(name, torchvision):
    ours, theirs = (getattr(m, name)([m.ToTensor(), m.CenterCrop(2)]) for m in (T, torchvision))
    assert repr(ours) == repr(theirs)
