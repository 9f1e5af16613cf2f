"""``lucid.compile`` and PyTorch's ``compiler`` namespace: lucid runs Python as it is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["compile", "disable", "is_compiling", "is_dynamo_compiling", "is_exporting", "reset"]


def compile(model: Any = None, **settings: Any) -> Any:
    """``model`` itself, a module or function; settings of a compiler are accepted.

    Without ``model``, a decorator. A compiled module of PyTorch has state keys that begin with
    ``_orig_mod.``; here they stay what they are.

    >>> net = nn.Linear(2, 1)
    >>> lucid.compile(net, mode="max-autotune") is net
    True
    """
    known = {"fullgraph", "dynamic", "backend", "mode", "options", "disable", "recompile_limit",
             "isolate_recompiles"}  # fmt: skip
    if unknown := set(settings) - known:
        raise TypeError(
            f"compile: knows only PyTorch's settings; got {', '.join(sorted(unknown))}."
            " Hint: they have no effect here and can be left out"
        )
    if model is not None and not callable(model):
        raise TypeError(f"compile: model must be a module or a function; got {model!r:.60}")
    return _same if model is None else model


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """``fn`` itself; without it, a decorator."""
    return _same if fn is None else fn


def is_compiling() -> bool:
    """False: what asks runs as Python."""
    return False


def is_exporting() -> bool:
    """False: what asks runs as Python."""
    return False


def reset() -> None:
    """Nothing was compiled that could be forgotten."""


is_dynamo_compiling = is_compiling


def _same(fn: Callable[..., Any]) -> Callable[..., Any]:
    return fn
