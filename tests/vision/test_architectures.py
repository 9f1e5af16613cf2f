"""Every architecture has torchvision's parameters, by name and shape, and computes what it does."""

import hashlib

import numpy as np
import pytest

import lucid
from lucid import nn
from lucid.vision import models
from tests.vision import peer

# From torchvision 0.28: the number of parameters, and the beginning of the SHA-256 of the sorted
# lines "name:shape" of the state dict.
TORCHVISION = {
    "alexnet": (61_100_840, "dd9c4dec53aa7bdf"),
    "convnext_base": (88_591_464, "8be912fa45d3c4bc"),
    "convnext_large": (197_767_336, "f6117a1bb346fce4"),
    "convnext_small": (50_223_688, "40c86b55d4b3a639"),
    "convnext_tiny": (28_589_128, "ac823e08e31e87ce"),
    "densenet121": (7_978_856, "ab49849b3ca214f5"),
    "densenet161": (28_681_000, "5022fc3e1f5307d1"),
    "densenet169": (14_149_480, "e99928dbb77358c1"),
    "densenet201": (20_013_928, "b4693170ccb57ccf"),
    "efficientnet_b0": (5_288_548, "f283c10a15eb79f3"),
    "efficientnet_b1": (7_794_184, "1d9b1cdd7cdf53f4"),
    "efficientnet_b2": (9_109_994, "149c11a58fd6e907"),
    "efficientnet_b3": (12_233_232, "4b313c668bdea440"),
    "efficientnet_b4": (19_341_616, "c0e2379e46619715"),
    "efficientnet_b5": (30_389_784, "e0da34c19da296ec"),
    "efficientnet_b6": (43_040_704, "424e53a49485cb72"),
    "efficientnet_b7": (66_347_960, "9f1011b5e554449f"),
    "googlenet": (13_004_888, "8628650f84d7832c"),
    "mobilenet_v2": (3_504_872, "8e46697c9016e576"),
    "mobilenet_v3_large": (5_483_032, "c528e0bb2a7fb18b"),
    "mobilenet_v3_small": (2_542_856, "bcde2d45a27d4888"),
    "resnet101": (44_549_160, "e0e4b4ababa6968b"),
    "resnet152": (60_192_808, "db106f558aedebc2"),
    "resnet18": (11_689_512, "1dcde4b21afa712c"),
    "resnet34": (21_797_672, "c9e0bf87b4391ad8"),
    "resnet50": (25_557_032, "ce6ad2593ee187ab"),
    "resnext101_32x8d": (88_791_336, "0db5796fc9aebb7f"),
    "resnext101_64x4d": (83_455_272, "4d26fdd006b980ae"),
    "resnext50_32x4d": (25_028_904, "a80e6acce41bed49"),
    "squeezenet1_0": (1_248_424, "5404f64a358d9a02"),
    "squeezenet1_1": (1_235_496, "2ba7747eadf15fff"),
    "vgg11": (132_863_336, "2dc8d3b001c62172"),
    "vgg11_bn": (132_868_840, "e4187ae2ee9ff589"),
    "vgg13": (133_047_848, "5765e5290b94592d"),
    "vgg13_bn": (133_053_736, "ce959ade57cbc268"),
    "vgg16": (138_357_544, "8d869fc271c12104"),
    "vgg16_bn": (138_365_992, "82d2ee0373b7e247"),
    "vgg19": (143_667_240, "4b3852b2713ff33f"),
    "vgg19_bn": (143_678_248, "9981c403fff1f470"),
    "wide_resnet101_2": (126_886_696, "3331fa536e99b5c8"),
    "wide_resnet50_2": (68_883_240, "1f42b3c4b9491740"),
}

SMALL = [  # one or two of each family, with arguments that reach other code
    ("ConvNeXt", {"layer_scale": 0.1}),
    ("DenseNet", {"memory_efficient": True}),
    ("efficientnet_b0", {"dropout": 0.0, "stochastic_depth_prob": 0.0}),
    ("googlenet", {"transform_input": True, "dropout": 0.0, "dropout_aux": 0.0}),
    ("mobilenet_v2", {"width_mult": 0.35, "dropout": 0.0}),
    ("mobilenet_v3_small", {"reduced_tail": True, "dilated": True, "dropout": 0.0}),
    ("resnet18", {}),
    ("squeezenet1_1", {"dropout": 0.0}),
]


@pytest.fixture
def without_drawing(monkeypatch):
    """Parameters stay memory that was never written to: a model of 800 MB is made in 10 ms."""
    names = ("uniform_", "normal_", "trunc_normal_", "kaiming_uniform_", "kaiming_normal_")
    for name in names:
        monkeypatch.setattr(nn.init, name, lambda tensor, *args, **kwargs: tensor)


