"""Layers: settings, reprs and numbers are PyTorch's, with its state copied over."""

import pytest

import lucid
from lucid import nn
from lucid.errors import ShapeError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:torch")  # its own advice to its users

IMAGE, SIGNAL, VOLUME, FLAT = (2, 4, 9, 8), (2, 4, 9), (2, 4, 6, 5, 7), (3, 6)

LAYERS = [
    ("Linear(6, 5)", FLAT),
    ("Linear(8, 5, bias=False)", IMAGE),
    ("Identity(3, unused=True)", FLAT),
    ("Flatten()", IMAGE),
    ("Flatten(0, 1)", IMAGE),
    ("Unflatten(1, (2, 3))", FLAT),
    ("Conv1d(4, 6, 3)", SIGNAL),
    ("Conv1d(4, 6, 3, padding='same', padding_mode='circular')", SIGNAL),
    ("Conv2d(4, 6, 3)", IMAGE),
    ("Conv2d(4, 6, (3, 2), stride=2, padding=(1, 0), dilation=2, groups=2, bias=False)", IMAGE),
    ("Conv2d(4, 6, 4, padding='same')", IMAGE),
    ("Conv2d(4, 6, 3, padding='valid', padding_mode='reflect')", IMAGE),
    ("Conv2d(4, 6, 3, padding=1, padding_mode='reflect')", IMAGE),
    ("Conv2d(4, 6, (4, 3), padding='same', padding_mode='replicate')", IMAGE),
    ("Conv3d(4, 2, 3, padding=1)", VOLUME),
    ("ConvTranspose1d(4, 6, 3, stride=2)", SIGNAL),
    ("ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2)", IMAGE),
    ("ConvTranspose3d(4, 2, 2, dilation=2, bias=False)", VOLUME),
    ("MaxPool1d(3, 2, 1, ceil_mode=True)", SIGNAL),
    ("MaxPool2d(2)", IMAGE),
    ("MaxPool2d((3, 2), stride=1, padding=1, dilation=2)", IMAGE),
    ("MaxPool3d(2)", VOLUME),
    ("AvgPool1d(3, 2, 1)", SIGNAL),
    ("AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False)", IMAGE),
    ("AvgPool2d(2, divisor_override=3)", IMAGE),
    ("AvgPool3d(2)", VOLUME),
    ("AdaptiveAvgPool1d(4)", SIGNAL),
    ("AdaptiveAvgPool2d((5, None))", IMAGE),
    ("AdaptiveAvgPool3d(2)", VOLUME),
    ("AdaptiveMaxPool1d(4)", SIGNAL),
    ("AdaptiveMaxPool2d(3)", IMAGE),
    ("AdaptiveMaxPool3d((2, 3, 1))", VOLUME),
    *[
        (f"{name}()", FLAT)
        for name in (
            "ReLU", "ReLU6", "LeakyReLU", "PReLU", "ELU", "CELU", "SELU", "GELU", "SiLU", "Mish",
            "Sigmoid", "LogSigmoid", "Tanh", "Tanhshrink", "Softsign", "Hardswish", "Hardsigmoid",
            "Hardtanh", "Softplus", "Softshrink", "Hardshrink", "GLU",
        )
    ],
    *[
        (f"{name}(inplace=True)", FLAT)
        for name in (
            "ReLU", "ReLU6", "LeakyReLU", "ELU", "CELU", "SELU", "SiLU", "Mish", "Hardswish",
            "Hardsigmoid", "Hardtanh",
        )
    ],
    ("PReLU(6, init=0.1)", FLAT),
    ("ELU(2.0)", FLAT),
    ("GELU('tanh')", FLAT),
    ("Hardtanh(-0.5, 0.7)", FLAT),
    ("Softplus(2, 1)", FLAT),
    ("Softshrink(0.2)", FLAT),
    ("Threshold(0.1, 20)", FLAT),
    ("Threshold(0.1, 20, True)", FLAT),
    ("Softmax(1)", FLAT),
    ("Softmax2d()", IMAGE),
    ("LogSoftmax(dim=-1)", FLAT),
    ("Softmin(dim=0)", FLAT),
    ("BatchNorm1d(6)", FLAT),
    ("BatchNorm1d(4)", SIGNAL),
    ("BatchNorm2d(4, eps=1e-3, momentum=0.3)", IMAGE),
    ("BatchNorm2d(4, momentum=None)", IMAGE),
    ("BatchNorm2d(4, affine=False)", IMAGE),
    ("BatchNorm2d(4, track_running_stats=False)", IMAGE),
    ("BatchNorm3d(4)", VOLUME),
    ("InstanceNorm1d(4)", SIGNAL),
    ("InstanceNorm2d(4, affine=True, track_running_stats=True)", IMAGE),
    ("InstanceNorm2d(4)", IMAGE[1:]),
    ("InstanceNorm3d(4)", VOLUME),
    ("LayerNorm(6)", FLAT),
    ("LayerNorm((9, 8), elementwise_affine=False)", IMAGE),
    ("LayerNorm(6, bias=False)", FLAT),
    ("RMSNorm(6)", FLAT),
    ("RMSNorm((9, 8), eps=1e-3)", IMAGE),
    ("GroupNorm(2, 4)", IMAGE),
    ("GroupNorm(4, 4, affine=False)", SIGNAL),
    ("LocalResponseNorm(3)", IMAGE),
    *[
        (f"{kind}Pad{d}d({value}{extra})", shape)
        for kind, extra in (
            ("Zero", ""), ("Constant", ", 1.5"), ("Reflection", ""), ("Replication", ""),
            ("Circular", ""),
        )
        for d, shape, sides in (
            (1, SIGNAL, (1, 2)), (2, IMAGE, (1, 2, 3, 0)), (3, VOLUME, (1, 2, 3, 0, 2, 1)),
        )
        for value in (1, sides)
    ],
]  # fmt: skip


