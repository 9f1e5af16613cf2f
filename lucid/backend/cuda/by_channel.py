"""Launches of the walks over (N, C, inner) in kernels/include/by_channel.cuh."""

from __future__ import annotations

from typing import Any

from lucid.backend.cuda.arrays import THREADS, grid_over, per_vector

__all__ = ["columns_launch", "planes_launch"]

Launch = tuple[Any, Any]


def planes_launch(x: Any, inner: int) -> Launch:
    """Grid and block of over_planes: a warp per chunk of x."""
    chunk = 2048 if inner >= 8 else 512
    return grid_over(x.size, chunk * (THREADS // 32)), THREADS


def columns_launch(x: Any, samples: int, positions: int, channels: int) -> Launch:
    """Grid and block of over_columns: threads over neighbouring channels first; each walks over
    about 16 positions."""
    tiles = samples * -(-channels // per_vector(x))
    across = min(32, 1 << max(0, tiles - 1).bit_length())
    down = THREADS // across
    rows = max(1, min(65535, -(-positions // (down * 16))))
    return (grid_over(tiles, across), rows, 1), (across, down, 1)
