"""PyTorch's ``jit`` namespace as it answers with its compiler switched off: all stays Python.

lucid compiles no Python code. The decorators return what they are given, so that model files that
mark functions for TorchScript run unchanged. Programs to save are not here: ``lucid.save`` a state.
"""

import builtins
from collections.abc import Callable
from typing import Any, Final, TypeVar

from lucid.jit import annotations as annotations
from lucid.nn.module import Module

__all__ = ["Attribute", "Final", "ScriptModule", "annotate", "export", "ignore", "interface",
           "is_scripting", "is_tracing", "isinstance", "script", "script_if_tracing",
           "script_method", "trace", "unused"]  # fmt: skip

T = TypeVar("T")


class ScriptModule(Module):
    """A plain Module: the base class of layers written for TorchScript."""


RecursiveScriptModule = ScriptModule


def script(obj: T, *settings: Any, **options: Any) -> T:
    """``obj`` itself, a module, class or function; settings of a compiler are accepted.

    >>> lucid.jit.script(nn.ReLU())(lucid.tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    return obj


def trace(func: T, example_inputs: Any = None, *settings: Any, **options: Any) -> T:
    """``func`` itself, which is not called: its ifs and loops stay alive."""
    return func


def script_method(fn: T) -> T:
    """``fn`` itself."""
    return fn


def export(fn: T) -> T:
    """``fn`` itself."""
    return fn


def interface(obj: T) -> T:
    """``obj`` itself."""
    return obj


def script_if_tracing(fn: T) -> T:
    """``fn`` itself."""
    return fn


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """A decorator that changes nothing, written with or without parentheses."""
    return drop if callable(drop) else _same


def unused(fn: T) -> T:
    """``fn`` itself."""
    return fn


def annotate(the_type: Any, the_value: T) -> T:
    """``the_value``; its type is for a compiler."""
    return the_value


def Attribute(value: T, type: Any) -> T:
    """``value``; its type is for a compiler."""
    return value


def isinstance(obj: Any, target_type: Any) -> bool:
    """Python's own, which also knows ``list[int]`` and its like by their container."""
    targets: Any = target_type if builtins.isinstance(target_type, tuple) else (target_type,)
    return builtins.isinstance(obj, tuple(getattr(t, "__origin__", t) for t in targets))


def is_scripting() -> bool:
    """False: what asks runs as Python."""
    return False


def is_tracing() -> bool:
    """False: nothing is traced."""
    return False


def _same(fn: Callable[..., Any]) -> Callable[..., Any]:
    return fn


_overload = _overload_method = _same
_script_if_tracing = script_if_tracing


def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"lucid.jit: lucid has no compiled programs; got a use of {name!r}. Hint: keep the model's"
        " Python code, and save and load its state_dict() with lucid.save and lucid.load"
    )
