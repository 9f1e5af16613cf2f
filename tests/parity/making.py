"""How cases of layers are made: the layer, given numbers in it, in training and in evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .compare import add
from .library import Like, Side, second_gradients, twice_differentiable

SHOWN: set[str] = set()
"""The layers with a case that looks at repr, the state's keys, and training and evaluation."""


def fill(s: Side, module: Any) -> None:
    """Parameters and buffers from the side's own numbers; parameters' gradients are compared."""
    for name, t in module.state_dict().items():
        if s.is_tensor(t) and t.is_floating_point():
            low = 0.5 if "var" in name else -1.0
            values = s.array(tuple(t.shape), "float64", low, 1.0)
            t.copy_(s.root.tensor(values))
    s.leaves += [p for p in module.parameters() if p.requires_grad]


def state(module: Any) -> dict[str, Any]:
    """Copies of parameters and buffers, under their keys."""
    return {k: v.detach().clone() for k, v in module.state_dict().items()}


def shown(module: Any) -> list[Any]:
    """What does not depend on numbers: the text, the modes of all layers, the members' kinds."""
    return [
        repr(module),
        [m.training for m in module.modules()],
        [m.training for m in module.eval().modules()],
        [m.training for m in module.train().modules()],
        [(n, p.requires_grad, tuple(p.shape)) for n, p in module.named_parameters()],
        [n for n, _ in module.named_buffers()],
        [(n, type(m).__name__) for n, m in module.named_modules()],
    ]


def layer(
    name: str,
    inputs: list[Any],
    *args: Any,
    prepare: Callable[[Side, Any], None] | None = None,
    called: dict[str, Any] | None = None,
    second: bool = False,
    double: bool = False,
    draws: bool = False,
    **kwargs: Any,
) -> None:
    """A layer's outputs in both modes, gradients, parameters and buffers before and after, text.

    inputs: Likes become tensors, functions of the side what they make. called: further arguments
    of the call, by name. double: in float64. second: second gradients, too, in float64.
    draws: the outputs of training are random, and only those of evaluation are compared.
    """

    def made(s: Side) -> Any:
        m = s.get(f"nn.{name}")(*[_given(s, a) for a in args], **_all(s, kwargs))
        if double or second:
            m.double()
        fill(s, m)
        if prepare is not None:
            prepare(s, m)
        return m

    def run(s: Side) -> Any:
        m = made(s)
        before = state(m)
        x, more = [_given(s, i) for i in inputs], _all(s, called or {})
        y = None if draws else m(*x, **more)
        after = state(m)
        return y, before, after, shown(m), m.eval()(*x, **more)

    def twice(s: Side) -> Any:
        m = made(s)
        x, more = [_given(s, i) for i in inputs], _all(s, called or {})
        with twice_differentiable(s):
            return second_gradients(s, m(*x, **more))

    told = {**kwargs, **(called or {})}
    label = f"{', '.join(map(_told, inputs))} {tuple(map(_told, args))} {_told(told) or ''}"
    add(f"nn.{name}", label, run)
    if second:
        add(f"nn.{name}", f"{label} second gradients", twice)
    SHOWN.add(f"nn.{name}")


def showing(name: str, make: Callable[[Side], Any]) -> None:
    """A layer that is not called, or not in both modes alike: its text, state and modes."""

    def run(s: Side) -> Any:
        m = make(s)
        return shown(m), {k: tuple(v.shape) for k, v in m.state_dict().items()}

    add(f"nn.{name}", f"shown {make.__name__}", run)
    SHOWN.add(f"nn.{name}")


def _given(s: Side, value: Any) -> Any:
    if isinstance(value, Like):
        return s.tensor(value)
    if isinstance(value, tuple) and any(isinstance(v, Like) for v in value):
        return tuple(_given(s, v) for v in value)
    return value(s) if getattr(value, "__module__", "").startswith("tests.") else value


def _all(s: Side, given: dict[str, Any]) -> dict[str, Any]:
    return {key: _given(s, value) for key, value in given.items()}


def _told(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k}={_told(v)}" for k, v in value.items())
    if isinstance(value, tuple):
        return f"({', '.join(map(_told, value))})"
    return value.__name__ if callable(value) else str(value)
