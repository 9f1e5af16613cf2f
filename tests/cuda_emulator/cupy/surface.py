"""What the real CuPy offers, as record_surface.py found it; nothing else is let through."""

from __future__ import annotations

import inspect
import json
from functools import cache
from pathlib import Path
from typing import Any

SURFACE: dict[str, Any] = json.loads(Path(__file__).with_name("surface.json").read_text())
NAMES: dict[str, dict] = SURFACE["names"]
VERSION: str = SURFACE["cupy"]


@cache
def signature(name: str) -> inspect.Signature | None:
    """CuPy's signature of a function; None if it has none that can be read."""
    text = NAMES[name].get("signature")
    if text is None:
        return None
    namespace: dict[str, Any] = {}
    try:
        exec(f"from __future__ import annotations\ndef f{text}: pass", namespace)
    except SyntaxError:
        return None
    return inspect.signature(namespace["f"])
