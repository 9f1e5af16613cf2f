"""EfficientNet: depth, width and resolution scaled together (Tan and Le 2019)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from lucid import nn
from lucid.tensor import Tensor
from lucid.vision.models.mobilenetv2 import make_divisible
from lucid.vision.models.registry import model
from lucid.vision.ops.blocks import Conv2dNormActivation, Layer, SqueezeExcitation
from lucid.vision.ops.stochastic_depth import StochasticDepth

__all__ = [
    "EfficientNet", "MBConv", "StageSetting", "efficientnet_b0", "efficientnet_b1",
    "efficientnet_b2", "efficientnet_b3", "efficientnet_b4", "efficientnet_b5", "efficientnet_b6",
    "efficientnet_b7",
]  # fmt: skip


class StageSetting(NamedTuple):
    """A stage of equal blocks; the first has the stride and changes the channels."""

    expansion: float
    kernel: int
    stride: int
    inputs: int
    outputs: int
    blocks: int

    def scaled(self, width: float, depth: float) -> StageSetting:
        """The stage with ``width`` times the channels and ``depth`` times the blocks."""
        return self._replace(
            inputs=make_divisible(self.inputs * width, 8),
            outputs=make_divisible(self.outputs * width, 8),
            blocks=math.ceil(self.blocks * depth),
        )


_STAGES = (
    StageSetting(1, 3, 1, 32, 16, 1),
    StageSetting(6, 3, 2, 16, 24, 2),
    StageSetting(6, 5, 2, 24, 40, 2),
    StageSetting(6, 3, 2, 40, 80, 3),
    StageSetting(6, 5, 1, 80, 112, 3),
    StageSetting(6, 5, 2, 112, 192, 4),
    StageSetting(6, 3, 1, 192, 320, 1),
)


class MBConv(nn.Module):
    """Expansion, depthwise convolution, gate, projection; a shortcut that may drop the rest."""

    def __init__(
        self,
        setting: StageSetting,
        stochastic_depth_prob: float,
        norm_layer: Layer = nn.BatchNorm2d,
    ):
        super().__init__()
        s = setting
        expanded = make_divisible(s.inputs * s.expansion, 8)
        act = {"norm_layer": norm_layer, "activation_layer": nn.SiLU}
        layers: list[nn.Module] = []
        if expanded != s.inputs:
            layers.append(Conv2dNormActivation(s.inputs, expanded, 1, **act))  # type: ignore[arg-type]
        layers += [
            Conv2dNormActivation(expanded, expanded, s.kernel, s.stride, groups=expanded, **act),  # type: ignore[arg-type]
            SqueezeExcitation(
                expanded, max(1, s.inputs // 4), activation=partial(nn.SiLU, inplace=True)
            ),
            Conv2dNormActivation(
                expanded, s.outputs, 1, norm_layer=norm_layer, activation_layer=None
            ),
        ]
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.use_res_connect = s.stride == 1 and s.inputs == s.outputs
        self.out_channels = s.outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.block(x)
        return self.stochastic_depth(y) + x if self.use_res_connect else y


class EfficientNet(nn.Module):
    """(N, 3, H, W) -> (N, num_classes) logits.

    The probability that a block is skipped in training grows from 0 in the first to nearly
    ``stochastic_depth_prob`` in the last.
    """

    def __init__(
        self,
        inverted_residual_setting: Sequence[StageSetting],
        dropout: float,
        stochastic_depth_prob: float = 0.2,
        num_classes: int = 1000,
        norm_layer: Layer | None = None,
        last_channel: int | None = None,
    ):
        super().__init__()
        stages = inverted_residual_setting
        if not stages:
            raise ValueError("EfficientNet: inverted_residual_setting must not be empty")
        norm = norm_layer or nn.BatchNorm2d
        act = {"norm_layer": norm, "activation_layer": nn.SiLU}
        layers: list[nn.Module] = [Conv2dNormActivation(3, stages[0].inputs, 3, 2, **act)]  # type: ignore[arg-type]
        total, number = sum(stage.blocks for stage in stages), 0
        for stage in stages:
            blocks = []
            for i in range(stage.blocks):
                s = stage._replace(inputs=stage.outputs, stride=1) if i else stage
                blocks.append(MBConv(s, stochastic_depth_prob * number / total, norm))
                number += 1
            layers.append(nn.Sequential(*blocks))
        width = last_channel or 4 * stages[-1].outputs
        layers.append(Conv2dNormActivation(stages[-1].outputs, width, 1, **act))  # type: ignore[arg-type]
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout, inplace=True), nn.Linear(width, num_classes)
        )
        self._initialize()

    def _initialize(self) -> None:
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out")
            elif isinstance(m, nn.BatchNorm2d | nn.GroupNorm):
                nn.init.ones_(m.weight)
            elif isinstance(m, nn.Linear):
                bound = 1 / math.sqrt(m.out_features)
                nn.init.uniform_(m.weight, -bound, bound)
            else:
                continue
            if m.bias is not None:
                nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


_SLOW_NORM = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)  # of b5 to b7


def _scaled(width: float, depth: float, **settings: Any) -> EfficientNet:
    return EfficientNet([stage.scaled(width, depth) for stage in _STAGES], **settings)


@model
def efficientnet_b0(**settings: Any) -> EfficientNet:
    """EfficientNet B0, 5.3 million parameters, made for 224 x 224 pixels.

    Further arguments: ``dropout``, ``stochastic_depth_prob``, ``num_classes``, ``norm_layer``.
    """
    return _scaled(1.0, 1.0, **{"dropout": 0.2, **settings})


@model
def efficientnet_b1(**settings: Any) -> EfficientNet:
    """EfficientNet B1, 7.8 million parameters, for 240 x 240. Arguments: ``efficientnet_b0``'s."""
    return _scaled(1.0, 1.1, **{"dropout": 0.2, **settings})


@model
def efficientnet_b2(**settings: Any) -> EfficientNet:
    """EfficientNet B2, 9.1 million parameters, for 288 x 288. Arguments: ``efficientnet_b0``'s."""
    return _scaled(1.1, 1.2, **{"dropout": 0.3, **settings})


@model
def efficientnet_b3(**settings: Any) -> EfficientNet:
    """EfficientNet B3, 12.2 million parameters, for 300 x 300. Arguments: ``efficientnet_b0``'s."""
    return _scaled(1.2, 1.4, **{"dropout": 0.3, **settings})


@model
def efficientnet_b4(**settings: Any) -> EfficientNet:
    """EfficientNet B4, 19.3 million parameters, for 380 x 380. Arguments: ``efficientnet_b0``'s."""
    return _scaled(1.4, 1.8, **{"dropout": 0.4, **settings})


@model
def efficientnet_b5(**settings: Any) -> EfficientNet:
    """EfficientNet B5, 30.4 million parameters, for 456 x 456. Arguments: ``efficientnet_b0``'s."""
    return _scaled(1.6, 2.2, **{"dropout": 0.4, "norm_layer": _SLOW_NORM, **settings})


@model
def efficientnet_b6(**settings: Any) -> EfficientNet:
    """EfficientNet B6, 43.0 million parameters, for 528 x 528. Arguments: ``efficientnet_b0``'s."""
    return _scaled(1.8, 2.6, **{"dropout": 0.5, "norm_layer": _SLOW_NORM, **settings})


@model
def efficientnet_b7(**settings: Any) -> EfficientNet:
    """EfficientNet B7, 66.3 million parameters, for 600 x 600. Arguments: ``efficientnet_b0``'s."""
    return _scaled(2.0, 3.1, **{"dropout": 0.5, "norm_layer": _SLOW_NORM, **settings})
