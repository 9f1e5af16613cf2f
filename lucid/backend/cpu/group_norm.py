"""Group and instance normalization on the CPU: whole groups in blocks that stay in cache.

In memory a contiguous x (N, groups, C / groups, *), or (N, groups, *) with one channel each, is a
matrix with a row per group, for the statistics, and one with a row per channel, for w and b.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lucid.backend.cpu import arena, norm
from lucid.backend.cpu.norm import above_zeros, like, minus, times

__all__ = ["FEW", "group_backward", "group_forward"]

FEW = 1 << 16  # elements: with fewer, plain NumPy on the whole array is the fastest forward


class _Rows:
    """How x lies: ``groups`` rows of ``width``, each ``each`` rows of ``points``."""

    def __init__(self, x: np.ndarray, channels: int | None) -> None:
        self.wide: Any = np.float64 if x.dtype == np.float64 else np.float32
        self.groups = x.shape[0] * x.shape[1]
        self.each = 1 if channels is None else channels // x.shape[1]
        self.width = math.prod(x.shape[2:])
        self.points = self.width // self.each
        self.step = norm.step(self.width, self.groups)
        self.shape = x.shape[:2] + (1,) * (x.ndim - 2)
        self.over_groups = above_zeros(np.ones(self.width, self.wide))
        self.over_channels = above_zeros(np.ones(self.points, self.wide))

    def per_channel(self, parameter: np.ndarray, samples: int) -> np.ndarray:
        """A parameter (C,) for each channel of each sample: (groups, each)."""
        values = np.broadcast_to(parameter, (samples, parameter.size)).astype(self.wide)
        return values.reshape(self.groups, self.each)

    def centered(self, values: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """values (n, width) - mean (n, 1), in this thread's memory."""
        return minus(values, mean, self.over_groups, like(values, "values"))


def group_forward(
    x: np.ndarray, w: np.ndarray | None, b: np.ndarray | None, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(x - mean) / sqrt(var + eps) * w + b; with mean and var (N, groups, 1, ...). w, b: (C,)."""
    one = w if b is None else b
    rows = _Rows(x, None if one is None else one.size)
    y = arena.empty_like(x)
    source, target = (a.reshape(rows.groups, rows.width) for a in (x, y))
    mean, var = np.empty((2, rows.groups, 1), rows.wide)
    weight = None if w is None else rows.per_channel(w, len(x))
    bias = None if b is None else -rows.per_channel(b, len(x))

    def run(block: slice, i: int) -> None:
        values: Any = source[block].astype(rows.wide, copy=False)
        center, spread = mean[block], var[block]
        np.matmul(values, rows.over_groups[0], out=center[:, 0])
        center /= rows.width
        away = rows.centered(values, center)
        np.vecdot(away, away, out=spread[:, 0])
        spread /= rows.width
        scale = 1 / np.sqrt(spread + eps)
        out = target[block] if target.dtype == rows.wide else away
        channels = out.reshape(-1, rows.points)
        if weight is None:
            times(away, scale, rows.over_groups, out)
        else:
            slope = (scale * weight[block]).reshape(-1, 1)
            times(away.reshape(channels.shape), slope, rows.over_channels, channels)
        if bias is not None:
            minus(channels, bias[block].reshape(-1, 1), rows.over_channels, channels)
        if target.dtype != rows.wide:
            target[block] = out

    norm.row_blocks(rows.groups, rows.step, run)
    return y, mean.reshape(rows.shape), var.reshape(rows.shape)


def group_backward(
    dy: np.ndarray,
    dmean: np.ndarray | None,
    dvar: np.ndarray | None,
    x: np.ndarray,
    w: np.ndarray | None,
    mean: np.ndarray,
    var: np.ndarray,
    eps: float,
    needs: Any,
    channels: int | None,
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """The gradients of group_forward: dx, dw and db (C,); channels is C, None without w and b."""
    rows = _Rows(x, channels)
    dx = arena.empty_like(x)
    above, below, target = (a.reshape(rows.groups, rows.width) for a in (dy, x, dx))
    mean, var = mean.reshape(-1, 1), var.reshape(-1, 1)
    dmean, dvar = (None if a is None else a.reshape(-1, 1) for a in (dmean, dvar))
    weight = np.ones((rows.groups, rows.each), rows.wide)
    weight = weight if w is None else rows.per_channel(w, len(x))
    scale = 1 / np.sqrt(var + eps)
    total, along = np.empty((2, rows.groups, rows.each), rows.wide)  # sum(dy), sum(dy (x - mean))

    def run(block: slice, i: int) -> None:
        g = above[block].astype(rows.wide, copy=False)
        away = rows.centered(below[block], mean[block])
        channels = g.reshape(-1, rows.points)
        np.matmul(channels, rows.over_channels[0], out=total[block].reshape(-1))
        np.vecdot(channels, away.reshape(channels.shape), out=along[block].reshape(-1))
        steep, by = scale[block], weight[block]
        bend = np.vecdot(along[block], by)[:, None] * steep**2
        if dvar is not None:
            bend -= dvar[block] * 2 / steep
        level = np.vecdot(total[block], by)[:, None] * steep
        if dmean is not None:
            level -= dmean[block]
        out = target[block] if target.dtype == rows.wide else like(g, "product")
        slope = (steep * by).reshape(-1, 1)
        times(channels, slope, rows.over_channels, out.reshape(channels.shape))
        out += times(away, bend * (steep / -rows.width), rows.over_groups, away)
        minus(out, level / rows.width, rows.over_groups, out)
        if target.dtype != rows.wide:
            target[block] = out

    norm.row_blocks(rows.groups, rows.step, run)
    dw = (along * scale).reshape(len(x), -1).sum(0) if needs[1] else None
    return dx, dw, total.reshape(len(x), -1).sum(0) if needs[2] else None