def build(text):
    """The same expression in both frameworks; ours with their parameters."""
    theirs = eval(f"torch.nn.{text}", {"torch": torch})
    ours = eval(f"nn.{text}", {"nn": nn})
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def close(ours, theirs, tolerance=2e-5):
    theirs = theirs.detach().numpy()
    assert ours.shape == theirs.shape
    scale = 1 + abs(theirs).max()
    assert abs(ours.numpy(force=True) - theirs).max() <= tolerance * scale


@pytest.mark.parametrize(("text", "shape"), LAYERS, ids=[f"{t} {s}" for t, s in LAYERS])
def test_a_layer_computes_pytorchs_numbers_and_gradients(text, shape, device):
    torch.manual_seed(0)
    ours, theirs = build(text)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for _ in range(2):  # twice: running statistics move
        b = torch.randn(shape, requires_grad=True)
        a = lucid.tensor(b.detach().numpy().copy(), requires_grad=True)
        x, y = ours(a * 1), theirs(b * 1)  # * 1: in-place layers may not write to a leaf
        close(x, y)
        weights = torch.randn_like(y)
        (x * lucid.tensor(weights.numpy())).sum().backward()
        (y * weights).sum().backward()
        close(a.grad, b.grad)
        for (_, p), (_, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
            close(p.grad, q.grad)
    for key, value in theirs.state_dict().items():
        close(ours.state_dict()[key], value)
    close(ours.eval()(a.detach()), theirs.eval()(b.detach()))


def draw(kind, shape):
    if kind == "label":
        return torch.randint(0, 5, shape)
    t = torch.rand(shape) * 0.9 + 0.05
    return t if kind == "probability" else t.log() if kind == "log" else torch.randn(shape)


LOSSES = [
    ("L1Loss", {}, "any", "any"),
    ("MSELoss", {}, "any", "any"),
    ("SmoothL1Loss", {"beta": 0.5}, "any", "any"),
    ("HuberLoss", {"delta": 0.7}, "any", "any"),
    ("KLDivLoss", {}, "log", "probability"),
    ("KLDivLoss", {"log_target": True}, "log", "log"),
    ("NLLLoss", {"ignore_index": 2}, "log", "label"),
    ("CrossEntropyLoss", {}, "any", "label"),
    ("CrossEntropyLoss", {"label_smoothing": 0.1, "ignore_index": 1}, "any", "label"),
    ("CrossEntropyLoss", {"label_smoothing": 0.1}, "any", "probability"),
    ("BCELoss", {}, "probability", "probability"),
    ("BCEWithLogitsLoss", {}, "any", "probability"),
    ("PoissonNLLLoss", {}, "any", "probability"),
    ("PoissonNLLLoss", {"log_input": False, "full": True}, "probability", "probability"),
]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("name", "kwargs", "x", "t"), LOSSES)
def test_a_loss_computes_pytorchs_numbers(name, kwargs, x, t, reduction, device):
    torch.manual_seed(0)
    b = draw(x, (7, 5)).requires_grad_()
    target = draw(t, (7,) if t == "label" else (7, 5))
    a = lucid.tensor(b.detach().numpy().copy(), requires_grad=True)
    theirs = getattr(torch.nn, name)(reduction=reduction, **kwargs)
    ours = getattr(nn, name)(reduction=reduction, **kwargs)
    assert repr(ours) == repr(theirs)
    p, q = ours(a, lucid.tensor(target.numpy())), theirs(b, target)
    close(p, q)
    p.sum().backward()
    q.sum().backward()
    close(a.grad, b.grad)


