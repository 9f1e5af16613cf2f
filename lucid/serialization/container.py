"""A safetensors file with checksums: eight bytes of header length, a JSON header, the arrays.

Any safetensors reader can open it; the checksums stand in the metadata:

    lucid.crc32    of the eight bytes and the header, with these eight digits as zeros
    lucid.data     eight hex digits per array, in the order of the file: the crc32 of its bytes

crc32 runs at 3 GB/s where sha256 makes 1.3: it guards against accidents, not against forgery, and
a forged file can do no more than hold other values, since nothing in a file is ever executed.
"""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

import ml_dtypes
import numpy as np

from lucid.errors import CheckpointError

_CODES = {
    "BOOL": np.bool_, "U8": np.uint8, "I8": np.int8, "U16": np.uint16, "I16": np.int16,
    "U32": np.uint32, "I32": np.int32, "U64": np.uint64, "I64": np.int64, "F16": np.float16,
    "BF16": ml_dtypes.bfloat16, "F32": np.float32, "F64": np.float64, "C64": np.complex64,
}  # fmt: skip
_DTYPES = {code: np.dtype(kind) for code, kind in _CODES.items()}
CODES = {dtype: code for code, dtype in _DTYPES.items()}
_SEAL = b'{"__metadata__":{"lucid.crc32":"'  # how the header of a lucid file begins
_DATA_SEAL = b'","lucid.data":"'
_BLOCK = 1 << 20  # bytes copied, summed and written at a time: they stay in the cache
HEADER_AT_MOST = 100_000_000  # as in other safetensors readers


