"""Versions: lucid's own, and of the CUDA that it finds (PyTorch: that it was built with).

>>> lucid.version.__version__ == lucid.__version__
True
"""

from __future__ import annotations

from typing import Any

from lucid.backend.cuda import availability

__version__ = "0.1.0"
debug = False
hip = None
git_version = None


def __getattr__(name: str) -> Any:
    if name != "cuda":
        raise AttributeError(f"module 'lucid.version' has no attribute {name!r}")
    if not availability.is_available():
        return None
    number = availability.cupy().cuda.runtime.runtimeGetVersion()  # 13000 for 13.0
    return f"{number // 1000}.{number % 1000 // 10}"
