"""Errors of lucid's own layers name the layer: of a wrong setting, and of a wrong call.

As in lucid.op.arguments nothing is checked before; what failed is looked at again.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any

from lucid.errors import DTypeError, LucidError
from lucid.op.arguments import MISTAKES, explain, shown

_OWN = "lucid.nn."  # the layers of which this speaks; users' errors are theirs


def explaining(init: Callable[..., None]) -> Callable[..., None]:
    """A layer's ``__init__``, whose errors name the layer that was to be made."""

    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            init(self, *args, **kwargs)
        except MISTAKES as error:
            better = better_error(type(self).__name__, init, error, (self, *args), kwargs)
            if better is None:
                raise
            raise better from None

    return __init__


def better_forward(module: Any, error: Exception, args: tuple, kwargs: dict) -> Exception | None:
    """A better error than the one that a layer's ``forward`` raised; None if it is good."""
    kind = type(module)
    if isinstance(error, LucidError) or not isinstance(error, MISTAKES):
        return None  # functions keep their names: conv2d, in layer features.0 (Conv2d)
    if not kind.__module__.startswith(_OWN) or re.match(r"\w+: ", str(error)):
        return None
    return better_error(kind.__name__, kind.forward, error, (module, *args), kwargs)


def better_error(
    name: str, function: Callable[..., Any], error: Exception, args: tuple, kwargs: dict
) -> Exception | None:
    """What was wrong with the arguments, said of ``name``; None if ``error`` says it already."""
    try:
        values = inspect.signature(function).bind(*args, **kwargs).arguments
    except TypeError:
        method = function.__name__
        text = re.sub(rf"^[\w.<>]*\b{method}\(\)", f"{name}.{method}()", str(error))
        return None if text == str(error) else TypeError(text)
    better = explain(function, error, values, name)
    raw = type(error) in (TypeError, AttributeError) and not str(error).startswith(f"{name}: ")
    if better is None and raw and function.__name__ == "__init__":
        given = ", ".join(f"{k}={shown(v)}" for k, v in values.items() if k != "self")
        return DTypeError(f"{name}: a setting is of a wrong type; got {given}")
    return better
