"""The pickle in a file of PyTorch's: read by a reader that knows a handful of names and no others.

What a name stands for here only writes down what a tensor would be; nothing is imported or run.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np

from lucid import dtypes
from lucid.errors import CheckpointError
from lucid.serialization.container import CODES

__all__ = ["Described", "Reader", "Storage"]

_STORAGES = {
    "FloatStorage": dtypes.float32, "DoubleStorage": dtypes.float64, "HalfStorage": dtypes.float16,
    "BFloat16Storage": dtypes.bfloat16, "LongStorage": dtypes.int64, "IntStorage": dtypes.int32,
    "ShortStorage": dtypes.int16, "CharStorage": dtypes.int8, "ByteStorage": dtypes.uint8,
    "BoolStorage": dtypes.of(np.dtype(bool)),
}  # fmt: skip


class Storage(NamedTuple):
    """The memory that one or several tensors are views of."""

    key: str
    kind: np.dtype
    device: str
    elements: int

    @property
    def nbytes(self) -> int:
        return self.elements * self.kind.itemsize


class Described(NamedTuple):
    """What a tensor is a view of: the words in which ``load`` makes one."""

    storage: Storage
    offset: int  # this and the strides in elements
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    requires_grad: bool = False
    is_parameter: bool = False

    def words(self) -> dict[str, Any]:
        """For serialization.loading: offset and strides in bytes."""
        size = self.storage.kind.itemsize
        return {
            "in": self.storage.key,
            "device": self.storage.device,
            "dtype": CODES[self.storage.kind],
            "offset": self.offset * size,
            "shape": self.shape,
            "strides": [s * size for s in self.strides],
            "requires_grad": self.requires_grad,
            "class": "Parameter" if self.is_parameter else "Tensor",
        }


class Reader(pickle.Unpickler):
    """A pickle whose every name is looked up here; none is ever imported."""

    def __init__(self, file: Any):
        super().__init__(file)
        self.storages: dict[str, Storage] = {}
        self._names: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("builtins", "set"): set,
            ("__builtin__", "set"): set,
            ("torch", "Size"): _size,
            ("torch._utils", "_rebuild_tensor"): _tensor,
            ("torch._utils", "_rebuild_tensor_v2"): _tensor,
            ("torch._utils", "_rebuild_parameter"): _parameter,
            **{("torch", name): _Kind(dtype.numpy) for name, dtype in _STORAGES.items()},
        }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._names[module, name]
        except KeyError:
            raise CheckpointError(
                f"it needs {module}.{name}, and only tensors in plain containers are read:"
                " anything else could run code."
                " Hint: in PyTorch, torch.save(model.state_dict(), path)"
            ) from None

    def persistent_load(self, pid: Any) -> Storage:
        what, *rest = pid if isinstance(pid, tuple) else (pid,)
        if what != "storage" or len(rest) not in (4, 5) or not isinstance(rest[0], _Kind):
            raise CheckpointError(f"it refers to {what!r:.60}; only storages of tensors are read")
        kind, key, device, elements = rest[:4]
        if len(rest) == 5 and rest[4] is not None:
            raise CheckpointError("a storage of it is a part of another, as before PyTorch 0.4")
        storage = Storage(str(key), kind.kind, str(device), int(elements))
        if self.storages.setdefault(storage.key, storage) != storage:
            raise CheckpointError(f"storage {storage.key} is described in two ways")
        return storage


class _Kind:
    """What a pickle means by torch.FloatStorage: a dtype. Can't be called."""

    def __init__(self, kind: np.dtype):
        self.kind = kind


def _size(sizes: Any = ()) -> tuple:
    return tuple(sizes)


def _tensor(
    storage: Any, offset: Any, shape: Any, strides: Any, requires_grad: bool = False, *_: Any
) -> Described:
    if not isinstance(storage, Storage) or len(shape) != len(strides):
        raise CheckpointError("a tensor of it is no view of a storage")
    return Described(storage, int(offset), tuple(shape), tuple(strides), bool(requires_grad))


def _parameter(data: Any, requires_grad: Any = True, *_: Any) -> Described:
    if not isinstance(data, Described):
        raise CheckpointError("a parameter of it is no tensor")
    return data._replace(requires_grad=bool(requires_grad), is_parameter=True)
