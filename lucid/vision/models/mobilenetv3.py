"""MobileNetV3: searched blocks with channel gates and hard swish (Howard et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from lucid import nn
from lucid.tensor import Tensor
from lucid.vision.models.mobilenetv2 import initialize, make_divisible
from lucid.vision.models.registry import model
from lucid.vision.ops.blocks import Conv2dNormActivation, Layer, SqueezeExcitation

__all__ = ["BlockSetting", "MobileNetV3", "mobilenet_v3_large", "mobilenet_v3_small"]


class BlockSetting(NamedTuple):
    """One block: channels before, inside and after, kernel, gate, hard swish or ReLU, stride."""

    inputs: int
    kernel: int
    expanded: int
    outputs: int
    gated: bool
    hard: bool
    stride: int
    dilation: int = 1

    def scaled(self, width: float) -> BlockSetting:
        """The block with ``width`` times the channels, in multiples of 8."""
        inputs, expanded, outputs = (
            make_divisible(c * width, 8) for c in (self.inputs, self.expanded, self.outputs)
        )
        return self._replace(inputs=inputs, expanded=expanded, outputs=outputs)


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, gate, projection; a shortcut where shapes allow it."""

    def __init__(self, setting: BlockSetting, norm_layer: Layer, se_layer: Layer):
        super().__init__()
        s = setting
        activation = nn.Hardswish if s.hard else nn.ReLU
        layers: list[nn.Module] = []
        if s.expanded != s.inputs:
            layers.append(
                Conv2dNormActivation(
                    s.inputs, s.expanded, 1, norm_layer=norm_layer, activation_layer=activation
                )
            )
        layers.append(
            Conv2dNormActivation(
                s.expanded,
                s.expanded,
                s.kernel,
                1 if s.dilation > 1 else s.stride,
                groups=s.expanded,
                norm_layer=norm_layer,
                activation_layer=activation,
                dilation=s.dilation,
            )
        )
        if s.gated:
            layers.append(se_layer(s.expanded, make_divisible(s.expanded // 4, 8)))
        layers.append(
            Conv2dNormActivation(
                s.expanded, s.outputs, 1, norm_layer=norm_layer, activation_layer=None
            )
        )
        self.block = nn.Sequential(*layers)
        self.use_res_connect = s.stride == 1 and s.inputs == s.outputs
        self.out_channels = s.outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x) if self.use_res_connect else self.block(x)


class MobileNetV3(nn.Module):
    """(N, 3, H, W) -> (N, num_classes) logits.

    ``last_channel``: width of the linear layer before the classes. Batch norms have eps 0.001 and
    momentum 0.01 unless ``norm_layer`` says otherwise.
    """

    def __init__(
        self,
        inverted_residual_setting: Sequence[BlockSetting],
        last_channel: int,
        num_classes: int = 1000,
        norm_layer: Layer | None = None,
        dropout: float = 0.2,
    ):
        super().__init__()
        if not inverted_residual_setting:
            raise ValueError("MobileNetV3: inverted_residual_setting must not be empty")
        norm = norm_layer or partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
        gate = partial(SqueezeExcitation, scale_activation=nn.Hardsigmoid)
        ends = {"norm_layer": norm, "activation_layer": nn.Hardswish}
        first, last = inverted_residual_setting[0].inputs, inverted_residual_setting[-1].outputs
        self.features = nn.Sequential(
            Conv2dNormActivation(3, first, 3, 2, **ends),  # type: ignore[arg-type]
            *(InvertedResidual(s, norm, gate) for s in inverted_residual_setting),
            Conv2dNormActivation(last, 6 * last, 1, **ends),  # type: ignore[arg-type]
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * last, last_channel),
            nn.Hardswish(inplace=True),
            nn.Dropout(dropout, inplace=True),
            nn.Linear(last_channel, num_classes),
        )
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _build(
    blocks: Sequence[tuple],
    last_channel: int,
    tail: int,
    width_mult: float = 1.0,
    reduced_tail: bool = False,
    dilated: bool = False,
    **settings: Any,
) -> MobileNetV3:
    """``reduced_tail`` halves the channels of the last stage, which begins at block ``tail``."""
    chosen = [BlockSetting(*block) for block in blocks]
    share = 2 if reduced_tail else 1
    for i in range(tail, len(chosen)):
        b = chosen[i]._replace(outputs=chosen[i].outputs // share)
        if i > tail:
            b = b._replace(inputs=b.inputs // share, expanded=b.expanded // share)
        chosen[i] = b._replace(dilation=2) if dilated else b
    last = make_divisible(last_channel // share * width_mult, 8)
    return MobileNetV3([b.scaled(width_mult) for b in chosen], last, **settings)


# inputs, kernel, expanded, outputs, gated, hard swish, stride
_LARGE = (
    (16, 3, 16, 16, False, False, 1),
    (16, 3, 64, 24, False, False, 2),
    (24, 3, 72, 24, False, False, 1),
    (24, 5, 72, 40, True, False, 2),
    (40, 5, 120, 40, True, False, 1),
    (40, 5, 120, 40, True, False, 1),
    (40, 3, 240, 80, False, True, 2),
    (80, 3, 200, 80, False, True, 1),
    (80, 3, 184, 80, False, True, 1),
    (80, 3, 184, 80, False, True, 1),
    (80, 3, 480, 112, True, True, 1),
    (112, 3, 672, 112, True, True, 1),
    (112, 5, 672, 160, True, True, 2),
    (160, 5, 960, 160, True, True, 1),
    (160, 5, 960, 160, True, True, 1),
)
_SMALL = (
    (16, 3, 16, 16, True, False, 2),
    (16, 3, 72, 24, False, False, 2),
    (24, 3, 88, 24, False, False, 1),
    (24, 5, 96, 40, True, True, 2),
    (40, 5, 240, 40, True, True, 1),
    (40, 5, 240, 40, True, True, 1),
    (40, 5, 120, 48, True, True, 1),
    (48, 5, 144, 48, True, True, 1),
    (48, 5, 288, 96, True, True, 2),
    (96, 5, 576, 96, True, True, 1),
    (96, 5, 576, 96, True, True, 1),
)


@model
def mobilenet_v3_large(**settings: Any) -> MobileNetV3:
    """MobileNetV3 large, 5.5 million parameters.

    Further arguments: ``width_mult``, ``reduced_tail`` (half the channels in the last stage),
    ``dilated`` (the last stage keeps the resolution), ``num_classes``, ``norm_layer``, ``dropout``.
    """
    return _build(_LARGE, 1280, 12, **settings)


@model
def mobilenet_v3_small(**settings: Any) -> MobileNetV3:
    """MobileNetV3 small, 2.5 million parameters. Further arguments: as ``mobilenet_v3_large``."""
    return _build(_SMALL, 1024, 8, **settings)
