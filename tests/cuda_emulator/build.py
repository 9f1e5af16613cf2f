"""An unmodified .cu source, compiled with g++ and ready to launch on the CPU.

``g++ -E`` first, with runtime/cuda_emulator.h in front; then the few words that no C++ compiler
takes are rewritten (``__shared__`` becomes ``static``: one block runs at a time), each kernel is
registered by name, and the result is compiled with the instrumentation of
-fsanitize=thread,undefined but not linked to its libraries: the runtime answers the hooks. Compiled
files are cached by content.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RUNTIME = Path(__file__).parent / "runtime"
COMPILER = os.environ.get("CUDA_EMULATOR_CXX", "g++")
LANGUAGE = [
    "-std=gnu++17",  # gnu: for ", ##__VA_ARGS__"
    "-fPIC",
    "-fvisibility=hidden",
    "-fno-strict-aliasing",
    "-ffp-contract=off",  # a * b + c is rounded twice, as __fmul_rn and __fadd_rn say
    "-fno-gnu-unique",
    "-w",
]
MODES = {
    "fast": ["-O2", "-g1"],
    "check": [
        "-O1",
        "-g1",
        "-gdwarf-4",  # what addr2line reads everywhere
        "-fno-omit-frame-pointer",
        "-fsanitize=thread,undefined",
        "-fno-sanitize=vptr,return",
        "-fno-tree-sra",  # or a 16-byte access is split into four
        "--param=tsan-distinguish-volatile=1",
    ],
}


class EmulationError(RuntimeError):
    """A kernel did what a GPU may not forgive: the reason, and the line in the .cu file."""


def compiler_missing() -> str:
    """Empty if kernels can be compiled here; else why not."""
    if shutil.which(COMPILER) is None:
        return f"the CUDA emulator needs {COMPILER}, which is not installed"
    return ""


def cache_directory() -> Path:
    """Where compiled kernels are kept between runs; CUDA_EMULATOR_CACHE names another place."""
    default = Path(tempfile.gettempdir()) / f"lucid-cuda-emulator-{os.getuid()}"
    directory = Path(os.environ.get("CUDA_EMULATOR_CACHE", default))
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _run(command: Sequence[str], text: str | None = None) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode:
        raise EmulationError(f"{' '.join(command[:1])} failed:\n{done.stderr[-4000:]}")
    return done.stdout


@functools.cache
def _runtime_digest() -> str:
    """Changes with any file of the runtime: a header is compiled into every kernel."""
    digest = hashlib.sha256()
    for path in sorted(RUNTIME.rglob("*")):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@functools.cache
def library() -> Any:
    """The runtime, built once, its symbols global so that the kernels' hooks find it."""
    path = cache_directory() / f"runtime-{_runtime_digest()}.so"
    if not path.exists():
        unfinished = f"{path}.{os.getpid()}"
        command = [COMPILER, "-std=c++17", "-O2", "-g1", "-fPIC", "-shared", "-o", unfinished]
        _run([*command, str(RUNTIME / "runtime.cpp"), "-ldl"])
        os.replace(unfinished, path)
    # PyDLL holds the GIL: allocations and launches of several threads do not mix.
    lib = ctypes.PyDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    lib.emulator_malloc.restype, lib.emulator_malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    lib.emulator_free.restype, lib.emulator_free.argtypes = None, [ctypes.c_void_p]
    lib.emulator_piece.restype, lib.emulator_piece.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    lib.emulator_arena.restype, lib.emulator_arena.argtypes = (
        ctypes.c_void_p,
        [ctypes.POINTER(ctypes.c_size_t)],
    )
    lib.emulator_overruns.restype = ctypes.c_size_t
    lib.emulator_error.restype = ctypes.c_char_p
    lib.emulator_statistics.restype = ctypes.POINTER(ctypes.c_uint64 * 13)
    return lib


