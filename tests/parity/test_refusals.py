"""Wrong calls: lucid refuses what PyTorch refuses, so that it can be caught and understood."""

import pytest

import lucid
from lucid import nn

from . import refusals
from .intended_refusals import REFUSALS

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # small arrays, and other tests beside these
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", refusals.wrong_calls())
def test_refuses_what_pytorch_refuses_and_says_why(name):
    differing = [
        f"{call.label}: {difference}"
        for call in refusals.wrong_calls()[name]
        for difference in refusals.judge(call, torch)
        if refusals.intended(call, difference) is None
    ]
    assert differing == []


@pytest.mark.parametrize("library", [torch, lucid], ids=["torch", "lucid"])
def test_the_calls_that_are_spoilt_are_right(library):
    refused = [
        (call.name, error)
        for call in refusals.rights()
        for error in [refusals.answer(library, call)]
        if error
    ]
    assert refused == []


def test_every_intended_difference_of_wrong_calls_says_why():
    assert all(len(reason) > 10 for *_, reason in REFUSALS)


@pytest.mark.parametrize(
    "message",
    [
        "operands could not be broadcast together with shapes (2,) (3,)",
        "add: operands could not be broadcast together; got (2,) (3,)",
        "'NoneType' object has no attribute 'ndim'",
        "mul: sizes must be equal; got (2,) and (3,)",
        "add: sizes must be equal",
        "add: sizes must be\nequal; got 3",
    ],
)
def test_an_error_that_is_not_in_the_houses_words_is_noticed(message):
    assert not refusals.is_clear("add", RuntimeError(message))


def test_an_error_in_the_houses_words_is_clear():
    text = "add: sizes must be equal; got (2,) and (3,). Hint: use expand"
    assert refusals.is_clear("Tensor.add", RuntimeError(text))


def test_a_call_that_is_no_longer_refused_is_noticed(monkeypatch):
    calls = refusals.wrong_calls()["Tensor.unsqueeze"]
    call = next(c for c in calls if c.label == "1: 50")
    assert refusals.judge(call, torch) == []
    monkeypatch.setattr(lucid.Tensor, "unsqueeze", lambda self, dim: self)
    assert refusals.judge(call, torch)


# Inside a model: a wrong input for each layer class, three containers deep.
IN_A_MODEL = {
    "Conv1d": ((3, 4, 2), (2, 5, 6)),
    "Conv2d": ((3, 4, 2), (2, 5, 6, 6)),
    "Conv3d": ((3, 4, 2), (2, 5, 6, 6, 6)),
    "ConvTranspose2d": ((3, 4, 2), (2, 5, 6, 6)),
    "Linear": ((3, 4), (2, 5)),
    "BatchNorm1d": ((3,), (2, 5)),
    "BatchNorm2d": ((3,), (2, 5, 4, 4)),
    "BatchNorm3d": ((3,), (2, 5, 4, 4, 4)),
    "LayerNorm": ((3,), (2, 5)),
    "GroupNorm": ((2, 4), (2, 5, 3)),
    "InstanceNorm2d": ((3, 1e-5, 0.1, True), (2, 5, 4, 4)),
    "LocalResponseNorm": ((3,), (5,)),
    "MaxPool1d": ((3,), (2, 2, 2)),
    "MaxPool2d": ((3,), (2, 2, 2, 2)),
    "AvgPool1d": ((3,), (2, 2, 2)),
    "AvgPool2d": ((3,), (2, 2, 2, 2)),
    "AdaptiveAvgPool1d": ((3,), (5,)),
    "AdaptiveAvgPool2d": ((3,), (5,)),
    "AdaptiveMaxPool2d": ((3,), (5,)),
    "PReLU": ((3,), (2, 5)),
    "Softmax": ((3,), (2, 5)),
    "LogSoftmax": ((3,), (2, 5)),
    "Dropout1d": ((), (5,)),
    "Dropout2d": ((), (5,)),
    "Dropout3d": ((), (5,)),
    "FeatureAlphaDropout": ((), (5,)),
    "Flatten": ((3,), (2, 5)),
    "Unflatten": ((1, (2, 3)), (2, 5)),
    "Upsample": ((3,), (5,)),
    "ZeroPad2d": ((1,), (5,)),
    "ReflectionPad2d": ((3,), (2, 2, 2)),
    "ConstantPad2d": ((1, 0.5), (5,)),
    "PixelShuffle": ((2,), (2, 5, 3, 3)),
}


