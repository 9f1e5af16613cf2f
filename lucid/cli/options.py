"""Options that several commands have."""

from __future__ import annotations

import shutil
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["BenchDevice", "Debug", "TrainDevice", "program", "resolve_device"]

Debug = Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")]


class TrainDevice(StrEnum):
    """Where to train."""

    cpu = "cpu"
    cuda = "cuda"
    auto = "auto"


class BenchDevice(StrEnum):
    """Where to measure."""

    all = "all"
    cpu = "cpu"
    cuda = "cuda"


def program() -> str:
    """How this command was called, so that a hint can be pasted: lucid, or the way to it."""
    called = Path(sys.argv[0])
    if called.name != "lucid":
        return f"{Path(sys.executable).name} -m lucid"
    return "lucid" if shutil.which("lucid") == str(called) else str(called)


def resolve_device(wanted: TrainDevice) -> str:
    """The device to train on; "auto" is CUDA where there is one. Raises if "cuda" is not there."""
    import lucid
    from lucid.errors import DeviceError

    if wanted == "auto":
        return "cuda" if lucid.cuda.is_available() else "cpu"
    if wanted == "cuda" and not lucid.cuda.is_available():
        raise DeviceError(f"--device cuda: {lucid.cuda.why_unavailable()}")
    return str(wanted)
