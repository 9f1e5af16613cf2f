"""Datasets: something with ``__getitem__`` and ``__len__``, or something to iterate over."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar

from lucid import random
from lucid.backend import philox
from lucid.errors import ShapeError
from lucid.tensor import Tensor

__all__ = [
    "ChainDataset",
    "ConcatDataset",
    "Dataset",
    "IterableDataset",
    "StackDataset",
    "Subset",
    "TensorDataset",
    "random_split",
]

T = TypeVar("T", covariant=True)


class Dataset(Generic[T]):
    """Samples by index. Subclasses define ``__getitem__`` and, nearly always, ``__len__``."""

    def __getitem__(self, index: Any) -> T:
        raise NotImplementedError(f"{type(self).__name__}: define __getitem__(self, index)")

    def __add__(self, other: Dataset) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T]):
    """Samples in the order of a stream. Subclasses define ``__iter__``.

    Every worker of a DataLoader iterates over a copy of its own: to have each sample once, let
    ``__iter__`` choose this worker's part by ``get_worker_info().id``.
    """

    def __iter__(self) -> Iterator[T]:
        raise NotImplementedError(f"{type(self).__name__}: define __iter__(self)")

    def __add__(self, other: Dataset) -> ChainDataset:  # type: ignore[override]
        return ChainDataset([self, other])


class StackDataset(Dataset[Any]):
    """Sample i is sample i of each dataset: a tuple, or a dict if they are given by name.

    >>> from lucid.utils.data import StackDataset
    >>> StackDataset(images=range(3), labels="abc")[1]
    {'images': 1, 'labels': 'b'}
    """

    def __init__(self, *args: Any, **kwargs: Any):
        if args and kwargs or not (args or kwargs):
            raise ValueError(
                "StackDataset: datasets must be given by place or by name, at least one; got"
                f" {len(args)} by place and {len(kwargs)} by name"
            )
        self.datasets: Any = kwargs or args
        parts = list(kwargs.values()) or list(args)
        if len({len(d) for d in parts}) > 1:
            raise ShapeError(
                f"StackDataset: datasets must be of one length; got {[len(d) for d in parts]}"
            )
        self._length = len(parts[0])

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)

    def __len__(self) -> int:
        return self._length


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Sample i is ``tuple(t[i] for t in tensors)``.

    >>> from lucid.utils.data import TensorDataset
    >>> TensorDataset(lucid.arange(4), lucid.ones(4))[3]
    (Tensor(3), Tensor(1.))
    """

    def __init__(self, *tensors: Tensor):
        for t in tensors:
            if not isinstance(t, Tensor):
                raise TypeError(f"TensorDataset: expected Tensors; got {t!r:.60}")
        sizes = [t.shape[0] if t.ndim else None for t in tensors]
        if not tensors or None in sizes or len(set(sizes)) > 1:
            shapes = ", ".join(str(t.shape) for t in tensors)
            raise ShapeError(
                f"TensorDataset: tensors must agree in their first size; got shapes [{shapes}]"
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def __len__(self) -> int:
        return self.tensors[0].shape[0]

    def gather(self, indices: Sequence[int]) -> list[Tensor]:
        """What default_collate makes of these samples, by one indexing per tensor."""
        return [t[list(indices)] for t in self.tensors]


class ConcatDataset(Dataset[T]):
    """The samples of several datasets, one dataset after the other."""

    def __init__(self, datasets: Iterable[Dataset]):
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: expected at least one dataset; got none")
        for d in self.datasets:
            if isinstance(d, IterableDataset):
                raise TypeError(
                    f"ConcatDataset: {type(d).__name__} has no indices. Hint: use ChainDataset"
                )
        self.cumulative_sizes = list(accumulate(len(d) for d in self.datasets))  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> T:
        i = index + len(self) if index < 0 else index
        if not 0 <= i < len(self):
            raise IndexError(f"ConcatDataset: index must be in [0, {len(self)}); got {index}")
        which = bisect_right(self.cumulative_sizes, i)
        return self.datasets[which][i - (self.cumulative_sizes[which - 1] if which else 0)]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


class ChainDataset(IterableDataset[T]):
    """The samples of several iterable datasets, one dataset after the other."""

    def __init__(self, datasets: Iterable[Dataset]):
        self.datasets = datasets

    def __iter__(self) -> Iterator[T]:
        for d in self.datasets:
            if not isinstance(d, IterableDataset):
                raise TypeError(
                    f"ChainDataset: expected IterableDatasets; got {type(d).__name__}."
                    " Hint: use ConcatDataset"
                )
            yield from d

    def __len__(self) -> int:
        return sum(len(d) for d in self.datasets)  # type: ignore[arg-type, misc]


class Subset(Dataset[T]):
    """Sample i is ``dataset[indices[i]]``."""

    def __init__(self, dataset: Dataset[T], indices: Sequence[int]):
        if not hasattr(indices, "__len__"):
            raise TypeError(f"Subset: indices must be a sequence; got {indices!r:.60}")
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index: int) -> T:
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)


def random_split(
    dataset: Dataset[T],
    lengths: Sequence[int | float],
    generator: random.Generator | None = None,
) -> list[Subset[T]]:
    """Subsets without common samples, of these lengths, or of these fractions if they sum to 1.

    A fraction is rounded down; what is left over goes to the subsets in turn, one sample each.

    >>> from lucid.utils.data import random_split
    >>> [len(part) for part in random_split(range(10), [0.75, 0.25])]
    [8, 2]
    """
    n = len(dataset)  # type: ignore[arg-type]
    numbers = hasattr(lengths, "__iter__") and all(hasattr(s, "__float__") for s in lengths)
    if not numbers:
        raise TypeError(f"random_split: lengths must be numbers; got {lengths!r:.60}")
    sizes = list(lengths)
    if any(not size >= 0 for size in sizes):
        raise ValueError(f"random_split: lengths must not be negative; got {lengths}")
    if math.isclose(sum(sizes), 1) and sum(sizes) <= n and any(isinstance(s, float) for s in sizes):
        sizes = [math.floor(n * fraction + 1e-9) for fraction in sizes]  # 0.29 * 100 < 29
        for i in range(n - int(sum(sizes))):
            sizes[i % len(sizes)] += 1
    if sum(sizes) != n or any(size != int(size) for size in sizes):
        raise ValueError(
            f"random_split: lengths must sum to the dataset's {n} samples, or be fractions that sum"
            f" to 1; got {lengths}"
        )
    source = random.default_generator if generator is None else generator
    key = source.reserve(philox.blocks_for("permutation", n))
    order = philox.permutation(key, n).tolist()
    ends = list(accumulate(int(size) for size in sizes))
    return [
        Subset(dataset, order[end - int(size) : end]) for end, size in zip(ends, sizes, strict=True)
    ]
