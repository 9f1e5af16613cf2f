"""Which versions of what run on which machine."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["commit", "lucid_version", "processor", "version_of"]


def version_of(distribution: str) -> str:
    """The installed version of a distribution."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"


def lucid_version() -> str:
    """lucid's own; a source tree need not be installed to be used."""
    found = version_of("lucid-cupy")
    return "from source, not installed" if found == "not installed" else found


def commit() -> str | None:
    """The commit of the source tree, if it is one that git knows."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None


def processor() -> str:
    """What the maker calls the CPU, as far as the system tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            lines = [line for line in file if line.startswith("model name")]
    except OSError:
        lines = []
    return lines[0].partition(":")[2].strip() if lines else platform.processor() or "unknown CPU"
