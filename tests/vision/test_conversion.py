"""From images to tensors and back."""

import numpy as np
import pytest

import lucid
from lucid.errors import DTypeError, ShapeError
from lucid.vision import transforms as T

IMAGE = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)


def test_to_tensor_brings_channels_first_and_the_range_to_1():
    x = T.ToTensor()(IMAGE)
    assert (x.shape, x.dtype) == ((3, 4, 5), lucid.float32)
    assert (x.numpy() == (IMAGE.transpose(2, 0, 1) / np.float32(255))).all()
    assert T.ToTensor()(IMAGE[..., 0]).shape == (1, 4, 5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, bool])
def test_to_tensor_leaves_other_types(dtype):
    array = (IMAGE > 100).astype(dtype)
    assert (T.ToTensor()(array).numpy() == array.transpose(2, 0, 1)).all()
    assert T.ToTensor()(array).numpy().dtype == dtype


def test_to_tensor_stays_on_the_cpu_for_workers(device):
    assert T.ToTensor()(IMAGE).device.type == "cpu"


def test_to_tensor_takes_no_tensor():
    with pytest.raises(
        DTypeError, match="to_tensor: expected a PIL image or a NumPy array; got Te"
    ):
        T.ToTensor()(lucid.ones(3, 2, 2))


@pytest.mark.parametrize(
    ("mode", "dtype", "channels"),
    [("RGB", "uint8", 3), ("L", "uint8", 1), ("1", "uint8", 1), ("I", "int32", 1),
     ("F", "float32", 1), ("RGBA", "uint8", 4), ("I;16", "int32", 1)],
)  # fmt: skip
def test_pil_images_of_every_kind(mode, dtype, channels):
    image_module = pytest.importorskip("PIL.Image")
    grey = image_module.fromarray(IMAGE[..., 0]).convert("I" if mode == "I;16" else "RGB")
    x = T.PILToTensor()(grey.convert(mode))
    assert (x.shape, str(x.dtype)) == ((channels, 4, 5), f"lucid.{dtype}")
    if mode == "1":
        assert set(x.flatten().tolist()) <= {0, 255}


def test_a_pil_image_becomes_what_its_array_does():
    image = pytest.importorskip("PIL.Image").fromarray(IMAGE)
    assert (T.ToTensor()(image) == T.ToTensor()(IMAGE)).all()
    assert (np.asarray(T.ToPILImage()(T.ToTensor()(image))) == IMAGE).all()
    assert (np.asarray(T.ToPILImage()(IMAGE)) == IMAGE).all()
    assert T.ToPILImage()(lucid.zeros(1, 2, 2)).mode == "L"


def test_normalize_is_by_channel(device):
    x = lucid.rand(2, 3, 4, 4)
    y = T.Normalize([0.1, 0.2, 0.3], [0.5, 1.0, 2.0])(x)
    for c, (mean, std) in enumerate([(0.1, 0.5), (0.2, 1.0), (0.3, 2.0)]):
        assert (y[:, c] - (x[:, c] - mean) / std).abs().max().item() < 1e-6


def test_normalize_takes_arrays_with_channels_last():
    array = np.random.default_rng(0).random((4, 4, 3), dtype=np.float32)
    y = T.Normalize([0.1, 0.2, 0.3], [0.5, 1.0, 2.0])(array)
    assert y == pytest.approx((array - [0.1, 0.2, 0.3]) / [0.5, 1.0, 2.0], abs=1e-6)


def test_normalize_has_a_gradient_and_an_in_place_form(device):
    x = lucid.rand(3, 2, 2, requires_grad=True)
    T.Normalize([0.0], [0.25])(x).sum().backward()
    assert (x.grad == 4).all()
    z = lucid.ones(3, 2, 2)
    assert T.Normalize([1.0], [0.5], inplace=True)(z) is z
    assert (z == 0).all()


def test_normalize_names_what_is_wrong():
    with pytest.raises(DTypeError, match="normalize: the image must be of floats; got lucid.uint8"):
        T.Normalize([0.5], [0.5])(lucid.zeros(1, 2, 2, dtype=lucid.uint8))
    with pytest.raises(ValueError, match="normalize: std must not be 0"):
        T.Normalize([0.5], [0.0])(lucid.zeros(1, 2, 2))
    with pytest.raises(ShapeError, match="normalize: mean must have 1 or 3 entries; got 2"):
        T.Normalize([0.5, 0.5], [1.0])(lucid.zeros(3, 2, 2))


@pytest.mark.parametrize(
    ("values", "dtype", "to", "expected"),
    [
        ([0, 128, 255], lucid.uint8, lucid.float32, [0, 128 / 255, 1]),
        ([0.0, 0.5, 1.0], lucid.float32, lucid.uint8, [0, 127, 255]),
        ([0, 1, 255], lucid.uint8, lucid.int16, [0, 128, 32640]),
        ([0, 129, 32767], lucid.int16, lucid.uint8, [0, 1, 255]),
        ([0.25, 1.0], lucid.float32, lucid.float16, [0.25, 1.0]),
    ],
)
def test_convert_image_dtype_changes_the_range(values, dtype, to, expected, device):
    y = T.ConvertImageDtype(to)(lucid.tensor([values], dtype=dtype))
    assert y.dtype == to
    assert y.tolist()[0] == pytest.approx(expected)


def test_convert_image_dtype_refuses_what_can_t_be_exact():
    with pytest.raises(DTypeError, match="float32 has too few digits for all values of int32"):
        T.ConvertImageDtype(lucid.int32)(lucid.rand(1, 2, 2))


def test_compose_shows_its_parts():
    transform = T.Compose([T.ToTensor(), T.RandomApply([T.Pad(1)], p=0.3)])
    assert repr(transform) == (
        "Compose(\n    ToTensor()\n    RandomApply(\n        p=0.3\n"
        "        Pad(padding=1, fill=0, padding_mode=constant)\n    )\n)"
    )


def test_lambda_is_any_function():
    assert T.Lambda(lambda x: x + 1)(1) == 2
    with pytest.raises(TypeError, match="Lambda: lambd must be a function; got int"):
        T.Lambda(3)
