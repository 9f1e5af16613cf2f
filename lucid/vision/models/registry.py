"""Models by name, and weights from files.

The names of parameters and their shapes are torchvision's, so its weight files load: ``lucid.load``
reads .pth files as well as safetensors, without running what is in them. Nothing is downloaded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from lucid import nn
from lucid.errors import CheckpointError
from lucid.serialization import load

__all__ = ["get_model", "list_models", "model"]

_BUILDERS: dict[str, Callable[..., Any]] = {}


def model(build: Callable[..., Any]) -> Callable[..., Any]:
    """Make ``build(**settings)`` a public model: listed by name, with ``weights=``."""

    @wraps(build)
    def builder(*, weights: Any = None, progress: bool = True, **settings: Any) -> Any:
        state = _state(build.__name__, weights)
        made = build(**settings)
        if state is not None:
            _fill(made, state)
        return made

    _BUILDERS[build.__name__] = builder
    return builder


def list_models() -> list[str]:
    """The names that ``get_model`` knows, in alphabetical order."""
    return sorted(_BUILDERS)


def get_model(name: str, **config: Any) -> Any:
    """The model of this name: ``get_model("resnet18", num_classes=10)``.

    ``weights`` is None, a state dict, or the path of a file that ``lucid.load`` reads.
    """
    if name not in _BUILDERS:
        raise ValueError(
            f"get_model: name must be one of list_models(); got {name!r}. Known:"
            f" {', '.join(list_models())}"
        )
    return _BUILDERS[name](**config)


def _state(name: str, weights: Any) -> dict[str, Any] | None:
    """The state dict that ``weights`` stands for."""
    if weights is None:
        return None
    if isinstance(weights, Mapping):
        return dict(weights)
    if not isinstance(weights, str | os.PathLike):
        raise TypeError(
            f"{name}: weights must be None, a state dict or the path of a file; got"
            f" {type(weights).__name__}"
        )
    path = os.fspath(weights)
    if not os.path.exists(path):
        raise FileNotFoundError(
            f"{name}: weights must be None, a state dict or the path of a file; got {path!r}, which"
            " is no file; lucid downloads no pretrained weights by name. Hint: fetch torchvision's"
            f" file for {name} (.pth, or safetensors), and pass weights=<its path>"
        )
    state = load(path, map_location="cpu")
    if not isinstance(state, Mapping):
        raise CheckpointError(
            f"{name}: {path!r} must hold a state dict; got {type(state).__name__}"
        )
    return dict(state)


def _fill(made: nn.Module, state: dict[str, Any]) -> None:
    """Load ``state``; files from before batch norms counted their batches lack the counts."""
    if hasattr(made, "upgrade_keys"):
        state = made.upgrade_keys(state)
    for key, value in made.state_dict().items():
        if key.endswith("num_batches_tracked"):
            state.setdefault(key, value)
    made.load_state_dict(state)
