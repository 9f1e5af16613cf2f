"""Optimizers: five steps on given gradients, their groups and their state."""

from __future__ import annotations

import copy
from typing import Any

from tests.parity.compare import add
from tests.parity.library import Like, Side


def steps(s: Side, name: str, groups: bool = False, **kwargs: Any) -> Any:
    a, b = (s.tensor(Like((3, 2), grad=False)).requires_grad_() for _ in range(2))
    params: Any = [{"params": [a], "lr": 0.05}, {"params": [b]}] if groups else [a, b]
    optimizer = s.get(f"optim.{name}")(params, **kwargs)
    seen = []
    for i in range(5):
        optimizer.zero_grad()
        for p in (a, b):
            p.grad = s.tensor(Like((3, 2), grad=False))
        if i == 3:
            b.grad = None
        optimizer.step()
        seen += [a.detach().clone(), b.detach().clone()]
    state = optimizer.state_dict()
    return (
        seen,
        sorted(state),
        [g["params"] for g in state["param_groups"]],
        [g["lr"] for g in optimizer.param_groups],
    )


SETTINGS: dict[str, list[dict[str, Any]]] = {
    "SGD": [
        {"lr": 0.1},
        {"lr": 0.1, "momentum": 0.9},
        {"lr": 0.1, "momentum": 0.9, "nesterov": True},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1},
        {"lr": 0.1, "maximize": True},
        {"lr": -1},
        {"lr": 0.1, "nesterov": True},
        {},
    ],
    "Adam": [
        {},
        {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3},
        {"weight_decay": 0.1},
        {"amsgrad": True, "lr": 0.1},
        {"maximize": True},
        {"betas": (1.5, 0.9)},
    ],
    "AdamW": [{}, {"lr": 0.1, "weight_decay": 0.5}, {"amsgrad": True}, {"eps": -1}],
    "RMSprop": [
        {},
        {"lr": 0.1, "alpha": 0.5, "momentum": 0.9},
        {"centered": True},
        {"weight_decay": 0.1},
    ],
    "Adagrad": [
        {},
        {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.5},
        {"weight_decay": 0.1},
    ],
    "Adadelta": [{}, {"lr": 0.5, "rho": 0.5, "eps": 1e-3}, {"weight_decay": 0.1}],
    "NAdam": [{}],
    "RAdam": [{}],
    "Adamax": [{}],
    "ASGD": [{}],
    "Rprop": [{}],
}
for name, settings in SETTINGS.items():
    for kwargs in settings:
        for groups in (False, True):
            add(
                f"optim.{name}",
                f"{kwargs} groups={groups}",
                lambda s, n=name, k=kwargs, g=groups: steps(s, n, g, **k),
            )
    add(f"optim.{name}", "no parameters", lambda s, n=name: s.get(f"optim.{n}")([], lr=0.1))


def resumed(s: Side) -> Any:
    def make() -> Any:
        p = s.ones(3, requires_grad=True)
        return p, s.optim.Adam([p], lr=0.1)

    p, optimizer = make()
    q, other = make()
    for _ in range(2):
        p.grad = s.ones(3)
        optimizer.step()
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    q.data.copy_(p.data)
    for x, o in ((p, optimizer), (q, other)):
        x.grad = s.ones(3) * 2
        o.step()
    return p.detach(), q.detach(), sorted(optimizer.state_dict()["state"][0])


def grown(s: Side) -> Any:
    a, b = s.ones(2, requires_grad=True), s.ones(2, requires_grad=True)
    optimizer = s.optim.SGD([a], lr=0.1)
    optimizer.add_param_group({"params": [b], "lr": 1.0})
    (a.sum() + b.sum()).backward()
    optimizer.step()
    seen = [a.detach().clone(), b.detach().clone(), len(optimizer.param_groups)]
    optimizer.zero_grad(set_to_none=False)
    seen.append(a.grad)
    optimizer.zero_grad()
    return [*seen, a.grad]


def closures(s: Side) -> Any:
    x = s.ones(2, requires_grad=True)
    optimizer = s.optim.SGD([x], lr=0.1)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (x * x).sum()
        loss.backward()
        return loss

    return optimizer.step(closure).detach(), x.detach()


for name in ("optim.Optimizer", "optim.Optimizer.state_dict", "optim.Optimizer.load_state_dict"):
    add(name, "resumed", resumed)
for name in ("optim.Optimizer.add_param_group", "optim.Optimizer.zero_grad"):
    add(name, "grown", grown)
add("optim.Optimizer.step", "closures", closures)
add(
    "optim.Optimizer.add_param_group",
    "twice",
    lambda s: (
        p := s.ones(1, requires_grad=True),
        s.optim.SGD([p], lr=1).add_param_group({"params": [p]}),
    )[1],
)
