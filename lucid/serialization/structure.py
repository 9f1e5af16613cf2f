"""A nested object as JSON, and back.

None, bools, strings, finite floats and lists are themselves in JSON. Everything else is a table
with one entry, which names its kind: {"tuple": […]}, {"dict": [[key, value], …]}, {"tensor": 3},
where 3 is the place in the list of arrays. Only the kinds below exist; reading makes these and
nothing else.
"""

from __future__ import annotations

import base64
import dataclasses
import enum
import math
import os
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from lucid import dtypes
from lucid.backend import Device
from lucid.errors import CheckpointError
from lucid.serialization.container import CODES
from lucid.tensor import Tensor


class Encoder:
    """Collects the arrays of an object; ``encode`` answers what is left, as JSON."""

    def __init__(self) -> None:
        self.arrays: list[tuple[str, Tensor | np.ndarray]] = []  # with a name for each
        self._seen: dict[int, int] = {}  # by identity: a tensor twice in an object is one again
        self._inside: set[int] = set()

    def encode(self, value: Any, path: str = "state", name: str = "") -> Any:
        kind = type(value)
        if value is None or kind in (bool, str):
            return value
        if kind is int:  # readers other than Python's take numbers for doubles
            return value if abs(value) < 2**53 else {"int": hex(value)}
        if kind is float:
            return value if math.isfinite(value) else {"float": str(value)}
        if isinstance(value, Tensor):
            if kind is not Tensor and not kind.__module__.startswith("lucid."):
                raise _refused(path, value)
            return {"tensor": self._array(value, name)}
        if kind is np.ndarray and value.dtype in CODES:
            return {"array": self._array(value, name)}
        if isinstance(value, np.generic) and value.dtype in CODES:
            self.arrays.append((name, np.asarray(value)))
            return {"scalar": len(self.arrays) - 1}
        if kind in (bytes, bytearray):
            return {kind.__name__: base64.b64encode(value).decode()}
        if kind is dtypes.dtype:
            return {"dtype": value.name}
        if isinstance(value, Device):
            return {"device": str(value)}
        if kind in _CONTAINERS:
            return self._container(value, kind, path, name)
        raise _refused(path, value)

    def _array(self, value: Tensor | np.ndarray, name: str) -> int:
        if id(value) not in self._seen:
            self._seen[id(value)] = len(self.arrays)
            self.arrays.append((name, value))
        return self._seen[id(value)]

    def _container(self, value: Any, kind: type, path: str, name: str) -> Any:
        if id(value) in self._inside:
            raise CheckpointError(f"save: {path} contains itself, which can't be saved")
        self._inside.add(id(value))
        if isinstance(value, dict):
            content: list = [
                [
                    self.encode(k, f"{path}'s key {k!r}"),
                    self.encode(v, f"{path}[{k!r}]", _join(name, k)),
                ]
                for k, v in value.items()
            ]
        else:
            items = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else value
            content = [self.encode(v, f"{path}[{i}]", _join(name, i)) for i, v in enumerate(items)]
        self._inside.discard(id(value))
        metadata = getattr(value, "_metadata", None)  # a Module's versions, on its state_dict
        if metadata is not None:
            return {"state_dict": [content, self.encode(metadata, f"{path}._metadata")]}
        return content if kind is list else {_CONTAINERS[kind]: content}


_CONTAINERS: dict[type, str] = {
    dict: "dict",
    OrderedDict: "OrderedDict",
    list: "list",
    tuple: "tuple",
    set: "set",
    frozenset: "frozenset",
}


def _join(name: str, key: Any) -> str:
    return f"{name}.{key}" if name else str(key)


def _refused(path: str, value: Any) -> CheckpointError:
    kind = type(value)
    base = next((b for b in (*_CONTAINERS, int, float, str, bytes) if isinstance(value, b)), None)
    if hasattr(value, "state_dict"):
        hint = "save its state_dict()"
    elif isinstance(value, enum.Enum):
        hint = "save its .value"
    elif isinstance(value, tuple) and hasattr(value, "_asdict"):
        hint = "save its _asdict()"
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        hint = "save dataclasses.asdict() of it"
    elif base is not None:
        hint = f"save {base.__name__}() of it"
    elif isinstance(value, os.PathLike):
        hint = "save str() of it"
    elif isinstance(value, Tensor):
        hint = "save its detach()"
    elif isinstance(value, np.ndarray | np.generic):
        return CheckpointError(
            f"save: {path} is an array of {value.dtype}, which can't be saved."
            " Hint: convert it to numbers of at most 64 bits"
        )
    elif callable(value):
        hint = "code is never saved; save the settings that it is made from, or model.state_dict()"
    else:
        hint = "save its contents as dicts, lists, numbers, strings and tensors"
    article = "an" if kind.__name__[:1] in "AEIOUaeiou" else "a"
    return CheckpointError(
        f"save: {path} is {article} {kind.__name__}, which can't be saved. Hint: {hint}"
    )


class Decoder:
    """Makes the object again; ``find(kind, i)`` gives its tensors and arrays.

    What is not of the form above is a ValueError, KeyError or TypeError.
    """

    def __init__(self, find: Callable[[str, int], Any]):
        self.find = find

    def decode(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self.decode(v) for v in node]
        if not isinstance(node, dict):
            return node
        ((kind, content),) = node.items()
        if kind in ("tensor", "array", "scalar"):
            return self.find(kind, content)
        if kind in ("dict", "OrderedDict"):
            pairs = ((self.decode(k), self.decode(v)) for k, v in content)
            return OrderedDict(pairs) if kind == "OrderedDict" else dict(pairs)
        if kind == "state_dict":
            pairs, metadata = content
            state = self.decode({"OrderedDict": pairs})
            state._metadata = self.decode(metadata)
            return state
        if kind in ("tuple", "set", "frozenset"):
            return _MAKERS[kind](self.decode(v) for v in content)
        return _MAKERS[kind](content)


_MAKERS: dict[str, Callable[[Any], Any]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "int": lambda text: int(text, 16),
    "float": {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}.__getitem__,
    "bytes": lambda text: base64.b64decode(text, validate=True),
    "bytearray": lambda text: bytearray(base64.b64decode(text, validate=True)),
    "dtype": dtypes.named,
    "device": lambda text: Device(str(text)),
}
