"""Learning rate schedules: the rates of twelve epochs."""

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
    "MultiplicativeLR": [((lambda epoch: 0.95,), {})],
    "LinearLR": [((), {}), ((0.1, 1.0, 4), {})],
    "ConstantLR": [((), {}), ((0.5,), {"total_iters": 3})],
    "PolynomialLR": [((), {}), ((6,), {"power": 2.0})],
    "OneCycleLR": [
        ((1.0,), {"total_steps": 14}),
        (
            (1.0,),
            {"epochs": 2, "steps_per_epoch": 7, "pct_start": 0.5, "anneal_strategy": "linear"},
        ),
        ((1.0,), {"total_steps": 14, "three_phase": True}),
        ((1.0,), {}),
        ((1.0,), {"total_steps": 3}),
    ],
    "CyclicLR": [((0.1, 1.0), {"step_size_up": 3, "cycle_momentum": False})],
}


def _schedule(s: Side, name: str, args: tuple, kwargs: dict[str, Any]) -> Any:
    p, q = s.ones(1, requires_grad=True), s.ones(1, requires_grad=True)
    optimizer = s.optim.SGD([{"params": [p]}, {"params": [q], "lr": 0.2}], lr=0.5, momentum=0.9)
    scheduler = s.get(f"optim.lr_scheduler.{name}")(optimizer, *args, **kwargs)
    rates = []
    for _ in range(12):
        rates.append([*[g["lr"] for g in optimizer.param_groups], *scheduler.get_last_lr()])
        optimizer.step()
        scheduler.step()
    again = s.get(f"optim.lr_scheduler.{name}")(optimizer, *args, **kwargs)
    again.load_state_dict(scheduler.state_dict())
    return rates, scheduler.last_epoch, again.last_epoch


for name, given in SCHEDULES.items():
    for args, kwargs in given:
        shown = [a for a in args if not callable(a)]
        add(
            f"optim.lr_scheduler.{name}",
            f"{shown} {kwargs}",
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
    for _ in range(8):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        both.step()
    return rates


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
