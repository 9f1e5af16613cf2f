"""interpolate: images, sequences and volumes in another size, one dimension after the other.

    y[o] = sum over taps of w[o, t] * x[position[o, t]]

Every mode is such a map along each dimension (lucid/op/taps.py), so they share one op. Its gradient
is the same op with the transposed maps.
"""

from __future__ import annotations

import math
from typing import Any

from lucid.errors import DTypeError, ShapeError, warn
from lucid.op import Op, casts
from lucid.op import taps as maps
from lucid.op.conventions import as_number, whole
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = ["interpolate", "upsample", "upsample_bilinear", "upsample_nearest"]

_LINEAR = {3: "linear", 4: "bilinear", 5: "trilinear"}
_MODES = "nearest, nearest-exact, linear, bilinear, bicubic, trilinear, area"


class Resample(Op):
    """x with each axis mapped by its taps; a channels_last input stays so."""

    along: tuple[tuple[int, maps.Taps], ...]
    orders = True

    def forward(self, x):
        xp = self.xp
        last = x.ndim > 2 and not x.flags.c_contiguous
        last = last and xp.moveaxis(x, 1, -1).flags.c_contiguous
        y = xp.moveaxis(x, 1, -1) if last else x
        for axis, taps in self.along:
            y = taps.apply(self.device, y, axis - last)
        if not self.along:
            y = y.copy()
        return xp.moveaxis(y, -1, 1) if last else y

    def backward(self, dy):
        return Resample(tuple((axis, taps.transposed) for axis, taps in reversed(self.along)))(dy)


@casts(cuda="float32")
def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """An image in another size. x: (N, C, H, W) -> y: (N, C, H', W').

    Also sequences (N, C, L) and volumes (N, C, D, H, W). Either ``size``, or ``scale_factor``: then
    H' = floor(scale_factor * H), and positions are counted with the factor itself unless
    ``recompute_scale_factor``. ``mode``: "nearest" (the neighbour below), "nearest-exact" (the
    nearest one), "linear", "bilinear", "trilinear" by the number of dimensions, "bicubic", or
    "area" (means, as adaptive_avg_pool). ``align_corners``: the centres of the corner pixels meet,
    instead of the corners. ``antialias`` widens the kernel of "bilinear" and "bicubic" where the
    image gets smaller.

    >>> F.interpolate(Tensor([[[1.0, 3.0]]]), scale_factor=2, mode="linear")
    Tensor([[[1. , 1.5, 2.5, 3. ]]])
    """
    _check(input, mode, align_corners, antialias)
    sizes, scale = _sizes(input, size, scale_factor, recompute_scale_factor)
    along = []
    for axis, (n, m, s) in enumerate(zip(input.shape[2:], sizes, scale, strict=True), 2):
        taps = _taps(mode, n, m, s, bool(align_corners), antialias)
        if not taps.changes_nothing:
            along.append((m / n, axis, taps))
    along.sort(key=lambda entry: entry[:2])  # first where it gets smaller: less to do then
    return Resample(tuple((axis, taps) for _, axis, taps in along))(input)


