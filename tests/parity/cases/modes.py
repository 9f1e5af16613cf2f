"""Modes, seeds, generators, files: what belongs to the root."""

from __future__ import annotations

from typing import Any

from tests.parity.compare import add, same
from tests.parity.library import Like, Side


def modes(s: Side) -> Any:
    x = s.ones(2, requires_grad=True)
    seen = []
    with s.no_grad():
        seen += [s.is_grad_enabled(), (x * 2).requires_grad]
        with s.enable_grad():
            seen += [s.is_grad_enabled(), (x * 2).requires_grad]
        with s.set_grad_enabled(True):
            seen += [s.is_grad_enabled()]
    with s.inference_mode():
        y = x * 2
        seen += [y.requires_grad, s.is_grad_enabled()]
    with s.set_grad_enabled(False):
        seen += [(x * 2).requires_grad]
    s.set_grad_enabled(False)
    seen += [s.is_grad_enabled()]
    s.set_grad_enabled(True)

    @s.no_grad()
    def f() -> Any:
        return (x * 2).requires_grad, s.is_grad_enabled()

    @s.no_grad
    def g() -> Any:
        return (x * 2).requires_grad

    return [*seen, *f(), g(), s.is_grad_enabled()]


for name in ("no_grad", "enable_grad", "inference_mode", "set_grad_enabled", "is_grad_enabled"):
    add(name, "switches", modes)
same("inference_mode", lambda s: s.inference_mode(False).__enter__() or s.is_grad_enabled())


def seeds(s: Side) -> Any:
    s.manual_seed(7)
    first = s.rand(3)
    state = s.get_rng_state()
    second = s.rand(3)
    s.set_rng_state(state)
    again = s.rand(3)
    return [
        s.initial_seed(),
        s.equal(second, again),
        s.equal(first, second),
        state.dtype,
        isinstance(s.root.seed(), (int, type(None))),
    ]


def generators(s: Side) -> Any:
    g = s.Generator()
    g.manual_seed(5)
    a = s.rand(3, generator=g)
    state = g.get_state()
    b = s.randn(3, generator=g)
    g.set_state(state)
    c = s.randn(3, generator=g)
    return [
        g.initial_seed(),
        g.manual_seed(5) is g,
        s.equal(a, s.rand(3, generator=g)),
        s.equal(b, c),
    ]


for name in ("manual_seed", "seed", "initial_seed", "get_rng_state", "set_rng_state"):
    add(name, "replays", seeds)
add("Generator", "replays", generators)
for name in ("get_state", "set_state", "manual_seed", "initial_seed"):
    add(f"Generator.{name}", "replays", generators)


def _saved(s: Side, value: Any) -> Any:
    import io

    stream = io.BytesIO()
    s.save(value, stream)
    stream.seek(0)
    return s.load(stream)


for name in ("save", "load"):
    same(
        name,
        lambda s: _saved(s, s.tensor(Like((2, 3), grad=False))),
        lambda s: _saved(s, {"a": [1, "b", s.ones(2)], "c": (1.5, None, True)}),
        lambda s: _saved(s, s.nn.Linear(2, 3).state_dict()).keys().__len__(),
        lambda s: _saved(s, s.nn.Parameter(s.ones(2))),
        lambda s: s.load("/nowhere/at/all"),
        lambda s: _saved(s, s.ones(3, dtype=s.bfloat16)),
    )
same(
    "use_deterministic_algorithms",
    lambda s: (
        s.use_deterministic_algorithms(True),
        [s.are_deterministic_algorithms_enabled()],
        s.use_deterministic_algorithms(False),
    )[1],
    lambda s: (
        s.use_deterministic_algorithms(True, warn_only=True),
        [s.is_deterministic_algorithms_warn_only_enabled()],
        s.use_deterministic_algorithms(False),
    )[1],
)
same("are_deterministic_algorithms_enabled", lambda s: s.are_deterministic_algorithms_enabled())
same(
    "set_printoptions",
    lambda s: s.set_printoptions(precision=4),
    lambda s: s.set_printoptions(profile="default"),
)
same("__version__", lambda s: len(s.__version__.split(".")) >= 3)
