"""Averaged models: PyTorch's averages, statistics and learning rates."""

import copy
import inspect

import numpy
import pytest

import lucid
from lucid import nn, optim
from lucid.errors import CheckpointError, ShapeError
from lucid.optim import swa_utils as ours

torch = pytest.importorskip("torch")
theirs = torch.optim.swa_utils

SHOWN = numpy.random.default_rng(0).normal(size=(5, 6, 4))


def model(framework):
    """Two layers with fixed numbers, in float64."""
    net = framework.nn.Sequential(framework.nn.Linear(3, 4), framework.nn.BatchNorm1d(4)).double()
    tensor = framework.tensor
    with framework.no_grad():
        for i, p in enumerate(net.parameters()):
            p.copy_(tensor(numpy.cos(i + numpy.arange(p.numel())).reshape(tuple(p.shape))))
    return net


def show(net, framework, k):
    """Weights and buffers as a training would have changed them."""
    with framework.no_grad():
        for i, (name, t) in enumerate(net.state_dict().items()):
            if name.endswith("num_batches_tracked"):
                t.fill_(2 * k + 1)
            else:
                values = numpy.sin(k + i + numpy.arange(t.numel())).reshape(tuple(t.shape))
                t.copy_(framework.tensor(values))


def as_numpy(net):
    return {k: v.detach().cpu().numpy() for k, v in net.state_dict().items()}


def assert_same(a, b, tolerance=1e-12):
    mine, other = as_numpy(a), as_numpy(b)
    assert list(mine) == list(other)
    for key, value in mine.items():
        numpy.testing.assert_allclose(
            value, other[key], rtol=tolerance, atol=tolerance / 10, err_msg=key
        )


AVERAGES = {
    "mean": lambda s: {},
    "mean-of-buffers": lambda s: {"use_buffers": True},
    "ema": lambda s: {"avg_fn": s.get_ema_avg_fn(0.9)},
    "ema-of-buffers": lambda s: {"avg_fn": s.get_ema_avg_fn(0.9), "use_buffers": True},
    "swa": lambda s: {"avg_fn": s.get_swa_avg_fn()},
    "multi-ema": lambda s: {"multi_avg_fn": s.get_ema_multi_avg_fn(0.9)},
    "multi-ema-of-buffers": lambda s: {
        "multi_avg_fn": s.get_ema_multi_avg_fn(0.3), "use_buffers": True,
    },
    "multi-swa": lambda s: {"multi_avg_fn": s.get_swa_multi_avg_fn()},
}  # fmt: skip


@pytest.mark.parametrize("name", AVERAGES)
def test_averages_equal_pytorchs(name, device):
    a, b = model(lucid), model(torch)
    x, y = (
        ours.AveragedModel(a, **AVERAGES[name](ours)),
        theirs.AveragedModel(b, **AVERAGES[name](theirs)),
    )
    for k in range(5):
        show(a, lucid, k)
        show(b, torch, k)
        x.update_parameters(a)
        y.update_parameters(b)
        # PyTorch's 1 / (n + 1) is a float32 number there.
        assert_same(x, y, 1e-6 if name == "multi-swa" else 1e-12)
    assert x.n_averaged.item() == 5


def test_the_averaged_model_computes_with_the_averages():
    net = nn.Linear(1, 1, bias=False)
    averaged = ours.AveragedModel(net)
    for value in (1.0, 2.0, 6.0):
        net.weight.data.fill_(value)
        averaged.update_parameters(net)
    assert averaged(lucid.ones(1, 1)).item() == 3
    assert net(lucid.ones(1, 1)).item() == 6


def test_its_state_goes_on():
    net = nn.Linear(1, 1)
    first, second = ours.AveragedModel(net), ours.AveragedModel(net)
    net.weight.data.fill_(4.0)
    first.update_parameters(net)
    second.load_state_dict(first.state_dict())
    net.weight.data.fill_(8.0)
    second.update_parameters(net)
    assert second.module.weight.item() == 6


def test_update_bn_finds_the_means_over_all_batches(device):
    batches = [numpy.random.default_rng(i).normal(i, 1 + i, (8, 3)) for i in range(4)]
    a, b = model(lucid).eval(), model(torch).eval()
    ours.update_bn([(lucid.tensor(x), 0) for x in batches], a)
    theirs.update_bn([(torch.tensor(x), 0) for x in batches], b)
    assert_same(a, b)
    assert not a.training
    assert a[1].momentum == 0.1


