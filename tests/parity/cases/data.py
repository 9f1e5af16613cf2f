"""Data: sets of it, samplers, batches."""

from __future__ import annotations

from typing import Any

import numpy

from tests.parity.compare import add, same
from tests.parity.library import Side

D = "utils.data."
for space in ("utils.data.", "utils.data.dataset."):
    same(
        f"{space}TensorDataset",
        lambda s, p=space: (
            d := s.get(f"{p}TensorDataset")(s.arange(4), s.ones(4, 2)),
            [len(d), d[1]],
        )[1],
        lambda s, p=space: s.get(f"{p}TensorDataset")(s.ones(2), s.ones(3)),
    )
    same(
        f"{space}Subset",
        lambda s, p=space: (d := s.get(f"{p}Subset")([5, 6, 7], [2, 0]), [len(d), d[0], d[1]])[1],
    )
    same(
        f"{space}ConcatDataset",
        lambda s, p=space: (
            d := s.get(f"{p}ConcatDataset")([[1, 2], [3]]),
            [len(d), d[2], d[-1], d.cumulative_sizes],
        )[1],
        lambda s, p=space: s.get(f"{p}ConcatDataset")([]),
    )
    same(
        f"{space}random_split",
        lambda s, p=space: (
            parts := s.get(f"{p}random_split")(list(range(10)), [7, 3]),
            [[len(x) for x in parts], sorted(i for x in parts for i in x)],
        )[1],
        lambda s, p=space: [
            len(x) for x in s.get(f"{p}random_split")(list(range(10)), [0.5, 0.25, 0.25])
        ],
        lambda s, p=space: s.get(f"{p}random_split")([1, 2], [3]),
    )
    same(
        f"{space}Dataset",
        lambda s, p=space: isinstance(s.utils.data.TensorDataset(s.ones(1)), s.get(f"{p}Dataset")),
    )


def batches(s: Side, path: str = "utils.data.DataLoader", **kwargs: Any) -> Any:
    data = s.utils.data.TensorDataset(s.arange(7), s.arange(14.0).reshape(7, 2))
    loader = s.get(path)(data, **kwargs)
    return len(loader), list(loader)


for path in ("utils.data.DataLoader", "utils.data.dataloader.DataLoader"):
    for kwargs in (
        {},
        {"batch_size": 3},
        {"batch_size": 3, "drop_last": True},
        {"batch_size": None},
        {"batch_size": 2, "sampler": [4, 1, 0]},
        {"batch_sampler": [[0, 1], [5]]},
        {"batch_size": 2, "collate_fn": len},
        {"shuffle": True, "sampler": [1]},
        {"batch_size": 0},
        {"batch_size": 3, "pin_memory": False, "num_workers": 0, "timeout": 0},
    ):
        add(
            path,
            str({k: v for k, v in kwargs.items() if not callable(v)}),
            lambda s, p=path, k=kwargs: batches(s, p, **k),
        )
    add(
        path,
        "shuffle",
        lambda s, p=path: (
            n := batches(s, p, batch_size=2, shuffle=True)[1],
            sorted(i for x, _ in n for i in x.tolist()),
        )[1],
    )
for space in ("utils.data.", "utils.data.sampler."):
    same(
        f"{space}SequentialSampler",
        lambda s, p=space: (x := s.get(f"{p}SequentialSampler")([5, 6]), [len(x), list(x)])[1],
    )
    same(
        f"{space}RandomSampler",
        lambda s, p=space: (x := s.get(f"{p}RandomSampler")([5] * 9), [len(x), sorted(x)])[1],
        lambda s, p=space: (
            x := s.get(f"{p}RandomSampler")([5] * 3, replacement=True, num_samples=8),
            [len(x), len(list(x)), set(x) <= {0, 1, 2}],
        )[1],
    )
    same(
        f"{space}BatchSampler",
        lambda s, p=space: [list(s.get(f"{p}BatchSampler")(range(5), 2, d)) for d in (False, True)],
        lambda s, p=space: s.get(f"{p}BatchSampler")(range(5), 0, False),
    )
    same(
        f"{space}SubsetRandomSampler",
        lambda s, p=space: (x := s.get(f"{p}SubsetRandomSampler")([3, 5, 9]), [len(x), sorted(x)])[
            1
        ],
    )
    same(
        f"{space}Sampler",
        lambda s, p=space: issubclass(s.utils.data.RandomSampler, s.get(f"{p}Sampler")),
    )
same(
    f"{D}WeightedRandomSampler",
    lambda s: (x := s.utils.data.WeightedRandomSampler([0.0, 1.0, 0.0], 4), [len(x), list(x)])[1],
    lambda s: (
        x := s.utils.data.WeightedRandomSampler([0.3, 1.0, 0.2], 3, replacement=False),
        sorted(x),
    )[1],
)
same(f"{D}get_worker_info", lambda s: s.utils.data.get_worker_info())
same(
    f"{D}IterableDataset",
    lambda s: (
        c := type(
            "Stream", (s.utils.data.IterableDataset,), {"__iter__": lambda self: iter(range(5))}
        ),
        list(s.utils.data.DataLoader(c(), batch_size=2)),
    )[1],
)
for path in ("utils.data.default_collate", "utils.data.dataloader.default_collate"):
    for batch in (
        [1, 2],
        [1.5, 2.0],
        ["a", "b"],
        [(1, 2.0), (3, 4.0)],
        [{"a": 1}, {"a": 2}],
        [numpy.ones(2), numpy.zeros(2)],
        [[1, 2], [3, 4]],
        [numpy.float32(1), numpy.float32(2)],
        [[1], [1, 2]],
        [None, None],
    ):
        add(path, str(batch), lambda s, p=path, b=batch: s.get(p)(b))
    add(path, "tensors", lambda s, p=path: s.get(p)([(s.ones(2), 1), (s.zeros(2), 2)]))
