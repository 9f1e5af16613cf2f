"""Runs the examples that the seed documents show."""

import contextlib
import io
import runpy
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).parent / "scripts"


def run_script(name: str) -> tuple[str, dict[str, Any]]:
    """What a script prints, and the names that it leaves."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        names = runpy.run_path(str(SCRIPTS / name))
    return out.getvalue(), names
