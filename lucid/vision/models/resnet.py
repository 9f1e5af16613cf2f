"""Residual networks: y = relu(x + branch(x)), so that depth adds to what is there.

He et al. 2015 (ResNet), Xie et al. 2017 (ResNeXt: grouped convolutions), Zagoruyko and Komodakis
2016 (wide). The stride of a bottleneck stands in its 3 x 3 convolution, as in torchvision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from lucid import nn
from lucid.tensor import Tensor
from lucid.vision.models.registry import model

__all__ = [
    "BasicBlock", "Bottleneck", "ResNet", "resnet18", "resnet34", "resnet50", "resnet101",
    "resnet152", "resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2",
    "wide_resnet101_2",
]  # fmt: skip

Norm = Callable[..., nn.Module]


def _conv3x3(inputs: int, outputs: int, stride: int = 1, groups: int = 1, dilation: int = 1) -> Any:
    return nn.Conv2d(
        inputs, outputs, 3, stride, dilation, dilation=dilation, groups=groups, bias=False
    )


def _conv1x1(inputs: int, outputs: int, stride: int = 1) -> Any:
    return nn.Conv2d(inputs, outputs, 1, stride, bias=False)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut. (N, C, H, W) -> (N, planes, H', W')."""

    expansion: ClassVar[int] = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm = nn.BatchNorm2d,
    ):
        super().__init__()
        if groups != 1 or base_width != 64 or dilation != 1:
            raise ValueError(
                "BasicBlock: groups, base_width and dilation must be 1, 64 and 1; got"
                f" {groups}, {base_width} and {dilation}. Hint: Bottleneck takes others"
            )
        self.conv1 = _conv3x3(inplanes, planes, stride)
        self.bn1 = norm_layer(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _conv3x3(planes, planes)
        self.bn2 = norm_layer(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + shortcut)


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3, 1 x 1 convolutions and a shortcut. (N, C, H, W) -> (N, 4 * planes, H', W')."""

    expansion: ClassVar[int] = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm = nn.BatchNorm2d,
    ):
        super().__init__()
        width = int(planes * (base_width / 64)) * groups
        self.conv1 = _conv1x1(inplanes, width)
        self.bn1 = norm_layer(width)
        self.conv2 = _conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm_layer(width)
        self.conv3 = _conv1x1(width, planes * self.expansion)
        self.bn3 = norm_layer(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        return self.relu(self.bn3(self.conv3(y)) + shortcut)


class ResNet(nn.Module):
    """Four stages of residual blocks. (N, 3, H, W) -> (N, num_classes) logits.

    ``zero_init_residual`` starts every block as its shortcut alone.
    ``replace_stride_with_dilation``: for each of the last three stages, whether its kernels are
    spread out instead of its input being halved, which keeps the resolution.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        layers: Sequence[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: Sequence[bool] | None = None,
        norm_layer: Norm | None = None,
    ):
        super().__init__()
        dilate = (
            (False,) * 3 if replace_stride_with_dilation is None else replace_stride_with_dilation
        )
        if len(dilate) != 3:
            raise ValueError(
                "ResNet: replace_stride_with_dilation must be None or have 3 entries; got"
                f" {replace_stride_with_dilation}"
            )
        self.inplanes, self.dilation = 64, 1
        self.groups, self.base_width = groups, width_per_group
        self._norm_layer: Norm = norm_layer or nn.BatchNorm2d
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = self._norm_layer(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = self._stage(block, 64, layers[0], 1, False)
        self.layer2 = self._stage(block, 128, layers[1], 2, dilate[0])
        self.layer3 = self._stage(block, 256, layers[2], 2, dilate[1])
        self.layer4 = self._stage(block, 512, layers[3], 2, dilate[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        self._initialize(zero_init_residual)

    def _stage(self, block: Any, planes: int, blocks: int, stride: int, dilate: bool) -> Any:
        """The first block takes the stride; in a dilated stage it keeps the dilation before."""
        first_dilation = self.dilation
        if dilate:
            self.dilation *= stride
            stride = 1
        outputs = planes * block.expansion
        downsample = None
        if stride != 1 or self.inplanes != outputs:
            downsample = nn.Sequential(
                _conv1x1(self.inplanes, outputs, stride), self._norm_layer(outputs)
            )
        shared = (self.groups, self.base_width)
        made = [
            block(
                self.inplanes, planes, stride, downsample, *shared, first_dilation, self._norm_layer
            )
        ]
        self.inplanes = outputs
        made += [
            block(outputs, planes, 1, None, *shared, self.dilation, self._norm_layer)
            for _ in range(1, blocks)
        ]
        return nn.Sequential(*made)

    def _initialize(self, zero_init_residual: bool) -> None:
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, nn.BatchNorm2d | nn.GroupNorm):
                nn.init.ones_(m.weight)
                nn.init.zeros_(m.bias)
        if zero_init_residual:
            for m in self.modules():
                if isinstance(m, BasicBlock | Bottleneck):
                    last: Any = m.bn3 if isinstance(m, Bottleneck) else m.bn2
                    nn.init.zeros_(last.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


@model
def resnet18(**settings: Any) -> ResNet:
    """ResNet-18, 11.7 million parameters. Further arguments: ``ResNet``'s."""
    return ResNet(BasicBlock, [2, 2, 2, 2], **settings)


@model
def resnet34(**settings: Any) -> ResNet:
    """ResNet-34, 21.8 million parameters. Further arguments: ``ResNet``'s."""
    return ResNet(BasicBlock, [3, 4, 6, 3], **settings)


@model
def resnet50(**settings: Any) -> ResNet:
    """ResNet-50, 25.6 million parameters. Further arguments: ``ResNet``'s."""
    return ResNet(Bottleneck, [3, 4, 6, 3], **settings)


@model
def resnet101(**settings: Any) -> ResNet:
    """ResNet-101, 44.5 million parameters. Further arguments: ``ResNet``'s."""
    return ResNet(Bottleneck, [3, 4, 23, 3], **settings)


@model
def resnet152(**settings: Any) -> ResNet:
    """ResNet-152, 60.2 million parameters. Further arguments: ``ResNet``'s."""
    return ResNet(Bottleneck, [3, 8, 36, 3], **settings)


@model
def resnext50_32x4d(**settings: Any) -> ResNet:
    """ResNeXt-50, 32 groups of 4 channels. Further arguments: ``ResNet``'s."""
    return ResNet(Bottleneck, [3, 4, 6, 3], groups=32, width_per_group=4, **settings)


@model
def resnext101_32x8d(**settings: Any) -> ResNet:
    """ResNeXt-101, 32 groups of 8 channels. Further arguments: ``ResNet``'s."""
    return ResNet(Bottleneck, [3, 4, 23, 3], groups=32, width_per_group=8, **settings)


@model
def resnext101_64x4d(**settings: Any) -> ResNet:
    """ResNeXt-101, 64 groups of 4 channels. Further arguments: ``ResNet``'s."""
    return ResNet(Bottleneck, [3, 4, 23, 3], groups=64, width_per_group=4, **settings)


@model
def wide_resnet50_2(**settings: Any) -> ResNet:
    """ResNet-50 with bottlenecks twice as wide. Further arguments: ``ResNet``'s."""
    return ResNet(Bottleneck, [3, 4, 6, 3], width_per_group=128, **settings)


@model
def wide_resnet101_2(**settings: Any) -> ResNet:
    """ResNet-101 with bottlenecks twice as wide. Further arguments: ``ResNet``'s."""
    return ResNet(Bottleneck, [3, 4, 23, 3], width_per_group=128, **settings)
