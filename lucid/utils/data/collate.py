"""From a list of samples to a batch: the same structure, with the leaves stacked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lucid import dtypes, ops
from lucid.errors import DTypeError, ShapeError
from lucid.tensor import Tensor

__all__ = ["default_collate", "default_convert"]


def default_convert(data: Any) -> Any:
    """One sample with its NumPy arrays and numbers as CPU tensors, sharing memory with them."""
    if isinstance(data, np.ndarray | np.generic) and data.dtype.kind not in "SUO":
        return ops.as_tensor(data, device="cpu")
    return _rebuild(data, {k: default_convert(v) for k, v in _children(data)})


def default_collate(batch: Sequence[Any]) -> Any:
    """Samples of one structure as a batch of that structure.

    Tensors and arrays of equal shape are stacked: n times (*) -> (n, *). Python ints become an
    int64 tensor, floats a float64 one, bools a bool one. Strings and bytes stay a list; dicts,
    namedtuples, tuples and lists are collated entry by entry (tuples become lists, as in PyTorch).
    What is not yet a tensor becomes one on the CPU, whatever the default device, so that worker
    processes never touch the GPU.

    >>> from lucid.utils.data import default_collate
    >>> default_collate([(1, "a"), (2, "b")])
    [Tensor([1, 2]), ['a', 'b']]
    """
    if not len(batch):
        raise ValueError("default_collate: the batch must hold at least one sample; got none")
    return _collate(list(batch), "")


def _collate(values: list[Any], path: str) -> Any:
    first = values[0]
    for kind, collate in _LEAVES:
        if isinstance(first, kind):
            _check_type(values, kind, path)
            return collate(values, path)
    children = _children(first)
    if not children and not isinstance(first, Mapping | tuple | list):
        raise DTypeError(
            f"default_collate: expected tensors, arrays, numbers, strings, dicts, tuples or lists;"
            f" got {type(first).__name__}{_at(path)}. Hint: pass a collate_fn to DataLoader"
        )
    _check_structure(values, path)
    return _rebuild(
        first, {k: _collate([v[k] for v in values], f"{path}[{k!r}]") for k, _ in children}
    )


def _tensors(values: list[Tensor], path: str) -> Tensor:
    _check_shapes(values, path)
    return ops.stack(values)


def _arrays(values: list[np.ndarray], path: str) -> Tensor | list:
    if values[0].dtype.kind in "SU":
        return values
    if values[0].dtype.kind == "O":
        raise DTypeError(
            f"default_collate: an array of objects can't become a tensor{_at(path)}."
            " Hint: pass a collate_fn to DataLoader"
        )
    _check_shapes(values, path)
    return ops.as_tensor(np.stack(values), device="cpu")


def _bools(values: list[bool], path: str) -> Tensor:
    return ops.tensor(values, dtype=dtypes._bool, device="cpu")


def _numbers(values: list[float], path: str) -> Tensor:
    kind = dtypes.float64 if any(isinstance(v, float) for v in values) else dtypes.int64
    return ops.tensor(values, dtype=kind, device="cpu")


# bool before int: True is an int. numpy.float64 is a float, so arrays and scalars come first.
_LEAVES: tuple[tuple[Any, Callable[[list, str], Any]], ...] = (
    (Tensor, _tensors),
    (np.ndarray | np.generic, _arrays),
    (bool, _bools),
    (int | float, _numbers),
    (str | bytes, lambda values, path: values),
)


def _children(value: Any) -> list[tuple[Any, Any]]:
    """The entries of a mapping or sequence; none for anything else."""
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, tuple | list):
        return list(enumerate(value))
    return []


def _rebuild(like: Any, entries: dict[Any, Any]) -> Any:
    if isinstance(like, Mapping):
        try:
            return type(like)(entries)  # type: ignore[call-arg]
        except TypeError:  # a mapping with a constructor of its own, such as defaultdict
            return entries
    if isinstance(like, tuple) and hasattr(like, "_fields"):
        return type(like)(*entries.values())
    if isinstance(like, tuple | list):
        return list(entries.values())
    return like


def _check_type(values: list[Any], kind: Any, path: str) -> None:
    for i, v in enumerate(values):
        if not isinstance(v, kind):
            raise DTypeError(
                f"default_collate: samples must be of one type{_at(path)}; got"
                f" {type(values[0]).__name__} in sample 0 and {type(v).__name__} in sample {i}"
            )


def _check_shapes(values: list[Any], path: str) -> None:
    shape = values[0].shape
    for i, v in enumerate(values):
        if v.shape != shape:
            raise ShapeError(
                f"default_collate: samples must have one shape{_at(path)}; got {shape} in sample 0"
                f" and {v.shape} in sample {i} of the batch. Hint: crop or pad them in the dataset,"
                " or pass a collate_fn"
            )


def _check_structure(values: list[Any], path: str) -> None:
    first = values[0]
    for i, v in enumerate(values):
        if isinstance(first, Mapping):
            ok = isinstance(v, Mapping) and first.keys() <= v.keys()
        else:
            ok = isinstance(v, tuple | list) and len(v) == len(first)
        if not ok:
            raise ShapeError(
                f"default_collate: samples must have one structure{_at(path)}; got"
                f" {_outline(first)} in sample 0 and {_outline(v)} in sample {i} of the batch"
            )


def _outline(value: Any) -> str:
    name = type(value).__name__
    if isinstance(value, Mapping):
        return f"{name} with keys {list(value)}"
    return f"{name} of length {len(value)}" if hasattr(value, "__len__") else name


def _at(path: str) -> str:
    return f" at sample{path}" if path else ""
