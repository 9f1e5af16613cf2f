"""oneDNN's shared library: where it is looked for, and the functions of its C interface.

Looked for at the first use, in this order: what LUCID_ONEDNN names (a file, or a folder with
libdnnl.so.3 in it; then nothing else is tried), the `lib` folder of this Python's prefix, where the
wheel `onednn-cpu-gomp` puts it, and the system's search path. It must be version 3 and built for
OpenMP or for one thread: lucid's own threads share the work, and each must be able to tell oneDNN
to use no others.
"""

from __future__ import annotations

import ctypes
import os
import site
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lucid.errors import DeviceError

__all__ = ["HINT", "Library", "check", "library", "why_unavailable"]

HINT = "pip install onednn-cpu-gomp"
_NAMES = ("libdnnl.so.3", "libdnnl.3.dylib")
_SEQUENTIAL, _OPENMP = 1, 2  # kinds of threading that a oneDNN is built for
_CPU, _F32 = 1, 3

Handle = ctypes.c_void_p


class _Version(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_int),
        ("minor", ctypes.c_int),
        ("patch", ctypes.c_int),
        ("hash", ctypes.c_char_p),
        ("cpu_runtime", ctypes.c_uint),
        ("gpu_runtime", ctypes.c_uint),
    ]


@dataclass(frozen=True, eq=False)
class Library:
    """A loaded oneDNN."""

    path: str
    version: tuple[int, int, int]
    engine: Handle
    work: Any  # ctypes, without the GIL during a call
    quick: Any  # ctypes, for calls that take less than handing the GIL over
    threads: tuple[Callable[[], int], Callable[[int], None]] | None  # OpenMP's, get and set

    @contextmanager
    def one_thread(self) -> Iterator[None]:
        """What this thread asks of oneDNN inside, oneDNN does in this thread."""
        if self.threads is None:
            yield
            return
        get, set_ = self.threads
        before = get()
        set_(1)
        try:
            yield
        finally:
            set_(before)


def library() -> Library | None:
    """oneDNN, if there is one that fits."""
    return _found()[0]


def why_unavailable() -> str:
    """One sentence; empty where oneDNN can be used."""
    return _found()[1]


def check(status: int, what: str) -> None:
    """Raise for a status of oneDNN other than success."""
    if status:
        raise DeviceError(f"oneDNN: {what} must succeed; got status {status}")


@cache
def _found() -> tuple[Library | None, str]:
    named = os.environ.get("LUCID_ONEDNN")
    if named:
        path = Path(named)
        files = [path / name for name in _NAMES] if path.is_dir() else [path]
        places = [str(file) for file in files if file.exists()]
        if not places:
            return None, f"oneDNN: LUCID_ONEDNN must name libdnnl.so.3 or its folder; got {named!r}"
    else:
        folders = [Path(sys.prefix) / "lib", Path(site.getuserbase()) / "lib"]
        files = [folder / name for folder in folders for name in _NAMES]
        places = [*(str(file) for file in files if file.exists()), *_NAMES]
    reasons = []
    for place in places:
        try:
            return _load(place), ""
        except (OSError, DeviceError) as error:
            reasons.append(str(error))
    return None, f"oneDNN: no library was found that fits; got {reasons[0]}. Hint: {HINT}"


def _load(place: str) -> Library:
    work, quick = ctypes.CDLL(place), ctypes.PyDLL(place)
    quick.dnnl_version.restype = ctypes.POINTER(_Version)
    v = quick.dnnl_version().contents
    if v.major != 3:
        raise DeviceError(f"{place} of version {v.major}.{v.minor} instead of 3")
    threads = None
    if v.cpu_runtime == _OPENMP:  # looked up in what the library is linked with, and only there
        get, set_ = quick.omp_get_max_threads, quick.omp_set_num_threads
        get.argtypes, get.restype = [], ctypes.c_int
        set_.argtypes, set_.restype = [ctypes.c_int], None
        threads = get, set_
    elif v.cpu_runtime != _SEQUENTIAL:
        raise DeviceError(f"{place} built for neither OpenMP nor one thread")
    _declare(work, quick)
    engine = Handle()
    check(quick.dnnl_engine_create(ctypes.byref(engine), _CPU, 0), "an engine for the CPU")
    return Library(place, (v.major, v.minor, v.patch), engine, work, quick, threads)


def _declare(work: Any, quick: Any) -> None:
    """Argument types, so that ctypes converts without guessing."""
    new = ctypes.POINTER(Handle)
    dims = ctypes.POINTER(ctypes.c_int64)
    integer = ctypes.c_int
    work.dnnl_primitive_execute.argtypes = [Handle, Handle, integer, ctypes.c_void_p]
    for name, types in {
        "dnnl_engine_create": [new, integer, ctypes.c_size_t],
        "dnnl_stream_create": [new, Handle, ctypes.c_uint],
        "dnnl_stream_destroy": [Handle],
        "dnnl_memory_create": [new, Handle, Handle, Handle],
        "dnnl_memory_destroy": [Handle],
        "dnnl_memory_set_data_handle": [Handle, Handle],
        "dnnl_memory_desc_create_with_strides": [new, integer, dims, integer, dims],
        "dnnl_memory_desc_create_with_tag": [new, integer, dims, integer, integer],
        "dnnl_memory_desc_clone": [new, Handle],
        "dnnl_memory_desc_destroy": [Handle],
        "dnnl_memory_desc_equal": [Handle, Handle],
        "dnnl_primitive_attr_create": [new],
        "dnnl_primitive_attr_destroy": [Handle],
        "dnnl_primitive_attr_set_scratchpad_mode": [Handle, integer],
        "dnnl_primitive_create": [new, Handle],
        "dnnl_primitive_destroy": [Handle],
        "dnnl_primitive_desc_destroy": [Handle],
    }.items():
        getattr(quick, name).argtypes = types
    quick.dnnl_memory_desc_get_size.argtypes = [Handle]
    quick.dnnl_memory_desc_get_size.restype = ctypes.c_size_t
    quick.dnnl_primitive_desc_query_md.argtypes = [Handle, integer, integer]
    quick.dnnl_primitive_desc_query_md.restype = Handle
    quick.dnnl_primitive_desc_query.argtypes = [Handle, integer, integer, ctypes.c_void_p]
    pairs = [dims] * 4
    spots = [Handle] * 3
    quick.dnnl_reorder_primitive_desc_create.argtypes = [new, *[Handle] * 5]
    forward = [new, Handle, integer, integer, *spots, Handle, *pairs, Handle]
    quick.dnnl_convolution_forward_primitive_desc_create.argtypes = forward
    data = [new, Handle, integer, *spots, *pairs, Handle, Handle]
    quick.dnnl_convolution_backward_data_primitive_desc_create.argtypes = data
    weights = [new, Handle, integer, *spots, Handle, *pairs, Handle, Handle]
    quick.dnnl_convolution_backward_weights_primitive_desc_create.argtypes = weights
    forward = [new, Handle, integer, integer, Handle, Handle, *[dims] * 5, Handle]
    quick.dnnl_pooling_forward_primitive_desc_create.argtypes = forward
    backward = [new, Handle, integer, Handle, Handle, *[dims] * 5, Handle, Handle]
    quick.dnnl_pooling_backward_primitive_desc_create.argtypes = backward
