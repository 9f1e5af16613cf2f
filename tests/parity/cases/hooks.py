"""Hooks of modules: in what order they are called, with what, and what their answers change."""

from __future__ import annotations

import copy
from typing import Any

from tests.parity.compare import add
from tests.parity.library import Like, Side, second_gradients

D = "float64"


def net(s: Side) -> Any:
    m = s.nn.Sequential(s.nn.Linear(3, 4), s.nn.Tanh(), s.nn.Linear(4, 2)).double()
    for t in m.parameters():
        t.data.copy_(s.tensor(Like(tuple(t.shape), D, grad=False)))
    return m


def told(value: Any) -> Any:
    """What a hook was given, without the tensors' graphs."""
    if isinstance(value, (tuple, list)):
        return [told(v) for v in value]
    if isinstance(value, dict):
        return {k: told(v) for k, v in value.items()}
    if hasattr(value, "detach"):
        return value.detach().clone()
    return type(value).__name__ if hasattr(value, "parameters") else value


def log(seen: list, name: str, answer: Any = lambda *given: None) -> Any:
    def hook(*given: Any) -> Any:
        seen.append((name, told(given)))
        return answer(*given)

    return hook


def back(s: Side, m: Any, x: Any, seen: list) -> Any:
    y = m(x)
    (y * y).sum().backward()
    return seen, y.detach(), x.grad, [p.grad for p in m.parameters()]


def leaf(s: Side, *shape: int) -> Any:
    return s.tensor(Like(shape or (2, 3), D, grad=False)).requires_grad_()


def forward_order(s: Side) -> Any:
    m, seen = net(s), []
    handles = [
        m[0].register_forward_hook(log(seen, "first")),
        m[0].register_forward_hook(log(seen, "second", lambda mod, x, y: y * 2)),
        m[0].register_forward_hook(log(seen, "before both"), prepend=True),
        m.register_forward_hook(log(seen, "outer")),
        m[0].register_forward_pre_hook(log(seen, "pre", lambda mod, x: x[0] + 1)),
        m[0].register_forward_pre_hook(log(seen, "pre of tuple", lambda mod, x: (x[0] * 3,))),
        m[0].register_forward_pre_hook(log(seen, "pre of all"), prepend=True),
    ]
    answer = [back(s, m, leaf(s), seen)]
    for h in handles[1::2]:
        h.remove()
    m.zero_grad()
    return [*answer, back(s, m, leaf(s), seen)]


def keyword_hooks(s: Side) -> Any:
    class Scale(s.nn.Module):
        def forward(self, x: Any, *, by: float = 1.0) -> Any:
            return x * by

    m, seen = Scale(), []
    m.register_forward_pre_hook(
        log(seen, "pre", lambda mod, args, kwargs: (args, {"by": kwargs["by"] + 1})),
        with_kwargs=True,
    )
    m.register_forward_hook(log(seen, "post"), with_kwargs=True)
    m.register_forward_hook(log(seen, "plain"))
    return m(leaf(s), by=2.0), seen


def after_an_error(s: Side) -> Any:
    m, seen = net(s), []
    m[1].register_forward_hook(log(seen, "always"), always_call=True)
    m[1].register_forward_hook(log(seen, "not"))
    m[1].register_forward_pre_hook(log(seen, "fails", lambda mod, x: x[0] + None))
    try:
        m(leaf(s))
    except TypeError:
        seen.append("failed")
    return seen


for case in (forward_order, keyword_hooks, after_an_error):
    for name in ("register_forward_hook", "register_forward_pre_hook"):
        add(f"nn.Module.{name}", case.__name__, case)


# Backward.


def backward_order(s: Side) -> Any:
    m, seen = net(s), []
    for i, part in enumerate([m, *m]):
        part.register_full_backward_hook(log(seen, f"{i} first"))
        part.register_full_backward_hook(log(seen, f"{i} second"))
        part.register_full_backward_hook(log(seen, f"{i} prepended"), prepend=True)
        part.register_full_backward_pre_hook(log(seen, f"{i} pre"))
        part.register_full_backward_pre_hook(log(seen, f"{i} pre prepended"), prepend=True)
    return back(s, m, leaf(s), seen)


