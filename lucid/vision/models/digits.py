"""Small convolutional networks."""

from __future__ import annotations

from lucid import nn
from lucid.tensor import Tensor

__all__ = ["NETS", "digits_cnn"]

NETS = ("relu", "selu")


class Standardize(nn.Module):
    """(x - mean) / std with fixed numbers, so that a model takes images as they are. (*) -> (*)."""

    def __init__(self, mean: float, std: float):
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, x: Tensor) -> Tensor:
        """x with mean 0 and variance 1, if it had the mean and std given."""
        return (x - self.mean) * (1 / self.std)

    def extra_repr(self) -> str:
        """The two numbers, as they stand in the layer's repr."""
        return f"mean={self.mean}, std={self.std}"


def digits_cnn(kind: str = "relu", p: float | None = None) -> nn.Sequential:
    """Four convolutions and a linear layer for ``Digits``: (N, 1, 8, 8) -> (N, 10) logits.

    "relu": convolution, batch norm, ReLU, Dropout2d(0.1), with He's initialization.
    "selu": convolution, SELU, FeatureAlphaDropout(0.05), with LeCun's: the signal keeps mean 0
    and variance 1 from layer to layer by itself (Klambauer et al. 2017), without a batch norm.

    ``p`` overrides the probability of the dropout layers.
    """
    if kind not in NETS:
        raise ValueError(f"digits_cnn: kind must be one of {', '.join(NETS)}; got {kind!r}")
    block, usual = (_relu_block, 0.1) if kind == "relu" else (_selu_block, 0.05)
    p = usual if p is None else p
    model = nn.Sequential(
        Standardize(mean=0.305, std=0.376),  # of the training images
        *block(1, 32, p),
        *block(32, 32, p),
        nn.MaxPool2d(2),
        *block(32, 64, p),
        *block(64, 64, p),
        nn.MaxPool2d(2) if kind == "relu" else nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * 2 * 2, 10),
    )
    for layer in model:
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            gain = "relu" if kind == "relu" and isinstance(layer, nn.Conv2d) else "linear"
            nn.init.kaiming_normal_(layer.weight, nonlinearity=gain)  # "linear" is LeCun's
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return model


def _relu_block(inputs: int, outputs: int, p: float) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)  # the norm has a bias
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU(), nn.Dropout2d(p)]


def _selu_block(inputs: int, outputs: int, p: float) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1)
    return [convolution, nn.SELU(), nn.FeatureAlphaDropout(p)]
