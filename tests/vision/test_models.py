"""digits_cnn: the two networks of `lucid train`."""

import pytest

import lucid
from lucid import nn
from lucid.vision.models import NETS, digits_cnn


@pytest.mark.parametrize("kind", NETS)
def test_gives_ten_logits_per_image(kind, device):
    model = digits_cnn(kind).to(device)
    assert model(lucid.rand(3, 1, 8, 8)).shape == (3, 10)


@pytest.mark.parametrize("kind", NETS)
def test_every_parameter_gets_a_gradient(kind, device):
    model = digits_cnn(kind).to(device)
    model(lucid.rand(4, 1, 8, 8)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    assert all((p.grad != 0).any() for p in model.parameters() if p.ndim > 1)


@pytest.mark.parametrize(
    ("kind", "layer"), [("relu", nn.Dropout2d), ("selu", nn.FeatureAlphaDropout)], ids=NETS
)
def test_drops_whole_channels_after_every_convolution(kind, layer):
    found = [m.p for m in digits_cnn(kind, p=0.3) if isinstance(m, layer)]
    assert found == [0.3] * 4


def test_selu_keeps_the_variance_from_layer_to_layer():
    x = lucid.randn(200, 1, 8, 8) * 0.376 + 0.305  # what Standardize brings to mean 0, variance 1
    variances = []
    for layer in digits_cnn("selu").eval():
        x = layer(x)
        if isinstance(layer, nn.SELU):
            variances.append(x.var().item())
    # Zeros from the padding take some away at the border; with He's weights it would double.
    assert all(0.4 < v < 1.6 for v in variances)


def test_unknown_kind_names_the_choices():
    with pytest.raises(ValueError, match="digits_cnn: kind must be one of relu, selu; got 'rleu'"):
        digits_cnn("rleu")
