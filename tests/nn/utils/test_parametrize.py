"""Parametrizations: values, gradients, assignment, removal and state as PyTorch's."""

import copy
import inspect
import pickle

import numpy
import pytest

import lucid
from lucid import nn, optim
from lucid.nn.utils import parametrize

torch = pytest.importorskip("torch")
theirs = torch.nn.utils.parametrize
START = numpy.random.default_rng(0).normal(size=(3, 3))


def rules(framework):
    """The same parametrizations on either side."""
    Module = framework.nn.Module

    class Symmetric(Module):
        def forward(self, x):
            return x.triu() + x.triu(1).mT

        def right_inverse(self, y):
            return y.triu()

    class Doubled(Module):
        def forward(self, x):
            return 2 * x

        def right_inverse(self, y):
            return y / 2

    class Squared(Module):
        def forward(self, x):
            return x * x

    class Outer(Module):
        def forward(self, x, y):
            return x.unsqueeze(-1) * y

        def right_inverse(self, z):
            return z[:, 0], z[0] / z[0, 0]

    class Cut(Module):
        def forward(self, x):
            return x[:2]

    return {
        "symmetric": [Symmetric], "doubled": [Doubled], "squared": [Squared], "outer": [Outer],
        "chain": [Symmetric, Doubled], "outer-chain": [Outer, Doubled], "cut": [Cut],
    }  # fmt: skip


def layer(framework):
    net = framework.nn.Linear(3, 3).double()
    with framework.no_grad():
        net.weight.copy_(framework.tensor(START))
        net.bias.zero_()
    return net


def parametrized(framework, name, **kwargs):
    net = layer(framework)
    for rule in rules(framework)[name]:
        framework.nn.utils.parametrize.register_parametrization(net, "weight", rule(), **kwargs)
    return net


def as_numpy(t):
    return t.detach().cpu().numpy()


def assert_same_states(a, b):
    mine, other = a.state_dict(), b.state_dict()
    assert list(mine) == list(other)
    for key, value in mine.items():
        numpy.testing.assert_allclose(
            as_numpy(value), as_numpy(other[key]), rtol=1e-10, atol=1e-12, err_msg=key
        )


NAMES = ["symmetric", "doubled", "squared", "outer", "chain", "outer-chain"]


@pytest.mark.parametrize("name", NAMES)
def test_state_values_and_gradients_are_pytorchs(name, device):
    a, b = parametrized(lucid, name), parametrized(torch, name)
    assert_same_states(a, b)
    numpy.testing.assert_allclose(as_numpy(a.weight), as_numpy(b.weight), rtol=1e-10)
    for net, framework in ((a, lucid), (b, torch)):
        net(framework.tensor(START)).pow(2).sum().backward()
    for (key, p), (other, q) in zip(a.named_parameters(), b.named_parameters(), strict=True):
        assert key == other
        numpy.testing.assert_allclose(as_numpy(p.grad), as_numpy(q.grad), rtol=1e-9)


@pytest.mark.parametrize("name", ["symmetric", "doubled", "outer", "outer-chain"])
def test_assigning_goes_through_the_inverse(name, device):
    a, b = parametrized(lucid, name), parametrized(torch, name)
    value = numpy.outer([1.0, 2, 3], [1.0, 2, 3])
    a.weight, b.weight = lucid.tensor(value), torch.tensor(value)
    assert_same_states(a, b)
    numpy.testing.assert_allclose(as_numpy(a.weight), value, rtol=1e-12)


@pytest.mark.parametrize("leave", [True, False])
@pytest.mark.parametrize("name", ["symmetric", "squared", "chain"])
def test_removing_leaves_the_value_or_the_original(name, leave, device):
    a, b = parametrized(lucid, name), parametrized(torch, name)
    original = a.parametrizations.weight.original
    nn.utils.parametrize.remove_parametrizations(a, "weight", leave)
    theirs.remove_parametrizations(b, "weight", leave)
    assert_same_states(a, b)
    assert a.weight is original
    assert type(a) is nn.Linear


