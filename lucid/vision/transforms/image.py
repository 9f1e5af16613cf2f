"""The three kinds of image, seen alike: as planes (..., H, W)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from lucid.errors import DTypeError, GradError, LucidError, ShapeError
from lucid.graph.grad_mode import is_grad_enabled
from lucid.tensor import Tensor

__all__ = ["channels", "full_value", "image_size", "is_pil", "pillow", "planes"]

Restore = Callable[[Any], Any]


def is_pil(image: Any) -> bool:
    """Whether it is a PIL image; Pillow is not imported to find out."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(image, module.Image)


def pillow(function: str) -> Any:
    """PIL.Image, or what to install."""
    try:
        from PIL import Image
    except ImportError:
        raise LucidError(
            f"{function}: PIL images need Pillow, which is not installed. Hint: pip install"
            " 'lucid-cupy[vision]'"
        ) from None
    return Image


def planes(function: str, image: Any) -> tuple[Any, Any, Restore]:
    """The image as an array (..., H, W) with its array module, and the way back to its kind."""
    if isinstance(image, Tensor):
        _check_tensor(function, image)
        device = image._device
        return image._array, device.xp, lambda a: Tensor._wrap(a, device)
    if isinstance(image, np.ndarray):
        return (*_array_planes(function, image), _array_back(image.ndim))
    if is_pil(image):
        mode, module = image.mode, pillow(function)
        if mode in ("P", "PA", "1"):
            raise DTypeError(
                f"{function}: can't compute with a PIL image of mode {mode!r}. Hint:"
                " image.convert('RGB') or image.convert('L') first"
            )
        array = np.asarray(image)
        back = _array_back(array.ndim)
        return (*_array_planes(function, array), lambda a: _pil_back(module, back(a), mode))
    raise DTypeError(
        f"{function}: expected a PIL image, a NumPy array or a Tensor; got {type(image).__name__}"
    )


def _check_tensor(function: str, image: Tensor) -> None:
    if image.ndim < 2:
        raise ShapeError(f"{function}: a tensor must be (..., H, W); got shape {image.shape}")
    if image.requires_grad and is_grad_enabled():
        raise GradError(
            f"{function}: transforms record no gradient; got a tensor that requires one. Hint:"
            " .detach(), or under no_grad()"
        )


def _array_planes(function: str, array: np.ndarray) -> tuple[Any, Any]:
    if array.ndim not in (2, 3):
        raise ShapeError(
            f"{function}: an array must be (H, W, C) or (H, W); got shape {array.shape}. Hint:"
            " images with channels first, or batches, as tensors"
        )
    return (array.transpose(2, 0, 1) if array.ndim == 3 else array), np


def _array_back(ndim: int) -> Restore:
    def back(a: Any) -> Any:
        if ndim == 2 and a.ndim == 3:  # grey became colour
            return np.ascontiguousarray(a.transpose(1, 2, 0))
        return np.ascontiguousarray(a.transpose(1, 2, 0) if ndim == 3 else a)

    return back


def _pil_back(module: Any, array: np.ndarray, mode: str) -> Any:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    image = module.fromarray(array)
    if image.mode != mode and len(image.getbands()) == len(module.new(mode, (1, 1)).getbands()):
        return module.frombytes(mode, image.size, image.tobytes())  # such as HSV, YCbCr
    return image


def image_size(function: str, image: Any) -> tuple[int, int]:
    """(H, W)."""
    if is_pil(image):
        width, height = image.size
        return height, width
    return planes(function, image)[0].shape[-2:]


def channels(function: str, image: Any) -> int:
    """The number of channels; 1 for (H, W)."""
    if is_pil(image):
        return len(image.getbands())
    a = planes(function, image)[0]
    return a.shape[-3] if a.ndim > 2 else 1


def full_value(function: str, dtype: Any) -> int:
    """What stands for white: 1 for floats, the type's greatest value for integers."""
    if dtype.kind in "fV":  # V: bfloat16
        return 1
    if dtype.kind in "iu":
        return int(np.iinfo(dtype).max)
    raise DTypeError(f"{function}: an image must be of integers or floats; got {dtype}")
