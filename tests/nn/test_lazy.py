"""Lazy modules learn their input's size at the first call and are ordinary ones from then on."""

import copy
import pickle

import numpy
import pytest

import lucid
from lucid import nn
from lucid.errors import CheckpointError, ShapeError

CASES = [
    ("LazyLinear", (4,), {}, (2, 5), "Linear"),
    ("LazyLinear", (4,), {"bias": False}, (2, 3, 5), "Linear"),
    ("LazyConv1d", (4, 3), {"stride": 2}, (2, 5, 9), "Conv1d"),
    ("LazyConv2d", (4, 3), {"padding": 1, "groups": 2}, (2, 6, 7, 7), "Conv2d"),
    ("LazyConv2d", (4, 3), {"padding": "same", "padding_mode": "reflect"}, (5, 7, 7), "Conv2d"),
    ("LazyConv3d", (4, 2), {"bias": False}, (2, 3, 4, 4, 4), "Conv3d"),
    ("LazyConvTranspose1d", (4, 3), {"stride": 2}, (2, 5, 9), "ConvTranspose1d"),
    ("LazyConvTranspose2d", (4, 3), {"stride": 2, "output_padding": 1}, (2, 5, 4, 4),
     "ConvTranspose2d"),
    ("LazyConvTranspose3d", (4, 2), {"groups": 2}, (2, 6, 3, 3, 3), "ConvTranspose3d"),
    ("LazyBatchNorm1d", (), {}, (3, 5), "BatchNorm1d"),
    ("LazyBatchNorm1d", (), {"affine": False}, (3, 5, 4), "BatchNorm1d"),
    ("LazyBatchNorm2d", (), {"momentum": None}, (3, 5, 4, 4), "BatchNorm2d"),
    ("LazyBatchNorm3d", (), {"track_running_stats": False}, (3, 5, 2, 2, 2), "BatchNorm3d"),
    ("LazyInstanceNorm1d", (), {}, (3, 5, 4), "InstanceNorm1d"),
    ("LazyInstanceNorm2d", (), {"affine": False}, (3, 5, 4, 4), "InstanceNorm2d"),
    ("LazyInstanceNorm3d", (), {"bias": False}, (3, 5, 2, 2, 2), "InstanceNorm3d"),
]  # fmt: skip
each = pytest.mark.parametrize(
    "name, args, settings, shape, becomes", CASES, ids=[f"{c[0]}-{c[2]}" for c in CASES]
)


@each
def test_the_first_call_makes_an_ordinary_layer(name, args, settings, shape, becomes, device):
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(nn, name)(*args, **settings), getattr(torch.nn, name)(*args, **settings)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x = numpy.random.default_rng(0).normal(size=shape).astype("float32")
    theirs(torch.tensor(x))
    ours(lucid.tensor(x))
    assert type(ours) is getattr(nn, becomes)
    assert repr(ours) == repr(theirs)
    state = theirs.state_dict()
    assert {k: tuple(t.shape) for k, t in state.items()} == {
        k: t.shape for k, t in ours.state_dict().items()
    }
    ours.load_state_dict(state)
    y, expected = ours.eval()(lucid.tensor(x)), theirs.eval()(torch.tensor(x))
    numpy.testing.assert_allclose(
        y.detach().cpu().numpy(), expected.detach().numpy(), rtol=2e-4, atol=2e-5
    )


@each
def test_a_state_gives_the_shapes_before_the_first_call(
    name, args, settings, shape, becomes, device
):
    first = getattr(nn, name)(*args, **settings)
    x = lucid.rand(*shape)
    first(x)
    second = getattr(nn, name)(*args, **settings)
    second.load_state_dict(first.state_dict())
    assert (first.eval()(x) == second.eval()(x)).all().item()
    assert type(second) is type(first)


def test_a_layer_that_is_called_has_fresh_values_and_trains(device):
    net = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(2))
    optimizer = lucid.optim.SGD(net.parameters(), lr=0.1)
    net(lucid.rand(3, 2, 5, 5)).square().sum().backward()
    before = [p.detach().clone() for p in net.parameters()]
    bound = 1 / 18**0.5  # of a fan in of 2 * 3 * 3
    assert 0 < before[0].abs().max().item() <= bound
    assert (before[2] == 1).all().item()
    assert (before[3] == 0).all().item()
    optimizer.step()
    assert all((p != q).any().item() for p, q in zip(net.parameters(), before, strict=True))


