"""Schedulers: the learning rates are PyTorch's, epoch by epoch."""

import copy
import inspect
import warnings

import pytest

import lucid
from lucid import nn, optim
from lucid.errors import CheckpointError
from lucid.optim import lr_scheduler as ours

torch = pytest.importorskip("torch")
theirs = torch.optim.lr_scheduler
EPOCHS = 50

RUNS = {
    "step": lambda s, o: s.StepLR(o, 7, gamma=0.5),
    "multistep": lambda s, o: s.MultiStepLR(o, [3, 10, 10, 25], gamma=0.3),
    "constant": lambda s, o: s.ConstantLR(o, factor=0.25, total_iters=6),
    "linear": lambda s, o: s.LinearLR(o, 0.1, 0.8, total_iters=9),
    "polynomial": lambda s, o: s.PolynomialLR(o, total_iters=15, power=2.0),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.9),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, T_max=10, eta_min=0.01),
    "restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, T_0=5, T_mult=2, eta_min=0.001),
    "restarts-equal": lambda s, o: s.CosineAnnealingWarmRestarts(o, T_0=4),
    "lambda": lambda s, o: s.LambdaLR(o, lambda epoch: 0.95**epoch),
    "lambdas": lambda s, o: s.LambdaLR(o, [lambda e: 0.9**e, lambda e: 1 / (1 + e)]),
    "multiplicative": lambda s, o: s.MultiplicativeLR(o, lambda epoch: 0.97),
    "one-cycle": lambda s, o: s.OneCycleLR(o, max_lr=[1.0, 0.5], total_steps=50),
    "one-cycle-linear": lambda s, o: s.OneCycleLR(
        o, max_lr=1.0, epochs=10, steps_per_epoch=5, anneal_strategy="linear", three_phase=True
    ),
    "cyclic": lambda s, o: s.CyclicLR(o, [0.1, 0.01], [1.0, 0.5], step_size_up=4),
    "cyclic-uneven": lambda s, o: s.CyclicLR(o, 0.1, 1.0, 3, 7, cycle_momentum=False),
    "cyclic-halving": lambda s, o: s.CyclicLR(o, 0.1, 1.0, 5, mode="triangular2"),
    "cyclic-exponential": lambda s, o: s.CyclicLR(
        o, 0.1, 1.0, 5, 3, mode="exp_range", gamma=0.97, base_momentum=0.5, max_momentum=0.99
    ),
    "cyclic-own": lambda s, o: s.CyclicLR(o, 0.1, 1.0, 5, scale_fn=lambda cycle: 1 / cycle**2),
    "cyclic-own-by-step": lambda s, o: s.CyclicLR(
        o, 0.1, 1.0, 5, scale_fn=lambda step: 0.9**step, scale_mode="iterations"
    ),
    "sequential": lambda s, o: s.SequentialLR(
        o,
        [s.LinearLR(o, 0.1, total_iters=5), s.CosineAnnealingLR(o, 20), s.ExponentialLR(o, 0.9)],
        milestones=[5, 25],
    ),
    "sequential-step": lambda s, o: s.SequentialLR(
        o, [s.ConstantLR(o, 0.1, 4), s.StepLR(o, 3)], milestones=[4]
    ),
    "chained": lambda s, o: s.ChainedScheduler(
        [s.ConstantLR(o, 0.1, total_iters=4), s.ExponentialLR(o, 0.9)]
    ),
}


def optimizers(**kwargs):
    groups = [{"lr": 0.5}, {"lr": 0.05}]
    a = [{"params": [nn.Parameter(lucid.ones(1))], **g} for g in groups]
    b = [{"params": [torch.nn.Parameter(torch.ones(1))], **g} for g in groups]
    return optim.SGD(a, momentum=0.9, **kwargs), torch.optim.SGD(b, momentum=0.9, **kwargs)


def settings(optimizer):
    return [(g["lr"], g["momentum"]) for g in optimizer.param_groups]


