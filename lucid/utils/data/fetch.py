"""Fetching one batch from a dataset: the same code in the main process and in workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from lucid.utils.data.collate import default_collate
from lucid.utils.data.dataset import IterableDataset, Subset, TensorDataset
from lucid.utils.data.seeding import fetching


class Exhausted:
    """What a fetch answers when the stream has ended."""


class Recipe(NamedTuple):
    """All that a process needs to make batches."""

    dataset: Any
    collate: Callable[[Any], Any]
    batched: bool  # False: one sample is a batch, collate converts it
    batch_size: int | None
    drop_last: bool

    @property
    def gathers(self) -> bool:
        """Whether batches are cut out of tensors, without calling anything that could draw."""
        dataset = self.dataset
        while type(dataset) is Subset:
            dataset = dataset.dataset
        return self.batched and self.collate is default_collate and type(dataset) is TensorDataset

    def start(self) -> Callable[[Any], Any]:
        """A function from the indices of a batch to the batch, good for one epoch."""
        if not isinstance(self.dataset, IterableDataset):
            return self.by_index
        samples = iter(self.dataset)
        return lambda _: self.from_stream(samples)

    def by_index(self, indices: Any) -> Any:
        if not self.batched:
            return self.collate(_sample(self.dataset, indices))
        if self.gathers:
            return _gather(self.dataset, indices)
        if hasattr(self.dataset, "__getitems__"):
            return self.collate(self.dataset.__getitems__(indices))
        return self.collate(_samples(self.dataset, indices))

    def from_stream(self, samples: Iterator[Any]) -> Any:
        if not self.batched:
            sample = next(samples, Exhausted)
            return sample if sample is Exhausted else self.collate(sample)
        batch = list(islice(samples, self.batch_size))
        if not batch or (self.drop_last and len(batch) != self.batch_size):
            return Exhausted
        return self.collate(batch)


def _gather(dataset: Any, indices: Any) -> Any:
    while type(dataset) is Subset:
        indices = [dataset.indices[i] for i in indices]
        dataset = dataset.dataset
    return dataset.gather(indices)


def _samples(dataset: Any, indices: Any) -> list[Any]:
    seen: dict[int, int] = {}
    samples = []
    for i in indices:
        repeat = seen.get(i, 0) if isinstance(i, int) else 0
        samples.append(_sample(dataset, i, repeat))
        if isinstance(i, int):
            seen[i] = repeat + 1
    return samples


def _sample(dataset: Any, index: Any, repeat: int = 0) -> Any:
    try:
        if not isinstance(index, int):  # a key or a list: it has no number of its own
            return dataset[index]
        with fetching(index, repeat):
            return dataset[index]
    except Exception as error:
        error.add_note(f"It was raised by {type(dataset).__name__}[{index!r}].")
        if isinstance(error, StopIteration):  # would silently end the epoch
            raise RuntimeError(f"DataLoader: dataset[{index!r}] raised StopIteration") from error
        raise