@pytest.mark.parametrize("name", ["NLLLoss", "CrossEntropyLoss"])
def test_class_weights_move_with_the_loss_and_are_pytorchs(name, device):
    torch.manual_seed(0)
    w, x, t = torch.rand(5), torch.randn(7, 5).log_softmax(1), torch.randint(0, 5, (7,))
    ours = getattr(nn, name)(weight=lucid.tensor(w.numpy())).double()
    assert ours.weight.dtype == lucid.float64
    theirs = getattr(torch.nn, name)(weight=w.double())
    close(ours(lucid.tensor(x.double().numpy()), lucid.tensor(t.numpy())), theirs(x.double(), t))


def test_the_gaussian_loss_and_distances_are_pytorchs(device):
    torch.manual_seed(0)
    x, t, v = torch.randn(7, 5), torch.randn(7, 5), torch.rand(7, 5)
    a, b, c = (lucid.tensor(each.numpy()) for each in (x, t, v))
    close(nn.GaussianNLLLoss(full=True)(a, b, c), torch.nn.GaussianNLLLoss(full=True)(x, t, v))
    close(nn.CosineSimilarity()(a, b), torch.nn.CosineSimilarity()(x, t))
    close(nn.PairwiseDistance(3.0)(a, b), torch.nn.PairwiseDistance(3.0)(x, t))


def test_the_old_way_to_say_reduction_warns():
    with pytest.warns(UserWarning, match="reduction='sum'"):
        assert nn.MSELoss(size_average=False).reduction == "sum"


def test_batchmean_divides_by_the_batch(device):
    x, t = lucid.full((4, 2), -1.0), lucid.full((4, 2), 0.5)
    mean, batch = nn.KLDivLoss()(x, t), nn.KLDivLoss(reduction="batchmean")(x, t)
    assert batch.item() == pytest.approx(2 * mean.item())


@pytest.mark.parametrize(
    "kwargs", [{}, {"padding_idx": -1}, {"max_norm": 0.8, "norm_type": 1.0},
               {"scale_grad_by_freq": True}],
)  # fmt: skip
def test_an_embedding_is_pytorchs(kwargs, device):
    torch.manual_seed(0)
    theirs = torch.nn.Embedding(6, 3, **kwargs)
    ours = nn.Embedding(6, 3, **kwargs)
    ours.load_state_dict(theirs.state_dict())
    assert repr(ours) == repr(theirs)
    index = torch.tensor([[0, 5, 2], [2, 2, 1]])
    x, y = ours(lucid.tensor(index.numpy())), theirs(index)
    close(x, y)
    x.sum().backward()
    y.sum().backward()
    close(ours.weight.grad, theirs.weight.grad)
    close(ours.weight, theirs.weight)


def test_a_pretrained_embedding_is_frozen_unless_asked():
    table = lucid.randn(4, 2)
    assert not nn.Embedding.from_pretrained(table).weight.requires_grad
    assert nn.Embedding.from_pretrained(table, freeze=False).weight.requires_grad


