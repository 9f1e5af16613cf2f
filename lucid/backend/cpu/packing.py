"""Products cut so that OpenBLAS need not pack them, where packing costs as much as multiplying.

OpenBLAS multiplies small matrices where they lie. Larger ones it first copies into the order of its
kernel, which pays only when every element is then used often. Of few channels it is not: 64 x 27 by
27 x 1024 runs at 56 GFLOP/s, by 27 x 512 at 85 (one core of a Zen 4). a: (groups, M, K).
"""

import numpy as np

__all__ = ["inner_product", "product"]

_PACKED = 10**6  # multiplications from which on OpenBLAS packs both matrices
_SHORT = 256  # points, of which each part has so many at least


def product(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """out = a @ b, cut along b: (groups, K, points)."""
    parts = _parts(b.shape[2], a.shape[1] * a.shape[2])
    if parts == 1:
        np.matmul(a, b, out=out)
    else:
        np.matmul(a[:, None], _cut(b, parts), out=_cut(out, parts))


def inner_product(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """out = a @ b.T, summed in parts along the points of a: (groups, M, points) and of b."""
    parts = _parts(b.shape[2], a.shape[1] * b.shape[1])
    if parts == 1:
        np.matmul(a, b.swapaxes(1, 2), out=out)
    else:
        np.matmul(_cut(a, parts), _cut(b, parts).swapaxes(2, 3)).sum(1, out=out)


def _parts(points: int, work: int) -> int:
    """Into how many equal parts to cut so many points, with this many multiplications for each."""
    if points * work <= _PACKED or work * _SHORT > _PACKED:
        return 1
    least = -(-points * work // _PACKED)
    return next((n for n in range(least, 2 * least) if points % n == 0), 1)


def _cut(matrix: np.ndarray, parts: int) -> np.ndarray:
    """(groups, rows, points) as a view (groups, parts, rows, points / parts)."""
    groups, rows, points = matrix.shape
    return matrix.reshape(groups, rows, parts, points // parts).swapaxes(1, 2)
