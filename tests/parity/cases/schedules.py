"""Learning rate schedules: the rates of fifty epochs."""

from __future__ import annotations

from typing import Any

from tests.parity.compare import add, same
from tests.parity.library import Side

SCHEDULES: dict[str, list[tuple[tuple, dict[str, Any]]]] = {
    "StepLR": [((3,), {}), ((2,), {"gamma": 0.5})],
    "MultiStepLR": [(([2, 5],), {}), (([2, 2, 7],), {"gamma": 0.5})],
    "ExponentialLR": [((0.9,), {})],
    "CosineAnnealingLR": [((5,), {}), ((12,), {"eta_min": 0.01})],
    "CosineAnnealingWarmRestarts": [((4,), {}), ((2,), {"T_mult": 2, "eta_min": 0.01})],
    "LambdaLR": [((lambda epoch: 0.95**epoch,), {})],
    "MultiplicativeLR": [
        ((lambda epoch: 0.95,), {}),
        (([lambda epoch: 0.95, lambda epoch: 1 - 1 / (epoch + 1) ** 2],), {}),
        (([lambda epoch: 0.95],), {}),
        ((0.95,), {}),
    ],
    "LinearLR": [((), {}), ((0.1, 1.0, 4), {})],
    "ConstantLR": [((), {}), ((0.5,), {"total_iters": 3})],
    "PolynomialLR": [
        ((), {}),
        ((6,), {"power": 2.0}),
        ((), {"total_iters": 60, "power": 0.5}),
        ((45,), {}),
        ((0,), {}),
    ],
    "OneCycleLR": [
        ((1.0,), {"total_steps": 52}),
        (
            (1.0,),
            {"epochs": 13, "steps_per_epoch": 4, "pct_start": 0.5, "anneal_strategy": "linear"},
        ),
        ((1.0,), {"total_steps": 52, "three_phase": True}),
        (([1.0, 0.5],), {"total_steps": 51, "div_factor": 5.0, "final_div_factor": 10.0}),
        ((1.0,), {"total_steps": 51, "cycle_momentum": False}),
        ((1.0,), {"total_steps": 52, "base_momentum": 0.5, "max_momentum": 0.8}),
        ((1.0,), {"total_steps": 52, "anneal_strategy": "steps"}),
        ((1.0,), {"total_steps": 52, "pct_start": 1.5}),
        ((1.0,), {}),
        ((1.0,), {"total_steps": 3}),
    ],
    "CyclicLR": [
        ((0.1, 1.0), {"step_size_up": 3, "cycle_momentum": False}),
        ((0.1, 1.0), {"step_size_up": 3, "step_size_down": 5}),
        ((0.1, 1.0), {"step_size_up": 4, "mode": "triangular2"}),
        ((0.1, 1.0), {"step_size_up": 4, "mode": "exp_range", "gamma": 0.9}),
        (([0.1, 0.2], [1.0, 2.0]), {"step_size_up": 7, "base_momentum": 0.5}),
        ((0.1, 1.0), {"step_size_up": 3, "scale_fn": lambda x: 1 / x}),
        ((0.1, 1.0), {"step_size_up": 3, "scale_fn": lambda x: 0.9**x, "scale_mode": "iterations"}),
        ((0.1, 1.0), {"mode": "square"}),
        (([0.1], [1.0]), {}),
        ((0.1, 1.0), {"step_size_up": 4, "last_epoch": 3}),
    ],
}


def _schedule(s: Side, name: str, args: tuple, kwargs: dict[str, Any]) -> Any:
    p, q = s.ones(1, requires_grad=True), s.ones(1, requires_grad=True)
    optimizer = s.optim.SGD([{"params": [p]}, {"params": [q], "lr": 0.2}], lr=0.5, momentum=0.9)
    scheduler = s.get(f"optim.lr_scheduler.{name}")(optimizer, *args, **kwargs)
    rates = []
    for _ in range(50):
        rates.append([g.get("momentum") for g in optimizer.param_groups])
        rates.append([*[g["lr"] for g in optimizer.param_groups], *scheduler.get_last_lr()])
        optimizer.step()
        scheduler.step()
    again = s.get(f"optim.lr_scheduler.{name}")(optimizer, *args, **kwargs)
    again.load_state_dict(scheduler.state_dict())
    kept = {k: v for k, v in scheduler.state_dict().items() if isinstance(v, (int, float, list))}
    return rates, scheduler.last_epoch, again.last_epoch, kept.get("base_lrs"), kept["last_epoch"]


