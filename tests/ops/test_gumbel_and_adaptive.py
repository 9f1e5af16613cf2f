"""Samples with a gradient, and the adaptive softmax, which is PyTorch's."""

import numpy
import pytest

import lucid
from lucid import nn
from lucid.errors import DimensionError, ShapeError
from tests.against_torch import compare, integers, normal

F = lucid.nn.functional


def test_a_hard_sample_has_the_probabilities_of_a_softmax(device):
    n = 40_000
    logits = lucid.tensor([0.0, 1.0, -1.0]).expand(n, 3)
    counts = F.gumbel_softmax(logits, tau=0.7, hard=True).round().sum(0).cpu().numpy()
    p = numpy.exp([0.0, 1.0, -1.0]) / numpy.exp([0.0, 1.0, -1.0]).sum()
    five_sigma = 5 * (p * (1 - p) / n) ** 0.5
    assert (abs(counts / n - p) < five_sigma).all()


def test_a_soft_sample_sums_to_1_and_sharpens_with_lower_tau(device):
    logits = lucid.tensor(normal(500, 4))
    largest = []
    for tau in (0.1, 1.0, 10.0):
        y = F.gumbel_softmax(logits, tau, generator=lucid.Generator().manual_seed(0))
        numpy.testing.assert_allclose(y.sum(-1).cpu().numpy(), 1, rtol=1e-12)
        largest.append(y.max(-1)[0].mean().item())
    assert largest[0] > 0.9 > largest[1] > 0.4 > largest[2]


def test_a_hard_sample_has_the_gradient_of_the_soft_one(device):
    grads = []
    for hard in (False, True):
        x = lucid.tensor(normal(6, 4), requires_grad=True)
        y = F.gumbel_softmax(x, 0.5, hard, generator=lucid.Generator().manual_seed(0))
        (y * lucid.tensor(normal(6, 4, seed=1))).sum().backward()
        grads.append(x.grad.cpu().numpy())
    numpy.testing.assert_allclose(grads[1], grads[0], rtol=1e-12)
    assert abs(grads[0]).max() > 0.01


def test_the_noise_depends_on_seed_and_place_only(device):
    values = normal(6, 8).astype("float32")

    def sampled(x):
        return F.gumbel_softmax(x, generator=lucid.Generator().manual_seed(3)).cpu().numpy()

    y = sampled(lucid.tensor(values))
    numpy.testing.assert_allclose(sampled(lucid.tensor(values.T.copy()).T), y, rtol=1e-5)
    on_cpu = sampled(lucid.tensor(values, device="cpu"))
    numpy.testing.assert_allclose(on_cpu, y, rtol=1e-4)


def test_an_old_argument_of_gumbel_softmax_warns(device):
    with pytest.warns(UserWarning, match="gumbel_softmax: eps has no effect"):
        F.gumbel_softmax(lucid.zeros(2, 3), eps=0.1)


SETTINGS = [
    {"cutoffs": [3, 8]},
    {"cutoffs": [1], "div_value": 2.0, "head_bias": True},
    {"cutoffs": [5, 6, 11], "div_value": 1.5},
]


@pytest.fixture(params=SETTINGS, ids=str)
def layers(request, device):
    torch = pytest.importorskip("torch")
    ours = nn.AdaptiveLogSoftmaxWithLoss(16, 12, **request.param).double()
    theirs = torch.nn.AdaptiveLogSoftmaxWithLoss(16, 12, **request.param).double()
    ours.load_state_dict(theirs.state_dict())
    return torch, ours, theirs


def test_the_adaptive_softmax_is_torchs(layers):
    torch, ours, theirs = layers
    arrays = [normal(9, 16), integers(9, high=12)]
    for part in (0, 1):
        compare(torch, lambda *a: ours(*a)[part], lambda *a: theirs(*a)[part], arrays)  # noqa: B023
    single = [normal(16), numpy.asarray(7)]
    compare(torch, ours, theirs, single)
    compare(torch, ours.log_prob, theirs.log_prob, arrays[:1])
    assert repr(ours) == repr(theirs)
    assert ours.state_dict().keys() == theirs.state_dict().keys()


def test_the_adaptive_softmax_trains_and_predicts_as_torchs(layers):
    torch, ours, theirs = layers
    x, t = normal(40, 16, scale=5.0), integers(40, high=12)
    ours(lucid.tensor(x), lucid.tensor(t)).loss.backward()
    theirs(torch.tensor(x), torch.tensor(t)).loss.backward()
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        numpy.testing.assert_allclose(p.grad.cpu().numpy(), q.grad.numpy(), rtol=1e-9, atol=1e-12)
    predicted = ours.predict(lucid.tensor(x))
    assert predicted.tolist() == theirs.predict(torch.tensor(x)).tolist()
    assert (predicted == ours.log_prob(lucid.tensor(x)).argmax(1)).all().item()


def test_the_adaptive_softmax_says_what_it_takes(device):
    for cutoffs in ([], [3, 3], [4, 2], [0, 3], [12]):
        with pytest.raises(ValueError, match="AdaptiveLogSoftmaxWithLoss: cutoffs must be rising"):
            nn.AdaptiveLogSoftmaxWithLoss(16, 12, cutoffs)
    layer = nn.AdaptiveLogSoftmaxWithLoss(16, 12, [3])
    with pytest.raises(DimensionError, match=r"labels must be in \[0, 11\]; got 3 to 12"):
        layer(lucid.ones(2, 16), lucid.tensor([3, 12]))
    with pytest.raises(ShapeError, match=r"the input must be \(N, in_features\) for a target"):
        layer(lucid.ones(2, 16), lucid.tensor([3]))
