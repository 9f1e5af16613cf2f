"""SqueezeNet: AlexNet's accuracy with 1.2 million parameters (Iandola et al. 2016)."""

from __future__ import annotations

from typing import Any

import lucid
from lucid import nn
from lucid.tensor import Tensor
from lucid.vision.models.registry import model

__all__ = ["Fire", "SqueezeNet", "squeezenet1_0", "squeezenet1_1"]

# (kernel and width of the first convolution, what follows: a pooling or (squeeze, expand) channels)
_VERSIONS: dict[str, tuple[int, int, tuple]] = {
    "1_0": (7, 96, (
        "pool", (16, 64), (16, 64), (32, 128), "pool", (32, 128), (48, 192), (48, 192), (64, 256),
        "pool", (64, 256),
    )),
    "1_1": (3, 64, (
        "pool", (16, 64), (16, 64), "pool", (32, 128), (32, 128), "pool", (48, 192), (48, 192),
        (64, 256), (64, 256),
    )),
}  # fmt: skip


class Fire(nn.Module):
    """A 1 x 1 convolution to few channels, then 1 x 1 and 3 x 3 ones side by side.

    (N, C, H, W) -> (N, expand1x1_planes + expand3x3_planes, H, W).
    """

    def __init__(
        self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int
    ):
        super().__init__()
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, 1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, 1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, 3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze_activation(self.squeeze(x))
        narrow = self.expand1x1_activation(self.expand1x1(x))
        wide = self.expand3x3_activation(self.expand3x3(x))
        return lucid.cat([narrow, wide], 1)


class SqueezeNet(nn.Module):
    """Eight Fire modules; the classes are channel means. (N, 3, H, W) -> (N, num_classes) logits.

    ``version`` "1_0" is the paper's, "1_1" needs 2.4 times fewer operations.
    """

    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5):
        super().__init__()
        if version not in _VERSIONS:
            raise ValueError(f"SqueezeNet: version must be '1_0' or '1_1'; got {version!r}")
        kernel, width, plan = _VERSIONS[version]
        self.num_classes = num_classes
        layers: list[nn.Module] = [nn.Conv2d(3, width, kernel, stride=2), nn.ReLU(inplace=True)]
        for step in plan:
            if step == "pool":
                layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
            else:
                squeeze, expand = step
                layers.append(Fire(width, squeeze, expand, expand))
                width = 2 * expand
        self.features = nn.Sequential(*layers)
        scores = nn.Conv2d(512, num_classes, 1)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), scores, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1))
        )
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                if m is scores:
                    nn.init.normal_(m.weight, 0.0, 0.01)
                else:
                    nn.init.kaiming_uniform_(m.weight)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x)).flatten(1)


@model
def squeezenet1_0(**settings: Any) -> SqueezeNet:
    """SqueezeNet 1.0. Further arguments: ``num_classes`` and ``dropout``."""
    return SqueezeNet("1_0", **settings)


@model
def squeezenet1_1(**settings: Any) -> SqueezeNet:
    """SqueezeNet 1.1. Further arguments: ``num_classes`` and ``dropout``."""
    return SqueezeNet("1_1", **settings)
