"""Warps, tones and augmentation policies: as torchvision's, and addressed by the sample."""

import numpy as np
import pytest

import lucid
from lucid.utils.data import DataLoader, Dataset
from lucid.vision import transforms as T
from lucid.vision import utils
from lucid.vision.transforms import InterpolationMode, augmenting, randomness
from lucid.vision.transforms import functional as F
from tests.vision import peer

IMAGE = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)
FLOATS = np.random.default_rng(1).random((3, 37, 53), dtype=np.float32)
START, END = [[0, 0], [52, 0], [52, 36], [0, 36]], [[3, 2], [48, 1], [50, 30], [5, 33]]


@pytest.fixture(scope="module")
def torchvision():
    return peer.torchvision("transforms")


# What to compute, and by how many levels an 8-bit result may differ, by how much a float one; where
# nearest pixels are picked, the part of them whose place float32 rounds to the other side.
CHANGES = {
    "affine": (lambda f, x, m: f.affine(x, 25.0, [3, -4], 1.2, [10.0, 5.0]), 0, 0, 2e-3),
    "affine smooth": (
        lambda f, x, m: f.affine(x, -70.0, [1, 2], 0.7, [30.0], m.BILINEAR, [9.0]), 1, 1e-4, 0,
    ),
    "affine about": (
        lambda f, x, m: f.affine(x, 0.0, [0, 0], 1.0, [20.0, 0.0], m.BILINEAR, None, [0, 0]),
        1, 1e-4, 0,
    ),
    "perspective": (lambda f, x, m: f.perspective(x, START, END), 1, 2e-3, 0),
    "perspective nearest": (
        lambda f, x, m: f.perspective(x, START, END, m.NEAREST, [7.0]), 0, 0, 5e-3,
    ),
    "blur": (lambda f, x, m: f.gaussian_blur(x, [5, 9], [0.7, 2.1]), 1, 1e-5, 0),
    "blur default": (lambda f, x, m: f.gaussian_blur(x, 3), 1, 1e-5, 0),
    "invert": (lambda f, x, m: f.invert(x), 0, 1e-7, 0),
    "solarize": (lambda f, x, m: f.solarize(x, 0.5 if str(x.dtype)[-2:] == "32" else 100), 0, 0, 0),
    "sharper": (lambda f, x, m: f.adjust_sharpness(x, 1.8), 1, 1e-5, 0),
    "blurred": (lambda f, x, m: f.adjust_sharpness(x, 0.2), 1, 1e-5, 0),
    "autocontrast": (lambda f, x, m: f.autocontrast(x), 1, 1e-5, 0),
    "gamma": (lambda f, x, m: f.adjust_gamma(x, 1.7, 0.9), 1, 1e-5, 0),
}  # fmt: skip
BYTES = {
    "posterize": lambda f, x, m: f.posterize(x, 3),
    "equalize": lambda f, x, m: f.equalize(x),
}
FOR_PIL = {  # the same calls of PIL images
    **{name: change for name, (change, *_) in CHANGES.items() if name != "solarize"},
    **BYTES,
    "solarize": lambda f, x, m: f.solarize(x, 100),
}


@pytest.mark.parametrize("name", CHANGES)
def test_same_function_same_result_on_tensors(name, torchvision):
    torch = pytest.importorskip("torch")
    change, levels, tolerance, few = CHANGES[name]
    theirs, mode = torchvision.functional, torchvision.InterpolationMode
    for image, allowed in ((IMAGE.transpose(2, 0, 1).copy(), levels), (FLOATS, tolerance)):
        expected = change(theirs, torch.tensor(image), mode).numpy().astype(np.float64)
        result = change(F, lucid.tensor(image), InterpolationMode).numpy()
        assert result.shape == expected.shape
        assert (abs(result - expected) > allowed).mean() <= few


@pytest.mark.parametrize("name", BYTES)
def test_same_bits_on_bytes(name, torchvision):
    torch = pytest.importorskip("torch")
    image = IMAGE.transpose(2, 0, 1).copy()
    expected = BYTES[name](torchvision.functional, torch.tensor(image), None).numpy()
    assert (BYTES[name](F, lucid.tensor(image), None).numpy() == expected).all()


