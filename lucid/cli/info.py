"""`lucid info`: what a person needs to know, or to put into a bug report."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from time import perf_counter
from typing import Annotated

import typer

from lucid.cli.options import Debug
from lucid.cli.versions import lucid_version, processor, version_of

LIBRARIES = ("numpy", "ml_dtypes", "safetensors", "scikit-learn", "matplotlib")
CUDA_LIBRARIES = (
    "cupy-cuda12x",
    "cupy-cuda13x",
    "nvidia-cudnn-cu12",
    "nvidia-cudnn-cu13",
    "nvidia-cudnn-frontend",
)


def info(
    compile: Annotated[
        bool, typer.Option("--compile", help="Compile all CUDA kernels now, for this GPU.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Show devices, versions, threads and caches."""
    if compile:
        compile_kernels()
        return
    for name, value in facts():
        print(f"{name:<22}{value}")


def compile_kernels() -> None:
    """Compile every kernel for the current device, so that no training waits for it."""
    import lucid
    from lucid.backend.cuda.kernel import compile_all
    from lucid.errors import DeviceError

    if not lucid.cuda.is_available():
        raise DeviceError(f"info --compile: no CUDA device: {lucid.cuda.why_unavailable()}")
    print(f"Compiling kernels for {lucid.cuda.get_device_name()}", flush=True)
    begin = last = perf_counter()
    number = 0
    for number, (file, dtype) in enumerate(compile_all(), 1):
        now = perf_counter()
        print(f"{number:>4}  {file:<22} {dtype:<9} {now - last:6.1f} s", flush=True)
        last = now
    print(f"{number} modules in {last - begin:.1f} s")


def facts() -> Iterator[tuple[str, str]]:
    """Name and value of each line."""
    import lucid

    yield "lucid", f"{lucid_version()} ({os.path.dirname(lucid.__file__)})"
    yield "Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    for name in LIBRARIES:
        yield name, version_of(name)
    yield "BLAS", _blas()
    yield "oneDNN", lucid.backends.onednn.version() or "not installed (optional)"
    yield (
        "cpu",
        f"{processor()}, {os.cpu_count()} cores, lucid uses {lucid.get_num_threads()} threads",
    )
    yield from _cuda_facts()


def _cuda_facts() -> Iterator[tuple[str, str]]:
    import lucid

    cache = os.environ.get("CUPY_CACHE_DIR") or os.path.expanduser("~/.cupy/kernel_cache")
    yield "kernel cache", f"{cache}{'' if os.path.isdir(cache) else ' (empty)'}"
    if not lucid.cuda.is_available():
        yield "cuda", f"not available: {lucid.cuda.why_unavailable()}"
        return
    for index in range(lucid.cuda.device_count()):
        yield f"cuda:{index}", lucid.cuda.get_device_name(index)
    for name in CUDA_LIBRARIES:
        if version_of(name) != "not installed":
            yield name, version_of(name)


def _blas() -> str:
    import numpy as np

    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"{blas['name']} {blas['version']}"
