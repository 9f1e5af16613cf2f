"""What can be set in the models, and where weights come from."""

import pytest

import lucid
from lucid import nn
from lucid.vision import models


def test_num_classes_is_the_width_of_the_output(device):
    net = models.squeezenet1_1(num_classes=7).eval()
    assert net(lucid.rand(2, 3, 33, 33)).shape == (2, 7)


def test_zero_init_residual_starts_blocks_as_their_shortcuts():
    net = models.resnet18(zero_init_residual=True).eval()
    x = lucid.rand(1, 64, 8, 8)
    assert (net.layer1[0](x) == x).all()
    assert (net.layer1[0].bn2.weight == 0).all()
    assert (models.resnet18().layer1[0].bn2.weight == 1).all()


def test_convolutions_of_resnet_start_with_the_variance_that_keeps_gradients():
    weight = models.resnet18().layer4[1].conv1.weight  # 512 * 512 * 9 draws: std to 0.1 %
    assert weight.std().item() == pytest.approx((2 / (512 * 9)) ** 0.5, rel=0.005)


def test_efficientnet_skips_later_blocks_more_often():
    net = models.efficientnet_b0(stochastic_depth_prob=0.32)
    drops = [m.p for m in net.modules() if isinstance(m, lucid.vision.ops.StochasticDepth)]
    assert drops == pytest.approx([0.02 * i for i in range(16)])


def test_convnext_reaches_the_probability_asked_for():
    stages = [(8, 16, 2), (16, None, 3)]
    net = models.ConvNeXt(stages, stochastic_depth_prob=0.4)
    drops = [m.p for m in net.modules() if isinstance(m, lucid.vision.ops.StochasticDepth)]
    assert drops == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_googlenet_answers_three_logits_in_training_and_one_in_eval():
    net = models.googlenet(num_classes=4)
    out = net(lucid.rand(2, 3, 32, 32))
    assert [part.shape for part in out] == [(2, 4)] * 3
    assert out.logits is out[0]
    assert net.eval()(lucid.rand(2, 3, 32, 32)).shape == (2, 4)


def test_memory_efficient_densenet_has_the_same_gradients():
    nets = []
    for efficient in (False, True):
        lucid.manual_seed(0)
        net = models.DenseNet(4, (2, 2), 8, num_classes=3, memory_efficient=efficient)
        net(lucid.rand(2, 3, 32, 32)).square().sum().backward()
        nets.append(net)
    for (name, plain), (_, again) in zip(*(n.named_parameters() for n in nets), strict=True):
        assert (plain.grad - again.grad).abs().max() <= 1e-5 * plain.grad.abs().max(), name


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="ResNet: replace_stride_with_dilation must be None or"):
        models.resnet50(replace_stride_with_dilation=[True])
    with pytest.raises(ValueError, match="BasicBlock: groups, base_width and dilation must be"):
        models.resnet18(width_per_group=128)
    with pytest.raises(ValueError, match="SqueezeNet: version must be '1_0' or '1_1'; got '1_2'"):
        models.SqueezeNet("1_2")


def test_get_model_names_the_models_it_knows():
    with pytest.raises(ValueError, match=r"got 'resnet19'. Known: alexnet, .*wide_resnet50_2"):
        models.get_model("resnet19")


@pytest.fixture
def saved(tmp_path):
    net = models.lenet5()
    lucid.save(net.state_dict(), tmp_path / "lenet.safetensors")
    return net, tmp_path / "lenet.safetensors"


def test_weights_may_be_a_file_or_a_state_dict(saved):
    net, path = saved
    for weights in (path, str(path), net.state_dict()):
        loaded = models.lenet5(weights=weights)
        for name, value in net.state_dict().items():
            assert (loaded.state_dict()[name] == value).all()


def test_torchs_files_of_weights_load(saved, tmp_path):
    torch = pytest.importorskip("torch")
    state = {name: torch.tensor(t.numpy()) for name, t in saved[0].state_dict().items()}
    torch.save(state, tmp_path / "lenet.pth")
    loaded = models.lenet5(weights=tmp_path / "lenet.pth")
    for name, value in saved[0].state_dict().items():
        assert (loaded.state_dict()[name] == value).all()


def test_weights_of_another_shape_are_an_error(saved):
    with pytest.raises(RuntimeError, match=r"classifier\.4\.weight"):
        models.lenet5(weights=saved[1], num_classes=11)


def test_a_name_of_pretrained_weights_says_how_to_load_a_file():
    for name in ("DEFAULT", "IMAGENET1K_V1", "missing.pth"):
        with pytest.raises(
            FileNotFoundError, match=r"resnet18: weights must .* Hint: fetch torchv"
        ):
            models.resnet18(weights=name)
    with pytest.raises(TypeError, match="resnet18: weights must be None, a state dict or the path"):
        models.resnet18(weights=True)


def test_files_from_before_batch_norms_counted_load():
    net = models.DenseNet(4, (2, 2), 8, num_classes=3)
    builder = models.registry.model(lambda: models.DenseNet(4, (2, 2), 8, num_classes=3))
    old = {}
    for name, value in net.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            for part in ("norm1", "norm2", "conv1", "conv2"):  # as torchvision's files have them
                name = name.replace(f".{part}.", f".{part[:-1]}.{part[-1]}.")
            old[name] = value
    loaded = builder(weights=old)
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    for name, value in net.state_dict().items():
        assert (loaded.state_dict()[name] == value).all(), name
    models.registry._BUILDERS.pop("<lambda>")


def test_a_network_learns(device):
    # Two classes, one brighter: MobileNetV2's blocks in a size that trains in a second.
    net = models.MobileNetV2(2, 0.25, [(1, 16, 1, 1), (6, 24, 2, 2)], dropout=0.0).to(device)
    labels = lucid.arange(32) % 2
    images = lucid.rand(32, 3, 16, 16) + labels.reshape(32, 1, 1, 1)
    optimizer = lucid.optim.SGD(net.parameters(), 0.05, momentum=0.9)
    losses = []
    for _ in range(8):
        loss = nn.functional.cross_entropy(net(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 4
