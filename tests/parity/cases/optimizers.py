"""Optimizers: ten steps on given gradients, their groups and their state."""

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
    for i in range(10):
        optimizer.zero_grad()
        for p in (a, b):
            p.grad = s.tensor(Like((3, 2), grad=False))
        if i == 3:
            b.grad = None
        if i == 5:
            a.grad.zero_()
        optimizer.step()
        seen += [a.detach().clone(), b.detach().clone()]
    state = optimizer.state_dict()
    return (
        seen,
        sorted(state),
        state["state"],
        [sorted(g.items()) for g in state["param_groups"]],
        repr(optimizer),
        [g["lr"] for g in optimizer.param_groups],
    )


def loaded(s: Side, name: str, **kwargs: Any) -> Any:
    """Saved after two steps, loaded elsewhere, three steps more."""

    def made() -> Any:
        p = s.ones(2, 3, dtype=s.float64, requires_grad=True)
        return p, s.get(f"optim.{name}")([p], **kwargs)

    (p, one), (q, other) = made(), made()
    for _ in range(2):
        p.grad = s.tensor(Like((2, 3), "float64", grad=False))
        one.step()
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    q.data.copy_(p.data)
    for _ in range(3):
        p.grad = s.tensor(Like((2, 3), "float64", grad=False))
        q.grad = p.grad.clone()
        one.step(), other.step()
    return p.detach(), q.detach(), other.state_dict()["state"]


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
    "NAdam": [
        {},
        {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3, "momentum_decay": 0.1},
        {"weight_decay": 0.1},
        {"weight_decay": 0.1, "decoupled_weight_decay": True},
        {"maximize": True},
        {"momentum_decay": -1},
    ],
    "RAdam": [
        {},
        {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3},
        {"weight_decay": 0.1},
        {"weight_decay": 0.1, "decoupled_weight_decay": True},
        {"maximize": True},
        {"eps": -1},
    ],
    "Adamax": [
        {},
        {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3},
        {"weight_decay": 0.1},
        {"maximize": True},
        {"betas": (0.9, 1.0)},
    ],
    "ASGD": [
        {},
        {"lr": 0.1, "lambd": 0.1, "alpha": 0.5, "t0": 3},
        {"weight_decay": 0.1},
        {"maximize": True},
        {"lr": -1},
    ],
    "Rprop": [
        {},
        {"lr": 0.1, "etas": (0.3, 1.5), "step_sizes": (1e-2, 0.2)},
        {"maximize": True},
        {"etas": (1.3, 1.5)},
        {"etas": (0.3, 0.5)},
    ],
}
COMMON: list[dict[str, Any]] = [
    {"foreach": True},
    {"foreach": False},
    {"differentiable": False},
    {"lr": 0.0},
    {"lr": "x"},
    {"weight_decay": -0.1},
    {"colour": 1},
]
for name, settings in SETTINGS.items():
    for kwargs in settings:
        for groups in (False, True):
            add(
                f"optim.{name}",
                f"{kwargs} groups={groups}",
                lambda s, n=name, k=kwargs, g=groups: steps(s, n, g, **k),
            )
    for kwargs in COMMON:
        if name == "Rprop" and "weight_decay" in kwargs:
            continue
        given = {"lr": 0.1, **kwargs}
        add(f"optim.{name}", f"{kwargs}", lambda s, n=name, k=given: steps(s, n, **k))
    kwargs = {"lr": 0.1} if name == "SGD" else {}
    add(f"optim.{name}", "loaded", lambda s, n=name, k=kwargs: loaded(s, n, **k))
    for label, given in {
        "of integers": lambda s: [s.ones(2, dtype=s.int64)],
        "of one tensor": lambda s: s.ones(2, requires_grad=True),
        "of numbers": lambda s: [1.0],
        "of a result": lambda s: [s.ones(2, requires_grad=True) * 2],
        "of names": lambda s: [("w", s.ones(2, requires_grad=True))],
        "twice": lambda s: [(p := s.ones(2, requires_grad=True)), p],
    }.items():
        add(f"optim.{name}", label, lambda s, n=name, g=given: [
            sorted(x) for x in s.get(f"optim.{n}")(g(s), lr=0.1).param_groups
        ])  # fmt: skip
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