def upsample(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """The old name of interpolate. x: (N, C, *) -> y: (N, C, *)."""
    warn("upsample is now called interpolate")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """The old form of interpolate(mode="nearest"). x: (N, C, *) -> y: (N, C, *)."""
    warn('upsample_nearest is now interpolate(mode="nearest")')
    return interpolate(input, size, scale_factor)


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """The old form of interpolate(mode="bilinear", align_corners=True). Shapes as there."""
    warn('upsample_bilinear is now interpolate(mode="bilinear", align_corners=True)')
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


def _taps(
    mode: str, n: int, m: int, scale: float | None, aligned: bool, antialias: bool
) -> maps.Taps:
    """The map from n positions to m."""
    step = n / m if scale is None else 1 / scale
    if aligned:
        step = (n - 1) / (m - 1) if m > 1 else 0.0
    if antialias:
        return maps.smoothed(n, m, step, "cubic" if mode == "bicubic" else "linear")
    if mode == "area":
        return maps.area(n, m)
    if mode == "bicubic":
        return maps.cubic(n, m, step, aligned)
    if mode.endswith("linear"):
        return maps.linear(n, m, step, aligned)
    return maps.nearest(n, m, step, mode == "nearest-exact")


def _check(x: Tensor, mode: str, align_corners: bool | None, antialias: bool) -> None:
    if not 3 <= x.ndim <= 5:
        raise ShapeError(
            f"interpolate: the input must be (N, C, L), (N, C, H, W) or (N, C, D, H, W); got shape"
            f" {x.shape}"
        )
    if mode not in ("nearest", "nearest-exact", "area", "bicubic", *_LINEAR.values()):
        raise ValueError(f"interpolate: mode must be one of {_MODES}; got {mode!r}")
    fits = mode in ("nearest", "nearest-exact", "area") or mode == _LINEAR[x.ndim]
    if not fits and not (mode == "bicubic" and x.ndim == 4):
        hint = "bicubic takes images" if mode == "bicubic" else f'use mode="{_LINEAR[x.ndim]}"'
        raise ShapeError(
            f"interpolate: mode {mode!r} must fit the input's dimensions; got shape {x.shape}."
            f" Hint: {hint}"
        )
    if align_corners is not None and not mode.endswith(("linear", "cubic")):
        raise ValueError(f"interpolate: mode {mode!r} has no align_corners; got {align_corners}")
    if antialias and (x.ndim != 4 or mode not in ("bilinear", "bicubic")):
        raise ValueError(
            f'interpolate: antialias is for mode "bilinear" and "bicubic"; got {mode!r}'
        )
    if not x.is_floating_point() and not mode.startswith("nearest"):
        raise DTypeError(
            f"interpolate: mode {mode!r} needs floating point numbers; got {x.dtype}."
            " Hint: use .float()"
        )


def _sizes(x: Tensor, size: Any, scale_factor: Any, recompute: bool | None) -> tuple:
    """(output size, factor or None) of each dimension."""
    d = x.ndim - 2
    if (size is None) == (scale_factor is None):
        raise ValueError(
            f"interpolate: give either size or scale_factor; got {size} and {scale_factor}"
        )
    what, given = ("size", size) if scale_factor is None else ("scale_factor", scale_factor)
    if isinstance(given, str):
        raise DTypeError(f"interpolate: {what} must be numbers; got {given!r}")
    values = tuple(given) if hasattr(given, "__iter__") else (given,) * d
    if len(values) != d:
        raise ValueError(
            f"interpolate: {what} must be one number or {d}, for an input of shape {x.shape}; got"
            f" {given}"
        )
    if size is not None:
        if recompute:
            raise ValueError("interpolate: recompute_scale_factor needs a scale_factor; got size")
        wanted = tuple(whole("interpolate", "size", n) for n in values)
    else:
        values = tuple(as_number("interpolate", "scale_factor", s) for s in values)
        if not all(map(math.isfinite, values)):
            raise ValueError(f"interpolate: scale_factor must be finite; got {scale_factor}")
        wanted = tuple(math.floor(n * s) for n, s in zip(x.shape[2:], values, strict=True))
    kept = scale_factor is not None and not recompute
    scale = tuple(float(s) if kept else None for s in values)
    if min(*x.shape[2:], *wanted) < 1:
        raise ShapeError(
            f"interpolate: sizes must be positive; got {x.shape[2:]} to become {wanted}"
        )
    return wanted, scale


def _reference(np: Any, x: Any, size: Any, mode: str = "nearest", align_corners: bool = False):
    """Linear and nearest from their definition, one dimension after the other."""
    for axis, m in enumerate(size, 2):
        n = x.shape[axis]
        o = np.arange(m)
        if mode == "nearest":
            x = x.take(o * n // m, axis)
            continue
        at = o * (n - 1) / max(m - 1, 1) if align_corners else (o + 0.5) * n / m - 0.5
        at = at.clip(0, n - 1)
        low = np.floor(at).astype(int)
        right = (at - low).reshape(-1, *(1,) * (x.ndim - 1 - axis))
        x = x.take(low, axis) * (1 - right) + x.take((low + 1).clip(max=n - 1), axis) * right
    return x


spec(
    interpolate,
    cases=[
        Case([(2, 3, 4)], {"size": (7,)}),
        Case([(1, 2, 4, 3)], {"size": (2, 6)}),
        Case([(0, 2, 4, 3)], {"size": (2, 6)}),
        Case([(2, 3, 4)], {"size": (7,), "mode": "linear"}),
        Case([(1, 2, 4, 3)], {"size": (7, 2), "mode": "bilinear"}),
        Case([(1, 2, 4, 3)], {"size": (7, 1), "mode": "bilinear", "align_corners": True}),
        Case([(1, 1, 2, 3, 2)], {"size": (3, 2, 5), "mode": "trilinear"}),
    ],
    reference=_reference,
    errors=[
        (Case([(2, 3)], {"size": 3}), ShapeError, r"interpolate: the input must be .*\(2, 3\)"),
        (Case([(1, 2, 3)], {}), ValueError, "interpolate: give either size or scale_factor"),
        (
            Case([(1, 2, 3)], {"size": 3, "mode": "bilinear"}),
            ShapeError,
            r"interpolate: mode 'bilinear' must fit .*Hint: use mode=\"linear\"",
        ),
        (Case([(1, 2, 3)], {"size": (3, 4)}), ValueError, "interpolate: size must be one number"),
        (Case([(1, 2, 3)], {"size": 0}), ShapeError, "interpolate: sizes must be positive"),
        (
            Case([(1, 2, 3)], {"size": 3, "align_corners": True}),
            ValueError,
            "interpolate: mode 'nearest' has no align_corners",
        ),
    ],
)
