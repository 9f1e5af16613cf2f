"""From images to tensors: type, range, mean and deviation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lucid import dtypes, ops
from lucid.errors import DTypeError, ShapeError
from lucid.tensor import Tensor
from lucid.vision.transforms.image import full_value, is_pil, pillow, planes

__all__ = [
    "ConvertImageDtype", "Normalize", "PILToTensor", "ToPILImage", "ToTensor",
    "convert_image_dtype", "normalize", "pil_to_tensor", "to_pil_image", "to_tensor",
]  # fmt: skip


def pil_to_tensor(pic: Any) -> Tensor:
    """A PIL image as a tensor (C, H, W) of its own type, usually uint8; 16 bits become int32."""
    if not is_pil(pic):
        raise DTypeError(f"pil_to_tensor: expected a PIL image; got {type(pic).__name__}")
    array = np.array(pic)
    if pic.mode == "1":
        array = array.astype(np.uint8) * 255
    return _channels_first(array.astype(np.int32) if array.dtype == np.uint16 else array)


def to_tensor(pic: Any) -> Tensor:
    """A PIL image or an array (H, W, C) or (H, W) as a tensor (C, H, W).

    uint8 becomes float32 in [0, 1]; other types stay as they are.

    >>> from lucid.vision.transforms.functional import to_tensor
    >>> to_tensor(np.array([[[0], [255]]], np.uint8))
    Tensor([[[0., 1.]]])
    """
    if is_pil(pic):
        tensor = pil_to_tensor(pic)
    elif isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise ShapeError(
                f"to_tensor: an array must be (H, W, C) or (H, W); got shape {pic.shape}"
            )
        tensor = _channels_first(pic)
    else:
        raise DTypeError(
            f"to_tensor: expected a PIL image or a NumPy array; got {type(pic).__name__}"
        )
    if tensor.dtype != dtypes.uint8:
        return tensor
    return Tensor._wrap(np.divide(tensor._array, 255, dtype=np.float32), tensor._device)


def _channels_first(array: np.ndarray) -> Tensor:
    array = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    return ops.as_tensor(np.array(array, order="C"), device="cpu")


def convert_image_dtype(image: Any, dtype: Any = dtypes.float32) -> Any:
    """The image in another type, with its range changed to that of the type.

    To a narrower integer the low bits are cut off; from a float to an integer, [0, 1] is divided
    into as many equal parts as the integer has values. An int32 or int64 in float32, and a float32
    in int32 or int64, can't be exact and are refused.
    """
    a, xp, restore = planes("convert_image_dtype", image)
    wanted = dtype.numpy if isinstance(dtype, dtypes.dtype) else np.dtype(dtype)
    if a.dtype == wanted:
        return image
    floats = a.dtype.kind in "fV", wanted.kind in "fV"
    full = full_value("convert_image_dtype", a.dtype), full_value("convert_image_dtype", wanted)
    if all(floats):
        return restore(a.astype(wanted))
    if floats[0]:
        if (a.dtype == np.float32 and wanted.itemsize >= 4) or (
            a.dtype == np.float64 and wanted.itemsize == 8
        ):
            raise DTypeError(
                f"convert_image_dtype: {a.dtype} has too few digits for all values of {wanted}"
            )
        work = a if a.dtype.itemsize >= 4 else a.astype(np.float32)
        return restore((work * (full[1] + 1 - 1e-3)).astype(wanted))
    if floats[1]:
        work = wanted if wanted.itemsize >= 4 else np.dtype(np.float32)
        return restore((a.astype(work) / full[0]).astype(wanted))
    if full[0] > full[1]:
        return restore((a // ((full[0] + 1) // (full[1] + 1))).astype(wanted))
    return restore(a.astype(wanted) * ((full[1] + 1) // (full[0] + 1)))


def normalize(
    tensor: Any, mean: Sequence[float], std: Sequence[float], inplace: bool = False
) -> Any:
    """(image - mean) / std for each channel. Floats only; a tensor (..., C, H, W) or an array.

    The one transform that has a gradient.
    """
    if not isinstance(tensor, Tensor | np.ndarray):
        raise DTypeError(
            f"normalize: expected a Tensor or an array; got {type(tensor).__name__}. Hint:"
            " ToTensor() first"
        )
    if tensor.dtype in (dtypes.uint8, np.uint8) or not _is_float(tensor):
        raise DTypeError(f"normalize: the image must be of floats; got {tensor.dtype}")
    if any(s == 0 for s in std):
        raise ValueError(f"normalize: std must not be 0; got {list(std)}")
    first = isinstance(tensor, Tensor)
    if tensor.ndim < 3:
        raise ShapeError(f"normalize: the image must have channels; got shape {tensor.shape}")
    count = tensor.shape[-3 if first else -1]
    for name, values in (("mean", mean), ("std", std)):
        if len(values) not in (1, count):
            raise ShapeError(
                f"normalize: {name} must have 1 or {count} entries; got {len(values)} for shape"
                f" {tensor.shape}"
            )
    if isinstance(tensor, np.ndarray):
        out = tensor if inplace else tensor.copy()
        out -= np.asarray(mean, out.dtype)
        out /= np.asarray(std, out.dtype)
        return out
    if not tensor.requires_grad and not inplace:  # a third of the time of tensors
        a, xp = tensor._array, tensor._device.xp
        out = a - xp.asarray(mean, a.dtype).reshape(-1, 1, 1)
        out /= xp.asarray(std, a.dtype).reshape(-1, 1, 1)
        return Tensor._wrap(out, tensor._device)
    like: dict[str, Any] = {"dtype": tensor.dtype, "device": tensor.device}
    m = ops.tensor(list(mean), **like).reshape(-1, 1, 1)
    s = ops.tensor(list(std), **like).reshape(-1, 1, 1)
    return tensor.sub_(m).div_(s) if inplace else (tensor - m) / s


def _is_float(image: Any) -> bool:
    return image.is_floating_point() if isinstance(image, Tensor) else image.dtype.kind == "f"


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A tensor (C, H, W) or an array (H, W, C) or (H, W) as a PIL image.

    Floats in [0, 1] are multiplied by 255 and cut to uint8, unless ``mode`` is "F".
    """
    module = pillow("to_pil_image")
    a, _, _ = planes("to_pil_image", pic)
    array = pic.numpy() if isinstance(pic, Tensor) else a
    if array.ndim > 3:
        raise ShapeError(f"to_pil_image: the image must not be a batch; got shape {array.shape}")
    if array.ndim == 3:
        array = array.transpose(1, 2, 0)
        array = array[..., 0] if array.shape[2] == 1 else array
    if array.dtype.kind == "f" and mode != "F":
        array = (array * 255).astype(np.uint8)
    image = module.fromarray(np.ascontiguousarray(array))
    return image if mode is None or mode == image.mode else image.convert(mode)


