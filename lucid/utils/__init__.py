"""PyTorch's utils namespace: ``data`` and ``checkpoint``, imported when first used."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


def __getattr__(name: str) -> ModuleType:
    if name in ("checkpoint", "data"):
        return import_module(f"lucid.utils.{name}")
    raise AttributeError(f"module 'lucid.utils' has no attribute {name!r}")
