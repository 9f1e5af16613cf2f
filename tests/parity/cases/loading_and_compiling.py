"""Hooks after a state is loaded, and compilers, which change nothing."""

from __future__ import annotations

from typing import Any

from tests.parity.cases.hooks import leaf, net
from tests.parity.compare import add, same
from tests.parity.library import Side


def post_hooks(s: Side) -> Any:
    m, seen = net(s), []

    def hook(module: Any, incompatible: Any) -> None:
        seen.append((type(module).__name__, list(incompatible.missing_keys),
                     list(incompatible.unexpected_keys)))  # fmt: skip

    h = m[0].register_load_state_dict_post_hook(hook)
    m.register_load_state_dict_post_hook(hook)
    state = m.state_dict()
    m.load_state_dict(state)
    del state["0.bias"]
    state["extra"] = s.ones(1)
    answer = m.load_state_dict(state, strict=False)
    h.remove()
    m.load_state_dict(m.state_dict())
    return seen, str(answer)


def forgiving(s: Side) -> Any:
    """A hook may take keys away from what is missing; strict loading then passes."""
    m = net(s)
    m.register_load_state_dict_post_hook(lambda mod, keys: keys.missing_keys.clear())
    state = m.state_dict()
    del state["0.bias"]
    return str(m.load_state_dict(state))


def answering(s: Side) -> Any:
    m = net(s)
    m.register_load_state_dict_post_hook(lambda mod, keys: 1)
    return str(m.load_state_dict(m.state_dict()))


same("nn.Module.register_load_state_dict_post_hook", post_hooks, forgiving, answering)


# Others of the module's calls.


def compiled(s: Side) -> Any:
    m = net(s)
    x = leaf(s)
    before = m(x)
    # PyTorch's "eager" changes nothing; lucid's compiler never does.
    m.compile(backend="eager")
    wrapped = s.root.compile(m, backend="eager")
    return before, m(x), wrapped(x), repr(m), list(m.state_dict()), m.training


def compiled_function(s: Side) -> Any:
    @s.root.compile(backend="eager")
    def f(x: Any, n: int = 2) -> Any:
        return x.sin() * n

    def g(x: Any) -> Any:
        return x.cos()

    x = leaf(s)
    h = s.root.compile(g, fullgraph=True, dynamic=False, backend="eager")
    return f(x), f(x, n=3), h(x), f.__name__, s.root.compile(g, disable=True)(x)


for name in ("compile", "nn.Module.compile"):
    same(name, compiled, compiled_function)
add("compile", "no function", lambda s: s.root.compile(3))
