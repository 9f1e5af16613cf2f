"""DenseNet: every layer reads all maps before it (Huang et al. 2017)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import lucid
from lucid import nn
from lucid.nn import functional as F
from lucid.tensor import Tensor
from lucid.utils.checkpoint import checkpoint
from lucid.vision.models.registry import model

__all__ = ["DenseNet", "densenet121", "densenet161", "densenet169", "densenet201"]

# torchvision's weight files are older than its names: there it says norm.1 instead of norm1.
_OLD_KEY = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")


class _DenseLayer(nn.Module):
    """growth_rate new maps from all that came before: norm, relu, 1 x 1; norm, relu, 3 x 3."""

    def __init__(
        self, inputs: int, growth_rate: int, bn_size: int, drop_rate: float, memory_efficient: bool
    ):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(inputs, bn_size * growth_rate, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(bn_size * growth_rate)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(bn_size * growth_rate, growth_rate, 3, padding=1, bias=False)
        self.drop_rate, self.memory_efficient = float(drop_rate), memory_efficient

    def _bottleneck(self, *maps: Tensor) -> Tensor:
        return self.conv1(self.relu1(self.norm1(lucid.cat(maps, 1))))

    def forward(self, maps: list[Tensor]) -> Tensor:
        if self.memory_efficient and any(x.requires_grad for x in maps):
            y = checkpoint(self._bottleneck, *maps, use_reentrant=False)
        else:
            y = self._bottleneck(*maps)
        y = self.conv2(self.relu2(self.norm2(y)))
        return F.dropout(y, self.drop_rate, self.training) if self.drop_rate else y


class _DenseBlock(nn.ModuleDict):
    """Dense layers in turn. (N, C, H, W) -> (N, C + num_layers * growth_rate, H, W)."""

    def __init__(self, num_layers: int, inputs: int, growth_rate: int, *settings: Any):
        super().__init__()
        for i in range(num_layers):
            layer = _DenseLayer(inputs + i * growth_rate, growth_rate, *settings)
            self.add_module(f"denselayer{i + 1}", layer)

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for layer in self.values():
            maps.append(layer(maps))
        return lucid.cat(maps, 1)


class _Transition(nn.Sequential):
    """Fewer channels, half the height and width."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.pool = nn.AvgPool2d(2, 2)


class DenseNet(nn.Module):
    """Four dense blocks with transitions between. (N, 3, H, W) -> (N, num_classes) logits.

    ``memory_efficient`` computes the concatenations and norms again in backward instead of keeping
    them. ``drop_rate``: dropout after every dense layer. H and W are at least 29.
    """

    def __init__(
        self,
        growth_rate: int = 32,
        block_config: Sequence[int] = (6, 12, 24, 16),
        num_init_features: int = 64,
        bn_size: int = 4,
        drop_rate: float = 0,
        num_classes: int = 1000,
        memory_efficient: bool = False,
    ):
        super().__init__()
        self.features = nn.Sequential()
        add = self.features.add_module
        add("conv0", nn.Conv2d(3, num_init_features, 7, 2, 3, bias=False))
        add("norm0", nn.BatchNorm2d(num_init_features))
        add("relu0", nn.ReLU(inplace=True))
        add("pool0", nn.MaxPool2d(3, 2, 1))
        width = num_init_features
        for i, layers in enumerate(block_config, 1):
            block = _DenseBlock(layers, width, growth_rate, bn_size, drop_rate, memory_efficient)
            add(f"denseblock{i}", block)
            width += layers * growth_rate
            if i < len(block_config):
                add(f"transition{i}", _Transition(width, width // 2))
                width //= 2
        add("norm5", nn.BatchNorm2d(width))
        self.classifier = nn.Linear(width, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight)
            elif isinstance(m, nn.Linear):
                nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x).relu()
        return self.classifier(F.adaptive_avg_pool2d(x, (1, 1)).flatten(1))

    @staticmethod
    def upgrade_keys(state: dict[str, Any]) -> dict[str, Any]:
        """The state dict of an old file under today's names."""
        return {_OLD_KEY.sub(r"\1\2", key): value for key, value in state.items()}


@model
def densenet121(**settings: Any) -> DenseNet:
    """DenseNet-121, 8.0 million parameters. Further arguments: ``DenseNet``'s."""
    return DenseNet(32, (6, 12, 24, 16), 64, **settings)


@model
def densenet161(**settings: Any) -> DenseNet:
    """DenseNet-161, 28.7 million parameters. Further arguments: ``DenseNet``'s."""
    return DenseNet(48, (6, 12, 36, 24), 96, **settings)


@model
def densenet169(**settings: Any) -> DenseNet:
    """DenseNet-169, 14.1 million parameters. Further arguments: ``DenseNet``'s."""
    return DenseNet(32, (6, 12, 32, 32), 64, **settings)


@model
def densenet201(**settings: Any) -> DenseNet:
    """DenseNet-201, 20.0 million parameters. Further arguments: ``DenseNet``'s."""
    return DenseNet(32, (6, 12, 48, 32), 64, **settings)