class Entry(NamedTuple):
    """An array to be written: C-contiguous, its memory given by ``data()`` when its turn comes."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    data: Callable[[], np.ndarray]


def write(file: BinaryIO, entries: list[Entry], metadata: dict[str, str]) -> None:
    """Write a file, at the present position of a seekable one. Each array is read once."""
    header: dict[str, Any] = {
        "__metadata__": {"lucid.crc32": "0" * 8, "lucid.data": "0" * 8 * len(entries), **metadata}
    }
    end = 0
    for entry in entries:
        begin, end = end, end + math.prod(entry.shape) * entry.dtype.itemsize
        header[entry.name] = {
            "dtype": CODES[entry.dtype],
            "shape": list(entry.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    start = file.tell()
    write_all(file, len(text).to_bytes(8, "little") + text)
    sums = "".join(f"{_write_array(file, entry.data()):08x}" for entry in entries)
    stop = file.tell()
    at = len(_SEAL) + 8 + len(_DATA_SEAL)
    text = text[:at] + sums.encode() + text[at + len(sums) :]
    text = text[: len(_SEAL)] + b"%08x" % _seal(text) + text[len(_SEAL) + 8 :]
    file.seek(start + 8)
    write_all(file, text)
    file.seek(stop)


def _write_array(file: BinaryIO, array: np.ndarray) -> int:
    memory = array.reshape(-1).view(np.uint8).data
    crc = 0
    for i in range(0, len(memory), _BLOCK):
        block = bytes(memory[i : i + _BLOCK])  # a copy: the sum is of what is written, even if
        crc = zlib.crc32(block, crc)  # another thread goes on training
        write_all(file, block)
    return crc


def write_all(file: BinaryIO, data: bytes) -> None:
    """An unbuffered file may take a part only."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def read(file: BinaryIO, name: str, whole: bool) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Arrays and metadata; ``whole``: the file must end with the last array.

    Every byte is checked before anything is returned, save in a plain safetensors file, which has
    no checksums. ``name`` is for the errors.
    """
    start = file.tell()
    size = file.seek(0, os.SEEK_END) - start
    file.seek(start)
    text = _header(file, name, size)
    header = _parsed(text, name)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict):
        raise CheckpointError(f"load: {name} is damaged: its metadata are not a table")
    sealed = text.startswith(_SEAL)
    if not sealed and any(key.startswith("lucid.") for key in metadata):
        raise CheckpointError(f"load: {name} is damaged: its header does not begin as it must")
    places = _places(header, name, size - 8 - len(text), whole)
    sums = metadata.get("lucid.data") if sealed else None
    if sealed and (not isinstance(sums, str) or len(sums) != 8 * len(places)):
        raise CheckpointError(f"load: {name} is damaged: it needs {len(places)} checksums")
    arrays = {}
    for i, (key, dtype, shape) in enumerate(places):
        try:
            arrays[key] = np.empty(shape, dtype)
        except ValueError as error:  # more dimensions, or wider ones, than NumPy can have
            raise CheckpointError(f"load: {name} holds {key!r} of shape {shape}") from error
        crc = _read_array(file, arrays[key], name)
        if sums is not None and f"{crc:08x}" != sums[8 * i : 8 * i + 8]:
            raise CheckpointError(
                f"load: {name} is damaged: the checksum of {key!r} does not fit its data."
                " Hint: copy the file again, or take an older checkpoint"
            )
    return arrays, metadata


def _header(file: BinaryIO, name: str, size: int) -> bytes:
    first = file.read(8)
    length = int.from_bytes(first, "little")
    for magic, what in _OTHERS.items():
        if first.startswith(magic) and length > HEADER_AT_MOST:  # a length may begin like a magic
            raise CheckpointError(f"load: {name} is {what}")
    if len(first) < 8 or length > min(size - 8, HEADER_AT_MOST):
        raise CheckpointError(
            f"load: {name} is no checkpoint, or cut off: its header does not fit in {size} bytes"
        )
    text = file.read(length)
    if text.startswith(_SEAL) and text[len(_SEAL) : len(_SEAL) + 8] != b"%08x" % _seal(text):
        raise CheckpointError(
            f"load: {name} is damaged: the checksum of its header does not fit."
            " Hint: copy the file again, or take an older checkpoint"
        )
    return text


_OTHERS = {
    b"\x80": "a pickle; lucid never unpickles, since a pickle can run any code."
    " Hint: with what wrote it, load it and save it as safetensors",
    b"\x93NUMPY": "a NumPy array. Hint: lucid.from_numpy(numpy.load(path))",
}


def _seal(text: bytes) -> int:
    crc = zlib.crc32(len(text).to_bytes(8, "little"))
    crc = zlib.crc32(text[: len(_SEAL)], crc)
    return zlib.crc32(text[len(_SEAL) + 8 :], zlib.crc32(b"0" * 8, crc))


def _parsed(text: bytes, name: str) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"load: {name} is no checkpoint: its header is not JSON") from error
    if not isinstance(header, dict):
        raise CheckpointError(f"load: {name} is no checkpoint: its header is not a table")
    return header


def _places(
    header: dict[str, Any], name: str, available: int, whole: bool
) -> list[tuple[str, np.dtype, tuple[int, ...]]]:
    """Name, dtype and shape of each array in the order of the file, which has no gaps."""
    found = []
    for key, value in header.items():
        try:
            begin, end = value["data_offsets"]
            shape = tuple(value["shape"])
            code = value["dtype"]
        except (TypeError, KeyError, ValueError):
            raise CheckpointError(f"load: {name} is damaged: {key!r} is not described") from None
        if not all(type(n) is int and 0 <= n < 2**63 for n in (begin, end, *shape)):
            raise CheckpointError(f"load: {name} is damaged: {key!r} has impossible sizes")
        if not isinstance(code, str) or code not in _DTYPES:
            raise CheckpointError(
                f"load: {name} holds {key!r} as {code!r}, which lucid does not know;"
                f" it knows {', '.join(_DTYPES)}"
            )
        found.append((begin, end, key, _DTYPES[code], shape))
    found.sort(key=lambda item: item[:2])
    at = 0
    for begin, end, key, dtype, shape in found:
        if begin != at or end - begin != math.prod(shape) * dtype.itemsize:
            raise CheckpointError(f"load: {name} is damaged: {key!r} does not lie where it should")
        at = end
    if available < at:
        raise CheckpointError(
            f"load: {name} is cut off: {at} bytes of data were written, {available} are there"
        )
    if whole and available > at:
        raise CheckpointError(f"load: {name} is damaged: {available - at} bytes follow its end")
    return [(key, dtype, shape) for _, _, key, dtype, shape in found]


def _read_array(file: BinaryIO, array: np.ndarray, name: str) -> int:
    memory = array.reshape(-1).view(np.uint8).data
    crc = at = 0
    while at < len(memory):
        block = memory[at : at + _BLOCK]
        got = file.readinto(block) if hasattr(file, "readinto") else _read_into(file, block)
        if not got:
            raise CheckpointError(f"load: {name} is cut off")
        crc = zlib.crc32(block[:got], crc)
        at += got
    return crc


def _read_into(file: BinaryIO, block: memoryview) -> int:
    data = file.read(len(block))
    block[: len(data)] = data
    return len(data)