def run(scheduler, optimizer, epochs):
    rates = []
    for _ in range(epochs):
        rates.append(settings(optimizer))
        assert scheduler.get_last_lr() == [lr for lr, _ in rates[-1]]
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize("name", RUNS)
def test_the_learning_rates_are_pytorchs(name):
    a, b = optimizers()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns about its own inner calls
        expected = run(RUNS[name](theirs, b), b, EPOCHS)
    for got, wanted in zip(run(RUNS[name](ours, a), a, EPOCHS), expected, strict=True):
        for x, y in zip(got, wanted, strict=True):
            assert x == pytest.approx(y, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    "name", [name for name in theirs.__all__ if name not in ("LRScheduler", "SWALR")]
)
def test_the_arguments_and_their_defaults_are_pytorchs(name):
    mine, other = (
        [(p.name, p.default, p.kind) for p in inspect.signature(cls).parameters.values()]
        for cls in (getattr(ours, name), getattr(theirs, name))
    )
    assert mine == other


def quietly(action):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns about its own inner calls
        return action()


@pytest.mark.parametrize("name", RUNS)
def test_a_state_of_pytorchs_goes_on_here(name):
    a, b = optimizers()
    there = quietly(lambda: RUNS[name](theirs, b))
    quietly(lambda: run(there, b, 8))
    here = RUNS[name](ours, a)
    here.load_state_dict(copy.deepcopy(there.state_dict()))
    take_over(a, b)
    expected = quietly(lambda: run(there, b, 30))
    for got, wanted in zip(run(here, a, 30), expected, strict=True):
        assert got == [pytest.approx(row, rel=1e-9, abs=1e-12) for row in wanted]


@pytest.mark.parametrize("name", RUNS)
def test_a_state_of_ours_goes_on_there(name):
    a, b = optimizers()
    here = RUNS[name](ours, a)
    run(here, a, 8)
    there = quietly(lambda: RUNS[name](theirs, b))
    there.load_state_dict(copy.deepcopy(here.state_dict()))
    take_over(b, a)
    rates = quietly(lambda: run(there, b, 30))
    for got, wanted in zip(rates, run(here, a, 30), strict=True):
        assert got == [pytest.approx(row, rel=1e-9, abs=1e-12) for row in wanted]


def take_over(optimizer, other):
    for group, saved in zip(optimizer.param_groups, other.param_groups, strict=True):
        group.update({key: value for key, value in saved.items() if key != "params"})


def test_a_plateaus_state_goes_on_in_both_directions():
    (a, b), (c, d) = optimizers(), optimizers()
    kwargs = {"patience": 1, "factor": 0.5, "cooldown": 1}
    here, there = (s.ReduceLROnPlateau(o, **kwargs) for s, o in ((ours, a), (theirs, b)))
    for metric in (3, 3, 3, 4):
        here.step(metric)
        there.step(metric)
    other_here, other_there = (
        s.ReduceLROnPlateau(o, **kwargs) for s, o in ((ours, c), (theirs, d))
    )
    other_here.load_state_dict(there.state_dict())
    other_there.load_state_dict(here.state_dict())
    take_over(c, a)
    take_over(d, a)
    for metric in (2, 5, 5, 5, 5):
        for scheduler in (here, other_here, other_there):
            scheduler.step(metric)
    assert settings(a) == settings(c) == settings(d)


@pytest.mark.parametrize("name", RUNS)
def test_a_state_without_one_of_its_entries_changes_nothing(name):
    a, _ = optimizers()
    scheduler = RUNS[name](ours, a)
    run(scheduler, a, 3)
    whole = copy.deepcopy(scheduler.state_dict())
    b, _ = optimizers()
    other = RUNS[name](ours, b)
    before = copy.deepcopy(other.state_dict())
    for key in whole:
        state = copy.deepcopy(whole)
        del state[key]
        with pytest.raises(CheckpointError, match=f"load_state_dict: the state must have {key}; "):
            other.load_state_dict(state)
        assert other.state_dict() == before


