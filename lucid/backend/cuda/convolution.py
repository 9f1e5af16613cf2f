"""Convolution and its two gradients on CuPy arrays, by cuDNN. Channels-last stays so.

Each answers None where cuDNN can't be used; the op then multiplies matrices. A bias is part of the
convolution's own plan, and then of its one rounding, where cuDNN has an engine for that.
"""

from __future__ import annotations

from typing import Any

from lucid.backend.cuda import cudnn, options
from lucid.backend.cuda.arrays import contiguous, is_channels_last
from lucid.backend.cuda.order import laid_out, new

__all__ = ["convolve", "convolve_input_gradient", "convolve_weight_gradient"]

Pairs = tuple[tuple[int, int], ...]


def convolve(x: Any, w: Any, meeting: tuple, size: tuple, bias: Any) -> Any:
    """y: (N, O, *size). meeting: stride, padding pairs, dilation, groups."""
    owner = _owner(x, w)
    if owner is None:
        return None
    stride, pairs, dilation, groups = meeting
    last = is_channels_last(x)
    y = new((x.shape[0], w.shape[0], *size), x.dtype, last)
    if 0 in (x.size, w.size, y.size):
        y.fill(0)
    else:
        x, padding = _evenly_padded(_laid_out(x, last), pairs, last)
        arrays = x, _laid_out(w, last), y
        problem = _problem("forward", arrays, last, padding, stride, dilation)
        # For groups and a bias together cuDNN has only its most general engines.
        if bias is not None and groups == 1:
            plan = cudnn.plan_if_supported(owner, problem._replace(bias=True))
            if plan is not None:
                plan.run(*arrays, cudnn.aligned(contiguous(bias)))
                return y
        cudnn.plan_for(owner, problem).run(*arrays)
    if bias is not None:
        y += bias.reshape(-1, *(1,) * len(size))
    return y


def convolve_input_gradient(dy: Any, w: Any, meeting: tuple, size: tuple) -> Any:
    """dx: (N, C, *size)."""
    owner = _owner(dy, w)
    if owner is None:
        return None
    stride, pairs, dilation, groups = meeting
    last = is_channels_last(dy)
    wide, padding, part = _even(size, pairs)
    dx = new((dy.shape[0], w.shape[1] * groups, *wide), dy.dtype, last)
    if 0 in (dx.size, w.size, dy.size):
        dx.fill(0)
    else:
        arrays = dx, _laid_out(w, last), _laid_out(dy, last)
        problem = _problem("input_gradient", arrays, last, padding, stride, dilation)
        cudnn.plan_for(owner, problem).run(*arrays)
    return dx if wide == tuple(size) else _cropped(dx, part, size, last)


def convolve_weight_gradient(x: Any, dy: Any, meeting: tuple, kernel: tuple) -> Any:
    """dw: (O, C / groups, *kernel), in the order that x has."""
    owner = _owner(x, dy)
    if owner is None:
        return None
    stride, pairs, dilation, groups = meeting
    last = is_channels_last(x)
    dw = new((dy.shape[1], x.shape[1] // groups, *kernel), x.dtype, last)
    if 0 in (x.size, dw.size, dy.size):
        dw.fill(0)
    else:
        x, padding = _evenly_padded(_laid_out(x, last), pairs, last)
        arrays = x, dw, _laid_out(dy, last)
        problem = _problem("weight_gradient", arrays, last, padding, stride, dilation)
        cudnn.plan_for(owner, problem).run(*arrays)
    return dw


def _owner(a: Any, b: Any) -> Any:
    return cudnn.library() if a.dtype == b.dtype else None


def _laid_out(array: Any, last: bool) -> Any:
    """The array or a copy of it, as cuDNN wants it to lie."""
    return cudnn.aligned(laid_out(array, last))


def _problem(
    kind: str, arrays: tuple, last: bool, padding: tuple, stride: tuple, dilation: tuple
) -> cudnn.Convolution:
    x, w, y = (cudnn.layout_of(a.shape, last) for a in arrays)
    return cudnn.Convolution(
        kind, arrays[0].dtype.name, x, w, y, padding, tuple(stride), tuple(dilation),
        options.cudnn.allow_tf32,
        options.cudnn.deterministic or options.determinism.enabled,
    )  # fmt: skip


# Padding: cuDNN knows one amount for both sides, and no negative one.


def _even(size: tuple, pairs: Pairs) -> tuple[tuple, tuple, tuple]:
    """The size with uneven padding made part of it, what is left, and where the part begins."""
    wide, padding, start = [], [], []
    for n, (before, after) in zip(size, pairs, strict=True):
        common = max(0, min(before, after))
        wide.append(n + before + after - 2 * common)
        padding.append(common)
        start.append(before - common)
    return tuple(wide), tuple(padding), tuple(start)


def _evenly_padded(x: Any, pairs: Pairs, last: bool) -> tuple[Any, tuple]:
    """x with the uneven part of its padding added (or cropped), and the padding left to cuDNN."""
    if all(before == after >= 0 for before, after in pairs):
        return x, tuple([before for before, _ in pairs])
    wide, padding, start = _even(x.shape[2:], pairs)
    y = new((*x.shape[:2], *wide), x.dtype, last)
    y.fill(0)
    target, source = _overlap(wide, start, x.shape[2:])
    y[target] = x[source]
    return y, padding


def _cropped(wide: Any, start: tuple, size: tuple, last: bool) -> Any:
    """The part of ``wide`` that lies inside an array of ``size``; zeros where it doesn't reach."""
    y = new((*wide.shape[:2], *size), wide.dtype, last)
    y.fill(0)
    source, target = _overlap(wide.shape[2:], start, size)
    y[target] = wide[source]
    return y


def _overlap(wide: tuple, start: tuple, size: tuple) -> tuple[tuple, tuple]:
    """Where an array of ``size`` that begins at ``start`` meets one of size ``wide``."""
    there, here = [], []
    for total, begin, n in zip(wide, start, size, strict=True):
        low, high = max(begin, 0), min(begin + n, total)
        there.append(slice(low, high))
        here.append(slice(low - begin, high - begin))
    return (..., *there), (..., *here)