def test_update_bn_moves_batches_and_takes_tensors(device):
    net = nn.BatchNorm1d(2).to(device)
    ours.update_bn([lucid.ones(4, 2, device="cpu")], net, device)
    assert net.running_mean.tolist() == [1, 1]


def test_update_bn_leaves_the_momentum_when_a_batch_fails():
    net = nn.BatchNorm1d(2).eval()
    with pytest.raises(ShapeError):
        ours.update_bn([lucid.ones(4, 3, 2, 2)], net)
    assert net.momentum == 0.1
    assert not net.training


def test_update_bn_without_batch_normalization_reads_nothing():
    ours.update_bn(iter(()), nn.Linear(1, 1))


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("epochs", [0, 1, 10])
@pytest.mark.parametrize("rate", [0.01, [0.2, 0.001]])
def test_swa_learning_rates_are_pytorchs(strategy, epochs, rate):
    a = optim.SGD([{"params": nn.Parameter(lucid.ones(1)), "lr": r} for r in (0.5, 0.05)])
    b = torch.optim.SGD(
        [{"params": torch.nn.Parameter(torch.ones(1)), "lr": r} for r in (0.5, 0.05)], lr=1.0
    )
    s, t = (m.SWALR(o, rate, epochs, strategy) for m, o in ((ours, a), (theirs, b)))
    for _ in range(50):
        assert s.get_last_lr() == pytest.approx(t.get_last_lr(), rel=1e-9)
        for each in (a, b, s, t):
            each.step()


def test_a_swa_schedulers_state_goes_on_in_both_directions():
    a = optim.SGD([nn.Parameter(lucid.ones(1))], lr=0.5)
    b = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.5)
    s, t = ours.SWALR(a, 0.1, 7), theirs.SWALR(b, 0.1, 7)
    for each in (a, b, s, t, s, t):
        each.step()
    s_state, t_state = copy.deepcopy(s.state_dict()), copy.deepcopy(t.state_dict())
    s.load_state_dict(t_state)
    t.load_state_dict(s_state)
    for _ in range(8):
        s.step()
        t.step()
        assert s.get_last_lr() == pytest.approx(t.get_last_lr(), rel=1e-9)
    with pytest.raises(CheckpointError, match="the state must have anneal_epochs; got"):
        s.load_state_dict({k: v for k, v in s_state.items() if k != "anneal_epochs"})


@pytest.mark.parametrize("name", theirs.__all__)
def test_the_arguments_and_their_defaults_are_pytorchs(name):
    mine, other = (
        [(p.name, p.default) for p in inspect.signature(getattr(m, name)).parameters.values()]
        for m in (ours, theirs)
    )
    assert mine == other


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda o: ours.get_ema_avg_fn(1.5), ValueError, r"get_ema_avg_fn: decay must be in \[0"),
        (lambda o: ours.get_ema_multi_avg_fn(-1), ValueError, "decay must be in .*; got -1"),
        (
            lambda o: ours.AveragedModel(nn.Linear(1, 1), avg_fn=len, multi_avg_fn=len),
            ValueError,
            "avg_fn or multi_avg_fn, not both",
        ),
        (
            lambda o: ours.AveragedModel(nn.Linear(1, 1)).update_parameters(nn.Linear(2, 1)),
            ShapeError,
            r"must have the tensors of the one that was copied, \[\(1, 1\), \(1,\)\]; got",
        ),
        (lambda o: ours.SWALR(o, 0.1, anneal_strategy="sin"), ValueError, "cos or linear; got"),
        (lambda o: ours.SWALR(o, 0.1, anneal_epochs=-1), ValueError, "anneal_epochs must be"),
        (lambda o: ours.SWALR(o, [0.1, 0.2]), ValueError, "swa_lr must have one value per"),
        (lambda o: ours.SWALR(None, 0.1), TypeError, "expected an Optimizer; got NoneType"),
    ],
)
def test_bad_arguments_are_refused_in_a_sentence(make, error, text):
    with pytest.raises(error, match=text):
        make(optim.SGD([nn.Parameter(lucid.ones(1))]))
