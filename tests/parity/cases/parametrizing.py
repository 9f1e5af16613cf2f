"""Parameters that are computed: any function of what is trained."""

from __future__ import annotations

import copy
from typing import Any

from tests.parity.cases.weight_norms import used
from tests.parity.compare import add
from tests.parity.library import Like, Side, second_gradients
from tests.parity.making import fill, shown, state

D = "float64"
U = "nn.utils."
P = "nn.utils.parametrizations."
Z = "nn.utils.parametrize."


def symmetric(s: Side) -> Any:
    class Symmetric(s.nn.Module):
        def forward(self, x: Any) -> Any:
            return x.triu() + x.triu(1).mT

        def right_inverse(self, x: Any) -> Any:
            return x.triu()

    return Symmetric()


def scaled(s: Side) -> Any:
    class Scaled(s.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = s.nn.Parameter(s.full((1,), 3.0, dtype=s.float64))

        def forward(self, x: Any) -> Any:
            return x * self.scale

    return Scaled()


def pair(s: Side) -> Any:
    """A parameter made of two."""

    class Product(s.nn.Module):
        def forward(self, a: Any, b: Any) -> Any:
            return a * b

        def right_inverse(self, x: Any) -> Any:
            return x * 2, s.full_like(x, 0.5)

    return Product()


def square(s: Side) -> Any:
    m = s.nn.Linear(3, 3).double()
    fill(s, m)
    s.leaves.clear()
    return m


def registered(s: Side, *parts: Any) -> Any:
    m = square(s)
    for part in parts:
        s.nn.utils.parametrize.register_parametrization(m, "weight", part(s))
    x = s.tensor(Like((2, 3), D))
    p = s.nn.utils.parametrize
    return (
        used(s, m, x), m.weight, len(m.parametrizations.weight),
        [type(f).__name__ for f in m.parametrizations.weight],
        p.is_parametrized(m), p.is_parametrized(m, "weight"), p.is_parametrized(m, "bias"),
        type(m).__name__, [n for n, _ in m.named_parameters()],
    )  # fmt: skip


def assigned(s: Side) -> Any:
    m = square(s)
    s.nn.utils.parametrize.register_parametrization(m, "weight", symmetric(s))
    m.weight = s.tensor(Like((3, 3), D, grad=False))
    return m.weight, state(m)


def removed(s: Side, leave: bool, *parts: Any) -> Any:
    m = square(s)
    p = s.nn.utils.parametrize
    for part in parts:
        p.register_parametrization(m, "weight", part(s))
    w = m.weight.detach().clone()
    answer = p.remove_parametrizations(m, "weight", leave_parametrized=leave)
    return (
        answer is m, s.equal(w, m.weight.detach()), state(m), shown(m), p.is_parametrized(m),
        type(m).__name__, isinstance(m.weight, s.nn.Parameter),
    )  # fmt: skip


def counted(s: Side) -> Any:
    """How often a parametrization is computed, within cached() and outside."""
    calls = []

    class Count(s.nn.Module):
        def forward(self, x: Any) -> Any:
            calls.append(1)
            return x * 2

    m, p = square(s), s.nn.utils.parametrize
    p.register_parametrization(m, "weight", Count())
    seen = [len(calls)]
    seen.append(m.weight is m.weight)
    seen.append(len(calls))
    with p.cached():
        same_one = m.weight is m.weight
        seen.append(len(calls))
        with p.cached():
            m.weight  # noqa: B018 (asked for, to be counted)
        m.weight  # noqa: B018
        seen.append(len(calls))
    m.weight  # noqa: B018
    return [*seen, len(calls), same_one]


register, remove = f"{Z}register_parametrization", f"{Z}remove_parametrizations"
for parts in ((symmetric,), (scaled,), (pair,), (symmetric, scaled), (scaled, symmetric)):
    label = ", ".join(p.__name__ for p in parts)
    add(register, label, lambda s, p=parts: registered(s, *p))
    for leave in (True, False):
        add(remove, f"{label} {leave}", lambda s, p=parts, k=leave: removed(s, k, *p))
add(register, "assigned", assigned)
add(register, "second gradients", lambda s: (
    m := square(s), s.nn.utils.parametrize.register_parametrization(m, "weight", scaled(s)),
    s.leaves.extend(m.parameters()), second_gradients(s, m(s.tensor(Like((2, 3), D))) ** 2),
)[3])  # fmt: skip
add(register, "copied", lambda s: (
    m := square(s), s.nn.utils.parametrize.register_parametrization(m, "weight", symmetric(s)),
    c := copy.deepcopy(m), c.parametrizations.weight.original.data.zero_(), m.weight, c.weight,
    s.nn.utils.parametrize.is_parametrized(c),
)[4:])  # fmt: skip


def forwarding(s: Side, forward: Any) -> Any:
    """A parametrization that is this function."""
    return type("Own", (s.nn.Module,), {"forward": lambda m, x: forward(x)})()


def refused(s: Side, forward: Any, **kwargs: Any) -> Any:
    m = square(s)
    s.nn.utils.parametrize.register_parametrization(m, "weight", forwarding(s, forward), **kwargs)
    return shown(m), tuple(m.weight.shape)


add(register, "no such parameter", lambda s: s.nn.utils.parametrize.register_parametrization(
    square(s), "scale", symmetric(s)
))  # fmt: skip
add(register, "another shape", lambda s: refused(s, lambda x: x[:2]))
add(register, "another dtype", lambda s: refused(s, lambda x: x.float()))
add(register, "no tensor", lambda s: refused(s, lambda x: "x"))
add(register, "unsafe", lambda s: refused(s, lambda x: x[:2], unsafe=True))
add(remove, "none there", lambda s: s.nn.utils.parametrize.remove_parametrizations(
    square(s), "weight"
))  # fmt: skip
add(remove, "of another parameter", lambda s: (
    m := square(s), s.nn.utils.parametrize.register_parametrization(m, "weight", symmetric(s)),
    s.nn.utils.parametrize.remove_parametrizations(m, "bias"),
))  # fmt: skip
add(f"{Z}cached", "counted", counted)
add(f"{Z}is_parametrized", "before and after", lambda s: (
    m := square(s), p := s.nn.utils.parametrize, a := p.is_parametrized(m),
    p.register_parametrization(m, "weight", symmetric(s)),
    [a, p.is_parametrized(m), p.is_parametrized(m, "weight"), p.is_parametrized(m, "nothing")],
)[-1])  # fmt: skip
