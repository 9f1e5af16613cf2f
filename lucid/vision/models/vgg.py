"""VGG: Simonyan and Zisserman, "Very deep convolutional networks", 2014."""

from __future__ import annotations

from typing import Any

from lucid import nn
from lucid.tensor import Tensor
from lucid.vision.models.registry import model

__all__ = [
    "VGG", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn",
]  # fmt: skip

_WIDTHS = (64, 128, 256, 512, 512)
_REPEATS = {  # 3 x 3 convolutions of each width; a pooling follows
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


class VGG(nn.Module):
    """3 x 3 convolutions and three linear layers. (N, 3, H, W) -> (N, num_classes) logits.

    ``features`` ends in 512 channels; H and W are at least 32.
    """

    def __init__(
        self,
        features: nn.Module,
        num_classes: int = 1000,
        init_weights: bool = True,
        dropout: float = 0.5,
    ):
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            self._initialize()

    def _initialize(self) -> None:
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, nn.BatchNorm2d):
                nn.init.ones_(m.weight)
            elif isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, 0, 0.01)
            else:
                continue
            if m.bias is not None:
                nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _features(depth: int, norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    inputs = 3
    for width, repeats in zip(_WIDTHS, _REPEATS[depth], strict=True):
        for _ in range(repeats):
            layers.append(nn.Conv2d(inputs, width, 3, padding=1))
            if norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU(inplace=True))
            inputs = width
        layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers)


@model
def vgg11(**settings: Any) -> VGG:
    """VGG-11. Further arguments: ``num_classes``, ``init_weights``, ``dropout``."""
    return VGG(_features(11, norm=False), **settings)


@model
def vgg11_bn(**settings: Any) -> VGG:
    """VGG-11 with batch norm. Further arguments: as ``vgg11``."""
    return VGG(_features(11, norm=True), **settings)


@model
def vgg13(**settings: Any) -> VGG:
    """VGG-13. Further arguments: as ``vgg11``."""
    return VGG(_features(13, norm=False), **settings)


@model
def vgg13_bn(**settings: Any) -> VGG:
    """VGG-13 with batch norm. Further arguments: as ``vgg11``."""
    return VGG(_features(13, norm=True), **settings)


@model
def vgg16(**settings: Any) -> VGG:
    """VGG-16. Further arguments: as ``vgg11``."""
    return VGG(_features(16, norm=False), **settings)


@model
def vgg16_bn(**settings: Any) -> VGG:
    """VGG-16 with batch norm. Further arguments: as ``vgg11``."""
    return VGG(_features(16, norm=True), **settings)


@model
def vgg19(**settings: Any) -> VGG:
    """VGG-19. Further arguments: as ``vgg11``."""
    return VGG(_features(19, norm=False), **settings)


@model
def vgg19_bn(**settings: Any) -> VGG:
    """VGG-19 with batch norm. Further arguments: as ``vgg11``."""
    return VGG(_features(19, norm=True), **settings)
