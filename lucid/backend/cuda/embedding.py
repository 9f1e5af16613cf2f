"""The gradient of an embedding table on CuPy arrays: kernels/embedding.cu."""

from __future__ import annotations

from typing import Any

from lucid.backend.cuda.arrays import THREADS, contiguous, grid_over, per_vector
from lucid.backend.cuda.availability import cupy
from lucid.backend.cuda.kernel import Kernel

__all__ = ["embedding_gradient"]

_gradient = Kernel(
    "embedding.cu",
    "embedding_gradient",
    "const T* dy, const i64* sorted, const i64* places, T* dw, i64 n, i64 width, i64 rows,"
    " i64 skip, int by_frequency",
)


def embedding_gradient(
    dy: Any, index: Any, shape: tuple[int, int], skip: int | None, by_frequency: bool
) -> Any:
    """Per row of the table the sum (or mean) of dy where it was used; 0 for the row ``skip``."""
    xp = cupy()
    dw = xp.zeros(shape, dy.dtype)
    flat = index.reshape(-1)
    rows, width = shape
    if not flat.size or not dw.size:
        return dw
    places = xp.argsort(flat, kind="stable")  # equal indices in the order in which they came
    arrays = contiguous(dy), flat[places].astype("int64", copy=False), places, dw
    tiles = min(64, -(-width // (32 * per_vector(dw))))
    grid = grid_over(flat.size, THREADS // 32), tiles, 1
    settings = flat.size, width, rows, -1 if skip is None else skip, int(by_frequency)
    _gradient(grid, THREADS, dy.dtype, *arrays, *settings)
    return dw