@pytest.mark.parametrize("name", FOR_PIL)
def test_same_pixels_on_pil_images(name, torchvision):
    image = pytest.importorskip("PIL.Image").fromarray(IMAGE)
    expected = FOR_PIL[name](torchvision.functional, image, torchvision.InterpolationMode)
    result = FOR_PIL[name](F, image, InterpolationMode)
    if name.startswith("blur") and name != "blurred":  # rounded in two passes instead of one
        assert abs(np.asarray(result, int) - np.asarray(expected, int)).max() <= 1
    else:
        assert (np.asarray(result) == np.asarray(expected)).all()


@pytest.mark.parametrize("vertical", [False, True])
def test_five_and_ten_crops(vertical, torchvision):
    torch = pytest.importorskip("torch")
    theirs = torchvision.functional.ten_crop(torch.tensor(FLOATS), (20, 31), vertical)
    ours = T.TenCrop((20, 31), vertical)(lucid.tensor(FLOATS))
    assert len(ours) == 10
    assert all((a.numpy() == b.numpy()).all() for a, b in zip(ours, theirs, strict=True))
    five = T.FiveCrop(20)(FLOATS.transpose(1, 2, 0))
    assert [part.shape for part in five] == [(20, 20, 3)] * 5


def test_policies_are_those_of_the_paper(torchvision):
    for policy in T.AutoAugmentPolicy:
        theirs = torchvision.AutoAugmentPolicy(policy.value)
        assert T.AutoAugment(policy).policies == torchvision.AutoAugment(theirs).policies


