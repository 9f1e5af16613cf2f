"""ConvNeXt: a residual network with the habits of a transformer (Liu et al. 2022)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import lucid
from lucid import nn
from lucid.tensor import Tensor
from lucid.vision.models.registry import model
from lucid.vision.ops.blocks import Conv2dNormActivation, Layer
from lucid.vision.ops.stochastic_depth import StochasticDepth

__all__ = [
    "CNBlock", "ConvNeXt", "LayerNorm2d", "StageSetting", "convnext_base", "convnext_large",
    "convnext_small", "convnext_tiny",
]  # fmt: skip


class LayerNorm2d(nn.LayerNorm):
    """Layer norm over the channels of each pixel. (N, C, H, W) -> (N, C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Permute(nn.Module):
    """Dimensions in another order."""

    def __init__(self, dims: Sequence[int]):
        super().__init__()
        self.dims = tuple(dims)

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.dims)

    def extra_repr(self) -> str:
        return f"dims={self.dims}"


class CNBlock(nn.Module):
    """Depthwise 7 x 7, norm, 1 x 1 to four times the channels and back; scaled, and added."""

    def __init__(
        self,
        dim: int,
        layer_scale: float,
        stochastic_depth_prob: float,
        norm_layer: Layer | None = None,
    ):
        super().__init__()
        norm = norm_layer or partial(nn.LayerNorm, eps=1e-6)
        self.block = nn.Sequential(
            nn.Conv2d(dim, dim, 7, padding=3, groups=dim),
            Permute((0, 2, 3, 1)),
            norm(dim),
            nn.Linear(dim, 4 * dim),
            nn.GELU(),
            nn.Linear(4 * dim, dim),
            Permute((0, 3, 1, 2)),
        )
        self.layer_scale = nn.Parameter(lucid.full((dim, 1, 1), float(layer_scale)))
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")

    def forward(self, x: Tensor) -> Tensor:
        return self.stochastic_depth(self.layer_scale * self.block(x)) + x


class StageSetting(NamedTuple):
    """``blocks`` blocks of ``inputs`` channels; then half the size and ``outputs`` channels."""

    inputs: int
    outputs: int | None
    blocks: int


class ConvNeXt(nn.Module):
    """(N, 3, H, W) -> (N, num_classes) logits; H and W are at least 32.

    The probability that a block is skipped in training grows from 0 in the first to
    ``stochastic_depth_prob`` in the last.
    """

    def __init__(
        self,
        block_setting: Sequence[StageSetting],
        stochastic_depth_prob: float = 0.0,
        layer_scale: float = 1e-6,
        num_classes: int = 1000,
        block: Callable[..., nn.Module] = CNBlock,
        norm_layer: Layer | None = None,
    ):
        super().__init__()
        stages = [StageSetting(*setting) for setting in block_setting]
        if not stages:
            raise ValueError("ConvNeXt: block_setting must not be empty")
        norm = norm_layer or partial(LayerNorm2d, eps=1e-6)
        layers: list[nn.Module] = [
            Conv2dNormActivation(
                3, stages[0].inputs, 4, 4, 0, norm_layer=norm, activation_layer=None, bias=True
            )
        ]
        steps, number = max(1, sum(stage.blocks for stage in stages) - 1), 0
        for stage in stages:
            blocks = []
            for _ in range(stage.blocks):
                p = stochastic_depth_prob * number / steps
                blocks.append(block(stage.inputs, layer_scale, p))
                number += 1
            layers.append(nn.Sequential(*blocks))
            if stage.outputs is not None:
                halve = nn.Conv2d(stage.inputs, stage.outputs, 2, stride=2)
                layers.append(nn.Sequential(norm(stage.inputs), halve))
        width = stages[-1].outputs or stages[-1].inputs
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(norm(width), nn.Flatten(1), nn.Linear(width, num_classes))
        for m in self.modules():
            if isinstance(m, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(m.weight, std=0.02)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)))


def _build(width: int, third: int, **settings: Any) -> ConvNeXt:
    """Stages of 3, 3, ``third`` and 3 blocks; the width doubles from one to the next."""
    widths = [width * 2**i for i in range(4)]
    stages = [
        StageSetting(*w) for w in zip(widths, [*widths[1:], None], (3, 3, third, 3), strict=True)
    ]
    return ConvNeXt(stages, **settings)


@model
def convnext_tiny(**settings: Any) -> ConvNeXt:
    """ConvNeXt tiny, 28.6 million parameters. Further arguments: ``ConvNeXt``'s."""
    return _build(96, 9, **{"stochastic_depth_prob": 0.1, **settings})


@model
def convnext_small(**settings: Any) -> ConvNeXt:
    """ConvNeXt small, 50.2 million parameters. Further arguments: ``ConvNeXt``'s."""
    return _build(96, 27, **{"stochastic_depth_prob": 0.4, **settings})


@model
def convnext_base(**settings: Any) -> ConvNeXt:
    """ConvNeXt base, 88.6 million parameters. Further arguments: ``ConvNeXt``'s."""
    return _build(128, 27, **{"stochastic_depth_prob": 0.5, **settings})


@model
def convnext_large(**settings: Any) -> ConvNeXt:
    """ConvNeXt large, 197.8 million parameters. Further arguments: ``ConvNeXt``'s."""
    return _build(192, 27, **{"stochastic_depth_prob": 0.5, **settings})
