"""Matrix products whose blocks the threads of parallel_for share, with BLAS on one thread each.

How a product is cut follows from its shape alone, so the number of threads changes no bit; nor do
BLAS's own threads, which would sum in another order and spin on the cores that others need next.
"""

import math

import numpy as np

from lucid.backend.cpu import arena, blas

__all__ = ["matmul"]

_ALONE = 9216  # multiplications that OpenBLAS does in one thread, whatever it is asked to do
_TASK = 1 << 22  # multiplications of a task: 60 us, long against handing it over
_SIDE = 256  # rows or columns of a task: each packs all of the other matrix
_MOST = 32  # tasks


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """numpy.matmul for a: (*, M, K) and b: (*, K, N); vectors too."""
    work = a.size * b.shape[-1]
    if a.dtype != b.dtype or a.dtype.kind not in "fc" or a.ndim < 2 or b.ndim < 2:
        return np.matmul(a, b)
    if work <= _ALONE and math.prod(b.shape[:-2]) == 1:
        return np.matmul(a, b)
    tasks = min(_MOST, work // _TASK)
    if a.ndim == b.ndim == 2:
        return _matrices(a, b, tasks)
    if a.ndim == b.ndim and a.shape[:-2] == b.shape[:-2]:
        return _stacks(a, b, tasks)
    with blas.single_threaded():
        return np.matmul(a, b)


def _matrices(a: np.ndarray, b: np.ndarray, tasks: int) -> np.ndarray:
    """Cut along the longer side of the result."""
    m, n = a.shape[0], b.shape[1]
    y = arena.empty((m, n), a.dtype)
    side = max(m, n)
    step = _step(side, min(tasks, side // _SIDE))

    def run(start: int, stop: int) -> None:
        if m >= n:
            np.matmul(a[start:stop], b, out=y[start:stop])
        else:
            np.matmul(a, b[:, start:stop], out=y[:, start:stop])

    blas.share(run, side, step)
    return y


def _stacks(a: np.ndarray, b: np.ndarray, tasks: int) -> np.ndarray:
    """Cut along the first dimension."""
    y = arena.empty((*a.shape[:-1], b.shape[-1]), a.dtype)

    def run(start: int, stop: int) -> None:
        np.matmul(a[start:stop], b[start:stop], out=y[start:stop])

    blas.share(run, len(a), _step(len(a), tasks))
    return y


def _step(length: int, tasks: int) -> int:
    """The length of a task's part."""
    return max(1, -(-length // max(1, tasks)))
