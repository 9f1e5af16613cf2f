"""cupy_backends.cuda.api.driver: what a launcher of its own needs."""

from __future__ import annotations

from .errors import CUDADriverError as CUDADriverError
from .kernels import launch_kernel as launchKernel

__all__ = ["CUDADriverError", "launchKernel"]


def get_build_version() -> int:
    return 13000
