"""SyncBatchNorm, RReLU and the bilinear map are PyTorch's where nothing is random."""

import numpy
import pytest

import lucid
from lucid import nn
from tests.against_torch import compare, normal

torch = pytest.importorskip("torch")
F, T = lucid.nn.functional, torch.nn.functional


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5), (4, 3, 2, 3), (4, 3, 2, 2, 2)], ids=str)
@pytest.mark.parametrize("training", [True, False])
def test_sync_batch_norm_is_torchs_in_one_process(shape, training, device):
    ours, theirs = nn.SyncBatchNorm(3).double(), torch.nn.SyncBatchNorm(3).double()
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.train(training)
    theirs.train(training)
    compare(torch, ours, theirs, [normal(*shape)], second=False)
    numpy.testing.assert_allclose(ours.running_var.cpu().numpy(), theirs.running_var.numpy())


def test_all_batch_norms_of_a_model_are_converted_with_their_parameters(device):
    net = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Sequential(nn.BatchNorm2d(4, affine=False))
    )
    x = lucid.rand(2, 3, 5, 5)
    net(x)
    weight, expected = net[1].weight, net.eval()(x)
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(net)
    assert converted is net
    assert [type(m).__name__ for m in net.modules() if "Norm" in type(m).__name__] == [
        "SyncBatchNorm"
    ] * 2
    assert net[1].weight is weight
    assert (net(x) == expected).all().item()
    assert net[2][0].affine is False
    alone = nn.SyncBatchNorm.convert_sync_batchnorm(nn.BatchNorm1d(3))
    assert type(alone) is nn.SyncBatchNorm
    assert nn.SyncBatchNorm.convert_sync_batchnorm(alone) is alone


def test_sync_batch_norm_knows_no_groups_of_processes():
    with pytest.raises(ValueError, match="SyncBatchNorm: process_group must be None"):
        nn.SyncBatchNorm(3, process_group="all")
    with pytest.raises(lucid.errors.ShapeError, match=r"SyncBatchNorm: x must be \(N, C, \*\)"):
        nn.SyncBatchNorm(3)(lucid.ones(3))


@pytest.mark.parametrize("lower, upper", [(0.125, 1 / 3), (-0.5, 0.7)])
def test_rrelu_without_training_is_torchs(lower, upper, device):
    kwargs = {"lower": lower, "upper": upper}
    compare(torch, F.rrelu, T.rrelu, [normal(5, 7)], **kwargs)
    here, there = nn.RReLU(lower, upper).eval(), torch.nn.RReLU(lower, upper).eval()
    compare(torch, here, there, [normal(5, 7)])
    assert repr(here) == repr(there)
    assert repr(nn.RReLU(inplace=True)) == repr(torch.nn.RReLU(inplace=True))


def test_rrelu_in_training_draws_a_slope_for_each_negative_element(device):
    n, lower, upper = 100_000, 0.2, 0.6
    x = lucid.full((n,), -1.0, dtype=lucid.float64, requires_grad=True)
    y = F.rrelu(x, lower, upper, training=True)
    slopes = -y.detach().cpu().numpy()
    assert lower <= slopes.min() < slopes.max() < upper
    five_sigma = 5 * (upper - lower) / (12 * n) ** 0.5
    assert abs(slopes.mean() - (lower + upper) / 2) < five_sigma
    y.sum().backward()
    assert (x.grad == -y.detach()).all().item()
    assert (F.rrelu(lucid.ones(5), training=True) == 1).all().item()


def test_rrelu_depends_on_seed_and_place_only(device):
    values = normal(6, 8).astype("float32")

    def slopes(x):
        return F.rrelu(x, training=True, generator=lucid.Generator().manual_seed(3))

    y = slopes(lucid.tensor(values)).cpu().numpy()
    assert (slopes(lucid.tensor(values.T.copy()).T).cpu().numpy() == y).all()
    assert (slopes(lucid.tensor(values, device="cpu")).numpy() == y).all()
    wide = slopes(lucid.tensor(values).double()).float().cpu().numpy()
    numpy.testing.assert_allclose(wide, y, rtol=1e-6)


def test_rrelu_in_place_is_really_in_place(device):
    x = lucid.tensor([-1.0, 2.0])
    assert F.rrelu(x, 0.5, 0.5, inplace=True) is x
    assert x.tolist() == [-0.5, 2.0]
    assert F.rrelu_(x, 0.5, 0.5) is x
    assert x.tolist() == [-0.25, 2.0]
    leaf = lucid.tensor([-1.0, 2.0], requires_grad=True)
    F.rrelu_(leaf * 1, 0.5, 0.5, training=True).sum().backward()
    assert leaf.grad.tolist() == [0.5, 1.0]


@pytest.mark.parametrize("lead", [(5,), (2, 3), ()], ids=str)
@pytest.mark.parametrize("biased", [True, False])
def test_the_bilinear_map_is_torchs(lead, biased, device):
    arrays = [normal(*lead, 3), normal(*lead, 4, seed=1), normal(2, 3, 4, seed=2)]
    arrays += [normal(2, seed=3)] if biased else []
    compare(torch, F.bilinear, T.bilinear, arrays)


def test_the_bilinear_layer_is_torchs(device):
    ours, theirs = nn.Bilinear(3, 4, 2).double(), torch.nn.Bilinear(3, 4, 2).double()
    ours.load_state_dict(theirs.state_dict())
    assert repr(ours) == repr(theirs)
    compare(torch, ours, theirs, [normal(5, 3), normal(5, 4, seed=1)])


@pytest.mark.parametrize("shape", [(5, 0), (2, 3, 0), (0,)], ids=str)
def test_a_linear_layer_may_have_no_features(shape, device):
    """As the last clusters of an adaptive softmax over few features have none."""
    arrays = [numpy.zeros(shape), numpy.zeros((4, 0)), normal(4)]
    compare(torch, F.linear, T.linear, arrays, second=False)


def test_a_module_may_be_compiled_and_stays_what_it_is(device):
    net = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    x = lucid.ones(2, 3)
    expected = net(x)
    assert net.compile(mode="max-autotune", fullgraph=True) is None
    assert (net(x) == expected).all().item()
    assert list(net.state_dict()) == ["0.weight", "0.bias"]
