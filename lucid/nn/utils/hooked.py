"""Finding the forward pre-hook that computes a module's tensor."""

from __future__ import annotations

from typing import Any

from lucid.nn.module import Module


def hook_of(module: Module, kind: type, name: str) -> tuple[int, Any] | None:
    """Key and hook of this kind for the tensor ``name``; None if there is none."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook.function, kind) and hook.function.name == name:  # type: ignore[attr-defined]
            return key, hook.function
    return None