def test_a_bilinear_layer_is_pytorchs(device):
    theirs = torch.nn.Bilinear(3, 4, 2)
    ours = nn.Bilinear(3, 4, 2)
    ours.load_state_dict(theirs.state_dict())
    assert repr(ours) == repr(theirs)
    a, b = torch.randn(5, 2, 3), torch.randn(5, 2, 4)
    close(ours(lucid.tensor(a.numpy()), lucid.tensor(b.numpy())), theirs(a, b))


@pytest.mark.parametrize("size", [(17, 15), (18, 16), (2, 6, 18, 15)])
def test_a_transposed_convolution_takes_the_size_that_it_should_have(size, device):
    ours, theirs = build("ConvTranspose2d(4, 6, 3, stride=2, padding=1)")
    x = torch.randn(IMAGE)
    close(ours(lucid.tensor(x.numpy()), size), theirs(x, size))
    with pytest.raises(ShapeError, match=r"output_size must be from \(17, 15\) to \(18, 16\)"):
        ours(lucid.tensor(x.numpy()), (19, 15))


def test_max_pooling_returns_indices_on_request(device):
    x = torch.randn(IMAGE)
    ours = nn.MaxPool2d(2, return_indices=True)(lucid.tensor(x.numpy()))
    theirs = torch.nn.MaxPool2d(2, return_indices=True)(x)
    close(ours[0], theirs[0])
    assert ours[1].tolist() == theirs[1].tolist()


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda **k: nn.Linear(2, 2, **k), "weight"),
        (lambda **k: nn.Conv2d(2, 2, 1, **k), "bias"),
        (lambda **k: nn.ConvTranspose1d(2, 2, 1, **k), "weight"),
        (lambda **k: nn.BatchNorm2d(2, **k), "running_mean"),
        (lambda **k: nn.LayerNorm(2, **k), "weight"),
        (lambda **k: nn.GroupNorm(1, 2, **k), "weight"),
        (lambda **k: nn.RMSNorm(2, **k), "weight"),
        (lambda **k: nn.Embedding(2, 2, **k), "weight"),
        (lambda **k: nn.PReLU(**k), "weight"),
        (lambda **k: nn.Bilinear(1, 1, 1, **k), "weight"),
    ],
)
def test_layers_are_made_with_a_dtype_on_a_device(make, name, device):
    made = getattr(make(dtype=lucid.float64, device=device), name)
    assert made.dtype == lucid.float64
    assert made.device == device


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "in_channels must be divisible"),
        (lambda: nn.Conv2d(4, 3, 3, groups=2), ValueError, "out_channels must be divisible"),
        (lambda: nn.Conv2d(3, 4, (3, 3, 3)), ValueError, "kernel_size must be an int or 2"),
        (lambda: nn.Conv2d(3, 4, 3, padding="full"), ValueError, '"same" or "valid"'),
        (lambda: nn.Conv2d(3, 4, 3, 2, padding="same"), ValueError, "needs stride 1"),
        (lambda: nn.Conv2d(3, 4, 3, padding_mode="zero"), ValueError, "padding_mode must be"),
        (lambda: nn.ConvTranspose2d(3, 4, 3, padding_mode="reflect"), ValueError, "must be zeros"),
        (lambda: nn.GroupNorm(3, 4), ValueError, "divisible by num_groups"),
        (lambda: nn.BatchNorm2d(3)(lucid.ones(2, 3)), ShapeError, r"\(N, C, H, W\)"),
        (lambda: nn.Embedding(3, 2, padding_idx=3), ValueError, "padding_idx must be in"),
        (lambda: nn.MSELoss(reduction="avg"), ValueError, "mean, sum or none"),
        (lambda: nn.Hardtanh(1, 0), ValueError, "max_val must be greater"),
        (lambda: nn.ZeroPad2d((1, 2)), ValueError, "an int or 4"),
    ],
)
def test_bad_settings_are_refused_at_once(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_states_without_batch_counts_load_into_batch_norm():
    state = {k: lucid.ones(2) for k in ("weight", "bias", "running_mean", "running_var")}
    net = nn.BatchNorm2d(2)
    net.load_state_dict(state)
    assert net.num_batches_tracked.item() == 0
