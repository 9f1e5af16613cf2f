"""LeNet-5: LeCun, Bottou, Bengio and Haffner, "Gradient-based learning", 1998."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lucid import nn
from lucid.tensor import Tensor
from lucid.vision.models.registry import model

__all__ = ["LeNet", "lenet5"]


class LeNet(nn.Module):
    """Two convolutions, three linear layers. (N, in_channels, 28, 28) -> (N, num_classes) logits.

    The first convolution pads by 2, which gives the 32 x 32 of the paper. Two things differ from
    it: every map of the second convolution sees every map of the first, and the classes are scored
    by a linear layer. ``activation`` nn.ReLU trains faster than the paper's tanh.
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 1,
        activation: Callable[[], nn.Module] = nn.Tanh,
    ):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 6, 5, padding=2),
            activation(),
            nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5),
            activation(),
            nn.AvgPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Linear(16 * 5 * 5, 120),
            activation(),
            nn.Linear(120, 84),
            activation(),
            nn.Linear(84, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).flatten(1))


@model
def lenet5(**settings: Any) -> LeNet:
    """LeNet-5, 61,706 parameters. Further arguments: ``LeNet``'s."""
    return LeNet(**settings)
