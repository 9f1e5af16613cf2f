"""Layers that many vision models repeat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lucid import nn
from lucid.tensor import Tensor

__all__ = ["Conv2dNormActivation", "SqueezeExcitation"]

Layer = Callable[..., nn.Module]


class Conv2dNormActivation(nn.Sequential):
    """Convolution, norm, activation. x: (N, C, H, W) -> y: (N, out_channels, H', W').

    ``padding`` None keeps the size at stride 1; ``bias`` None is a bias only without a norm, which
    has one itself. ``norm_layer`` and ``activation_layer`` None leave that layer out.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        padding: int | None = None,
        groups: int = 1,
        norm_layer: Layer | None = nn.BatchNorm2d,
        activation_layer: Layer | None = nn.ReLU,
        dilation: int = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
    ):
        if padding is None:
            padding = (kernel_size - 1) // 2 * dilation
        layers: list[nn.Module] = [
            nn.Conv2d(
                in_channels,
                out_channels,
                kernel_size,
                stride,
                padding,
                dilation=dilation,
                groups=groups,
                bias=norm_layer is None if bias is None else bias,
            )
        ]
        if norm_layer is not None:
            layers.append(norm_layer(out_channels))
        if activation_layer is not None:
            settings: dict[str, Any] = {} if inplace is None else {"inplace": inplace}
            layers.append(activation_layer(**settings))
        super().__init__(*layers)
        self.out_channels = out_channels


class SqueezeExcitation(nn.Module):
    """x times a gate for each channel, computed from the channel means (Hu et al. 2018).

    gate = scale_activation(fc2(activation(fc1(mean over H, W)))). (N, C, H, W) -> (N, C, H, W).
    """

    def __init__(
        self,
        input_channels: int,
        squeeze_channels: int,
        activation: Layer = nn.ReLU,
        scale_activation: Layer = nn.Sigmoid,
    ):
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, input_channels, 1)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def forward(self, input: Tensor) -> Tensor:
        gate = self.fc2(self.activation(self.fc1(self.avgpool(input))))
        return self.scale_activation(gate) * input
