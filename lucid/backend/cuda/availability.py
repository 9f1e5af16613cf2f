"""Is there CUDA, and if not, which piece is missing and what command mends that?

The only place that imports cupy; everybody else asks ``cupy()`` for it.
"""

from __future__ import annotations

import importlib.util
import shutil
from functools import cache
from types import ModuleType

from lucid.backend.cuda import source
from lucid.errors import DeviceError


def cupy() -> ModuleType:
    """The cupy module, on a machine that can use it; a DeviceError that says what is missing."""
    problem = why_unavailable()
    if problem:
        raise DeviceError(f"cuda: {problem}")
    return _import()


def is_available() -> bool:
    """Whether a CUDA device can be used. Never raises."""
    return not why_unavailable()


@cache
def why_unavailable() -> str:
    """Empty if CUDA can be used; else what is missing, and the command that mends it."""
    if importlib.util.find_spec("cupy") is None:
        return f"CuPy is not installed. Hint: pip install 'lucid-cupy[{_extra()}]'"
    try:
        module = _import()
    except Exception as error:  # a broken installation may fail with anything
        return (
            f"CuPy is installed but can't be imported ({type(error).__name__}: {error})."
            f" Hint: pip install --force-reinstall 'lucid-cupy[{_extra()}]'"
        )
    try:
        count = module.cuda.runtime.getDeviceCount()
    except Exception as error:
        return (
            f"CuPy is installed, but there is no usable NVIDIA driver ({error})."
            " Hint: install the driver for your GPU (Debian and Ubuntu: sudo apt install"
            " nvidia-driver), then check with: nvidia-smi"
        )
    if count == 0:
        return "the NVIDIA driver reports no GPU. Hint: check with: nvidia-smi"
    return ""


@cache
def _import() -> ModuleType:
    source.choose_cache()
    import cupy
    import ml_dtypes  # noqa: F401  CuPy has bfloat16 only if this comes first

    return cupy


def _extra() -> str:
    """The extra for this machine's driver: cuda13 unless nvidia-smi tells of an older one."""
    smi = shutil.which("nvidia-smi")
    if smi is None:
        return "cuda13"
    import subprocess

    try:
        text = subprocess.run([smi], capture_output=True, text=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        return "cuda13"
    version = text.partition("CUDA Version:")[2].strip()[:2]
    return "cuda12" if version == "12" else "cuda13"
