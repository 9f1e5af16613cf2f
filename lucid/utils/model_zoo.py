"""PyTorch's older path to ``lucid.hub``, which is imported when first used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_NAMES = {
    "load_url": "load_state_dict_from_url",
    "urlparse": "urlparse",
    "HASH_REGEX": "HASH_REGEX",
}


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(import_module("lucid.hub"), _NAMES[name])
    raise AttributeError(f"module 'lucid.utils.model_zoo' has no attribute {name!r}")
