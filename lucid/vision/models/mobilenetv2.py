"""MobileNetV2: depthwise convolutions between linear bottlenecks (Sandler et al. 2018)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lucid import nn
from lucid.tensor import Tensor
from lucid.vision.models.registry import model
from lucid.vision.ops.blocks import Conv2dNormActivation

__all__ = ["InvertedResidual", "MobileNetV2", "make_divisible", "mobilenet_v2"]

Norm = Callable[..., nn.Module]

_STAGES = (  # expansion, channels, blocks, stride of the first
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def make_divisible(channels: float, divisor: int, least: int | None = None) -> int:
    """The multiple of ``divisor`` nearest to ``channels``, not more than 10 % below it."""
    rounded = max(
        divisor if least is None else least, int(channels + divisor / 2) // divisor * divisor
    )
    return rounded if rounded >= 0.9 * channels else rounded + divisor


class InvertedResidual(nn.Module):
    """1 x 1 to more channels, depthwise 3 x 3, 1 x 1 to few; a shortcut where shapes allow it."""

    def __init__(
        self,
        inp: int,
        oup: int,
        stride: int,
        expand_ratio: int,
        norm_layer: Norm = nn.BatchNorm2d,
    ):
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"InvertedResidual: stride must be 1 or 2; got {stride}")
        hidden = round(inp * expand_ratio)
        act = {"norm_layer": norm_layer, "activation_layer": nn.ReLU6}
        layers: list[nn.Module] = []
        if expand_ratio != 1:
            layers.append(Conv2dNormActivation(inp, hidden, 1, **act))  # type: ignore[arg-type]
        layers += [
            Conv2dNormActivation(hidden, hidden, 3, stride, groups=hidden, **act),  # type: ignore[arg-type]
            nn.Conv2d(hidden, oup, 1, bias=False),
            norm_layer(oup),
        ]
        self.conv = nn.Sequential(*layers)
        self.use_res_connect = stride == 1 and inp == oup
        self.out_channels = oup

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """(N, 3, H, W) -> (N, num_classes) logits.

    ``width_mult`` scales the channels of all layers, rounded to multiples of ``round_nearest``.
    ``inverted_residual_setting``: (expansion, channels, blocks, stride) for each stage.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        inverted_residual_setting: Sequence[Sequence[int]] | None = None,
        round_nearest: int = 8,
        block: Callable[..., nn.Module] = InvertedResidual,
        norm_layer: Norm = nn.BatchNorm2d,
        dropout: float = 0.2,
    ):
        super().__init__()
        stages = _STAGES if inverted_residual_setting is None else inverted_residual_setting
        if not stages or any(len(stage) != 4 for stage in stages):
            raise ValueError(
                "MobileNetV2: inverted_residual_setting must be a list of (expansion, channels,"
                f" blocks, stride); got {stages}"
            )
        width = make_divisible(32 * width_mult, round_nearest)
        self.last_channel = make_divisible(1280 * max(1.0, width_mult), round_nearest)
        act = {"norm_layer": norm_layer, "activation_layer": nn.ReLU6}
        layers: list[nn.Module] = [Conv2dNormActivation(3, width, 3, 2, **act)]  # type: ignore[arg-type]
        for expansion, channels, blocks, first_stride in stages:
            outputs = make_divisible(channels * width_mult, round_nearest)
            for i in range(blocks):
                stride = 1 if i else first_stride
                layers.append(block(width, outputs, stride, expansion, norm_layer=norm_layer))
                width = outputs
        layers.append(Conv2dNormActivation(width, self.last_channel, 1, **act))  # type: ignore[arg-type]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(self.last_channel, num_classes)
        )
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean((2, 3)))


def initialize(net: nn.Module) -> None:
    """The start of the MobileNets: He's for convolutions, std 0.01 for linear layers."""
    for m in net.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out")
        elif isinstance(m, nn.BatchNorm2d | nn.GroupNorm):
            nn.init.ones_(m.weight)
        elif isinstance(m, nn.Linear):
            nn.init.normal_(m.weight, 0, 0.01)
        else:
            continue
        if m.bias is not None:
            nn.init.zeros_(m.bias)


@model
def mobilenet_v2(**settings: Any) -> MobileNetV2:
    """MobileNetV2, 3.5 million parameters. Further arguments: ``MobileNetV2``'s."""
    return MobileNetV2(**settings)
