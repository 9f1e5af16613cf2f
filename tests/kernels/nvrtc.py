"""NVRTC from pip, without a GPU or a driver: what a kernel compiles to, for any architecture.

    pip install nvidia-cuda-nvrtc nvidia-cuda-runtime

``compiled`` keeps its findings by content under the temporary directory, so that only what changed
is compiled again.
"""

import ctypes
import glob
import hashlib
import json
import os
import re
import sysconfig
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

# As CuPy compiles: it adds -ftz=true to what lucid asks for.
OPTIONS = ("-std=c++17", "-ftz=true", "--ptxas-options=-v")
# 128 bits of global memory; an address that was itself read from memory has no .global.
_WIDE = r"(?!shared|param|local|const)[\w.]*v(?:4\.[a-z]32|2\.[a-z]64)\b"


class Entry(NamedTuple):
    """What became of one __global__ function."""

    name: str  # as the name expression asked for it
    registers: int
    spilled: int  # bytes
    threads: int  # of __launch_bounds__, else 1024
    wide_loads: int  # of 128 bits
    wide_stores: int


def missing() -> str:
    """Empty if kernels can be compiled here; else what to install."""
    try:
        _library()
    except (OSError, IndexError):
        return "NVRTC is not installed. Hint: pip install nvidia-cuda-nvrtc nvidia-cuda-runtime"
    return ""


@cache
def _library() -> tuple[ctypes.CDLL, str]:
    """NVRTC, and the folder of the CUDA headers."""
    site = Path(sysconfig.get_paths()["purelib"]) / "nvidia"
    # Wheels of CUDA 13 share cu13/; those of CUDA 12 have a folder each.
    path = [*site.glob("cu1*/lib/libnvrtc.so.*"), *site.glob("cuda_nvrtc/lib/libnvrtc.so.*")][0]
    headers = [
        *site.glob("cu1*/include/cuda_fp16.h"),
        *site.glob("cuda_runtime/include/cuda_fp16.h"),
    ]
    for builtins in glob.glob(f"{path.parent}/libnvrtc-builtins*"):
        ctypes.CDLL(builtins, mode=ctypes.RTLD_GLOBAL)
    return ctypes.CDLL(str(path)), str(headers[0].parent)


def version() -> tuple[int, int]:
    """NVRTC's."""
    major, minor = ctypes.c_int(), ctypes.c_int()
    _library()[0].nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    return major.value, minor.value


def compiled(source: str, names: tuple[str, ...], architecture: int) -> list[Entry]:
    """The name expressions of a source, compiled for sm_<architecture>; errors as RuntimeError."""
    key = repr((source, names, architecture, OPTIONS, version(), Path(__file__).read_text()))
    folder = Path(tempfile.gettempdir()) / f"lucid-nvrtc-{os.getuid()}"
    kept = folder / f"{hashlib.sha256(key.encode()).hexdigest()}.json"
    if kept.exists():
        return [Entry(*fields) for fields in json.loads(kept.read_text())]
    entries = _entries(*_compile(source, names, architecture))
    folder.mkdir(exist_ok=True)
    unfinished = kept.with_suffix(f".{os.getpid()}")
    unfinished.write_text(json.dumps(entries))
    unfinished.rename(kept)
    return entries


def _compile(
    source: str, names: tuple[str, ...], architecture: int
) -> tuple[dict[str, str], str, str]:
    """Mangled names, log and PTX."""
    library, headers = _library()
    program = ctypes.c_void_p()
    reference = ctypes.byref(program)
    library.nvrtcCreateProgram(reference, source.encode(), b"kernel.cu", 0, None, None)
    try:
        for name in names:
            library.nvrtcAddNameExpression(program, name.encode())
        options = (*OPTIONS, f"-I{headers}", f"-arch=sm_{architecture}")
        array = (ctypes.c_char_p * len(options))(*[o.encode() for o in options])
        failed = library.nvrtcCompileProgram(program, len(options), array)
        log = _text(library.nvrtcGetProgramLogSize, library.nvrtcGetProgramLog, program)
        if failed:
            raise RuntimeError(f"sm_{architecture}: {log}")
        mangled = {}
        for name in names:
            lowered = ctypes.c_char_p()
            library.nvrtcGetLoweredName(program, name.encode(), ctypes.byref(lowered))
            mangled[(lowered.value or b"").decode()] = name
        return mangled, log, _text(library.nvrtcGetPTXSize, library.nvrtcGetPTX, program)
    finally:
        library.nvrtcDestroyProgram(reference)


def _text(size_of, get, program) -> str:
    size = ctypes.c_size_t()
    size_of(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    get(program, buffer)
    return buffer.value.decode()


def _entries(mangled: dict[str, str], log: str, ptx: str) -> list[Entry]:
    bodies = dict(re.findall(r"\.entry (\w+)\((.*?)(?=\.entry |\Z)", ptx, re.S))
    entries = []
    # A kernel's part of the log holds the functions that it calls, too.
    for part in log.split("Compiling entry function '")[1:]:
        name, body = part.partition("'")[0], bodies[part.partition("'")[0]]
        bounds = re.search(r"\.maxntid (\d+)", body)
        entries.append(
            Entry(
                mangled[name],
                max(map(int, re.findall(r"Used (\d+) registers", part))),
                sum(map(int, re.findall(r"(\d+) bytes spill", part))),
                int(bounds[1]) if bounds else 1024,
                len(re.findall(rf"\bld\.{_WIDE}", body)),
                len(re.findall(rf"\bst\.{_WIDE}", body)),
            )
        )
    return entries
