"""Whole models, exported and run by ONNX Runtime."""

import inspect

import pytest

import lucid
from lucid import nn
from lucid.vision import models
from tests.onnx.running import agrees, lively

for package in ("onnx", "onnxruntime"):
    pytest.importorskip(package, reason=f"{package} runs the files. Hint: pip install '.[onnx]'")


def check(model, *shape, **settings):
    """For the example's batch and for another."""
    name = list(inspect.signature(model.forward).parameters)[0]
    axes = {name: {0: "batch"}}
    other = lucid.randn(3, *shape)
    agrees(lively(model), lucid.randn(2, *shape), dynamic_axes=axes, others=[(other,)], **settings)


def test_lenet(device):
    check(models.lenet5(), 1, 28, 28)


@pytest.mark.parametrize("net", list(models.NETS))
def test_the_digits_networks(net, device):
    check(models.digits_cnn(net), 1, 8, 8)


@pytest.mark.parametrize("opset", [17, 18, 20, 22])
def test_a_network_of_residual_blocks(opset):
    check(models.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1]), 3, 32, 32, opset_version=opset)


@pytest.mark.parametrize("opset", [17, 18, 22])
def test_depthwise_convolutions_hardswish_and_squeeze_excitation(opset):
    check(models.mobilenet_v3_small(num_classes=10), 3, 32, 32, opset_version=opset)


def test_vgg_with_adaptive_pooling():
    features, channels = [], 3
    for n in (8, "M", 16, "M"):
        if n == "M":
            features.append(nn.MaxPool2d(2))
        else:
            features += [nn.Conv2d(channels, n, 3, padding=1), nn.ReLU(inplace=True)]
            channels = n
    head = [nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(16 * 49, 20), nn.ReLU(True)]
    check(nn.Sequential(*features, *head, nn.Dropout(), nn.Linear(20, 4)), 3, 28, 28)
    # 9 x 9 in 7 x 7 parts of unequal sizes
    check(nn.Sequential(*features, *head), 3, 36, 37)


def test_layer_norm_over_channels_and_gelu():
    stages = [models.convnext.StageSetting(8, 16, 1), models.convnext.StageSetting(16, None, 1)]
    check(models.ConvNeXt(stages, num_classes=5), 3, 32, 32)


def test_branches_that_are_joined():
    check(models.squeezenet1_1(num_classes=10), 3, 48, 48)


def test_a_transformer_block():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.token = nn.Parameter(lucid.randn(1, 1, 8))
            self.norm, self.qkv = nn.LayerNorm(8), nn.Linear(8, 24)
            self.out = nn.Linear(8, 3)

        def forward(self, x):
            n = x.shape[0]
            x = lucid.cat([self.token.expand(n, -1, -1), x], 1)
            q, k, v = self.qkv(self.norm(x)).reshape(n, -1, 3, 2, 4).permute(2, 0, 3, 1, 4)
            y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            return self.out((x + y.transpose(1, 2).reshape(n, -1, 8))[:, 0]).softmax(-1)

    check(Block(), 5, 8)


def test_an_image_of_any_size():
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1),
        nn.BatchNorm2d(4),
        nn.Hardswish(),
        nn.MaxPool2d(3, 2, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    )
    axes = {"input": {0: "n", 2: "h", 3: "w"}}
    others = [(lucid.randn(5, 3, 31, 17),)]
    agrees(lively(net), lucid.randn(2, 3, 16, 16), dynamic_axes=axes, others=others)


def test_a_trained_network_keeps_its_answers():
    net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.SELU(), nn.AlphaDropout(0.1))
    optimizer = lucid.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(3):
        net(lucid.randn(16, 4)).square().mean().backward()
        optimizer.step()
    check(net, 4)
    assert net.training
