"""Random distortions: shears and tilts, blur, tones; and parts of an image, several at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lucid.vision.transforms import functional as F
from lucid.vision.transforms.geometry import pair
from lucid.vision.transforms.image import image_size
from lucid.vision.transforms.placing import check_p
from lucid.vision.transforms.randomness import Source, source
from lucid.vision.transforms.resampling import InterpolationMode

__all__ = [
    "FiveCrop", "GaussianBlur", "RandomAdjustSharpness", "RandomAffine", "RandomAutocontrast",
    "RandomEqualize", "RandomInvert", "RandomPerspective", "RandomPosterize", "RandomSolarize",
    "TenCrop",
]  # fmt: skip


def _range(name: str, what: str, value: Any, lengths: tuple[int, ...] = (2,)) -> list[float]:
    """[-value, value] of a number, or the limits that were given."""
    if isinstance(value, int | float):
        if value < 0:
            raise ValueError(f"{name}: {what} must not be negative; got {value}")
        return [-float(value), float(value)]
    if len(value) not in lengths:
        sizes = " or ".join(map(str, lengths))
        raise ValueError(f"{name}: {what} must be a number or {sizes} of them; got {value}")
    return [float(v) for v in value]


class RandomAffine:
    """Turned, moved, scaled and sheared at random: ``functional.affine``.

    degrees, shear: limits of the angle, or the limit of its size; shear of x, or (x, x, y, y).
    translate: the most for x and y, as parts of the image. scale: limits of a factor.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: Any = 0,
        center: Sequence[float] | None = None,
    ):
        self.degrees = _range("RandomAffine", "degrees", degrees)
        if translate is not None and not all(0 <= t <= 1 for t in translate):
            raise ValueError(f"RandomAffine: translate must be in [0, 1]; got {translate}")
        if scale is not None and not all(s > 0 for s in scale):
            raise ValueError(f"RandomAffine: scale must be positive; got {scale}")
        self.translate, self.scale = translate, scale
        self.shear = None if shear is None else _range("RandomAffine", "shear", shear, (2, 4))
        self.interpolation = InterpolationMode(interpolation)
        self.fill, self.center = fill, center

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
        draw: Source | None = None,
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """A random (angle, (x, y), scale, (shear of x, of y)) for an image of this (w, h)."""
        draw = draw or source()
        angle = draw.uniform(degrees[0], degrees[1])
        moved = (0, 0)
        if translate is not None:
            x, y = (t * size for t, size in zip(translate, img_size, strict=True))
            moved = round(draw.uniform(-x, x)), round(draw.uniform(-y, y))
        scale = 1.0 if scale_ranges is None else draw.uniform(scale_ranges[0], scale_ranges[1])
        shear = (0.0, 0.0)
        if shears is not None:
            across = draw.uniform(shears[0], shears[1])
            shear = across, (draw.uniform(shears[2], shears[3]) if len(shears) == 4 else 0.0)
        return angle, moved, scale, shear

    def __call__(self, img: Any) -> Any:
        h, w = image_size("RandomAffine", img)
        chosen = self.get_params(
            self.degrees, self.translate, self.scale, self.shear, (w, h), source()
        )
        return F.affine(img, *chosen, self.interpolation, self.fill, self.center)

    def __repr__(self) -> str:
        return (
            f"RandomAffine(degrees={self.degrees}, translate={self.translate}, scale={self.scale},"
            f" shear={self.shear}, interpolation={self.interpolation.value}, fill={self.fill})"
        )