@pytest.mark.parametrize("name", IN_A_MODEL)
def test_inside_a_model_the_layers_path_and_the_shapes_are_named(name):
    args, shape = IN_A_MODEL[name]
    model = nn.Sequential()
    model.features = nn.Sequential(nn.Identity(), nn.Sequential(getattr(nn, name)(*args)))
    with pytest.raises(Exception) as caught:  # noqa: B017, PT011  its class is another test's
        model(lucid.ones(shape))
    assert caught.value.__notes__ == [f"in layer features.1.0 ({name}) of Sequential"]
    text = str(caught.value)
    assert refusals.is_clear(f"nn.{name}", caught.value), text
    assert any(str(n) in text for n in (shape, *shape, len(shape))), text


def test_what_a_model_was_given_by_mistake_is_named():
    model = nn.Sequential(nn.Sequential(nn.Linear(2, 2)))
    with pytest.raises(TypeError, match=r"^linear: input must be a Tensor; got None") as caught:
        model(None)
    assert caught.value.__notes__ == ["in layer 0.0 (Linear) of Sequential"]


class Branches(nn.Module):
    """Containers in containers, and one layer in two places."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(4, 4)
        self.heads = nn.ModuleDict({"a": nn.Sequential(nn.ReLU(), nn.Linear(4, 2)), "b": self.stem})
        self.blocks = nn.ModuleList([nn.Identity(), nn.ModuleList([nn.Conv2d(3, 4, 3)])])
        self.inner = nn.Sequential(nn.Sequential(nn.Sequential(nn.LayerNorm(5))))

    def forward(self, x, way):
        if way == "dict":
            return self.heads["a"](x)
        if way == "shared":
            return self.heads["b"](x)
        if way == "list":
            return self.blocks[1][0](x)
        return self.inner(x)


@pytest.mark.parametrize(
    ("way", "shape", "where", "text"),
    [
        ("dict", (3, 5), "model.heads.a.1 (Linear)", "got input (3, 5), weight (2, 4)"),
        ("shared", (3, 5), "model.stem (Linear)", "got input (3, 5), weight (4, 4)"),
        ("list", (2, 5, 8, 8), "model.blocks.1.0 (Conv2d)", "(2, 5, 8, 8)"),
        ("deep", (3, 4), "model.inner.0.0.0 (LayerNorm)", "(3, 4)"),
    ],
)
def test_the_path_goes_through_every_kind_of_container(way, shape, where, text):
    outer = nn.Module()
    outer.model = Branches()
    outer.forward = lambda x: outer.model(x, way)
    with pytest.raises(Exception) as caught:  # noqa: B017, PT011  its class is another test's
        outer(lucid.ones(shape))
    assert caught.value.__notes__ == [f"in layer {where} of Module"]
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: nn.Conv2d(-1, 2, 3), ValueError, "Conv2d: sizes must not be negative; got"),
        (lambda: nn.Conv2d(3, 4, 3, padding_mode="mirror"), ValueError, "Conv2d: padding_mode"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "Conv2d: in_channels must be divisible"),
        (lambda: nn.Conv2d(3, 4, "3"), TypeError, "Conv2d: "),
        (lambda: nn.Linear(2, -3), ValueError, "Linear: sizes must not be negative; got"),
        (lambda: nn.Linear(2, "3"), TypeError, "Linear: out_features must be an int; got '3'"),
        (lambda: nn.Dropout(1.5), ValueError, r"Dropout: p must be in \[0, 1\]; got 1.5"),
        (lambda: nn.Conv2d(3), TypeError, r"Conv2d.__init__\(\) missing 2 required"),
        (lambda: nn.Conv2d(3, 4, 3, color=1), TypeError, r"Conv2d.__init__\(\) got an unexpected"),
    ],
)
def test_a_layer_is_named_when_its_settings_are_wrong(make, kind, message):
    with pytest.raises(kind, match=f"^{message}"):
        make()