def test_strengths_are_torchvisions(torchvision):
    size = (37, 53)
    x, y = 150 / 331 * 53, 150 / 331 * 37
    spaces = [
        (torchvision.RandAugment()._augmentation_space(31, size), (31, 0.3, x, y, 30, 0.9, 4)),
        (torchvision.AutoAugment()._augmentation_space(10, size), (10, 0.3, x, y, 30, 0.9, 4)),
        (torchvision.TrivialAugmentWide()._augmentation_space(31),
         (31, 0.99, 32, 32, 135, 0.99, 6)),
        (torchvision.AugMix()._augmentation_space(10, size),
         (10, 0.3, 53 / 3, 37 / 3, 30, 0.9, 4, 4)),
    ]  # fmt: skip
    for theirs, settings in spaces:
        ours = augmenting._space(*settings)
        for name, (strengths, signed) in ours.items():
            expected, sign = theirs[name]
            assert sign == signed
            if strengths is not None:
                assert np.allclose(strengths, expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("name", list(augmenting._space(10, 0.3, 20, 15, 30, 0.9, 4)) + ["Invert"])
def test_each_operation_is_torchvisions(name, torchvision):
    _apply_op = peer.torchvision("transforms.autoaugment")._apply_op

    image = pytest.importorskip("PIL.Image").fromarray(IMAGE)
    strength = {"Posterize": 5.0, "Solarize": 100.0, "Rotate": 20.0}.get(name, 0.25)
    strength = 7.6 if name.startswith("Translate") else strength
    mode = torchvision.InterpolationMode.NEAREST
    expected = np.asarray(_apply_op(image, name, strength, mode, None))
    for picture in (image, lucid.tensor(IMAGE.transpose(2, 0, 1).copy())):
        ours = augmenting._apply(picture, name, strength, InterpolationMode.NEAREST, None)
        if picture is image:
            assert (np.asarray(ours) == expected).all()
        else:
            assert ours.shape == (3, 37, 53)


RANDOM = {
    "RandomAffine": T.RandomAffine(30, (0.1, 0.2), (0.8, 1.2), (5, 10, 5, 10)),
    "RandomPerspective": T.RandomPerspective(p=1.0),
    "GaussianBlur": T.GaussianBlur(5),
    "RandomInvert": T.RandomInvert(),
    "RandomPosterize": T.RandomPosterize(2),
    "RandomSolarize": T.RandomSolarize(100),
    "RandomAdjustSharpness": T.RandomAdjustSharpness(2),
    "RandomAutocontrast": T.RandomAutocontrast(),
    "RandomEqualize": T.RandomEqualize(),
    "AutoAugment": T.AutoAugment(),
    "RandAugment": T.RandAugment(),
    "TrivialAugmentWide": T.TrivialAugmentWide(),
    "AugMix": T.AugMix(),
}


class Images(Dataset):
    def __init__(self, transform):
        self.transform = transform

    def __len__(self):
        return 12

    def image(self, i):
        return np.roll(IMAGE // 2 + 30, i, 0)  # neither black nor white, so that contrast changes

    def __getitem__(self, i):
        return lucid.tensor(self.transform(self.image(i)))


@pytest.mark.parametrize("name", RANDOM)
def test_numbers_are_the_same_for_any_number_of_workers(name):
    batches = []
    for workers in (0, 1):
        lucid.manual_seed(3)
        loader = DataLoader(Images(RANDOM[name]), batch_size=6, num_workers=workers)
        batches.append([batch.numpy() for batch in loader])
    first, second = (np.concatenate(b) for b in batches)
    assert (first == second).all()
    itself = np.stack([Images(None).image(i) for i in range(12)])
    changed = [(a != b).any() for a, b in zip(first, itself, strict=True)]
    assert any(changed)  # of 12, all with probability 1 or 1/2: none changes once in 4096


@pytest.mark.parametrize("name", RANDOM)
def test_keeps_the_kind_of_image(name):
    pil = pytest.importorskip("PIL.Image").fromarray(IMAGE)
    for image in (pil, IMAGE, lucid.tensor(IMAGE.transpose(2, 0, 1).copy())):
        lucid.manual_seed(1)
        result = RANDOM[name](image)
        assert type(result) is type(image)
        assert np.asarray(result).shape == np.asarray(image).shape
    assert repr(RANDOM[name]).startswith(f"{name}(")


def test_affine_parameters_are_within_their_limits():
    lucid.manual_seed(0)
    draw = randomness.source()
    for _ in range(200):
        angle, move, scale, shear = T.RandomAffine.get_params(
            [-30, 40], (0.1, 0.5), (0.8, 1.2), [1, 2, 3, 4], (100, 50), draw
        )
        assert -30 <= angle < 40 and abs(move[0]) <= 10 and abs(move[1]) <= 25
        assert 0.8 <= scale < 1.2 and 1 <= shear[0] < 2 and 3 <= shear[1] < 4


def test_corners_move_inwards_by_at_most_the_distortion():
    draw = randomness.source()
    for _ in range(200):
        start, end = T.RandomPerspective.get_params(53, 37, 0.5, draw)
        for (x, y), (u, v) in zip(start, end, strict=True):
            assert abs(x - u) <= 13 and abs(y - v) <= 9
            assert 0 <= u <= 52 and 0 <= v <= 36


@pytest.mark.parametrize("alpha", [0.2, 1.0, 5.0])
def test_dirichlet_shares_add_up_and_spread_as_they_should(alpha):
    lucid.manual_seed(0)
    draw = randomness.source()
    shares = np.array([draw.dirichlet(alpha, 3) for _ in range(4000)])
    assert np.allclose(shares.sum(1), 1)
    variance = (1 / 3) * (2 / 3) / (3 * alpha + 1)
    five_sigma = 5 * (variance / 4000) ** 0.5
    assert (abs(shares.mean(0) - 1 / 3) < five_sigma).all()
    assert abs(shares.var(0) / variance - 1).max() < 0.15  # 5 sigma of a variance of 4000 draws


@pytest.mark.parametrize("shape", [(6, 3, 5, 4), (1, 3, 5, 4), (7, 1, 5, 4), (3, 5, 4), (5, 4)])
@pytest.mark.parametrize(
    "settings",
    [{}, {"nrow": 2, "padding": 1, "pad_value": 0.5}, {"normalize": True},
     {"normalize": True, "scale_each": True}, {"normalize": True, "value_range": (-1, 1)}],
)  # fmt: skip
def test_make_grid_is_torchvisions(shape, settings, torchvision):
    torch = pytest.importorskip("torch")
    make_grid = peer.torchvision("utils").make_grid

    values = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    expected = make_grid(torch.tensor(values), **settings).numpy()
    result = utils.make_grid(lucid.tensor(values), **settings).numpy()
    assert result.shape == expected.shape
    assert abs(result - expected).max() < 1e-6
    if len(shape) == 4:
        listed = utils.make_grid(list(lucid.tensor(values)), **settings).numpy()
        assert (listed == result).all()


def test_save_image_writes_rounded_bytes(tmp_path):
    image_module = pytest.importorskip("PIL.Image")
    path = tmp_path / "grid.png"
    utils.save_image(lucid.tensor(FLOATS), path)
    with image_module.open(path) as image:
        assert (np.asarray(image) == np.floor(FLOATS.transpose(1, 2, 0) * 255 + 0.5)).all()