def test_removing_one_with_several_originals_makes_a_new_parameter(device):
    net = parametrized(lucid, "outer")
    value = as_numpy(net.weight)
    parametrize.remove_parametrizations(net, "weight")
    assert isinstance(net.weight, nn.Parameter)
    assert net.weight.is_leaf
    numpy.testing.assert_array_equal(as_numpy(net.weight), value)


def test_an_optimizer_made_before_goes_on_training_the_original(device):
    a, b = layer(lucid), layer(torch)
    first, second = optim.SGD(a.parameters(), lr=0.1), torch.optim.SGD(b.parameters(), lr=0.1)
    parametrize.register_parametrization(a, "weight", rules(lucid)["symmetric"][0]())
    theirs.register_parametrization(b, "weight", rules(torch)["symmetric"][0]())
    for net, rule, framework in ((a, first, lucid), (b, second, torch)):
        for _ in range(3):
            rule.zero_grad()
            (net(framework.tensor(START)) ** 2).sum().backward()
            rule.step()
    assert_same_states(a, b)
    weight = as_numpy(a.weight)
    numpy.testing.assert_array_equal(weight, weight.T)


def test_a_state_goes_from_one_side_to_the_other(device):
    a, b = parametrized(lucid, "outer"), parametrized(torch, "outer")
    with torch.no_grad():
        for p in b.parameters():
            p.mul_(3)
    a.load_state_dict(b.state_dict())
    assert_same_states(a, b)
    b.load_state_dict({k: torch.tensor(as_numpy(v)) for k, v in a.state_dict().items()})


def test_a_buffer_can_be_parametrized_and_stays_a_buffer(device):
    net = nn.BatchNorm1d(2)
    parametrize.register_parametrization(net, "running_mean", rules(lucid)["doubled"][0]())
    assert "parametrizations.running_mean.original" in dict(net.named_buffers())
    assert [name for name, _ in net.named_parameters()] == ["weight", "bias"]
    parametrize.remove_parametrizations(net, "running_mean")
    assert "running_mean" in net.state_dict()


def test_a_rule_may_change_the_shape_if_that_is_said(device):
    net = parametrized(lucid, "cut", unsafe=True)
    assert net.weight.shape == (2, 3)
    with pytest.raises(ValueError, match=r"must keep shape and dtype, \(3, 3\) .*; got \(2, 3\)"):
        parametrized(lucid, "cut")


def test_within_cached_a_tensor_is_computed_once(device):
    calls = []

    class Counting(nn.Module):
        def forward(self, x):
            calls.append(1)
            return x * 1

    net = parametrize.register_parametrization(layer(lucid), "weight", Counting())
    calls.clear()
    with parametrize.cached(), parametrize.cached():
        assert net.weight is net.weight
    assert len(calls) == 1
    assert net.weight is not net.weight
    assert len(calls) == 3


def test_an_error_within_cached_ends_the_caching(device):
    net = parametrized(lucid, "doubled")
    with pytest.raises(KeyError), parametrize.cached():
        raise KeyError
    assert net.weight is not net.weight


def test_copies_are_independent(device):
    net = parametrized(lucid, "doubled")
    copied = copy.deepcopy(net)
    value = as_numpy(net.weight).copy()
    parametrize.remove_parametrizations(copied, "weight")
    copied.weight.data.fill_(0)
    numpy.testing.assert_array_equal(as_numpy(net.weight), value)
    assert parametrize.is_parametrized(net, "weight")
    assert type(copied) is nn.Linear


def test_a_parametrized_module_says_how_it_can_be_saved():
    with pytest.raises(RuntimeError, match="can't be pickled. Hint: save its state_dict"):
        pickle.dumps(parametrized(lucid, "doubled"))


