"""LBFGS, whose step calls a closure, and averages of weights over the training."""

from __future__ import annotations

import copy
from typing import Any

from tests.parity.compare import add
from tests.parity.library import Like, Side
from tests.parity.making import shown, state

D = "float64"


# LBFGS.


def minimized(s: Side, function: str, **kwargs: Any) -> Any:
    """Ten steps: the losses, the calls of the closure, the state.

    In the valley differences of one rounding grow a hundredfold: x is told in float32.
    """
    x = s.root.tensor([-1.2, 1.0], dtype=s.float64, requires_grad=True)
    optimizer = s.optim.LBFGS([x], **kwargs)
    calls = [0]

    def closure() -> Any:
        calls[0] += 1
        optimizer.zero_grad()
        if function == "valley":
            loss = 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
        else:
            loss = (x * s.root.tensor([1.0, 10.0], dtype=s.float64) * x).sum()
        loss.backward()
        return loss

    losses = []
    for _ in range(10):
        losses.append(float(optimizer.step(closure)))
    kept = optimizer.state_dict()["state"][0]
    return (
        losses, calls, x.detach().float(), sorted(kept), kept["n_iter"], kept["func_evals"],
        len(kept["old_dirs"]), repr(optimizer),
    )  # fmt: skip


for function in ("bowl", "valley"):
    for kwargs in (
        {},
        {"lr": 0.1},
        {"lr": 0.1, "max_iter": 3, "history_size": 2},
        {"line_search_fn": "strong_wolfe"},
        {"line_search_fn": "strong_wolfe", "max_iter": 5, "max_eval": 4},
        {"lr": 0.5, "tolerance_grad": 0.1, "tolerance_change": 1e-2},
        {"lr": -1.0},
        {"line_search_fn": "bisection"},
    ):
        if function == "valley" and kwargs in ({}, {"lr": 0.1}):
            kwargs = {"lr": 1e-3, **kwargs}
        add("optim.LBFGS", f"{function} {kwargs}",
            lambda s, f=function, k=kwargs: minimized(s, f, **k))  # fmt: skip


def fitted(s: Side) -> Any:
    """A network's parameters; saved, loaded and gone on with."""
    m = s.nn.Sequential(s.nn.Linear(3, 4), s.nn.Tanh(), s.nn.Linear(4, 1)).double()
    for t in m.parameters():
        t.data.copy_(s.tensor(Like(tuple(t.shape), D, grad=False)))
    x, y = s.tensor(Like((8, 3), D, grad=False)), s.tensor(Like((8, 1), D, grad=False))
    optimizer = s.optim.LBFGS(m.parameters(), lr=0.5, max_iter=4)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = s.nn.functional.mse_loss(m(x), y)
        loss.backward()
        return loss

    losses = [float(optimizer.step(closure)) for _ in range(3)]
    saved = copy.deepcopy(optimizer.state_dict())
    optimizer = s.optim.LBFGS(m.parameters(), lr=0.5, max_iter=4)
    optimizer.load_state_dict(saved)
    return losses, [float(optimizer.step(closure)) for _ in range(3)], state(m)


add("optim.LBFGS", "fitted", fitted)
add("optim.LBFGS", "no closure", lambda s: s.optim.LBFGS([s.ones(2, requires_grad=True)]).step())
add("optim.LBFGS", "two groups", lambda s: s.optim.LBFGS(
    [{"params": [s.ones(2, requires_grad=True)]}, {"params": [s.ones(2, requires_grad=True)]}]
))  # fmt: skip


# Averages.


def net(s: Side) -> Any:
    m = s.nn.Sequential(s.nn.Linear(3, 4), s.nn.BatchNorm1d(4), s.nn.Linear(4, 2)).double()
    draw(s, m)
    return m


def draw(s: Side, m: Any) -> None:
    """New weights, as if a step had been made."""
    for t in [*m.parameters(), *(b for b in m.buffers() if b.is_floating_point())]:
        t.data.copy_(s.tensor(Like(tuple(t.shape), D, low=0.1, grad=False)))


def averaged(s: Side, fn: Any = None, **kwargs: Any) -> Any:
    m = net(s)
    given = fn(s) if fn is not None else {}
    average = s.optim.swa_utils.AveragedModel(m, **given, **kwargs)
    before = state(average)
    for _ in range(4):
        draw(s, m)
        average.update_parameters(m)
    x = s.tensor(Like((5, 3), D))
    other = s.optim.swa_utils.AveragedModel(net(s), **given, **kwargs)
    other.load_state_dict(copy.deepcopy(average.state_dict()))
    draw(s, m)
    average.update_parameters(m), other.update_parameters(m)
    return (
        before, state(average), state(other), average(x), average.eval()(x), shown(average),
        average.module is m, average.n_averaged,
    )  # fmt: skip


