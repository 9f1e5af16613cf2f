"""The grid of an affine map: where each point of an output lies in the input of grid_sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lucid.errors import ShapeError
from lucid.op import casts, floating
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = ["affine_grid"]


@casts(cuda="own")
def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The grid of an affine map, for grid_sample. theta: (N, 2, 3) -> y: (N, H, W, 2).

    ``size`` is (N, C, H, W); or (N, C, D, H, W) for theta: (N, 3, 4) -> y: (N, D, H, W, 3). A row
    of theta makes one coordinate of (x, y, 1).
    """
    name = "affine_grid"
    floating(name, "theta", theta)
    d = len(size) - 2
    if d not in (2, 3) or theta.ndim != 3 or theta.shape != (size[0], d, d + 1):
        raise ShapeError(
            f"{name}: theta must be (N, 2, 3) for a size (N, C, H, W), or (N, 3, 4) for"
            f" (N, C, D, H, W); got {theta.shape} and {tuple(size)}"
        )
    if any(n < 1 for n in size):
        raise ShapeError(f"{name}: sizes must be positive; got {tuple(size)}")
    xp, dtype = theta._device.xp, theta._array.dtype
    lines = [_line(xp, n, bool(align_corners)) for n in size[2:]]
    lines = list(xp.meshgrid(*lines, indexing="ij"))[::-1]
    base = xp.stack([*lines, xp.ones_like(lines[0])], -1).reshape(1, -1, d + 1).astype(dtype)
    points = Tensor._wrap(base, theta._device) @ theta.transpose(1, 2)
    return points.reshape(size[0], *size[2:], d)


def _line(xp: Any, n: int, align: bool) -> Any:
    """The coordinates of n elements along one dimension."""
    if n == 1:
        return xp.zeros(1)
    line = xp.linspace(-1.0, 1.0, n)
    return line if align else line * ((n - 1) / n)


spec(
    affine_grid,
    cases=[
        Case([(2, 2, 3)], {"size": (2, 1, 3, 4)}),
        Case([(2, 2, 3)], {"size": (2, 1, 1, 3), "align_corners": True}),
        Case([(1, 3, 4)], {"size": (1, 1, 2, 3, 2)}),
    ],
    errors=[
        (
            Case([(2, 3, 3)], {"size": (2, 1, 3, 4)}),
            ShapeError,
            r"affine_grid: theta must be \(N, 2, 3\) for a size \(N, C, H, W\)",
        ),
        (
            Case([(2, 2, 3)], {"size": (2, 1, 0, 4)}),
            ShapeError,
            r"affine_grid: sizes must be positive; got \(2, 1, 0, 4\)",
        ),
    ],
)
