"""Making a module without drawing its first values."""

from __future__ import annotations

import inspect
from typing import Any

from lucid.nn.module import Module
from lucid.random import fork_rng

__all__ = ["skip_init"]


def skip_init(module_cls: type[Module], *args: Any, **kwargs: Any) -> Any:
    """``module_cls(*args, **kwargs)`` whose parameters and buffers have no values yet.

    For modules that are loaded next. The class must take ``device``. No random numbers are used up.

    >>> layer = nn.utils.skip_init(nn.Linear, 3, 2)
    >>> layer.weight.shape
    (2, 3)
    """
    if not (isinstance(module_cls, type) and issubclass(module_cls, Module)):
        raise TypeError(f"skip_init: expected a subclass of Module; got {module_cls!r}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise TypeError(
            f"skip_init: the module must take a device; got {module_cls.__name__}. Hint: pass it on"
            " to its layers"
        )
    device = kwargs.pop("device", None) or "cpu"
    # The class itself, but for drawing; layers within it draw, to no effect.
    blank = type(module_cls.__name__, (module_cls,), {"reset_parameters": lambda self: None})
    with fork_rng():
        module = blank(*args, **kwargs, device="cpu")
    module.__class__ = module_cls
    return module.to_empty(device=device)
