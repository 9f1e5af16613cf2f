"""States of optimizers: each side's go on at the other; incomplete ones change nothing."""

import copy
import pickle

import numpy
import pytest

import lucid
from lucid import nn, optim
from lucid.errors import CheckpointError

torch = pytest.importorskip("torch")

RULES = {
    "SGD": {"momentum": 0.9},
    "Adam": {"amsgrad": True},
    "AdamW": {},
    "NAdam": {},
    "RAdam": {"betas": (0.9, 0.9)},
    "Adamax": {},
    "ASGD": {"t0": 1},  # the average is one from the fourth step on
    "Rprop": {},
    "RMSprop": {"momentum": 0.9, "centered": True},
    "Adagrad": {"lr_decay": 0.1},
    "Adadelta": {},
}
GRADIENTS = numpy.random.default_rng(0).normal(size=(6, 2, 3))


def run(optimizer, parameters, make, gradients):
    for g in gradients:
        for p in parameters:
            p.grad = make(g)
        optimizer.step()


def plain(value, convert):
    """A state whose tensors and dicts are plain values and those of the other side."""
    if isinstance(value, dict):
        return {key: plain(v, convert) for key, v in value.items()}
    return convert(value) if hasattr(value, "detach") else value


def to_torch(t):
    return torch.tensor(t.detach().numpy())


def to_lucid(t):
    return lucid.tensor(t.detach().numpy())


def trained(name, steps=3):
    """A parameter and its optimizer on both sides after equal steps."""
    start = numpy.linspace(-1, 1, 6).reshape(2, 3)
    ours = [nn.Parameter(lucid.tensor(start, dtype=lucid.float64))]
    theirs = [torch.nn.Parameter(torch.tensor(start))]
    a = getattr(optim, name)(ours, **RULES[name])
    b = getattr(torch.optim, name)(theirs, **RULES[name])
    run(a, ours, lucid.tensor, GRADIENTS[:steps])
    run(b, theirs, torch.tensor, GRADIENTS[:steps])
    return (ours, a), (theirs, b)


@pytest.mark.parametrize("name", RULES)
def test_a_state_of_pytorchs_goes_on_here(name):
    (ours, _), (theirs, b) = trained(name)
    other = getattr(optim, name)(ours, lr=0.7)
    other.load_state_dict(plain(b.state_dict(), to_lucid))
    run(other, ours, lucid.tensor, GRADIENTS[3:])
    run(b, theirs, torch.tensor, GRADIENTS[3:])
    numpy.testing.assert_allclose(ours[0].detach().numpy(), theirs[0].detach().numpy(), rtol=1e-10)


@pytest.mark.parametrize("name", RULES)
def test_a_state_of_ours_goes_on_there(name):
    (ours, a), (theirs, _) = trained(name)
    other = getattr(torch.optim, name)(theirs, lr=0.7)
    other.load_state_dict(plain(a.state_dict(), to_torch))
    run(a, ours, lucid.tensor, GRADIENTS[3:])
    run(other, theirs, torch.tensor, GRADIENTS[3:])
    numpy.testing.assert_allclose(ours[0].detach().numpy(), theirs[0].detach().numpy(), rtol=1e-10)


@pytest.mark.parametrize("name", RULES)
def test_the_states_have_the_same_names_and_values(name):
    (_, a), (_, b) = trained(name, 6)
    mine, other = a.state_dict(), b.state_dict()
    assert set(mine["param_groups"][0]) == set(other["param_groups"][0])
    assert set(mine["state"][0]) == set(other["state"][0])
    for key, value in mine["state"][0].items():
        expected = other["state"][0][key].numpy()
        numpy.testing.assert_allclose(numpy.asarray(value), expected, rtol=1e-7, err_msg=key)


@pytest.mark.parametrize("name", [name for name in RULES if name != "SGD"])
def test_a_state_without_something_that_the_rule_remembers_changes_nothing(name):
    (ours, a), _ = trained(name)
    for key in a.state_dict()["state"][0]:
        state = copy.deepcopy(a.state_dict())
        del state["state"][0][key]
        other = getattr(optim, name)(ours, lr=0.7)
        with pytest.raises(CheckpointError, match=f"state of parameter 0 must have {key}; got"):
            other.load_state_dict(state)
        assert not other.state
        assert other.param_groups[0]["lr"] == 0.7


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda s: s.pop("param_groups"), '"state" and "param_groups"; got'),
        (
            lambda s: s.update(state=[]),
            '"state" must be a dict and "param_groups" a list; got list',
        ),
        (lambda s: s.update(param_groups=[3]), "parameter group 0 must be a dict with a list"),
        (lambda s: s["param_groups"][0].pop("params"), "parameter group 0 must be a dict"),
        (lambda s: s["param_groups"][0].pop("lr"), "parameter group 0 must have lr; got"),
        (lambda s: s["param_groups"][0].pop("betas"), "must have betas; got .* Hint: was it saved"),
        (lambda s: s["state"].update({0: None}), "state of parameter 0 must be a dict; got None"),
        (lambda s: s["state"][0].update(step=None), "step of parameter 0: must be a number; got"),
        (
            lambda s: s["state"][0].update(exp_avg=lucid.ones(2)),
            "exp_avg of parameter 0: must have",
        ),
    ],
)
def test_a_damaged_state_changes_nothing(damage, text):
    (ours, a), _ = trained("Adam")
    state = copy.deepcopy(a.state_dict())
    damage(state)
    other = optim.Adam(ours, lr=0.7)
    with pytest.raises(CheckpointError, match=text):
        other.load_state_dict(state)
    assert not other.state
    assert other.param_groups[0]["lr"] == 0.7