for name, given in SCHEDULES.items():
    for args, kwargs in given:
        shown = [a for a in args if not callable(a) and not isinstance(a, list) or name[0] != "M"]
        named = {k: v for k, v in kwargs.items() if not callable(v)}
        add(
            f"optim.lr_scheduler.{name}",
            f"{shown} {named}",
            lambda s, n=name, a=args, k=kwargs: _schedule(s, n, a, k),
        )


def _one_after_the_other(s: Side, kind: str) -> Any:
    p = s.ones(1, requires_grad=True)
    optimizer = s.optim.SGD([p], lr=1.0)
    m = s.optim.lr_scheduler
    parts = [m.ConstantLR(optimizer, 0.1, total_iters=3), m.ExponentialLR(optimizer, 0.9)]
    both = (
        m.SequentialLR(optimizer, parts, milestones=[4])
        if kind == "SequentialLR"
        else m.ChainedScheduler(parts)
    )
    rates = []
    for _ in range(50):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        both.step()
    return rates


def _chained(s: Side, case: str) -> Any:
    """Three at once; none; of two optimizers; saved and loaded."""
    p = s.ones(1, requires_grad=True)
    m = s.optim.lr_scheduler

    def made() -> Any:
        optimizer = s.optim.SGD([p], lr=1.0)
        return optimizer, [
            m.LinearLR(optimizer, 0.2, total_iters=20),
            m.StepLR(optimizer, 7, 0.5),
            m.MultiplicativeLR(optimizer, lambda epoch: 0.99),
        ]

    optimizer, parts = made()
    if case == "none":
        return m.ChainedScheduler([])
    if case == "two optimizers":
        return m.ChainedScheduler([parts[0], made()[1][1]])
    both = m.ChainedScheduler(parts, optimizer=optimizer if case == "named" else None)
    rates = []
    for i in range(50):
        if case == "loaded" and i == 20:
            saved = both.state_dict()
            optimizer, parts = made()
            optimizer.param_groups[0]["lr"] = rates[-1][0]
            both = m.ChainedScheduler(parts)
            both.load_state_dict(saved)
        optimizer.step()
        both.step()
        rates.append([optimizer.param_groups[0]["lr"], *both.get_last_lr()])
    return rates, len(both.state_dict()["_schedulers"])


for case in ("three", "none", "two optimizers", "named", "loaded"):
    add("optim.lr_scheduler.ChainedScheduler", case, lambda s, c=case: _chained(s, c))
for name in ("SequentialLR", "ChainedScheduler"):
    add(f"optim.lr_scheduler.{name}", "two", lambda s, n=name: _one_after_the_other(s, n))


def plateau(s: Side, **kwargs: Any) -> Any:
    optimizer = s.optim.SGD([s.ones(1, requires_grad=True)], lr=1.0)
    scheduler = s.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **kwargs)
    rates = []
    for loss in (3.0, 2.0, 2.5, 2.5, 2.5, 1.0, 1.0, 1.0, float("nan"), 1.0, 1.0):
        optimizer.step()
        scheduler.step(loss)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


for kwargs in (
    {},
    {"patience": 1},
    {"patience": 0, "factor": 0.5, "cooldown": 2},
    {"mode": "max", "patience": 1, "threshold": 0.1, "threshold_mode": "abs"},
    {"patience": 0, "min_lr": 0.05},
    {"factor": 1.0},
    {"mode": "other"},
):
    add("optim.lr_scheduler.ReduceLROnPlateau", str(kwargs), lambda s, k=kwargs: plateau(s, **k))
same(
    "optim.lr_scheduler.LRScheduler",
    lambda s: issubclass(s.optim.lr_scheduler.StepLR, s.optim.lr_scheduler.LRScheduler),
)
same(
    "optim.lr_scheduler._LRScheduler",
    lambda s: issubclass(s.optim.lr_scheduler.StepLR, s.optim.lr_scheduler.LRScheduler),
)