def test_an_uninitialized_parameter_says_what_to_do(device):
    layer = nn.LazyLinear(3)
    assert repr(layer.weight) == "<UninitializedParameter>"
    assert layer.weight.requires_grad
    assert layer.has_uninitialized_params()
    for use in (
        lambda w: w.shape, lambda w: w + 1, lambda w: w.sum(), lambda w: w.numel(),
        lambda w: 2.0 * w, lambda w: lucid.ones(2, 3) @ w,
    ):  # fmt: skip
        with pytest.raises(
            ShapeError, match="has no shape and no values before .* Hint: call the model"
        ):
            use(layer.weight)


def test_dtype_and_device_can_be_chosen_before_the_shape(device):
    layer = nn.LazyLinear(3).double().to(device)
    assert layer.weight.dtype is lucid.float64
    layer(lucid.ones(2, 4, dtype=lucid.float64))
    assert layer.weight.dtype is lucid.float64
    assert layer.weight.device is device
    assert nn.LazyBatchNorm1d(dtype=lucid.float16).running_mean.dtype is lucid.float16


def test_lazy_layers_can_be_copied_and_pickled(device):
    for copied in (copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))):
        layer = nn.LazyBatchNorm1d()
        other = copied(layer)
        other(lucid.ones(2, 3))
        assert type(other) is nn.BatchNorm1d
        assert layer.has_uninitialized_params()


def test_a_lazy_state_fits_a_lazy_layer_and_no_other(device):
    state = nn.LazyLinear(3).state_dict()
    other = nn.LazyLinear(3)
    assert other.load_state_dict(state).missing_keys == []
    assert other.has_uninitialized_params()
    with pytest.raises(ShapeError, match="uninitialized"):
        nn.Linear(4, 3).load_state_dict(state)


def test_what_does_not_fit_changes_nothing(device):
    net = nn.Sequential(nn.LazyLinear(3), nn.Linear(3, 2))
    state = nn.Sequential(nn.Linear(5, 3), nn.Linear(4, 2)).state_dict()
    with pytest.raises(CheckpointError, match="shape mismatch for 1.weight"):
        net.load_state_dict(state)
    assert net[0].has_uninitialized_params()
    with pytest.raises(CheckpointError, match="missing keys: bias"):
        nn.LazyLinear(3).load_state_dict({"weight": lucid.ones(3, 5)})
    with pytest.raises(CheckpointError, match="unexpected keys: other"):
        nn.LazyLinear(3).load_state_dict({**nn.Linear(5, 3).state_dict(), "other": lucid.ones(1)})


def test_inputs_are_checked_before_anything_is_learnt(device):
    layer = nn.LazyConv2d(4, 3)
    with pytest.raises(ShapeError, match=r"LazyConv2d: the input must be \(N, C, H, W\)"):
        layer(lucid.ones(2, 3))
    assert layer.has_uninitialized_params()
    with pytest.raises(ValueError, match="LazyConv2d: in_channels must be divisible by groups"):
        nn.LazyConv2d(4, 3, groups=2)(lucid.ones(1, 3, 5, 5))
    with pytest.raises(ValueError, match="LazyConv2d: out_channels must be divisible by groups"):
        nn.LazyConv2d(5, 3, groups=2)


def test_a_lazy_module_of_ones_own(device):
    class Scale(nn.lazy_module.LazyModuleMixin, nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = nn.UninitializedParameter()
            self.seen = nn.UninitializedBuffer()

        def initialize_parameters(self, x):
            self.factor.materialize(x.shape[1:])
            self.seen.materialize((1,))
            nn.init.ones_(self.factor)

        def forward(self, x):
            return x * self.factor

    layer = Scale()
    assert layer(lucid.ones(2, 3)).shape == (2, 3)
    assert layer.factor.shape == (3,)
    assert type(layer.factor) is nn.Parameter
    assert type(layer.seen) is nn.Buffer
    assert not layer._forward_pre_hooks
