"""Channels to pixels and back, and channels among each other: only places change.

pixel_shuffle     y[c, h * r + i, w * r + j] = x[c * r * r + i * r + j, h, w]
pixel_unshuffle   the inverse
channel_shuffle   y[c * groups + g] = x[g * (C / groups) + c]
"""

from __future__ import annotations

from lucid.errors import ShapeError
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = ["channel_shuffle", "pixel_shuffle", "pixel_unshuffle"]


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels laid out as finer pixels. x: (*, C * r * r, H, W) -> y: (*, C, H * r, W * r).

    Shi et al., Real-Time Single Image Super-Resolution, 2016.

    >>> F.pixel_shuffle(lucid.ones(1, 8, 3, 5), 2).shape
    (1, 2, 6, 10)
    """
    r = _factor("pixel_shuffle", input, upscale_factor)
    *lead, c, h, w = input.shape
    if c % (r * r):
        raise ShapeError(
            f"pixel_shuffle: the channels must be a multiple of {r * r}; got {input.shape}"
        )
    n = len(lead)
    parts = input.reshape(*lead, c // (r * r), r, r, h, w)
    order = (*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return _copy(parts.permute(order).reshape(*lead, c // (r * r), h * r, w * r), input)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Blocks of pixels laid out as channels. x: (*, C, H * r, W * r) -> y: (*, C * r * r, H, W)."""
    r = _factor("pixel_unshuffle", input, downscale_factor)
    *lead, c, h, w = input.shape
    if h % r or w % r:
        raise ShapeError(
            f"pixel_unshuffle: height and width must be multiples of {r}; got {input.shape}"
        )
    n = len(lead)
    parts = input.reshape(*lead, c, h // r, r, w // r, r)
    order = (*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return _copy(parts.permute(order).reshape(*lead, c * r * r, h // r, w // r), input)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """The first channels of all groups, then the second ones... x: (N, C, *) -> y: (N, C, *).

    Zhang et al., ShuffleNet, 2017.
    """
    if input.ndim < 3:
        raise ShapeError(f"channel_shuffle: the input must be (N, C, *); got shape {input.shape}")
    n, c = input.shape[:2]
    if groups < 1 or c % groups:
        raise ShapeError(
            f"channel_shuffle: groups must divide the {c} channels; got {groups} for an input of"
            f" shape {input.shape}"
        )
    parts = input.reshape(n, groups, c // groups, *input.shape[2:])
    return _copy(parts.transpose(1, 2).reshape(input.shape), input)


def _factor(name: str, x: Tensor, factor: int) -> int:
    if x.ndim < 3:
        raise ShapeError(f"{name}: the input must be (*, C, H, W); got shape {x.shape}")
    if not isinstance(factor, int) or factor < 1:
        raise ValueError(f"{name}: the factor must be a positive int; got {factor!r}")
    return factor


def _copy(y: Tensor, x: Tensor) -> Tensor:
    """y in memory of its own (nothing may have moved), channels_last where x is."""
    if x.ndim == 4 and not x.is_contiguous() and x.permute(0, 2, 3, 1).is_contiguous():
        y = y.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    return y.clone() if y.data_ptr() == x.data_ptr() else y


def _shuffled(np, x, upscale_factor):
    r, (*lead, c, h, w) = upscale_factor, x.shape
    y = np.empty((*lead, c // r**2, h * r, w * r))
    for i, j in np.ndindex(r, r):
        y[..., i::r, j::r] = x[..., i * r + j :: r * r, :, :]
    return y


def _unshuffled(np, x, downscale_factor):
    r, (*lead, c, h, w) = downscale_factor, x.shape
    y = np.empty((*lead, c * r**2, h // r, w // r))
    for i, j in np.ndindex(r, r):
        y[..., i * r + j :: r * r, :, :] = x[..., i::r, j::r]
    return y


spec(
    pixel_shuffle,
    cases=[
        Case([(2, 8, 2, 3)], {"upscale_factor": 2}),
        Case([(9, 1, 2)], {"upscale_factor": 3}),
        Case([(0, 4, 2, 2)], {"upscale_factor": 2}),
        Case([(1, 2, 2, 2)], {"upscale_factor": 1}),
    ],
    reference=_shuffled,
    errors=[
        (
            Case([(1, 6, 2, 2)], {"upscale_factor": 2}),
            ShapeError,
            r"pixel_shuffle: the channels must be a multiple of 4; got \(1, 6, 2, 2\)",
        ),
        (
            Case([(1, 6, 2, 2)], {"upscale_factor": 0}),
            ValueError,
            "pixel_shuffle: the factor must be a positive int; got 0",
        ),
    ],
)
spec(
    pixel_unshuffle,
    cases=[
        Case([(2, 2, 4, 6)], {"downscale_factor": 2}),
        Case([(1, 3, 6)], {"downscale_factor": 3}),
    ],
    reference=_unshuffled,
    errors=[
        (
            Case([(1, 6, 3, 2)], {"downscale_factor": 2}),
            ShapeError,
            r"pixel_unshuffle: height and width must be multiples of 2; got \(1, 6, 3, 2\)",
        )
    ],
)
spec(
    channel_shuffle,
    cases=[Case([(2, 6, 3)], {"groups": 2}), Case([(1, 6, 2, 2)], {"groups": 3})],
    reference=lambda np, x, groups: (
        x.reshape(len(x), groups, -1, *x.shape[2:]).swapaxes(1, 2).reshape(x.shape)
    ),
    errors=[
        (
            Case([(2, 5, 3)], {"groups": 2}),
            ShapeError,
            "channel_shuffle: groups must divide the 5 channels; got 2",
        )
    ],
)
