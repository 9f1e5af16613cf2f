"""Samplers: in which order a DataLoader visits the samples.

The random ones reserve all the random numbers of an epoch when ``iter()`` is called. So the order
is a function of the generator's state at that moment, and a DataLoader can repeat it from the key.
A sampler of your own should do the same: draw in ``__iter__``, not between two samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np

from lucid import random
from lucid.backend import philox

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]

T = TypeVar("T", covariant=True)
_CHUNK = 1 << 16  # indices made into Python ints at a time: a list of all takes 36 bytes per sample


class Sampler(Generic[T]):
    """An order of indices. Subclasses define ``__iter__`` and, if they can, ``__len__``."""

    def __iter__(self) -> Iterator[T]:
        raise NotImplementedError(f"{type(self).__name__}: define __iter__(self)")


class SequentialSampler(Sampler[int]):
    """0, 1, 2, …"""

    def __init__(self, data_source: Sized):
        _check_sized("SequentialSampler", data_source)
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """Every index once, in random order; with ``replacement``, ``num_samples`` independent draws.

    More samples than indices without replacement are several orders one after the other.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: random.Generator | None = None,
    ):
        if num_samples is not None:
            _check_count("RandomSampler", num_samples)
        _check_sized("RandomSampler", data_source)
        self.data_source = data_source
        self.replacement = replacement
        self.generator = generator
        self._num_samples = num_samples

    @property
    def num_samples(self) -> int:
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        n, count = len(self.data_source), self.num_samples
        if not n or not count:
            return iter(())
        if self.replacement:
            key = _reserve(self.generator, "integers", count)
            return _ints(philox.integers(key, count, 0, n))
        blocks = philox.blocks_for("permutation", n)
        rounds = -(-count // n)
        first = _generator(self.generator).reserve(rounds * blocks)
        keys = (first._replace(offset=first.offset + r * blocks) for r in range(rounds))
        return islice((i for key in keys for i in _ints(philox.permutation(key, n))), count)

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """These indices, each once, in random order."""

    def __init__(self, indices: Sequence[int], generator: random.Generator | None = None):
        self.indices, self.generator = indices, generator

    def __iter__(self) -> Iterator[int]:
        n = len(self.indices)
        order = philox.permutation(_reserve(self.generator, "permutation", n), n)
        return (self.indices[i] for i in _ints(order))

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Index i with a probability proportional to ``weights[i]``; the weights need not sum to 1."""

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: random.Generator | None = None,
    ):
        _check_count("WeightedRandomSampler", num_samples)
        host = weights.tolist() if hasattr(weights, "tolist") else weights
        if isinstance(host, str):
            raise ValueError(f"WeightedRandomSampler: weights must be numbers; got {host!r:.60}")
        self.weights = np.asarray(host, np.float64)
        self.num_samples, self.replacement, self.generator = num_samples, replacement, generator
        w = self.weights
        if w.ndim != 1 or not np.isfinite(w).all() or (w < 0).any() or not w.any():
            raise ValueError(
                "WeightedRandomSampler: weights must be a vector of finite numbers, none negative"
                f" and not all zero; got {host!r:.80}"
            )
        positive = np.count_nonzero(w)
        if not replacement and num_samples > positive:
            raise ValueError(
                "WeightedRandomSampler: without replacement num_samples must not exceed the number"
                f" of positive weights; got num_samples={num_samples} and {positive} weights"
            )

    def __iter__(self) -> Iterator[int]:
        w = self.weights
        if self.replacement:
            key = _reserve(self.generator, "uniform", self.num_samples, np.float64)
            ends = np.cumsum(w / w.sum())
            u = philox.uniform(key, self.num_samples, np.float64) * ends[-1]
            return _ints(np.searchsorted(ends, u, side="right"))
        # Exponential races (Efraimidis and Spirakis 2006): the first finishers are a sample drawn
        # one by one in proportion to the remaining weights.
        key = _reserve(self.generator, "uniform", w.size, np.float64)
        with np.errstate(divide="ignore"):
            finish = -np.log1p(-philox.uniform(key, w.size, np.float64)) / w
        finish[w == 0] = np.inf
        return _ints(np.argsort(finish, kind="stable")[: self.num_samples])

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of ``batch_size`` indices; the last may be shorter, or is left out by ``drop_last``.

    >>> from lucid.utils.data import BatchSampler
    >>> list(BatchSampler(range(5), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool = False):
        _check_count("BatchSampler", batch_size, "batch_size")
        if not hasattr(sampler, "__iter__"):
            raise TypeError(f"BatchSampler: sampler must be iterable; got {sampler!r:.60}")
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self) -> Iterator[list[int]]:
        return self._batches(iter(self.sampler))  # iter() here: the sampler draws now

    def _batches(self, indices: Iterator[int]) -> Iterator[list[int]]:
        while batch := list(islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        n = len(self.sampler)  # type: ignore[arg-type]
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)


def _generator(generator: random.Generator | None) -> random.Generator:
    return random.default_generator if generator is None else generator


def _reserve(
    generator: random.Generator | None, kind: Any, count: int, dtype: Any = None
) -> philox.Key:
    return _generator(generator).reserve(philox.blocks_for(kind, count, dtype))


def _ints(indices: np.ndarray) -> Iterator[int]:
    for start in range(0, len(indices), _CHUNK):
        yield from indices[start : start + _CHUNK].tolist()


def _check_sized(who: str, source: Any) -> None:
    if not hasattr(source, "__len__"):
        raise TypeError(f"{who}: data_source must have a length; got {source!r:.60}")


def _check_count(who: str, count: Any, name: str = "num_samples") -> None:
    if isinstance(count, bool) or not hasattr(count, "__index__") or count < 1:
        raise ValueError(f"{who}: {name} must be a positive integer; got {count!r}")