def test_what_is_parametrized_is_told():
    net = parametrized(lucid, "doubled")
    assert parametrize.is_parametrized(net)
    assert parametrize.is_parametrized(net, "weight")
    assert not parametrize.is_parametrized(net, "bias")
    assert not parametrize.is_parametrized(nn.Linear(1, 1))
    assert parametrize.type_before_parametrizations(net) is nn.Linear
    assert parametrize.type_before_parametrizations(nn.Linear(1, 1)) is nn.Linear
    assert isinstance(net, nn.Linear)


@pytest.mark.parametrize("name", ["symmetric", "outer"])
def test_parametrizations_and_originals_are_transferred(name, device):
    source, target = parametrized(lucid, name), nn.Linear(3, 3).double()
    parametrize.transfer_parametrizations_and_params(source, target)
    numpy.testing.assert_array_equal(as_numpy(target.weight), as_numpy(source.weight))
    first, second = (n.parametrizations.weight._originals()[0] for n in (source, target))
    assert first is second


def test_the_repr_shows_the_parametrizations_as_pytorchs_does():
    assert repr(parametrized(lucid, "chain")) == repr(parametrized(torch, "chain"))


def test_training_modes_reach_the_parametrizations():
    net = layer(lucid).eval()
    rule = rules(lucid)["doubled"][0]()
    parametrize.register_parametrization(net, "weight", rule)
    assert not rule.training
    net.train()
    assert rule.training


@pytest.mark.parametrize("name", [name for name in theirs.__all__ if name != "ParametrizationList"])
def test_the_arguments_and_their_defaults_are_pytorchs(name):
    mine, other = (
        [
            (p.name, p.default, p.kind)
            for p in inspect.signature(getattr(m, name)).parameters.values()
            if not p.name.startswith("_")
        ]
        for m in (parametrize, theirs)
    )
    assert mine == other


class NotATensor(nn.Module):
    def forward(self, x):
        return 3


class BadInverse(nn.Module):
    def forward(self, x):
        return x

    def right_inverse(self, y):
        return 3


class OtherType(nn.Module):
    def forward(self, x):
        return x

    def right_inverse(self, y):
        return y.half()


def register(rule, name="weight", net=None):
    parametrize.register_parametrization(net or nn.Linear(2, 2), name, rule)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: register(NotATensor()), ValueError, "must be a tensor; got int"),
        (
            lambda: register(NotATensor(), net=parametrized(lucid, "doubled")),
            ValueError,
            "must be a tensor; got int",
        ),
        (lambda: register(BadInverse()), ValueError, "a tensor or a sequence of tensors; got 3"),
        (lambda: register(OtherType()), ValueError, "must keep dtype and device, .* got .*float16"),
        (lambda: register(BadInverse(), "scale"), ValueError, "no parameter or buffer 'scale'"),
        (
            lambda: setattr(parametrized(lucid, "squared"), "weight", lucid.ones(3, 3)),
            RuntimeError,
            "needs right_inverse; got none in Squared",
        ),
        (
            lambda: parametrize.remove_parametrizations(nn.Linear(1, 1), "weight"),
            ValueError,
            "Linear.weight is not parametrized",
        ),
        (
            lambda: parametrize.remove_parametrizations(
                parametrized(lucid, "outer"), "weight", False
            ),
            ValueError,
            "needs a single original; got 2 of weight",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(make, error, text):
    with pytest.raises(error, match=text):
        make()


class Emptying(NotATensor):
    def right_inverse(self, y):
        return y * 0


def test_a_refused_parametrization_leaves_the_module_as_it_was():
    net = nn.Linear(2, 2)
    before = as_numpy(net.weight).copy()
    with pytest.raises(ValueError, match="must be a tensor"):
        register(Emptying(), net=net)
    assert type(net) is nn.Linear
    numpy.testing.assert_array_equal(as_numpy(net.weight), before)
    assert list(net.state_dict()) == ["weight", "bias"]
