"""Kernels for the emulator's own tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any


@cache
def load(name: str, *name_expressions: str) -> Any:
    """A source in this folder as a module of the stand-in."""
    from .. import cupy

    text = Path(__file__).with_name(name).read_text()
    code = f'#line 1 "{name}"\n{text}'
    return cupy.RawModule(code=code, name_expressions=name_expressions)
