"""Seed 1, third example, with lucid for torch: Dropout2d inside a convolutional network."""

import lucid
import lucid.nn as nn

model = nn.Sequential(
    nn.Conv2d(3, 64, kernel_size=3, padding=1),
    nn.BatchNorm2d(64),
    nn.ReLU(),
    nn.Dropout2d(0.3),
    nn.Conv2d(64, 128, kernel_size=3, padding=1),
    nn.BatchNorm2d(128),
    nn.ReLU(),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(128, 10),
)
x = lucid.randn(4, 3, 32, 32)
output = model(x)
print("Input shape:", x.shape, "-> Output shape:", output.shape)
