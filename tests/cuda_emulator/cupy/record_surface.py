"""Writes surface.json: what the real CuPy offers. Run it where CuPy's wheel is installed.

    python -m venv real && real/bin/pip install cupy-cuda13x==14.2.0 ml_dtypes
    real/bin/python tests/cuda_emulator/cupy/record_surface.py

No GPU is needed: names, signatures and ufunc loops can be read without one, and a ufunc can be
asked which loop it would choose. The stand-in refuses what is not in this file.
"""

from __future__ import annotations

import inspect
import itertools
import json
import re
import types
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401  CuPy has bfloat16 only if this comes first

import cupy  # isort: skip
import cupyx  # isort: skip
import cupyx.scipy.special  # isort: skip
import numpy

MODULES = ["cuda", "cuda.runtime", "cuda.memory", "linalg", "lib.stride_tricks"]
CLASSES = ["ndarray", "ufunc", "RawKernel", "RawModule", "cuda.Device", "cuda.Event", "cuda.Graph"]
CLASSES += ["cuda.MemoryPointer", "cuda.MemoryPool", "cuda.PinnedMemoryPointer", "cuda.Stream"]
CLASSES += ["cuda.PinnedMemoryPool"]
PROBED = ["add", "multiply", "true_divide", "floor_divide", "power", "maximum", "less", "exp"]
PROBED += ["sqrt", "absolute", "negative", "logical_not", "bitwise_and", "arctan2", "remainder"]
PROBE_TYPES = ["?", "B", "b", "i", "l", "e", "E", "f", "d"]


def _signature(value: Any) -> str | None:
    try:
        text = str(inspect.signature(value))
    except (TypeError, ValueError):
        return None
    text = re.sub(r"<class '([\w.]+)'>", r"\1", text)
    return re.sub(r"<[^<>]*>", "None", text).partition(" -> ")[0]


def _describe(value: Any) -> dict[str, Any]:
    if isinstance(value, cupy.ufunc):
        return {"kind": "ufunc", "nin": value.nin, "nout": value.nout, "types": value.types}
    if isinstance(value, type):
        return {"kind": "class"}
    if isinstance(value, types.ModuleType):
        return {"kind": "module"}
    if callable(value):
        return {"kind": "function", "signature": _signature(value)}
    return {"kind": "constant"}


def _named(path: str) -> Any:
    found = cupy
    for part in path.split("."):
        found = getattr(found, part)
    return found


def _public(namespace: Any) -> dict[str, Any]:
    found = {}
    for name in sorted(dir(namespace)):
        if not name.startswith("_"):
            try:
                found[name] = _describe(getattr(namespace, name))
            except Exception as error:  # deprecated names raise all sorts
                found[name] = {"kind": "error", "message": str(error)[:100]}
    return found


def _loop(ufunc: Any, kinds: tuple[str, ...]) -> str | None:
    """The loop that CuPy chooses for arrays of these types; the memory is never looked at."""
    arrays = [numpy.empty(1, "bfloat16" if k == "E" else k) for k in kinds]
    held = [cupy.cuda.UnownedMemory(a.ctypes.data, 8, a, 0) for a in arrays]
    inputs = [
        cupy.ndarray((1,), a.dtype, cupy.cuda.MemoryPointer(m, 0))
        for a, m in zip(arrays, held, strict=True)
    ]
    try:
        op = ufunc._ops.guess_routine(ufunc.name, {}, inputs, None, ufunc._out_ops)
    except TypeError:
        return None
    loops = [numpy.dtype(t).char for t in (*op.in_types, *op.out_types)]
    return f"{''.join(loops[: ufunc.nin])}->{''.join(loops[ufunc.nin :])}"


def _probes() -> dict[str, str | None]:
    answers = {}
    for name in PROBED:
        ufunc = getattr(cupy, name)
        for kinds in itertools.product(PROBE_TYPES, repeat=ufunc.nin):
            answers[f"{name} {''.join(kinds)}"] = _loop(ufunc, kinds)
    return answers


def _dump(surface: dict[str, Any]) -> str:
    """JSON with one name per line, so that a new CuPy shows as a readable difference."""
    parts = []
    for key, value in surface.items():
        if isinstance(value, dict):
            lines = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in value.items())
            parts.append(f"{json.dumps(key)}: {{\n{lines}\n}}")
        else:
            parts.append(f"{json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main() -> None:
    surface: dict[str, Any] = {"cupy": cupy.__version__, "numpy": numpy.__version__}
    surface["names"] = _public(cupy)
    surface["ndarray"] = _public(cupy.ndarray)
    for path in MODULES:
        surface[path] = _public(_named(path))
    surface["classes"] = {
        path: [n for n in dir(_named(path)) if not n.startswith("_")] for path in CLASSES
    }
    surface["cupyx"] = _public(cupyx)
    surface["cupyx.scipy.special"] = _public(cupyx.scipy.special)
    surface["probes"] = _probes()
    Path(__file__).with_name("surface.json").write_text(_dump(surface))


if __name__ == "__main__":
    main()