def digest(state):
    lines = "\n".join(f"{name}:{tuple(t.shape)}" for name, t in sorted(state.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def numbered(net):
    return sum(p.numel() for p in net.parameters())


def test_the_table_has_every_model_that_torchvision_has_too():
    assert sorted(TORCHVISION) == [name for name in models.list_models() if name != "lenet5"]


@pytest.mark.parametrize("name", TORCHVISION)
def test_names_and_shapes_of_parameters_are_torchvisions(name, without_drawing):
    net = models.get_model(name)
    assert (numbered(net), digest(net.state_dict())) == TORCHVISION[name]


def test_lenet_has_the_parameters_of_its_paper_but_for_full_connections_and_linear_scores():
    # 6 (5 x 5 + 1) + 16 (6 x 5 x 5 + 1) + 120 (400 + 1) + 84 (120 + 1) + 10 (84 + 1)
    assert numbered(models.lenet5()) == 61_706
    assert models.lenet5()(lucid.zeros(2, 1, 28, 28)).shape == (2, 10)


@pytest.fixture(scope="module")
def torchvision():
    """torchvision's models; its compiled operators are not needed."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # its threads and ours would wait for each other's cores
    yield peer.torchvision("models")
    torch.set_num_threads(threads)


@pytest.mark.parametrize("name", TORCHVISION)
def test_state_dict_is_in_torchvisions_order(name, torchvision, without_drawing):
    torch = pytest.importorskip("torch")

    unneeded = {"init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"):
        theirs = torchvision.get_model(name, weights=None, **unneeded)
    assert (numbered(theirs), digest(theirs.state_dict())) == TORCHVISION[name]
    assert list(models.get_model(name).state_dict()) == list(theirs.state_dict())


@pytest.mark.parametrize(("name", "settings"), SMALL)
def test_same_weights_same_outputs_and_gradients(name, settings, torchvision, without_drawing):
    # In float64: in float32 a sum that is 1e-9 here and -1e-9 there lets a ReLU's whole gradient
    # through or not. 1e-5 is far above the rounding of 100 layers, far below any other function.
    torch = pytest.importorskip("torch")
    settings = {**settings, "num_classes": 5}
    drawn = {"init_weights": True} if name == "googlenet" else {}
    torch.manual_seed(0)
    if name == "ConvNeXt":  # the tiny one takes a minute in float64
        stages = [(16, 32, 1), (32, 48, 2), (48, None, 1)]
        block = torchvision.convnext.CNBlockConfig
        theirs = torchvision.ConvNeXt([block(*stage) for stage in stages], **settings)
        ours = models.ConvNeXt(stages, **settings)
    elif name == "DenseNet":
        theirs = torchvision.DenseNet(8, (2, 3, 2), 12, 2, **settings)
        ours = models.DenseNet(8, (2, 3, 2), 12, 2, **settings)
    else:
        theirs = torchvision.get_model(name, weights=None, **settings, **drawn)
        ours = models.get_model(name, **settings)
    theirs, ours = theirs.double(), ours.double()
    ours.load_state_dict({k: lucid.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    image = np.random.default_rng(0).standard_normal((3, 3, 48, 48))
    x, x_theirs = lucid.tensor(image, requires_grad=True), torch.tensor(image, requires_grad=True)
    y, y_theirs = ours(x), theirs(x_theirs)
    if isinstance(y_theirs, tuple):
        y, y_theirs = sum(y), sum(y_theirs)
    assert_close(y, y_theirs)
    (y * y).sum().backward()
    (y_theirs * y_theirs).sum().backward()
    assert_close(x.grad, x_theirs.grad)
    gradients = {name: p.grad for name, p in theirs.named_parameters()}
    for name, p in ours.named_parameters():
        assert_close(p.grad, gradients[name])
    running = theirs.state_dict()
    for name, value in ours.state_dict().items():
        if "running" in name:
            assert_close(value, running[name])
    with lucid.no_grad(), torch.no_grad():
        assert_close(ours.eval()(x), theirs.eval()(x_theirs))


@pytest.mark.parametrize("name", ["alexnet", "vgg11_bn", "resnext50_32x4d", "resnet50"])
def test_features_of_the_large_ones_are_torchvisions(name, torchvision, without_drawing):
    # Forward, in float32, and without the 100 million parameters of linear layers at their ends.
    torch = pytest.importorskip("torch")
    dilated = {"replace_stride_with_dilation": [False, True, True]} if name == "resnet50" else {}
    torch.manual_seed(0)
    with torch.device("meta"):
        theirs = torchvision.get_model(name, weights=None, **dilated)
    ours = models.get_model(name, **dilated)
    if name.startswith("res"):
        theirs.fc, ours.fc = torch.nn.Identity(), nn.Identity()
    else:
        theirs, ours = theirs.features, ours.features
    theirs = theirs.to_empty(device="cpu").eval()
    for m in theirs.modules():
        if hasattr(m, "reset_parameters"):
            m.reset_parameters()
    ours.load_state_dict({k: lucid.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    image = np.random.default_rng(0).standard_normal((1, 3, 64, 64)).astype(np.float32)
    with lucid.no_grad(), torch.no_grad():
        assert_close(ours.eval()(lucid.tensor(image)), theirs(torch.tensor(image)), 1e-4)


def assert_close(ours, theirs, relative=1e-5):
    expected = theirs.detach().numpy()
    tolerance = relative * abs(expected).max() + 1e-12  # means of zero are 1e-18 here and there
    np.testing.assert_allclose(ours.detach().numpy(), expected, rtol=0, atol=tolerance)
