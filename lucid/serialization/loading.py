"""load: the object that save wrote (saving.py has the format), checked and put on its devices."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from lucid import dtypes
from lucid.backend import Device
from lucid.errors import CheckpointError, DeviceError, LucidError
from lucid.serialization import torch_files
from lucid.serialization.container import CODES, read
from lucid.serialization.memory import View
from lucid.serialization.saving import VERSION
from lucid.serialization.structure import Decoder
from lucid.tensor import Tensor

_CPU = Device("cpu")
_DTYPES = {code: dtype for dtype, code in CODES.items()}


def load(
    f: str | os.PathLike | BinaryIO,
    map_location: Any = None,
    weights_only: bool = True,
    mmap: bool | None = None,
) -> Any:
    """What was saved, checked byte for byte; nothing in the file is ever executed.

    Tensors return to their device, or to where ``map_location`` says: a device; a dict from saved
    to wanted devices; or a function of a CPU tensor and the saved device's name, which answers the
    tensor, moved or not, or None for the saved device. ``weights_only`` and ``mmap`` are there
    for PyTorch's sake, and change nothing.

    Any other safetensors file is loaded as a dict of tensors, without checksums. PyTorch's own
    files (``torch.save``: .pt, .pth) are read too, as far as they hold tensors in plain containers,
    such as a state dict; what else they name is refused, since it would have to be run. A file
    that is truncated, altered or of another kind is a CheckpointError.
    """
    if isinstance(f, str | os.PathLike):
        name = repr(os.fspath(f))
        try:
            file = open(f, "rb", buffering=0)  # noqa: SIM115
        except FileNotFoundError:
            raise FileNotFoundError(
                f"load: there is no file {name} (working directory {os.getcwd()!r})"
            ) from None
        except OSError as error:
            raise type(error)(f"load: can't read {name}: {error.strerror}") from None
        with file:
            return _load(file, name, True, map_location)
    elif hasattr(f, "read"):
        seekable = hasattr(f, "seekable") and f.seekable()
        stream = f if seekable else io.BytesIO(f.read())
        return _load(stream, "the stream", False, map_location)
    else:
        raise TypeError(
            f"load: expected a path or a binary file to read from; got {type(f).__name__}"
        )


def _load(file: BinaryIO, name: str, whole: bool, map_location: Any) -> Any:
    """``whole``: nothing may follow the object in the file."""
    torch = torch_files.is_torch_file(file)
    arrays: dict[str, np.ndarray] = {}
    metadata: dict[str, str] = {}
    if not torch:
        arrays, metadata = read(file, name, whole=whole)
    version = metadata.get("lucid.version")
    if version not in (None, VERSION):
        raise CheckpointError(
            f"load: {name} has format version {version}; this lucid reads {VERSION}."
            " Hint: upgrade lucid"
        )
    try:
        if torch:
            return torch_files.described(file, lambda a: _Memory(a, map_location).tensor)
        return _object(arrays, metadata, map_location)
    except CheckpointError as error:
        raise CheckpointError(f"load: {name}: {error}") from error.__cause__
    except (
        LookupError,
        TypeError,
        ValueError,
        ArithmeticError,
        RecursionError,
        LucidError,
    ) as error:
        raise CheckpointError(
            f"load: {name} holds no object that {'torch' if torch else 'lucid'} could have saved"
        ) from error


def _object(arrays: dict[str, np.ndarray], metadata: dict[str, str], map_location: Any) -> Any:
    memory = _Memory(arrays, map_location)
    if "lucid.object" not in metadata:
        return {name: memory.tensor({"in": name}) for name in arrays}
    document = json.loads(metadata["lucid.object"])
    descriptions = document["arrays"]
    made: dict[tuple[str, int], Any] = {}

    def find(kind: str, i: int) -> Any:
        if (kind, i) not in made:
            described = descriptions[i]
            if kind == "tensor":
                made[kind, i] = memory.tensor(described)
            else:
                array = memory.array(described)
                made[kind, i] = array if kind == "array" else array[()]
        return made[kind, i]

    return Decoder(find).decode(document["object"])


class _Memory:
    """The stretches of a file, moved where map_location says as they are first needed."""

    def __init__(self, arrays: dict[str, np.ndarray], map_location: Any):
        self._host = arrays
        self._move = _mover(map_location)
        self._moved: dict[tuple[str, str], tuple[Device, Any]] = {}

    def array(self, described: dict[str, Any]) -> np.ndarray:
        return _view(self._host[described["in"]], described, np)

    def tensor(self, described: dict[str, Any]) -> Tensor:
        name, saved = described["in"], described.get("device", "cpu")
        if (name, saved) not in self._moved:
            self._moved[name, saved] = self._move(self._host[name], saved)
        device, stretch = self._moved[name, saved]
        array = _view(stretch, described, device.xp)
        dtypes.of(array.dtype)
        tensor: Tensor = object.__new__(_tensor_class(described.get("class", "Tensor")))
        tensor._array, tensor._device = array, device
        if described.get("requires_grad"):
            tensor.requires_grad = True
        return tensor


def _view(stretch: Any, described: dict[str, Any], xp: Any) -> Any:
    if "offset" not in described:
        return stretch
    view = View(-1, described["offset"], tuple(described["shape"]), tuple(described["strides"]))
    return view.of(stretch.reshape(-1).view(np.uint8), _DTYPES[described["dtype"]], xp)


def _tensor_class(name: str) -> type[Tensor]:
    """Tensor or one of lucid's own kinds of it, such as Parameter."""
    own = {
        kind.__name__: kind
        for kind in Tensor.__subclasses__()
        if kind.__module__.startswith("lucid.")
    }
    return own[name] if name != "Tensor" else Tensor


def _mover(map_location: Any) -> Callable[[np.ndarray, str], tuple[Device, Any]]:
    """A function from an array and its saved device to the device it shall have, and it there."""

    def move(array: np.ndarray, saved: str) -> tuple[Device, Any]:
        wanted = saved if map_location is None else map_location
        if isinstance(map_location, dict):
            names = {str(source): target for source, target in map_location.items()}
            wanted = names.get(saved, saved)
        elif callable(map_location):
            answer = map_location(Tensor._wrap(array, _CPU), saved)
            if isinstance(answer, Tensor):
                return answer._device, answer._array
            wanted = saved if answer is None else answer
        try:
            device = Device(wanted).concrete()
            return device, device.asarray(array)
        except DeviceError as error:
            raise CheckpointError(
                f'a tensor of it can\'t be put on {wanted}: {error}. Hint: map_location="cpu"'
            ) from error

    return move