class _Entry(ctypes.Structure):
    """emulator::Entry of runtime/device/registration.h."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("kernel", ctypes.c_void_p),
        ("thunk", ctypes.c_void_p),
        ("parameters", ctypes.c_int),
        ("max_threads", ctypes.c_int),
        ("description", ctypes.c_char * 768),
    ]


class Range(ctypes.Structure):
    """Device memory that an argument points to: Range of runtime/host/shadow.h."""

    _fields_ = [
        ("begin", ctypes.c_void_p),
        ("end", ctypes.c_void_p),
        ("writable", ctypes.c_int),
    ]


class _Launch(ctypes.Structure):
    """Launch of runtime/host/launch.h."""

    _fields_ = [
        ("thunk", ctypes.c_void_p),
        ("kernel", ctypes.c_void_p),
        ("arguments", ctypes.c_void_p),
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("dynamic_shared", ctypes.c_uint64),
        ("check", ctypes.c_int),
        ("schedule", ctypes.c_int),
        ("shared_begin", ctypes.c_void_p),
        ("shared_end", ctypes.c_void_p),
        ("ranges", ctypes.c_void_p),
        ("range_count", ctypes.c_int),
    ]


_PARENTHESES = r"\(([^()]*(?:\([^()]*\)[^()]*)*)\)"
_BOUNDS = rf"(?:__emulator_bounds__\s*{_PARENTHESES}\s*)?"
_KERNEL = re.compile(
    rf"__emulator_global__\s*(?:(?:static|inline)\s+)*{_BOUNDS}void\s+{_BOUNDS}(\w+)\s*\("
    rf"|void\s+__emulator_global__\s*{_BOUNDS}(\w+)\s*\("
)
_ALIGNMENT = r"(?:(?:__attribute__\s*\(\(.*?\)\)|alignas\s*\([^)]*\))\s*)?"
_DYNAMIC_SHARED = re.compile(
    r"(?:extern\s+__emulator_shared__|__emulator_shared__\s+extern)\s+"
    rf"{_ALIGNMENT}([\w:<>\s*]+?)\s*\b(\w+)\s*\[\s*\]\s*;"
)


def _preprocess(source: str, filename: str, options: Sequence[str]) -> str:
    flags = [o for o in options if o.startswith(("-D", "-I", "-U", "--include-path="))]
    include = ["-I", str(RUNTIME / "include"), "-include", str(RUNTIME / "cuda_emulator.h")]
    command = [COMPILER, *LANGUAGE, "-O1", "-x", "c++", "-E", *include, *flags, "-"]
    return _run(command, f'#line 1 "{filename}"\n{source}')


def _find_kernels(text: str) -> dict[str, tuple[bool, str]]:
    """Per kernel: is it a template, and its __launch_bounds__."""
    kernels = {}
    for match in _KERNEL.finditer(text):
        first, second, name, third, other_name = match.groups()
        head = text[: match.start()]
        head = head[max(head.rfind(";"), head.rfind("}")) + 1 :]
        is_template = re.search(r"\btemplate\s*<", head) is not None
        bounds = first or second or third or "0"
        kernels[name or other_name] = is_template, bounds.partition(",")[0].strip()
    return kernels


def _rewrite(text: str) -> str:
    text = _DYNAMIC_SHARED.sub(r"\1* \2 = (\1*)emulator_dynamic_shared();", text)
    text = re.sub(rf"__emulator_bounds__\s*{_PARENTHESES}", "", text)
    text = re.sub(r"\b__emulator_global__\b", "", text)
    # `__shared__ alignas(16) float s[4]`: C++ wants the alignment first.
    text = re.sub(rf"\b__emulator_shared__\s+(alignas\s*{_PARENTHESES})", r"\1 static", text)
    return re.sub(r"\b(static\s+)?__emulator_shared__\b", "static", text)


def _registrations(kernels: dict[str, tuple[bool, str]], expressions: Sequence[str]) -> str:
    names = [n for n, (is_template, _) in kernels.items() if not is_template]
    lines = []
    for i, name in enumerate([*names, *(e for e in expressions if e not in names)]):
        base = name.partition("<")[0].rpartition("::")[2].strip()
        bounds = kernels.get(base, (False, "0"))[1]
        bounds = bounds if bounds.isdigit() else "0"  # bounds may name a template's parameter
        lines.append(
            f'static int emulator_entry_{i} = emulator::enter("{name}", &{name}, (int)({bounds}));'
        )
    return "\n".join(lines)


def _allowed_lines(source: str, filename: str) -> str:
    """Lines that say ``emulator: race allowed``, following #line."""
    file, line, found = filename, 0, []
    for text in source.split("\n"):
        line += 1
        directive = re.match(r'\s*#\s*(?:line\s+)?(\d+)\s+"([^"]+)"', text)
        if directive:
            line, file = int(directive[1]) - 1, directive[2]
        elif "emulator: race allowed" in text:
            found.append(f"{os.path.basename(file)}:{line}")
    return f"|{'|'.join(found)}|"


