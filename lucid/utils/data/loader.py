"""DataLoader: batches of a dataset, fetched here or by worker processes."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from itertools import chain, count, islice
from typing import Any

from lucid import random
from lucid.backend.philox import Key
from lucid.random import record_keys, replay_keys
from lucid.utils.data.collate import default_collate, default_convert
from lucid.utils.data.dataset import IterableDataset
from lucid.utils.data.fetch import Exhausted, Recipe
from lucid.utils.data.pinning import pinned
from lucid.utils.data.pool import WorkerPool
from lucid.utils.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler
from lucid.utils.data.seeding import Seeds, seeded


class _Epoch:
    """Where an iteration stands: the keys it was begun with and the batches it has yielded."""

    def __init__(self, keys: list[Key], yielded: int):
        self.keys, self.yielded = keys, yielded


class DataLoader:
    """Iterate over a dataset in batches: ``for x, y in DataLoader(dataset, 32, shuffle=True)``.

    An epoch reserves its random numbers from ``generator`` (the default generator if None) when
    ``iter()`` is called. Its order is a pure function of the generator's state at that moment;
    whatever is drawn meanwhile, by the model for instance, does not change it. It does not depend
    on ``num_workers``, and nor do the numbers that the dataset draws from ``random``,
    ``numpy.random`` or lucid's default generator: these are seeded anew for each batch, by the
    epoch and the number of the batch, and put back afterwards. (A generator that the dataset made
    itself is copied to every worker; derive its seed from ``get_worker_info().seed``.)

    ``state_dict()`` between two batches, and ``load_state_dict()`` on a new loader, resume in the
    middle of an epoch: the next iteration yields exactly the batches that were still to come.

    ``num_workers``: processes that fetch ahead, ``prefetch_factor`` batches each; 0 fetches in this
    process. They are forked on Linux, spawned elsewhere; ``multiprocessing_context`` chooses. An
    exception in a worker is raised here with the worker's traceback as a note; a worker that dies
    is a RuntimeError at once. ``timeout``: seconds to wait for one batch, 0 without limit.
    ``persistent_workers`` keeps the processes between epochs. ``pin_memory``: the tensors of a
    batch come in pinned memory, from which ``to("cuda", non_blocking=True)`` doesn't wait; without
    CUDA nothing changes. ``pin_memory_device`` and ``in_order`` change nothing: batches always come
    in order.

    >>> from lucid.utils.data import DataLoader, TensorDataset
    >>> [x.tolist() for (x,) in DataLoader(TensorDataset(lucid.arange(5)), batch_size=2)]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler | Iterable | None = None,
        batch_sampler: Sampler | Iterable | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: random.Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ):
        streams = isinstance(dataset, IterableDataset)
        if not hasattr(num_workers, "__index__"):
            raise TypeError(f"DataLoader: num_workers must be an int; got {num_workers!r:.60}")
        if num_workers < 0 or timeout < 0:
            raise ValueError(
                "DataLoader: num_workers and timeout must not be negative; got"
                f" num_workers={num_workers}, timeout={timeout}"
            )
        if not num_workers and (timeout or prefetch_factor or persistent_workers):
            raise ValueError(
                "DataLoader: timeout, prefetch_factor and persistent_workers are for worker"
                " processes; got num_workers=0. Hint: set num_workers"
            )
        if prefetch_factor is not None and prefetch_factor < 1:
            raise ValueError(f"DataLoader: prefetch_factor must be positive; got {prefetch_factor}")
        if streams and (shuffle or sampler is not None or batch_sampler is not None):
            raise ValueError(
                "DataLoader: an IterableDataset has an order of its own; got shuffle, sampler or"
                " batch_sampler. Hint: shuffle within the dataset"
            )
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: a sampler decides the order; got shuffle=True as well")
        if batch_sampler is not None and (
            batch_size != 1 or shuffle or sampler is not None or drop_last
        ):
            raise ValueError(
                "DataLoader: batch_sampler stands in place of batch_size, shuffle, sampler and"
                " drop_last; got one of these as well"
            )
        if batch_size is None and drop_last:
            raise ValueError("DataLoader: drop_last needs a batch_size; got batch_size=None")
        if batch_size is not None and (not hasattr(batch_size, "__index__") or batch_size < 1):
            raise ValueError(f"DataLoader: batch_size must be a positive int; got {batch_size!r}")

        if sampler is None and not streams:
            sampler = (
                RandomSampler(dataset, generator=generator)
                if shuffle
                else SequentialSampler(dataset)
            )
        if batch_sampler is not None:
            batch_size = None
        elif batch_size is not None and not streams:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)  # type: ignore[arg-type]
        batched = batch_size is not None or batch_sampler is not None
        self.dataset, self.batch_size, self.drop_last = dataset, batch_size, drop_last
        self.sampler, self.batch_sampler = sampler, batch_sampler
        self.collate_fn = collate_fn or (default_collate if batched else default_convert)
        self.generator, self.pin_memory = generator, pin_memory
        self.num_workers, self.timeout, self.worker_init_fn = num_workers, timeout, worker_init_fn
        self.prefetch_factor = 2 if prefetch_factor is None and num_workers else prefetch_factor
        self.persistent_workers = persistent_workers
        self.multiprocessing_context = multiprocessing_context
        self._recipe = Recipe(dataset, self.collate_fn, batched, batch_size, drop_last)
        self._pool: WorkerPool | None = None  # of persistent workers
        self._epoch: _Epoch | None = None  # the iteration begun last, until it is complete
        self._resumed: _Epoch | None = None  # what load_state_dict wants the next one to continue

    def __len__(self) -> int:
        """Batches per epoch. Of an IterableDataset: as if one process read it all."""
        if not isinstance(self.dataset, IterableDataset):
            return len(self.sampler if self.batch_sampler is None else self.batch_sampler)  # type: ignore[arg-type]
        n = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return n
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        epoch, self._resumed = self._resumed, None
        if epoch is None:
            with record_keys() as keys:
                seeds, indices = self._begin()
            epoch = _Epoch(keys, 0)
        else:
            with replay_keys(epoch.keys):
                seeds, indices = self._begin()
        self._epoch = epoch
        return self._iterate(epoch, seeds, indices)

    def _begin(self) -> tuple[Seeds, Iterator[Any]]:
        """Draw all that is random in an epoch. A sampler may do so only for its first indices."""
        seeds = Seeds.draw(random.default_generator if self.generator is None else self.generator)
        if isinstance(self.dataset, IterableDataset):
            return seeds, iter(lambda: None, 0)  # None for ever: the dataset knows the end
        indices = iter(self.sampler if self.batch_sampler is None else self.batch_sampler)  # type: ignore[arg-type]
        return seeds, chain(list(islice(indices, 1)), indices)

    def _iterate(self, epoch: _Epoch, seeds: Seeds, indices: Iterator[Any]) -> Iterator[Any]:
        tasks = zip(count(), indices, strict=False)
        streams = isinstance(self.dataset, IterableDataset)
        skip = epoch.yielded  # a stream has to be read up to there, indices are just passed over
        source = self._batches(seeds, tasks if streams else islice(tasks, skip, None))
        with closing(source):
            for batch in islice(source, skip if streams else 0, None):
                epoch.yielded += 1
                yield pinned(batch) if self.pin_memory else batch
        if self._epoch is epoch:
            self._epoch = None

    def _batches(self, seeds: Seeds, tasks: Iterator[tuple[int, Any]]) -> Generator:
        if not self.num_workers:
            yield from self._fetched_here(seeds, tasks)
            return
        pool = self._pool if self._pool is not None and self._pool.open else self._new_pool()
        if self.persistent_workers:
            self._pool = pool
        try:
            yield from pool.run(seeds, tasks)
        finally:
            if not self.persistent_workers:
                pool.close()

    def _fetched_here(self, seeds: Seeds, tasks: Iterator[tuple[int, Any]]) -> Iterator[Any]:
        if self._recipe.gathers:  # 20 us instead of 140: no seeding
            for _, indices in tasks:
                yield self._recipe.by_index(indices)
            return
        with seeded(seeds.of_worker(0)):
            fetch = self._recipe.start()
        for number, indices in tasks:
            with seeded(seeds.of_batch(number)):
                batch = fetch(indices)
            if batch is Exhausted:
                return
            yield batch

    def _new_pool(self) -> WorkerPool:
        context = self.multiprocessing_context
        if context is None or isinstance(context, str):
            default = "fork" if sys.platform == "linux" else None
            context = multiprocessing.get_context(context or default)
        return WorkerPool(
            self.num_workers,
            self._recipe,
            context,
            self.worker_init_fn,
            self.prefetch_factor or 2,
            self.timeout,
        )

    def state_dict(self) -> dict[str, Any]:
        """Where the iteration begun last stands: plain numbers, for lucid.save or JSON.

        ``epoch`` holds the keys that the epoch was begun with (None between epochs), ``batches``
        how many it has yielded, ``generator`` the state of this loader's own generator. The default
        generator belongs to the program: save lucid.get_rng_state() too, or later epochs differ.
        """
        epoch = self._resumed or self._epoch
        return {
            "epoch": None if epoch is None else [list(key) for key in epoch.keys],
            "batches": 0 if epoch is None else epoch.yielded,
            "generator": None if self.generator is None else list(self.generator.state_tuple()),
            "batch_size": self.batch_size,
            "samples": self._samples(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Make the next iteration continue where ``state_dict()`` was taken."""
        missing = {"epoch", "batches", "generator", "batch_size", "samples"} - state_dict.keys()
        if missing:
            raise ValueError(f"DataLoader.load_state_dict: the state lacks {sorted(missing)}")
        for name, now in (("batch_size", self.batch_size), ("samples", self._samples())):
            if state_dict[name] != now:
                raise ValueError(
                    f"DataLoader.load_state_dict: {name} must be as when the state was taken; got"
                    f" {state_dict[name]} then and {now} now"
                )
        if self.generator is not None and state_dict["generator"] is not None:
            self.generator.set_state_tuple(tuple(state_dict["generator"]))
        keys = state_dict["epoch"]
        self._epoch = None
        self._resumed = keys and _Epoch([Key(*key) for key in keys], state_dict["batches"])

    def _samples(self) -> int | None:
        try:
            return len(self.dataset)
        except (TypeError, NotImplementedError):
            return None
