"""save: an object as a checkpoint.

A checkpoint is a safetensors file (see container.py). Its metadata hold, besides the checksums,

    lucid.version   "1"
    lucid.object    JSON: {"object": the structure (structure.py), "arrays": a list of descriptions}

A description names the stretch of memory that the array lies in (memory.py), and what differs from
it: dtype, device (if not the CPU), class, requires_grad, and for a view offset, shape and strides.
The stretches are the file's tensors, named after the path that leads to them in the object: the
state_dict of a model reads as a flat table in any safetensors tool.
"""

from __future__ import annotations

import io
import json
import os
from typing import Any, BinaryIO

import numpy as np

from lucid.backend import Device
from lucid.errors import CheckpointError
from lucid.serialization.container import CODES, Entry, write, write_all
from lucid.serialization.memory import Stretch, View, place
from lucid.serialization.replacement import replacing
from lucid.serialization.structure import Encoder
from lucid.tensor import Tensor

VERSION = "1"
_CPU = Device("cpu")


def save(obj: Any, f: str | os.PathLike | BinaryIO) -> None:
    """Write tensors, and what nests them, to a file: ``save(model.state_dict(), "model.lucid")``.

    Saved are tensors and parameters (with device, requires_grad and memory order; not their
    gradients and graph), NumPy arrays and numbers, None, bools, ints, floats, strings, bytes,
    dtypes, devices, and dicts, OrderedDicts, lists, tuples and sets of these. Tensors that share
    memory share it again after loading, if one of them covers it all. Anything else is a
    CheckpointError that says where it is.

    The file is replaced in one step: whenever the process is killed, or the disk is full, the old
    file is whole.

    >>> import io
    >>> lucid.save({"step": 3, "w": lucid.ones(2)}, file := io.BytesIO())
    >>> _ = file.seek(0)
    >>> lucid.load(file)
    {'step': 3, 'w': Tensor([1., 1.])}
    """
    entries, metadata = _contents(obj)  # what can't be saved is found before a file is touched
    if isinstance(f, str | os.PathLike):
        with replacing(os.fspath(f)) as file:
            _write(file, entries, metadata)
    elif hasattr(f, "write"):
        _write(f, entries, metadata)
    else:
        raise TypeError(
            f"save: expected a path or a binary file to write to; got {type(f).__name__}"
        )


def _write(file: BinaryIO, entries: list[Entry], metadata: dict[str, str]) -> None:
    appends = "a" in str(getattr(file, "mode", ""))  # writes at the end, wherever it was sought
    if not appends and hasattr(file, "seekable") and file.seekable():
        write(file, entries, metadata)
    else:
        buffer = io.BytesIO()
        write(buffer, entries, metadata)
        write_all(file, buffer.getvalue())


def _contents(obj: Any) -> tuple[list[Entry], dict[str, str]]:
    encoder = Encoder()
    try:
        structure = encoder.encode(obj)
        where = [_home(value) for _, value in encoder.arrays]
        stretches, placed = place(where)
        names = _names(encoder.arrays, stretches, placed)
        arrays = [
            _description(value, names[_stretch(p)], stretches[_stretch(p)], p)
            for (_, value), p in zip(encoder.arrays, placed, strict=True)
        ]
        document = {"object": structure, "arrays": arrays}
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        text.encode()
    except RecursionError:
        raise CheckpointError("save: the object is nested too deep") from None
    except UnicodeEncodeError as error:
        raise CheckpointError(
            f"save: the object holds a string that is not Unicode: {error}"
        ) from None
    # The widest elements first: then all of them are aligned for those who map the file.
    order = sorted(range(len(stretches)), key=lambda i: -stretches[i].array.dtype.itemsize)
    entries = [
        Entry(names[i], stretches[i].array.dtype, stretches[i].shape, stretches[i].host)
        for i in order
    ]
    return entries, {"lucid.version": VERSION, "lucid.object": text}


def _home(value: Tensor | np.ndarray) -> tuple[Device, Any]:
    return (value._device, value._array) if isinstance(value, Tensor) else (_CPU, value)


def _stretch(placed: View | int) -> int:
    return placed.stretch if isinstance(placed, View) else placed


def _names(arrays: list, stretches: list[Stretch], placed: list[View | int]) -> list[str]:
    """A name per stretch: the path to the first array that is the stretch itself, else in it."""
    names = [""] * len(stretches)
    taken = {"", "__metadata__"}
    for (path, _), p in sorted(
        zip(arrays, placed, strict=True), key=lambda x: isinstance(x[1], View)
    ):
        if not names[_stretch(p)]:
            name, n = path or "tensor", 1
            while name in taken:
                n += 1
                name = f"{path or 'tensor'}#{n}"
            taken.add(name)
            names[_stretch(p)] = name
    return names


def _description(value: Any, name: str, stretch: Stretch, placed: View | int) -> dict[str, Any]:
    device, array = _home(value)
    described: dict[str, Any] = {"in": name}
    if isinstance(placed, View):
        described |= {
            "offset": placed.offset,
            "shape": placed.shape,
            "strides": placed.strides,
            "dtype": CODES[array.dtype],
        }
    if device is not _CPU:
        described["device"] = str(device)
    if isinstance(value, Tensor):
        if type(value) is not Tensor:
            described["class"] = type(value).__name__
        if value.requires_grad:
            described["requires_grad"] = True
    return described
