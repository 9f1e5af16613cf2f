"""Kernel sources: kernels/*.cu with their headers written out, and where compiled ones are kept.

CuPy's disk cache knows a kernel by its text, and would not notice an edited header; so headers go
into the text, each once.
"""

from __future__ import annotations

import os
import re
import tempfile
from functools import cache
from pathlib import Path

_INCLUDE = re.compile(r'^#include "([\w.]+)"[^\n]*\n', re.M)


@cache
def folder() -> Path:
    """kernels/: lucid/kernels in an installed wheel, beside lucid/ in a checkout."""
    package = Path(__file__).parents[2]
    for place in (package / "kernels", package.parent / "kernels"):
        if (place / "include").is_dir():
            return place
    raise FileNotFoundError(
        f"kernels: no kernels/ folder in or beside {package}."
        " Hint: pip install --force-reinstall lucid-cupy"
    )


@cache
def text(file: str) -> str:
    """kernels/<file> with every ``#include "..."`` replaced by that header, the first time only.

    ``#line`` keeps the compiler's messages and a profiler's lines those of the files.
    """
    seen: set[str] = set()

    def written_out(path: Path) -> str:
        lines = path.read_text()
        parts, start = [f'#line 1 "{path.name}"\n'], 0
        for match in _INCLUDE.finditer(lines):
            parts.append(lines[start : match.start()])
            start = match.end()
            if match[1] not in seen:
                seen.add(match[1])
                parts.append(written_out(folder() / "include" / match[1]))
            parts.append(f'#line {lines.count(chr(10), 0, start) + 1} "{path.name}"\n')
        return "".join([*parts, lines[start:]]).replace("#pragma once\n", "\n")

    return written_out(folder() / file)


@cache
def choose_cache() -> Path:
    """Where compiled kernels are kept; chosen before CuPy is imported, which makes the folder.

    LUCID_CACHE_DIR or CUPY_CACHE_DIR if set, else ~/.cache/lucid/kernels; where that can't be
    written to (a read-only home), a folder of this user's under the temporary directory, or a new
    one for this process: CuPy can't be imported without one.
    """
    chosen = os.environ.get("LUCID_CACHE_DIR") or os.environ.get("CUPY_CACHE_DIR")
    root = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    place = Path(chosen or os.path.join(root, "lucid", "kernels"))
    if not _writable(place):
        place = Path(tempfile.gettempdir()) / f"lucid-kernels-{os.getuid()}"
        if not _writable(place) or place.stat().st_uid != os.getuid():
            # Another user's folder would be another user's code.
            place = Path(tempfile.mkdtemp(prefix="lucid-kernels-"))
    os.environ["CUPY_CACHE_DIR"] = str(place)
    return place


def _writable(place: Path) -> bool:
    """Whether the folder is there, or can be made, and can be written to."""
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(place, os.W_OK)
