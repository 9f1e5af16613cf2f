"""PyTorch's ``fx`` namespace, of which model files need the marks for a tracer."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def wrap(fn_or_name: T) -> T:
    """``fn_or_name`` itself: it marks what symbolic tracing must not enter; lucid never traces.

    It is a function, used as a decorator, or the name of one in the calling module.
    """
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise TypeError(
            f"fx.wrap: expected a function or the name of one; got {type(fn_or_name).__name__}."
            " Hint: @lucid.fx.wrap above its def"
        )
    return fn_or_name


def _assert(condition: bool, message: str) -> None:
    """``assert condition, message``, in the form that a tracer could record."""
    if not condition:
        raise AssertionError(message)
