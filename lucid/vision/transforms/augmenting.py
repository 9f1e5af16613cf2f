"""Augmentation policies: AutoAugment, RandAugment, TrivialAugment, AugMix.

They choose among the same operations, each with a strength taken from a table of ``bins`` steps:
shears, moves, turns, tones. Images are PIL images or of uint8.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Any

import numpy as np

from lucid.vision.transforms import functional as F
from lucid.vision.transforms.image import image_size, planes
from lucid.vision.transforms.policies import CIFAR10, IMAGENET, SVHN, Policy
from lucid.vision.transforms.randomness import Source, source
from lucid.vision.transforms.resampling import InterpolationMode

__all__ = ["AugMix", "AutoAugment", "AutoAugmentPolicy", "RandAugment", "TrivialAugmentWide"]

_NEAREST, _BILINEAR = InterpolationMode.NEAREST, InterpolationMode.BILINEAR
# Strengths, weakest first, and whether their sign is drawn. None: the operation has no strength.
Space = dict[str, tuple[list[float] | None, bool]]
_SIGNED = ("Brightness", "Color", "Contrast", "Sharpness")
_PLAIN = ("AutoContrast", "Equalize")


def _steps(most: float, bins: int) -> list[float]:
    return np.linspace(0.0, most, bins).tolist()


def _space(
    bins: int,
    shear: float,
    x: float,
    y: float,
    degrees: float,
    tone: float,
    bits: float,
    top: int = 8,
) -> Space:
    """The table of strengths: ``bits`` is how many posterize takes away from ``top`` at most."""
    space: Space = {
        "ShearX": (_steps(shear, bins), True),
        "ShearY": (_steps(shear, bins), True),
        "TranslateX": (_steps(x, bins), True),
        "TranslateY": (_steps(y, bins), True),
        "Rotate": (_steps(degrees, bins), True),
        **{name: (_steps(tone, bins), True) for name in _SIGNED},
    }
    taken = np.rint(np.arange(bins) / ((bins - 1) / bits)) if bins > 1 else np.zeros(1)
    space["Posterize"] = ((top - taken).tolist(), False)
    space["Solarize"] = (np.linspace(255.0, 0.0, bins).tolist(), False)
    return {**space, **{name: (None, False) for name in _PLAIN}}


def _apply(
    img: Any, name: str, strength: float, interpolation: InterpolationMode, fill: Any
) -> Any:
    """One operation."""
    warp = {"interpolation": interpolation, "fill": fill}
    tilt = math.degrees(math.atan(strength)) if name.startswith("Shear") else 0.0
    if name == "ShearX":
        return F.affine(img, 0.0, [0, 0], 1.0, [tilt, 0.0], center=[0, 0], **warp)
    if name == "ShearY":
        return F.affine(img, 0.0, [0, 0], 1.0, [0.0, tilt], center=[0, 0], **warp)
    if name == "TranslateX":
        return F.affine(img, 0.0, [int(strength), 0], 1.0, [0.0, 0.0], **warp)
    if name == "TranslateY":
        return F.affine(img, 0.0, [0, int(strength)], 1.0, [0.0, 0.0], **warp)
    if name == "Rotate":
        return F.rotate(img, strength, **warp)
    blend = {
        "Brightness": F.adjust_brightness,
        "Color": F.adjust_saturation,
        "Contrast": F.adjust_contrast,
        "Sharpness": F.adjust_sharpness,
    }
    if name in blend:
        return blend[name](img, 1.0 + strength)
    if name == "Posterize":
        return F.posterize(img, int(strength))
    if name == "Solarize":
        return F.solarize(img, strength)
    plain = {"AutoContrast": F.autocontrast, "Equalize": F.equalize, "Invert": F.invert}
    return img if name == "Identity" else plain[name](img)


def _drawn(draw: Source, space: Space, name: str, bin: int) -> float:
    """The strength of an operation at this step, with its sign."""
    strengths, signed = space[name]
    strength = 0.0 if strengths is None else strengths[bin]
    return -strength if signed and draw.integer(0, 2) else strength


class _Augmenting:
    """What the policies share: how new pixels are made up, and what fills what comes in."""

    def __init__(self, interpolation: InterpolationMode, fill: Any):
        self.interpolation, self.fill = InterpolationMode(interpolation), fill

    def _shown(self) -> dict[str, Any]:
        return {}

    def __repr__(self) -> str:
        shown = {**self._shown(), "interpolation": self.interpolation, "fill": self.fill}
        settings = ", ".join(f"{k}={v}" for k, v in shown.items())
        return f"{type(self).__name__}({settings})"


class AutoAugmentPolicy(Enum):
    """The data sets for which Cubuk et al. searched policies."""

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


_POLICIES = {
    AutoAugmentPolicy.IMAGENET: IMAGENET,
    AutoAugmentPolicy.CIFAR10: CIFAR10,
    AutoAugmentPolicy.SVHN: SVHN,
}


class AutoAugment(_Augmenting):
    """One of 25 pairs of operations, each done with its own probability. Cubuk et al. 2018."""

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: InterpolationMode = _NEAREST,
        fill: Any = None,
    ):
        super().__init__(interpolation, fill)
        self.policy = AutoAugmentPolicy(policy)
        self.policies: Policy = _POLICIES[self.policy]

    def __call__(self, img: Any) -> Any:
        draw = source()
        h, w = image_size("AutoAugment", img)
        space = _space(10, 0.3, 150.0 / 331.0 * w, 150.0 / 331.0 * h, 30.0, 0.9, 4)
        space["Invert"] = (None, False)
        chosen = self.policies[draw.integer(0, len(self.policies))]
        for name, p, bin in chosen:
            done = draw.uniform() < p
            strength = _drawn(draw, space, name, bin or 0)
            if done:
                img = _apply(img, name, strength, self.interpolation, self.fill)
        return img

    def _shown(self) -> dict[str, Any]:
        return {"policy": self.policy}


class RandAugment(_Augmenting):
    """``num_ops`` operations drawn one after the other, all of one ``magnitude``, below
    ``num_magnitude_bins``. Cubuk et al. 2019."""

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = _NEAREST,
        fill: Any = None,
    ):
        super().__init__(interpolation, fill)
        if not 0 <= magnitude < num_magnitude_bins:
            raise ValueError(
                f"RandAugment: magnitude must be in [0, {num_magnitude_bins - 1}]; got {magnitude}"
            )
        self.num_ops, self.magnitude, self.num_magnitude_bins = (
            num_ops, magnitude, num_magnitude_bins,
        )  # fmt: skip

    def __call__(self, img: Any) -> Any:
        draw = source()
        h, w = image_size("RandAugment", img)
        x, y = 150.0 / 331.0 * w, 150.0 / 331.0 * h
        bins = self.num_magnitude_bins
        space = {"Identity": (None, False), **_space(bins, 0.3, x, y, 30.0, 0.9, 4)}
        names = list(space)
        for _ in range(self.num_ops):
            name = names[draw.integer(0, len(names))]
            strength = _drawn(draw, space, name, self.magnitude)
            img = _apply(img, name, strength, self.interpolation, self.fill)
        return img

    def _shown(self) -> dict[str, Any]:
        names = ("num_ops", "magnitude", "num_magnitude_bins")
        return {name: getattr(self, name) for name in names}


class TrivialAugmentWide(_Augmenting):
    """One operation of any strength. Müller and Hutter 2021, with their wide ranges."""

    def __init__(
        self,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = _NEAREST,
        fill: Any = None,
    ):
        super().__init__(interpolation, fill)
        self.num_magnitude_bins = num_magnitude_bins

    def __call__(self, img: Any) -> Any:
        draw = source()
        bins = self.num_magnitude_bins
        space = {"Identity": (None, False), **_space(bins, 0.99, 32.0, 32.0, 135.0, 0.99, 6)}
        names = list(space)
        name = names[draw.integer(0, len(names))]
        strength = _drawn(draw, space, name, draw.integer(0, bins))
        return _apply(img, name, strength, self.interpolation, self.fill)

    def _shown(self) -> dict[str, Any]:
        return {"num_magnitude_bins": self.num_magnitude_bins}


class AugMix(_Augmenting):
    """The image mixed with ``mixture_width`` chains of operations on it. Hendrycks et al. 2019.

    A chain has ``chain_depth`` operations, or 1 to 3 if that is not positive, of strengths below
    ``severity``, at most 10. The weights are from Dirichlet and Beta distributions of ``alpha``.
    ``all_ops`` False leaves out brightness, colour, contrast and sharpness.
    """

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: InterpolationMode = _BILINEAR,
        fill: Any = None,
    ):
        super().__init__(interpolation, fill)
        if not 1 <= severity <= 10:
            raise ValueError(f"AugMix: severity must be in [1, 10]; got {severity}")
        if alpha <= 0:
            raise ValueError(f"AugMix: alpha must be positive; got {alpha}")
        self.severity, self.mixture_width, self.chain_depth = severity, mixture_width, chain_depth
        self.alpha, self.all_ops = alpha, all_ops

    def __call__(self, img: Any) -> Any:
        draw = source()
        h, w = image_size("AugMix", img)
        space = _space(10, 0.3, w / 3.0, h / 3.0, 30.0, 0.9, 4, top=4)
        names = [name for name in space if self.all_ops or name not in _SIGNED]
        itself = draw.beta(self.alpha)
        shares = draw.dirichlet(self.alpha, self.mixture_width)
        a, xp, restore = planes("AugMix", img)
        mixed = itself * a.astype(np.float32)
        for share in shares:
            part = img
            for _ in range(self.chain_depth if self.chain_depth > 0 else draw.integer(1, 4)):
                name = names[draw.integer(0, len(names))]
                strengths = space[name][0]
                bin = 0 if strengths is None else draw.integer(0, self.severity)
                strength = _drawn(draw, space, name, bin)
                part = _apply(part, name, strength, self.interpolation, self.fill)
            mixed = mixed + (1 - itself) * share * planes("AugMix", part)[0].astype(np.float32)
        return restore(mixed.astype(a.dtype))

    def _shown(self) -> dict[str, Any]:
        names = ("severity", "mixture_width", "chain_depth", "alpha", "all_ops")
        return {name: getattr(self, name) for name in names}
