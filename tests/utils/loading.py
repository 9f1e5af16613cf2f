"""Datasets, and counts of child processes, for the tests of DataLoader."""

import gc
import multiprocessing
import os
import random
import sys
import time

import numpy as np
import pytest

import lucid
from lucid.utils.data import (
    Dataset,
    IterableDataset,
    get_worker_info,
)

PATIENCE = 30  # seconds for what takes up to one on an idle machine; a hang takes for ever

fork_only = pytest.mark.skipif(sys.platform != "linux", reason="forks workers")


class Function(Dataset):
    """Sample i is function(i)."""

    def __init__(self, n, function):
        self.n, self.function = n, function

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        return self.function(index)


class Stream(IterableDataset):
    """The numbers below n, shared among the workers."""

    def __init__(self, n):
        self.n = n

    def __iter__(self):
        info = get_worker_info()
        mine = range(self.n) if info is None else range(info.id, self.n, info.num_workers)
        return ((i, random.random()) for i in mine)


class Square(Dataset):
    """At the top of a module, so that a spawned worker can have it."""

    def __len__(self):
        return 6

    def __getitem__(self, index):
        return index * index


def generator(seed=0):
    return lucid.Generator().manual_seed(seed)


def augment(i):
    return i, random.random(), np.random.rand(), lucid.rand(2)


def plain(loader):
    return [[x.tolist() for x in batch] for batch in loader]


def children():
    return multiprocessing.active_children()


def gone(pids, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(os.path.exists(f"/proc/{pid}") and not zombie(pid) for pid in pids):
            return True
        time.sleep(0.01)
    return False


def zombie(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture(autouse=True)
def no_process_is_left():
    yield
    gc.collect()
    assert children() == []