def ema(s: Side) -> Any:
    return {"multi_avg_fn": s.optim.swa_utils.get_ema_multi_avg_fn(0.7)}


def ema_of_one(s: Side) -> Any:
    return {"avg_fn": s.optim.swa_utils.get_ema_avg_fn(0.7)}


def swa(s: Side) -> Any:
    return {"multi_avg_fn": s.optim.swa_utils.get_swa_multi_avg_fn()}


def own(s: Side) -> Any:
    return {"avg_fn": lambda average, current, n: average * 0.5 + current * (n + 1)}


def both(s: Side) -> Any:
    return {**ema(s), **own(s)}


for fn in (None, ema, ema_of_one, swa, own, both):
    for kwargs in ({}, {"use_buffers": True}):
        label = f"{fn.__name__ if fn else 'mean'} {kwargs}"
        for name in ("AveragedModel", *(["get_ema_multi_avg_fn"] if fn is ema else [])):
            add(f"optim.swa_utils.{name}", label, lambda s, f=fn, k=kwargs: averaged(s, f, **k))
add("optim.swa_utils.AveragedModel", "by place", lambda s: state(
    s.optim.swa_utils.AveragedModel(net(s), "cpu", None, None, True)
))  # fmt: skip


def by_hand(s: Side, decay: float, dtype: str = D) -> Any:
    f = s.optim.swa_utils.get_ema_multi_avg_fn(decay)
    a, b = ([s.tensor(Like(n, dtype, grad=False)) for n in ((2, 3), (4,))] for _ in range(2))
    f(a, b, s.root.tensor(3))
    return a, b


for decay in (0.999, 0.5, 0.0, 1.0, 1.5, -0.1):
    add("optim.swa_utils.get_ema_multi_avg_fn", f"{decay}", lambda s, d=decay: by_hand(s, d))
for dtype in ("float32", "float16", "bfloat16"):
    add("optim.swa_utils.get_ema_multi_avg_fn", dtype, lambda s, t=dtype: by_hand(s, 0.9, t))


def statistics(s: Side, form: str) -> Any:
    """Batch statistics anew, from a loader's batches."""
    m = net(s)
    m[1].momentum = 0.3
    batches: list[Any] = [s.tensor(Like((n, 3), D, grad=False)) for n in (4, 6, 3)]
    if form == "pairs":
        batches = [(x, x.sum(1)) for x in batches]
    if form == "lists":
        batches = [[x, x.sum(1)] for x in batches]
    if form == "eval":
        m.eval()
    if form == "no layer of that kind":
        m = m[0]
    answer = s.optim.swa_utils.update_bn(batches if form != "none" else [], m)
    return answer, state(m), [x.training for x in m.modules()], getattr(m[1], "momentum", 0
        ) if form != "no layer of that kind" else 0  # fmt: skip


for form in ("plain", "pairs", "lists", "eval", "no layer of that kind", "none"):
    add("optim.swa_utils.update_bn", form, lambda s, f=form: statistics(s, f))


def annealed(s: Side, *args: Any, **kwargs: Any) -> Any:
    p, q = s.ones(1, requires_grad=True), s.ones(1, requires_grad=True)
    optimizer = s.optim.SGD([{"params": [p]}, {"params": [q], "lr": 0.2}], lr=0.5)
    usual = s.optim.lr_scheduler.ExponentialLR(optimizer, 0.95)
    late = s.optim.swa_utils.SWALR(optimizer, *args, **kwargs)
    rates = []
    for epoch in range(50):
        optimizer.step()
        (late if epoch > 20 else usual).step()
        rates.append([g["lr"] for g in optimizer.param_groups])
    again = s.optim.swa_utils.SWALR(optimizer, *args, **kwargs)
    again.load_state_dict(late.state_dict())
    return rates, late.get_last_lr(), again.last_epoch, sorted(g for g in optimizer.param_groups[0])


for args, kwargs in (
    ((0.05,), {}),
    ((0.05,), {"anneal_epochs": 5, "anneal_strategy": "linear"}),
    ((0.05, 0), {}),
    (([0.05, 0.01],), {"anneal_epochs": 3}),
    (([0.05],), {}),
    ((0.05,), {"anneal_strategy": "steps"}),
    ((0.05,), {"anneal_epochs": -1}),
    ((0.05,), {"anneal_epochs": 1.5}),
):
    add("optim.swa_utils.SWALR", f"{args} {kwargs}",
        lambda s, a=args, k=kwargs: annealed(s, *a, **k))  # fmt: skip
