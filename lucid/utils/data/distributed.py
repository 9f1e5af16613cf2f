"""DistributedSampler: each of several processes its own part of every epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized
from typing import Any

from lucid import random
from lucid.backend import philox
from lucid.utils.data.sampler import Sampler

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler[int]):
    """Every ``num_replicas``-th index of an epoch's order, from ``rank`` on.

    All replicas get equally many: the first indices come again at the end where they don't divide,
    or with ``drop_last`` the last are left out. The order is that of ``seed`` plus the epoch, which
    ``set_epoch`` says before each one. Both numbers must be given: lucid has no process groups to
    ask for them.

    >>> from lucid.utils.data import DistributedSampler
    >>> list(DistributedSampler(range(5), num_replicas=2, rank=1, shuffle=False))
    [1, 3, 0]
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ):
        if num_replicas is None or rank is None:
            raise RuntimeError(
                "DistributedSampler: num_replicas and rank must be given, as there is no process"
                f" group; got {num_replicas} and {rank}"
            )
        if not 0 <= rank < num_replicas:
            raise ValueError(
                f"DistributedSampler: rank must be in [0, {num_replicas - 1}]; got {rank}"
            )
        self.dataset: Any = dataset
        self.num_replicas, self.rank, self.epoch = num_replicas, rank, 0
        self.shuffle, self.seed, self.drop_last = shuffle, seed, drop_last
        parts = len(dataset) / num_replicas
        whole = drop_last and len(dataset) % num_replicas
        self.num_samples = math.floor(parts) if whole else math.ceil(parts)
        self.total_size = self.num_samples * num_replicas

    def __iter__(self) -> Iterator[int]:
        n = len(self.dataset)
        order = self._shuffled(n) if self.shuffle else list(range(n))
        missing = self.total_size - n
        if missing > 0 and n:
            order += (order * math.ceil(missing / n))[:missing]
        return iter(order[self.rank : self.total_size : self.num_replicas])

    def _shuffled(self, n: int) -> list[int]:
        generator = random.Generator().manual_seed(self.seed + self.epoch)
        key = generator.reserve(philox.blocks_for("permutation", n))
        return philox.permutation(key, n).tolist() if n else []

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Another order with each epoch: without this all epochs have that of epoch 0."""
        self.epoch = epoch
