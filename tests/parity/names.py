"""The names that lucid shares with PyTorch: where they are listed, and how one is looked up."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

TIERS = ("tier1", "alias1", "tier2")
MISSING = type("Missing", (), {"__repr__": lambda self: "missing"})()


class Name(NamedTuple):
    tier: str
    path: str  # "nn.functional.relu"; "Tensor.relu" is a method

    def __str__(self) -> str:
        return self.path


def names() -> Iterator[Name]:
    """Every name of names.toml, once: in the first tier that has it."""
    listed = tomllib.loads(Path(__file__).with_name("names.toml").read_text())
    seen = set()
    for tier in TIERS:
        for space, text in listed[tier].items():
            for name in text.split():
                path = f"{space}.{name}" if space else name
                if path not in seen:
                    seen.add(path)
                    yield Name(tier, path)


def look_up(root: ModuleType, path: str) -> Any:
    """What ``path`` is in torch or lucid, or MISSING. Modules on the way are imported."""
    found: Any = root
    for part in path.split("."):
        inside = found
        try:
            found = getattr(inside, part)
        except AttributeError:
            if not isinstance(inside, ModuleType):
                return MISSING
            try:
                found = import_module(f"{inside.__name__}.{part}")
            except ModuleNotFoundError:
                return MISSING
    return found
