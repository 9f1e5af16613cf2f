"""Schedulers: the learning rates are PyTorch's, epoch by epoch."""

import warnings

import pytest

import lucid
from lucid import nn, optim
from lucid.optim import lr_scheduler as ours

torch = pytest.importorskip("torch")
theirs = torch.optim.lr_scheduler
EPOCHS = 40

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
        o, max_lr=1.0, epochs=9, steps_per_epoch=5, anneal_strategy="linear", three_phase=True
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