@pytest.mark.parametrize(
    ("name", "damage", "text"),
    [
        ("step", lambda s: [], "StepLR.load_state_dict: expected a dict; got list"),
        ("step", lambda s: {**s, "base_lrs": [1.0]}, "base_lrs must have one entry per parameter"),
        ("lambdas", lambda s: {**s, "lr_lambdas": [None]}, "lr_lambdas must have one entry"),
        ("chained", lambda s: {**s, "_schedulers": []}, "as many schedulers, 2; got 0"),
        (
            "sequential",
            lambda s: {**s, "_schedulers": [*s["_schedulers"][:2], {}]},
            "ExponentialLR.load_state_dict: the state must have gamma, .*; got nothing",
        ),
        (
            "cyclic",
            lambda s: {**s, "_scale_fn_custom": {"a": 1}},
            "saved with a scale_fn; got none",
        ),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(name, damage, text):
    a, _ = optimizers()
    scheduler = RUNS[name](ours, a)
    run(scheduler, a, 3)
    state = copy.deepcopy(scheduler.state_dict())
    run(scheduler, a, 3)
    before = copy.deepcopy(scheduler.state_dict())
    with pytest.raises(CheckpointError, match=text):
        scheduler.load_state_dict(damage(state))
    assert scheduler.state_dict() == before


class Shrinking:
    """A rule with a memory, part of the scheduler's state."""

    def __init__(self):
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return 1 / x


def test_of_a_rule_that_is_an_object_the_attributes_are_saved():
    a, _ = optimizers()
    first = ours.CyclicLR(a, 0.1, 1.0, 5, scale_fn=Shrinking())
    run(first, a, 7)
    rule = Shrinking()
    second = ours.CyclicLR(a, 0.1, 1.0, 5, scale_fn=rule)
    second.load_state_dict(first.state_dict())
    assert rule.calls == 8


def test_a_cycle_moves_the_first_beta_of_adam():
    optimizer = optim.Adam([nn.Parameter(lucid.ones(1))])
    ours.CyclicLR(optimizer, base_lr=0.1, max_lr=1.0)
    assert optimizer.param_groups[0]["betas"] == (0.9, 0.999)
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_sequences_can_be_nested():
    a, _ = optimizers()
    inner = ours.SequentialLR(
        a, [ours.ConstantLR(a, 0.1, 3), ours.ExponentialLR(a, 0.5)], milestones=[3]
    )
    outer = ours.SequentialLR(a, [inner, ours.ExponentialLR(a, 0.1)], milestones=[5])
    rates = [row[0][0] for row in run(outer, a, 7)]
    assert rates == pytest.approx([0.05, 0.05, 0.05, 0.5, 0.25, 0.5, 0.05])


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
@pytest.mark.parametrize("cooldown", [0, 2])
def test_reduce_on_plateau_follows_pytorchs(mode, threshold_mode, cooldown):
    torch.manual_seed(0)
    metrics = (torch.randn(60).abs() + 1 / torch.arange(1, 61)).tolist()
    kwargs = {
        "mode": mode, "threshold_mode": threshold_mode, "cooldown": cooldown, "patience": 2,
        "factor": 0.5, "min_lr": [0.01, 0.001], "threshold": 0.01,
    }  # fmt: skip
    a, b = optimizers()
    s, t = ours.ReduceLROnPlateau(a, **kwargs), theirs.ReduceLROnPlateau(b, **kwargs)
    for metric in metrics:
        s.step(metric)
        t.step(metric)
        assert settings(a) == settings(b)
        assert s.get_last_lr() == t.get_last_lr()


@pytest.mark.parametrize("name", RUNS)
def test_a_loaded_scheduler_goes_on_where_the_saved_one_was(name):
    a, _ = optimizers()
    first = RUNS[name](ours, a)
    run(first, a, 8)
    b, _ = optimizers()
    second = RUNS[name](ours, b)
    second.load_state_dict(first.state_dict())
    b.load_state_dict(a.state_dict())
    assert run(second, b, 12) == run(first, a, 12)


@pytest.mark.parametrize("name", ["step", "multistep", "exponential", "cosine", "linear", "lambda"])
def test_resuming_by_last_epoch_is_pytorchs(name):
    make = {
        "step": lambda s, o, e: s.StepLR(o, 3, last_epoch=e),
        "multistep": lambda s, o, e: s.MultiStepLR(o, [4, 9], last_epoch=e),
        "exponential": lambda s, o, e: s.ExponentialLR(o, 0.9, last_epoch=e),
        "cosine": lambda s, o, e: s.CosineAnnealingLR(o, 10, last_epoch=e),
        "linear": lambda s, o, e: s.LinearLR(o, total_iters=12, last_epoch=e),
        "lambda": lambda s, o, e: s.LambdaLR(o, lambda epoch: 0.9**epoch, last_epoch=e),
    }[name]
    pair = optimizers()
    for optimizer in pair:
        for group in optimizer.param_groups:
            group["initial_lr"] = 2 * group["lr"]
    got, expected = (run(make(s, o, 4), o, 10) for s, o in zip((ours, theirs), pair, strict=True))
    for x, y in zip(got, expected, strict=True):
        assert [lr for lr, _ in x] == pytest.approx([lr for lr, _ in y], rel=1e-9)


def test_a_learning_rate_changed_by_hand_is_what_the_schedule_goes_on_from():
    a, _ = optimizers()
    scheduler = ours.StepLR(a, 2, gamma=0.1)
    a.param_groups[0]["lr"] = 1.0
    a.step()
    scheduler.step()
    scheduler.step()
    assert a.param_groups[0]["lr"] == pytest.approx(0.1)


def test_a_learning_rate_that_is_a_tensor_is_changed_in_place():
    lr = lucid.tensor(1.0)
    optimizer = optim.SGD([nn.Parameter(lucid.ones(1))], lr=lr)
    scheduler = ours.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    scheduler.step()
    assert lr.item() == 0.5
    assert optimizer.param_groups[0]["lr"] is lr


def test_one_cycle_moves_the_first_beta_of_adam():
    optimizer = optim.Adam([nn.Parameter(lucid.ones(1))])
    ours.OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
    assert optimizer.param_groups[0]["betas"] == (0.95, 0.999)


def test_stepping_the_scheduler_first_warns():
    a, _ = optimizers()
    scheduler = ours.StepLR(a, 2)
    with pytest.warns(UserWarning, match="before optimizer.step"):
        scheduler.step()


def test_warm_restarts_take_fractions_of_an_epoch():
    a, b = optimizers()
    s = ours.CosineAnnealingWarmRestarts(a, T_0=3, T_mult=2)
    t = theirs.CosineAnnealingWarmRestarts(b, T_0=3, T_mult=2)
    a.step()
    b.step()
    for i in range(60):
        s.step(i / 4)
        t.step(i / 4)
        assert s.get_last_lr() == pytest.approx(t.get_last_lr(), rel=1e-9)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda o: ours.StepLR("sgd", 1), TypeError, "expected an Optimizer; got str"),
        (lambda o: ours.StepLR(o, 0), ValueError, "step_size must be at least 1; got 0"),
        (lambda o: ours.StepLR(o, 1, last_epoch=3), KeyError, "initial_lr"),
        (lambda o: ours.LambdaLR(o, [len]), ValueError, "one function per parameter group, 2"),
        (lambda o: ours.OneCycleLR(o, 1.0), ValueError, "total_steps, or epochs"),
        (lambda o: ours.OneCycleLR(o, [1.0], total_steps=3), ValueError, "max_lr must have one"),
        (lambda o: ours.LinearLR(o, start_factor=0), ValueError, "start_factor"),
        (lambda o: ours.SequentialLR(o, [ours.StepLR(o, 1)], [1]), ValueError, "one milestone"),
        (lambda o: ours.ReduceLROnPlateau(o, "best"), ValueError, "mode must be min or max"),
        (lambda o: ours.CosineAnnealingWarmRestarts(o, 0), ValueError, "T_0 must be"),
        (lambda o: ours.CyclicLR(o, 0.1, 1.0, mode="saw"), ValueError, "mode must be triangular"),
        (lambda o: ours.CyclicLR(o, [0.1], 1.0), ValueError, "base_lr must have one value"),
        (lambda o: ours.CyclicLR("sgd", 0.1, 1.0), TypeError, "expected an Optimizer; got str"),
        (
            lambda o: (
                ours.CyclicLR(optim.RAdam([nn.Parameter(lucid.ones(1))]), 0, 1, 0.1, 1.0)
                and ours.CyclicLR(optim.Adagrad([nn.Parameter(lucid.ones(1))]), 0.1, 1.0)
            ),
            ValueError,
            "needs an optimizer with momentum or betas; got Adagrad",
        ),
    ],
)
def test_bad_settings_are_refused_in_a_sentence(make, error, text):
    with pytest.raises(error, match=text):
        make(optimizers()[0])


def test_one_cycle_says_when_its_steps_are_used_up():
    a, _ = optimizers()
    scheduler = ours.OneCycleLR(a, 1.0, total_steps=2)
    a.step()
    scheduler.step()
    scheduler.step()
    with pytest.raises(ValueError, match="total_steps is 2"):
        scheduler.step()
