"""PyTorch's own files, read without running any code: state dicts, tensors, plain containers.

zip archive (since 1.6)    archive/data.pkl, archive/data/<key> per storage
legacy (before)            five pickles in a row, then per storage its length and bytes
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from lucid.errors import CheckpointError
from lucid.serialization.container import HEADER_AT_MOST
from lucid.serialization.torch_pickle import Described, Reader, Storage

__all__ = ["described", "is_torch_file"]

_ZIP = b"PK\x03\x04"
_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY = pickle.dumps(_MAGIC, protocol=2)  # how a legacy file begins
_PROTOCOL = 1001


def is_torch_file(file: BinaryIO) -> bool:
    """Does a seekable file begin as PyTorch's do? Its position stays."""
    start = file.tell()
    head = file.read(len(_LEGACY))
    file.seek(start)
    # A safetensors file begins with the length of its header, which could look like an archive.
    archive = head.startswith(_ZIP) and int.from_bytes(head[:8], "little") > HEADER_AT_MOST
    return archive or head == _LEGACY


def described(file: BinaryIO, make: Callable[[dict[str, np.ndarray]], Any]) -> Any:
    """The object in the file. ``make(storages)`` gives a function from words to a tensor.

    storages: per key its bytes, as a uint8 array of the machine's own byte order.
    """
    try:
        if file.read(4) == _ZIP:
            found, storages = _from_zip(file)
        else:
            file.seek(-4, 1)
            found, storages = _from_legacy(file)
    except (CheckpointError, OSError, MemoryError):
        raise
    except Exception as error:  # a damaged pickle can fail in any way
        raise CheckpointError(
            f"the file is damaged, or no file of torch.save ({error or 'it ends too early'})."
            " Hint: save or download it again"
        ) from error
    return _finished(found, make(storages))


def _from_zip(file: BinaryIO) -> tuple[Any, dict[str, np.ndarray]]:
    with zipfile.ZipFile(file) as archive:
        names = {name.partition("/")[2]: name for name in archive.namelist()}
        if "constants.pkl" in names or any(name.startswith("code/") for name in names):
            raise CheckpointError(
                "it is a TorchScript program, which only PyTorch can run."
                " Hint: torch.save(torch.jit.load(path).state_dict(), other_path)"
            )
        if "data.pkl" not in names:
            raise CheckpointError("it is a zip archive, but not one that torch.save wrote")
        reader = Reader(archive.open(names["data.pkl"]))
        found = reader.load()
        order = archive.read(names["byteorder"]).decode() if "byteorder" in names else "little"
        storages = {}
        for storage in reader.storages.values():
            info = archive.getinfo(names[f"data/{storage.key}"])
            if info.file_size != storage.nbytes:
                raise _wrong_size(storage, info.file_size)
            with archive.open(info) as stream:  # which compares checksums at its end
                storages[storage.key] = _bytes(stream, storage, order)
    return found, storages


def _from_legacy(file: Any) -> tuple[Any, dict[str, np.ndarray]]:
    if Reader(file).load() != _MAGIC or Reader(file).load() != _PROTOCOL:
        raise CheckpointError("it has a version of torch.save's format that is not known")
    order = "little" if Reader(file).load().get("little_endian", True) else "big"
    reader = Reader(file)
    found = reader.load()
    storages = {}
    for key in Reader(file).load():
        storage = reader.storages[key]
        count = int.from_bytes(file.read(8), order, signed=True)  # type: ignore[arg-type]
        here = file.tell()
        left = file.seek(0, 2) - file.seek(here)
        if count != storage.elements or storage.nbytes > left:
            raise _wrong_size(storage, min(left, count * storage.kind.itemsize))
        storages[key] = _bytes(file, storage, order)
    return found, storages


def _wrong_size(storage: Storage, found: int) -> CheckpointError:
    return CheckpointError(
        f"storage {storage.key} must have {storage.nbytes} bytes ({storage.elements} x"
        f" {storage.kind}); got {found}. Hint: the file is damaged; download or save it again"
    )


def _bytes(stream: Any, storage: Storage, order: str) -> np.ndarray:
    array = np.empty(storage.nbytes, np.uint8)
    done = 0
    while done < array.size:  # a file may give less than was asked for, 2 GiB at most
        got = stream.readinto(array.data[done:])
        if not got:
            raise _wrong_size(storage, done)
        done += got
    if order == "big" and storage.kind.itemsize > 1:
        # Turned as integers: bfloat16 is no type that NumPy could turn itself.
        array.view(f"u{storage.kind.itemsize}").byteswap(inplace=True)
    return array


def _finished(found: Any, tensor: Callable[[dict[str, Any]], Any]) -> Any:
    """The object with tensors where the reader put descriptions; one that stands twice is one."""
    made: dict[int, Any] = {}

    def walk(value: Any) -> Any:
        if id(value) in made:
            return made[id(value)]
        if isinstance(value, Described):
            answer: Any = tensor(value.words())
        elif isinstance(value, dict):
            answer = type(value)((walk(k), walk(v)) for k, v in value.items())
            versions = getattr(value, "_metadata", None)  # of a model's layers
            if isinstance(versions, dict):
                answer.__dict__["_metadata"] = walk(versions)
        elif type(value) in (list, tuple, set):
            answer = type(value)(walk(v) for v in value)
        elif value is None or isinstance(value, bool | int | float | complex | str | bytes):
            answer = value
        else:
            raise CheckpointError(f"it holds a {type(value).__name__}, which is not read")
        made[id(value)] = answer
        return answer

    return walk(found)
