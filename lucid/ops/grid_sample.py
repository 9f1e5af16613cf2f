"""Sampling at points given by a grid; affine_grid makes one.

A grid holds, for each point of the output, where in the input it lies: -1 and 1 are the borders of
each dimension (align_corners: the middles of the outermost elements). Between elements is
interpolated, outside is padded. Jaderberg et al., Spatial Transformer Networks, 2015.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from lucid.errors import ShapeError
from lucid.op import Op, casts, floating, one_dtype
from lucid.op.windows import product
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = ["grid_sample"]

_NOWHERE = -100.0  # outside of every input, where even a cubic doesn't reach inside
_FARTHEST = 2.0**30
_CUBIC = -0.75  # Keys' a


class Coordinates(Op):
    """g in [-1, 1] -> its place among n elements, brought inside as ``padding`` says."""

    n: int
    padding: str
    align: bool

    def forward(self, g):
        xp, n = self.xp, self.n
        if self.align:
            x, slope = (g + 1) / 2 * (n - 1), (n - 1) / 2
        else:
            x, slope = ((g + 1) * n - 1) / 2, n / 2
        lost = ~(xp.abs(x) < _FARTHEST)  # NaN too
        x, slopes = _inside(xp, xp.where(lost, x.dtype.type(0), x), n, self.padding, self.align)
        if self.needs:
            self.save(xp.where(lost, x.dtype.type(0), slopes * x.dtype.type(slope)))
        return xp.where(lost, x.dtype.type(_NOWHERE), x)

    def backward(self, dx):
        (slopes,) = self.saved
        return dx * slopes


class Take(Op):
    """x: (N, C, P) -> y: (N, C, Q): its elements ``at`` (N, 1, Q), or 0 where not ``there``."""

    apart = (1, 2)

    def forward(self, x, at, there):
        xp = self.xp
        self.save(at, there)
        y = xp.take_along_axis(x, xp.broadcast_to(at, (*x.shape[:2], at.shape[2])), 2)
        return xp.where(there, y, x.dtype.type(0))

    def backward(self, dy):
        at, there = self.saved
        return Give(self.shapes[0])(dy, at, there), None, None


class Give(Op):
    """The gradient of Take: each dy added to the element that it is of."""

    shape: tuple[int, ...]
    apart = (1, 2)

    def forward(self, dy, at, there):
        xp = self.xp
        self.save(at, there)
        n, c, extent = self.shape
        dx = xp.zeros(n * c * extent, dy.dtype)
        rows = xp.arange(n * c).reshape(n, c, 1) * extent
        given = xp.where(there, dy, dy.dtype.type(0))
        self.device.scatter_add(dx, (rows + at).ravel(), given.ravel())
        return dx.reshape(self.shape)

    def backward(self, ddx):
        at, there = self.saved
        return Take()(ddx, at, there), None, None


class NoSlope(Op):
    """y, grid -> y: where the grid matters to y only in steps, its gradient is zeros."""

    apart = (1,)

    def forward(self, y, grid):
        return y.copy()

    def backward(self, dy):
        return dy, (self.wrap(self.xp.zeros(self.shapes[1], self._dtypes[1])))


def _inside(xp: Any, x: Any, n: int, padding: str, align: bool) -> tuple[Any, Any]:
    """Places among n elements, brought inside; and by how much they move when x does: -1, 0, 1."""
    slopes: Any = xp.ones_like(x)
    if padding == "zeros":
        return x, slopes
    if padding == "reflection":
        low, span = (0.0, n - 1) if align else (-0.5, n)
        if span == 0:
            return xp.zeros_like(x), xp.zeros_like(x)
        away = xp.abs(x - low)
        turned = xp.floor(away / span) % 2 == 1
        rest = xp.fmod(away, span)
        slopes = xp.where((x < low) ^ turned, -slopes, slopes)
        x = xp.where(turned, span - rest, rest) + x.dtype.type(low)
    slopes = xp.where((x <= 0) | (x >= n - 1), x.dtype.type(0), slopes)
    return xp.clip(x, 0, n - 1), slopes


@casts(cpu="float32", cuda="widest")
def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """x at the grid's points. x: (N, C, H, W), grid: (N, H', W', 2) -> y: (N, C, H', W').

    Or (N, C, D, H, W), (N, D', H', W', 3) -> (N, C, D', H', W'). A point is (x, y) or (x, y, z): x
    along W first. ``mode`` "bilinear" (of all 8 neighbours in three dimensions), "nearest", or
    "bicubic" (for images). ``padding_mode`` "zeros", "border" or "reflection". Both arguments have
    gradients; the grid's is 0 for "nearest".

    >>> x = Tensor([[[[0.0, 1.0], [2.0, 3.0]]]])
    >>> F.grid_sample(x, Tensor([[[[0.0, 0.0], [1.0, -1.0]]]]), align_corners=True)
    Tensor([[[[1.5, 1. ]]]])
    """
    _check(input, grid, mode, padding_mode)
    half = input.dtype.itemsize == 2
    x, points = (input.float(), grid.float()) if half else (input, grid)
    align = bool(align_corners)
    sample = {"bilinear": _linear, "nearest": _nearest, "bicubic": _cubic}[mode]
    y = sample(x, points, padding_mode, align)
    y = y.reshape(*x.shape[:2], *grid.shape[1:-1])
    return y.to(input.dtype) if half else y


def _check(x: Tensor, grid: Tensor, mode: str, padding: str) -> None:
    name = "grid_sample"
    modes, paddings = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")
    if mode not in modes:
        raise ValueError(f"{name}: mode must be one of {', '.join(modes)}; got {mode!r}")
    if padding not in paddings:
        raise ValueError(
            f"{name}: padding_mode must be one of {', '.join(paddings)}; got {padding!r}"
        )
    floating(name, "input", x)
    one_dtype(name, x, grid)
    if x.ndim not in (4, 5) or grid.ndim != x.ndim or grid.shape[-1] != x.ndim - 2:
        raise ShapeError(
            f"{name}: the input must be (N, C, H, W) with a grid (N, H', W', 2), or (N, C, D, H, W)"
            f" with (N, D', H', W', 3); got {x.shape} and {grid.shape}"
        )
    if grid.shape[0] != x.shape[0]:
        raise ShapeError(f"{name}: N must agree; got {x.shape} and a grid of {grid.shape}")
    if 0 in x.shape[1:]:
        raise ShapeError(f"{name}: there must be something to sample from; got {x.shape}")
    if mode == "bicubic" and x.ndim == 5:
        raise ValueError(f"{name}: bicubic must have an input (N, C, H, W); got shape {x.shape}")


def _places(x: Tensor, grid: Tensor, padding: str, align: bool) -> list[Tensor]:
    """Per spatial dimension of x, first one first, where the points lie: (N, points)."""
    d = x.ndim - 2
    flat = grid.reshape(grid.shape[0], product(grid.shape[1:-1]), d)
    return [Coordinates(x.shape[2 + i], padding, align)(flat[:, :, d - 1 - i]) for i in range(d)]


def _take(x: Tensor, indices: Sequence[Any]) -> Tensor:
    """Elements of x by one integer array (N, points) per dimension; 0 outside. (N, C, points)."""
    xp = x._device.xp
    at: Any = 0
    there: Any = True
    for i, n in zip(indices, x.shape[2:], strict=True):
        there = there & (i >= 0) & (i < n)
        at = at * n + i
    at = xp.where(there, at, 0)
    given = [Tensor._wrap(array[:, None, :], x._device) for array in (at, there)]
    return Take()(x.flatten(2), *given)


def _floor(place: Tensor) -> tuple[Any, Tensor]:
    """The element before a place, as an integer array, and how far behind it the place is."""
    before = place._device.xp.floor(place._array)
    return before.astype("int64"), place - Tensor._wrap(before, place._device)


def _linear(x: Tensor, grid: Tensor, padding: str, align: bool) -> Tensor:
    sides = []
    for place in _places(x, grid, padding, align):
        before, rest = _floor(place)
        sides.append(((before, 1 - rest), (before + 1, rest)))
    y: Any = None
    for corner in itertools.product(*sides):
        weight = corner[0][1]
        for _, w in corner[1:]:
            weight = weight * w
        part = _take(x, [i for i, _ in corner]) * weight.unsqueeze(1)
        y = part if y is None else y + part
    return y


def _nearest(x: Tensor, grid: Tensor, padding: str, align: bool) -> Tensor:
    xp = x._device.xp
    places = _places(x, grid.detach(), padding, align)
    y = _take(x, [xp.rint(p._array).astype("int64") for p in places])
    return NoSlope()(y, grid) if grid.requires_grad else y


def _cubic(x: Tensor, grid: Tensor, padding: str, align: bool) -> Tensor:
    """Padding moves the 4 x 4 neighbours here, not the point between them."""
    xp = x._device.xp
    rows, columns = (
        [(_moved(xp, before + k, n, padding, align), w) for k, w in enumerate(_keys(rest), -1)]
        for n, (before, rest) in zip(
            x.shape[2:], map(_floor, _places(x, grid, "zeros", align)), strict=True
        )
    )
    y: Any = None
    for i, row_weight in rows:
        line: Any = None
        for j, weight in columns:
            part = _take(x, [i, j]) * weight.unsqueeze(1)
            line = part if line is None else line + part
        part = line * row_weight.unsqueeze(1)
        y = part if y is None else y + part
    return y


def _moved(xp: Any, at: Any, n: int, padding: str, align: bool) -> Any:
    if padding == "zeros":
        return at
    return _inside(xp, at.astype("float64"), n, padding, align)[0].astype("int64")


def _keys(t: Tensor) -> list[Tensor]:
    """Weights of the elements -1, 0, 1 and 2 behind the one before: Keys' cubic kernel."""
    a, u = _CUBIC, 1 - t

    def near(s: Tensor) -> Tensor:
        return ((a + 2) * s - (a + 3)) * s * s + 1

    def far(s: Tensor) -> Tensor:
        return ((a * s - 5 * a) * s + 8 * a) * s - 4 * a

    return [far(t + 1), near(t), near(u), far(u + 1)]