class RandomPerspective:
    """Tilted at random with probability p: each corner moves inwards by up to ``distortion_scale``
    of half the image's size. See ``functional.perspective``."""

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ):
        if not 0 <= distortion_scale <= 1:
            raise ValueError(
                f"RandomPerspective: distortion_scale must be in [0, 1]; got {distortion_scale}"
            )
        self.p = check_p("RandomPerspective", p)
        self.distortion_scale, self.fill = distortion_scale, fill
        self.interpolation = InterpolationMode(interpolation)

    @staticmethod
    def get_params(
        width: int, height: int, distortion_scale: float, draw: Source | None = None
    ) -> tuple[list[list[int]], list[list[int]]]:
        """Where the four corners are, and random places for them to go."""
        draw = draw or source()
        x, y = int(distortion_scale * (width // 2)), int(distortion_scale * (height // 2))
        right, bottom = width - 1, height - 1
        start = [[0, 0], [right, 0], [right, bottom], [0, bottom]]
        inwards = [(draw.integer(0, x + 1), draw.integer(0, y + 1)) for _ in start]
        end = [
            [abs(corner_x - dx), abs(corner_y - dy)]
            for (corner_x, corner_y), (dx, dy) in zip(start, inwards, strict=True)
        ]
        return start, end

    def __call__(self, img: Any) -> Any:
        draw = source()
        if draw.uniform() >= self.p:
            return img
        h, w = image_size("RandomPerspective", img)
        start, end = self.get_params(w, h, self.distortion_scale, draw)
        return F.perspective(img, start, end, self.interpolation, self.fill)

    def __repr__(self) -> str:
        return f"RandomPerspective(p={self.p})"


class GaussianBlur:
    """Blurred by a Gaussian whose standard deviation is uniform in ``sigma``, or is that number."""

    def __init__(
        self, kernel_size: int | Sequence[int], sigma: float | Sequence[float] = (0.1, 2.0)
    ):
        self.kernel_size = pair("GaussianBlur", "kernel_size", kernel_size)
        if any(n < 1 or n % 2 == 0 for n in self.kernel_size):
            raise ValueError(
                f"GaussianBlur: kernel_size must be odd and positive; got {kernel_size}"
            )
        limits = (sigma, sigma) if isinstance(sigma, int | float) else tuple(sigma)
        if len(limits) != 2 or not 0 < limits[0] <= limits[1]:
            raise ValueError(f"GaussianBlur: sigma must be 0 < low <= high; got {sigma}")
        self.sigma = limits

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float, draw: Source | None = None) -> float:
        """A random standard deviation."""
        return (draw or source()).uniform(sigma_min, sigma_max)

    def __call__(self, img: Any) -> Any:
        sigma = self.get_params(self.sigma[0], self.sigma[1], source())
        return F.gaussian_blur(img, self.kernel_size, [sigma, sigma])

    def __repr__(self) -> str:
        return f"GaussianBlur(kernel_size={self.kernel_size}, sigma={self.sigma})"


class _Sometimes:
    """A function of the image with probability p."""

    p: float

    def __call__(self, img: Any) -> Any:
        return self.change(img) if source().uniform() < self.p else img

    def change(self, img: Any) -> Any:
        raise NotImplementedError

    def __repr__(self) -> str:
        settings = ",".join(f"{k}={v}" for k, v in vars(self).items())
        return f"{type(self).__name__}({settings})"


class RandomInvert(_Sometimes):
    """White minus the image, with probability p."""

    def __init__(self, p: float = 0.5):
        self.p = check_p("RandomInvert", p)

    def change(self, img: Any) -> Any:
        return F.invert(img)


class RandomPosterize(_Sometimes):
    """Only the upper ``bits`` of each value, with probability p."""

    def __init__(self, bits: int, p: float = 0.5):
        self.bits, self.p = bits, check_p("RandomPosterize", p)

    def change(self, img: Any) -> Any:
        return F.posterize(img, self.bits)


class RandomSolarize(_Sometimes):
    """Values from ``threshold`` on inverted, with probability p."""

    def __init__(self, threshold: float, p: float = 0.5):
        self.threshold, self.p = threshold, check_p("RandomSolarize", p)

    def change(self, img: Any) -> Any:
        return F.solarize(img, self.threshold)


class RandomAdjustSharpness(_Sometimes):
    """Blurred or sharpened by ``functional.adjust_sharpness``, with probability p."""

    def __init__(self, sharpness_factor: float, p: float = 0.5):
        self.sharpness_factor, self.p = sharpness_factor, check_p("RandomAdjustSharpness", p)

    def change(self, img: Any) -> Any:
        return F.adjust_sharpness(img, self.sharpness_factor)


class RandomAutocontrast(_Sometimes):
    """Each channel stretched from black to white, with probability p."""

    def __init__(self, p: float = 0.5):
        self.p = check_p("RandomAutocontrast", p)

    def change(self, img: Any) -> Any:
        return F.autocontrast(img)


class RandomEqualize(_Sometimes):
    """Each channel's values spread evenly, with probability p."""

    def __init__(self, p: float = 0.5):
        self.p = check_p("RandomEqualize", p)

    def change(self, img: Any) -> Any:
        return F.equalize(img)


class FiveCrop:
    """The four corners and the middle, a tuple of five images of this size."""

    def __init__(self, size: int | Sequence[int]):
        self.size = pair("FiveCrop", "size", size)

    def __call__(self, img: Any) -> tuple[Any, ...]:
        return F.five_crop(img, self.size)

    def __repr__(self) -> str:
        return f"FiveCrop(size={self.size})"


class TenCrop:
    """FiveCrop of the image and of its mirror image: a tuple of ten."""

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False):
        self.size, self.vertical_flip = pair("TenCrop", "size", size), vertical_flip

    def __call__(self, img: Any) -> tuple[Any, ...]:
        return F.ten_crop(img, self.size, self.vertical_flip)

    def __repr__(self) -> str:
        return f"TenCrop(size={self.size}, vertical_flip={self.vertical_flip})"
