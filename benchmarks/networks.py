"""Networks that are written once and built from lucid.nn or from torch.nn: the names are the same.

>>> from lucid import nn
>>> sum(p.numel() for p in resnet18(nn).parameters())
11173962
"""

from __future__ import annotations

from typing import Any

CLASSES = 10


def seed_cnn(nn: Any) -> Any:
    """The network of the Dropout2d document: (N, 3, 32, 32) -> (N, 10)."""
    return nn.Sequential(
        nn.Conv2d(3, 64, kernel_size=3, padding=1),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.Dropout2d(0.3),
        nn.Conv2d(64, 128, kernel_size=3, padding=1),
        nn.BatchNorm2d(128),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(128, CLASSES),
    )


def lenet(nn: Any) -> Any:
    """LeNet-5 (LeCun et al. 1998) as it is trained today, with ReLU: (N, 1, 28, 28) -> (N, 10)."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, CLASSES),
    )


def selu_cnn(nn: Any) -> Any:
    """A self-normalizing CNN, whole channels dropped to SELU's floor: (N, 3, 32, 32) -> (N, 10)."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1),
        nn.SELU(),
        nn.FeatureAlphaDropout(0.1),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.SELU(),
        nn.FeatureAlphaDropout(0.1),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * 8 * 8, 128),
        nn.SELU(),
        nn.AlphaDropout(0.1),
        nn.Linear(128, CLASSES),
    )


def mlp(nn: Any) -> Any:
    """Two wide layers with dropout (Srivastava et al. 2014): (N, 1, 28, 28) -> (N, 10)."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 512),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(512, 512),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(512, CLASSES),
    )


def resnet18(nn: Any) -> Any:
    """ResNet-18 (He et al. 2016) for small images: a 3 x 3 stem, no pooling before the blocks.

    (N, 3, 32, 32) -> (N, 10).
    """
    block = _block(nn)
    layers, inputs = [], 64
    for width, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [block(inputs, width, stride), block(width, width, 1)]
        inputs = width
    return nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        *layers,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(512, CLASSES),
    )


def _block(nn: Any) -> Any:
    class Block(nn.Module):
        """x + two convolutions; the shortcut is a 1 x 1 convolution where the shape changes."""

        def __init__(self, inputs: int, outputs: int, stride: int):
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
                nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
            )
            self.shortcut = nn.Identity()
            if stride != 1 or inputs != outputs:
                self.shortcut = nn.Sequential(
                    nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False),
                    nn.BatchNorm2d(outputs),
                )
            self.relu = nn.ReLU()

        def forward(self, x: Any) -> Any:
            return self.relu(self.body(x) + self.shortcut(x))

    return Block


NETWORKS = {"seed CNN": seed_cnn, "ResNet-18": resnet18}
