"""NVIDIA's shared libraries: in the folders of their pip wheels, or where the loader finds them."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from pathlib import Path


def load(name: str, majors: Sequence[int], before: Sequence[str] = ()) -> tuple[ctypes.CDLL, str]:
    """``lib<name>.so.<major>`` and its place; ``before`` are libraries that it needs, in order.

    OSError, with all that was tried, if there is none.
    """
    tried = []
    for major in majors:
        for folder in [*_wheel_folders(name, major), None]:
            names = [f"lib{n}.so.{major}" for n in (*before, name)]
            paths = names if folder is None else [str(folder / n) for n in names]
            if folder is not None and not Path(paths[-1]).exists():
                continue
            try:
                for path in paths[:-1]:
                    ctypes.CDLL(path, ctypes.RTLD_GLOBAL)
                return ctypes.CDLL(paths[-1]), paths[-1]
            except OSError as error:
                tried.append(str(error))
    raise OSError("; ".join(tried))


def _wheel_folders(name: str, major: int) -> list[Path]:
    """Where a wheel for that CUDA version puts the library: nvidia/cu13/lib, nvidia/cublas/lib."""
    roots = [Path(entry) / "nvidia" for entry in sys.path if entry]
    return [root / part / "lib" for root in roots for part in (f"cu{major}", name)]


def preload(name: str) -> None:
    """Load a library for others that look for it by name alone; silent if there is none."""
    for root in (Path(entry) / "nvidia" for entry in sys.path if entry):
        for path in sorted(root.glob(f"*/lib/lib{name}.so.*")):
            try:
                ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)
                return
            except OSError:
                continue