def changed_gradients(s: Side) -> Any:
    m, seen = net(s), []
    m[0].register_full_backward_hook(log(seen, "in", lambda mod, dx, dy: (dx[0] * 2,)))
    m[2].register_full_backward_pre_hook(log(seen, "out", lambda mod, dy: (dy[0] + 1,)))
    m[1].register_full_backward_hook(log(seen, "one", lambda mod, dx, dy: (dx[0] * 3,)))
    return back(s, m, leaf(s), seen)


def without_a_tuple(s: Side) -> Any:
    m, seen = net(s), []
    m[1].register_full_backward_hook(log(seen, "in", lambda mod, dx, dy: dx[0] * 3))
    return back(s, m, leaf(s), seen)


def removed(s: Side) -> Any:
    m, seen = net(s), []
    h = m[0].register_full_backward_hook(log(seen, "gone"))
    g = m[0].register_full_backward_pre_hook(log(seen, "gone, too"))
    h.remove()
    with g:
        pass
    return back(s, m, leaf(s), seen)


def no_gradient_of_inputs(s: Side) -> Any:
    m, seen = net(s), []
    m[0].register_full_backward_hook(log(seen, "hook"))
    m[0].register_full_backward_pre_hook(log(seen, "pre"))
    x = leaf(s).detach()
    (m(x) ** 2).sum().backward()
    return seen, [p.grad for p in m.parameters()]


def several(s: Side) -> Any:
    """Two inputs and a number in, two outputs, of which one is not used."""

    class Both(s.nn.Module):
        def forward(self, x: Any, n: int, y: Any) -> Any:
            return x * y * n, x + y

    m, seen = Both(), []
    m.register_full_backward_hook(log(seen, "hook"))
    m.register_full_backward_pre_hook(log(seen, "pre"))
    x, y = leaf(s), leaf(s)
    m(x, 3, y)[0].sum().backward()
    a, b = m(x, 2, y.detach())
    (a * b).sum().backward()
    return seen, x.grad, y.grad


def twice(s: Side) -> Any:
    """Called in each of two walks, and in the walk through a gradient."""
    m, seen = net(s), []
    m[1].register_full_backward_hook(log(seen, "hook"))
    x = leaf(s)
    y = (m(x) ** 2).sum()
    y.backward(retain_graph=True)
    (g,) = s.autograd.grad(y, x, create_graph=True)
    g.square().sum().backward()
    return seen, x.grad


def frozen(s: Side) -> Any:
    m, seen = net(s).requires_grad_(False), []
    m[0].register_full_backward_hook(log(seen, "hook"))
    x = leaf(s)
    m(x).sum().backward()
    with s.no_grad():
        m(x)
    return seen, x.grad


def too_many(s: Side) -> Any:
    m = net(s)
    m[0].register_full_backward_hook(lambda mod, dx, dy: (dx[0], dx[0]))
    return back(s, m, leaf(s), [])


def copied(s: Side) -> Any:
    m, seen = net(s), []
    m[0].register_full_backward_hook(log(seen, "hook"))
    m[0].register_forward_hook(log(seen, "forward"))
    return back(s, copy.deepcopy(m), leaf(s), [])[1:]


def second(s: Side) -> Any:
    m = net(s)
    m[0].register_full_backward_hook(lambda mod, dx, dy: (dx[0] * 2,))
    m[2].register_full_backward_pre_hook(lambda mod, dy: (dy[0] * dy[0],))
    x = s.tensor(Like((2, 3), D))
    return second_gradients(s, m(x))


def in_place(s: Side) -> Any:
    m, seen = s.nn.Sequential(s.nn.Linear(3, 2).double(), s.nn.ReLU(inplace=True)), []
    for t in m.parameters():
        t.data.copy_(s.tensor(Like(tuple(t.shape), D, grad=False)))
    m[0].register_full_backward_hook(log(seen, "hook"))
    return back(s, m, leaf(s), seen)


for case in (
    backward_order, changed_gradients, removed, no_gradient_of_inputs, several, twice, frozen,
    too_many, without_a_tuple, copied, second, in_place,
):  # fmt: skip
    for name in ("register_full_backward_hook", "register_full_backward_pre_hook"):
        add(f"nn.Module.{name}", case.__name__, case)
