"""PyTorch's utils namespace: its modules are imported when they are first used."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


def __getattr__(name: str) -> ModuleType:
    if name in ("checkpoint", "data", "dlpack", "model_zoo", "tensorboard"):
        return import_module(f"lucid.utils.{name}")
    raise AttributeError(f"module 'lucid.utils' has no attribute {name!r}")