def test_a_setting_out_of_range_changes_nothing():
    (ours, a), _ = trained("Adam")
    state = copy.deepcopy(a.state_dict())
    state["param_groups"][0]["eps"] = -1
    other = optim.Adam(ours, lr=0.7)
    with pytest.raises(ValueError, match="eps must be >= 0; got -1"):
        other.load_state_dict(state)
    assert not other.state


def test_a_state_of_another_rule_is_refused():
    (ours, a), _ = trained("SGD")
    with pytest.raises(CheckpointError, match="must have betas, eps"):
        optim.Adam(ours).load_state_dict(a.state_dict())


def test_flags_that_an_older_state_does_not_have_are_off():
    (ours, a), _ = trained("Adam")
    state = a.state_dict()
    for flag in ("fused", "foreach", "capturable", "decoupled_weight_decay"):
        del state["param_groups"][0][flag]
    other = optim.Adam(ours)
    other.load_state_dict(state)
    assert other.param_groups[0]["decoupled_weight_decay"] is False


def test_hooks_see_states_on_their_way_out_and_in():
    p = nn.Parameter(lucid.ones(1))
    optimizer, seen = optim.SGD([p], lr=0.5), []
    optimizer.register_state_dict_pre_hook(lambda o: seen.append("before"))
    handle = optimizer.register_state_dict_post_hook(lambda o, state: {**state, "epoch": 3})
    state = optimizer.state_dict()
    assert (seen, state["epoch"]) == (["before"], 3)
    handle.remove()
    assert "epoch" not in optimizer.state_dict()
    optimizer.register_load_state_dict_pre_hook(lambda o, s: {**s, "param_groups": s["groups"]})
    optimizer.register_load_state_dict_post_hook(lambda o: seen.append(o.param_groups[0]["lr"]))
    optimizer.load_state_dict({"state": {}, "groups": [{**state["param_groups"][0], "lr": 0.25}]})
    assert seen[-1] == 0.25


def three_steps(name, **kwargs):
    p = nn.Parameter(lucid.ones(3))
    optimizer = getattr(optim, name)([p], **kwargs)
    for _ in range(3):
        p.grad = p.detach() * 2
        optimizer.step()
    return p, optimizer


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [("SGD", {"momentum": 0.9}), ("Adam", {"amsgrad": True}), ("RMSprop", {"centered": True})],
)
def test_a_loaded_optimizer_goes_on_as_if_nothing_had_happened(name, kwargs):
    p, optimizer = three_steps(name, **kwargs)
    q = nn.Parameter(p.detach().clone())
    other = getattr(optim, name)([q], lr=0.5, **kwargs)
    other.load_state_dict(pickle.loads(pickle.dumps(optimizer.state_dict())))
    for parameter, each in ((p, optimizer), (q, other)):
        parameter.grad = lucid.ones(3)
        each.step()
    assert (p == q).all()
    assert other.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]


def test_the_state_of_pytorchs_adam_is_understood():
    q = torch.nn.Parameter(torch.ones(3))
    theirs = torch.optim.Adam([q], lr=0.1)
    q.grad = torch.ones(3)
    theirs.step()
    p = nn.Parameter(lucid.tensor(q.detach().numpy().copy()))
    ours = optim.Adam([p])
    ours.load_state_dict(theirs.state_dict())
    q.grad, p.grad = 2 * torch.ones(3), 2 * lucid.ones(3)
    theirs.step()
    ours.step()
    assert p.detach().numpy() == pytest.approx(q.detach().numpy(), rel=1e-6)


def test_a_loaded_state_is_a_copy():
    p, optimizer = three_steps("SGD", momentum=0.9)
    state = optimizer.state_dict()
    other = optim.SGD([nn.Parameter(lucid.ones(3))])
    other.load_state_dict(state)
    p.grad = lucid.ones(3)
    before = other.state_dict()["state"][0]["momentum_buffer"].tolist()
    optimizer.step()
    assert other.state_dict()["state"][0]["momentum_buffer"].tolist() == before


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda s: s["param_groups"][0]["params"].append(1), "as many parameters"),
        (lambda s: s["param_groups"].append({"params": []}), "as many parameters"),
        (lambda s: s["state"][0].update(exp_avg=lucid.ones(4)), "exp_avg of parameter 0"),
        (lambda s: s.pop("state"), '"state" and "param_groups"'),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(damage, text):
    _, optimizer = three_steps("Adam")
    other = optim.Adam([nn.Parameter(lucid.ones(3))], lr=0.5)
    state = copy.deepcopy(optimizer.state_dict())
    damage(state)
    with pytest.raises(CheckpointError, match=text):
        other.load_state_dict(state)
    assert not other.state
    assert other.param_groups[0]["lr"] == 0.5


def test_an_optimizer_survives_pickling_and_copying_with_its_parameters():
    p, optimizer = three_steps("Adam")
    q, other = pickle.loads(pickle.dumps((p, optimizer)))
    r, third = copy.deepcopy((p, optimizer))
    for parameter, each in ((p, optimizer), (q, other), (r, third)):
        parameter.grad = lucid.ones(3)
        each.step()
    assert p.tolist() == q.tolist() == r.tolist()