def _reference(np: Any, x: Any, grid: Any, **kwargs: Any) -> Any:
    """Bilinear with zeros outside, point by point."""
    align = kwargs.get("align_corners", False)
    d = x.ndim - 2
    y = np.zeros((*x.shape[:2], *grid.shape[1:-1]))
    for at in np.ndindex(*grid.shape[:-1]):
        place = [
            (g + 1) / 2 * (n - 1) if align else ((g + 1) * n - 1) / 2
            for g, n in zip(grid[at][::-1], x.shape[2:], strict=True)
        ]
        for corner in np.ndindex(*(2,) * d):
            near = [int(np.floor(p)) + o for p, o in zip(place, corner, strict=True)]
            weight = np.prod([1 - abs(p - i) for p, i in zip(place, near, strict=True)])
            if all(0 <= i < n for i, n in zip(near, x.shape[2:], strict=True)):
                y[(at[0], slice(None), *at[1:])] += weight * x[(at[0], slice(None), *near)]
    return y


_image = [(2, 3, 4, 5), (2, 3, 2, 2)]
_wrong: list[Any] = [
    ({"mode": "cubic"}, _image, ValueError, "grid_sample: mode must be one of bilinear, nearest"),
    ({"padding_mode": "same"}, _image, ValueError, "grid_sample: padding_mode must be one of zer"),
    ({}, [(2, 3, 4, 5), (2, 3, 2, 3)], ShapeError, r"grid_sample: the input must be \(N, C, H, W"),
    ({}, [(2, 3, 4, 5), (1, 3, 2, 2)], ShapeError, "grid_sample: N must agree"),
    (
        {},
        [(2, 3, 0, 5), (2, 3, 2, 2)],
        ShapeError,
        "grid_sample: there must be something to sample from",
    ),
    (
        {"mode": "bicubic"},
        [(1, 1, 2, 2, 2), (1, 1, 1, 1, 3)],
        ValueError,
        r"grid_sample: bicubic must have an input \(N, C, H, W\)",
    ),
]
spec(
    grid_sample,
    cases=[
        Case(_image, low=-1.3, high=1.3),
        Case(_image, {"align_corners": True}, -1.3, 1.3),
        Case([(2, 1, 2, 3, 4), (2, 2, 1, 3, 3)], low=-1.1, high=1.1),
        Case([(0, 3, 4, 5), (0, 2, 2, 2)]),
    ],
    reference=_reference,
    errors=[(Case(s, kw), error, message) for kw, s, error, message in _wrong],
)