class PILToTensor:
    """A PIL image as a tensor (C, H, W) of its own type; see ``functional.pil_to_tensor``."""

    def __call__(self, pic: Any) -> Tensor:
        return pil_to_tensor(pic)

    def __repr__(self) -> str:
        return "PILToTensor()"


class ToTensor:
    """A PIL image or an array as a tensor (C, H, W); uint8 becomes float32 in [0, 1]."""

    def __call__(self, pic: Any) -> Tensor:
        return to_tensor(pic)

    def __repr__(self) -> str:
        return "ToTensor()"


class ToPILImage:
    """A tensor (C, H, W) or an array (H, W, C) as a PIL image; see ``functional.to_pil_image``."""

    def __init__(self, mode: str | None = None):
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        return "ToPILImage()" if self.mode is None else f"ToPILImage(mode={self.mode})"


class ConvertImageDtype:
    """The image in another type and its range; see ``functional.convert_image_dtype``."""

    def __init__(self, dtype: Any):
        self.dtype = dtype

    def __call__(self, image: Any) -> Any:
        return convert_image_dtype(image, self.dtype)

    def __repr__(self) -> str:
        return f"ConvertImageDtype(dtype={self.dtype})"


class Normalize:
    """(image - mean) / std for each channel, of floats."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False):
        self.mean, self.std, self.inplace = mean, std, inplace

    def __call__(self, tensor: Any) -> Any:
        return normalize(tensor, self.mean, self.std, self.inplace)

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"