class Kernel:
    """One kernel of a module; ``parameters`` describes each as registration.h does."""

    def __init__(self, module: Module, entry: _Entry):
        self.module, self.name = module, entry.name.decode()
        self.parameters = [d for d in entry.description.decode().split(",") if d]
        self.max_threads: int = entry.max_threads
        self._entry = entry

    def launch(
        self,
        grid: tuple[int, int, int],
        block: tuple[int, int, int],
        arguments: Sequence[Any],
        dynamic_shared: int = 0,
        schedule: int = 0,
        ranges: Sequence[Range] | None = None,
    ) -> dict[str, Any]:
        """Run it. ``arguments`` are ctypes objects of the parameters' types; returns statistics.

        ``ranges`` is the memory that the kernel may touch; None: any live memory.
        """
        pointers = (ctypes.c_void_p * max(1, len(arguments)))(
            *[ctypes.addressof(a) for a in arguments]
        )
        memory = (Range * max(1, len(ranges or ())))(*(ranges or ()))
        launch = _Launch(
            self._entry.thunk,
            self._entry.kernel,
            ctypes.addressof(pointers),
            grid,
            block,
            dynamic_shared,
            self.module.mode == "check",
            schedule,
            *self.module.shared_range,
            ctypes.addressof(memory),
            -1 if ranges is None else len(ranges),
        )
        lib, where = library(), f"{self.name}<<<{grid}, {block}, {dynamic_shared}>>>"
        lib.emulator_allow_races(self.module.allowed_lines)
        if lib.emulator_launch(ctypes.byref(launch)):
            raise EmulationError(f"{where}: {lib.emulator_error().decode()}")
        if self.module.mode == "fast" and lib.emulator_overruns():
            raise EmulationError(f"{where}: memcheck: wrote past the end of an allocation")
        return _statistics(lib)


def _statistics(lib: Any) -> dict[str, Any]:
    counts = list(lib.emulator_statistics().contents)
    return {
        "reads": {1 << i: n for i, n in enumerate(counts[:5]) if n},
        "writes": {1 << i: n for i, n in enumerate(counts[5:10]) if n},
        "atomics": counts[10],
        "barriers": counts[11],
        "warp_operations": counts[12],
    }


class Module:
    """A compiled source: ``kernels`` by name, templates by the name expressions asked for."""

    def __init__(
        self,
        source: str,
        filename: str = "kernel.cu",
        options: Sequence[str] = (),
        name_expressions: Sequence[str] = (),
        mode: str = "check",
    ):
        self.mode = mode
        self.allowed_lines = _allowed_lines(source, filename).encode()
        library()
        text = _preprocess(source, filename, options)
        registrations = _registrations(_find_kernels(text), name_expressions)
        path = _compile(f"{_rewrite(text)}\n{registrations}\n", mode)
        self._library = ctypes.CDLL(str(path), mode=ctypes.RTLD_LOCAL)
        count, begin, end = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_void_p()
        self._library.emulator_entries.restype = ctypes.POINTER(_Entry)
        entries = self._library.emulator_entries(
            ctypes.byref(count), ctypes.byref(begin), ctypes.byref(end)
        )
        self.shared_range = begin.value, end.value
        kernels = [Kernel(self, entries[i]) for i in range(count.value)]
        self.kernels = {k.name: k for k in kernels}


def _compile(text: str, mode: str) -> Path:
    flags = [*LANGUAGE, *MODES[mode]]
    key = hashlib.sha256("\0".join([COMPILER, _runtime_digest(), *flags, text]).encode())
    path = cache_directory() / f"kernel-{mode}-{key.hexdigest()[:24]}.so"
    if not path.exists():
        unfinished = f"{path}.{os.getpid()}"
        compile_ = [COMPILER, *flags, "-x", "c++", "-fpreprocessed", "-c", "-o", f"{unfinished}.o"]
        _run([*compile_, "-"], text)
        _run([COMPILER, "-shared", "-o", unfinished, f"{unfinished}.o"])  # never with -fsanitize
        os.remove(f"{unfinished}.o")
        os.replace(unfinished, path)
    return path
