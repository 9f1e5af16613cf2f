"""Convolution (cross-correlation, as PyTorch means it) in 1, 2 and 3 dimensions, and transposed.

    y[n, o, p] = b[o] + sum over c, k of w[o, c, k] x[n, c, stride * p + dilation * k - padding]

The ops stand in lucid/op/convolving.py.
"""

from __future__ import annotations

from typing import Any

from lucid.errors import ShapeError
from lucid.op import casts, floating, one_dtype
from lucid.op.conventions import whole
from lucid.op.convolving import Convolution, InputGradient
from lucid.op.windows import Sizes, batched, by_offset, output_size, per_dimension
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
]


@casts(cpu="lower", cuda="lower")
def conv1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sizes = 1,
    padding: Sizes | str = 0, dilation: Sizes = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Slide kernels over a sequence. x: (N, C, L), w: (O, C / groups, K) -> y: (N, O, L').

    As conv2d, in one dimension; a single sample (C, L) gives (O, L').
    """
    return _convolution(1, input, weight, bias, stride, padding, dilation, groups)


@casts(cpu="lower", cuda="lower")
def conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sizes = 1,
    padding: Sizes | str = 0, dilation: Sizes = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Slide kernels over images. x: (N, C, H, W), w: (O, C / groups, KH, KW) -> y: (N, O, H', W').

    H' = (H + 2 * padding - dilation * (KH - 1) - 1) // stride + 1; the kernel is not mirrored. With
    padding "valid" there is none, and with "same" H' = H (stride 1 only; of an odd total the larger
    part comes after). A single sample (C, H, W) gives (O, H', W'). Channels-last stays so.

    >>> lucid.conv2d(lucid.ones(1, 1, 3, 3), lucid.ones(1, 1, 2, 2))
    Tensor([[[[4., 4.],
              [4., 4.]]]])
    """
    return _convolution(2, input, weight, bias, stride, padding, dilation, groups)


@casts(cpu="lower", cuda="lower")
def conv3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sizes = 1,
    padding: Sizes | str = 0, dilation: Sizes = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Slide kernels over volumes. x: (N, C, D, H, W), w: (O, C / groups, KD, KH, KW) -> (N, O, *).

    As conv2d, in three dimensions; a single sample (C, D, H, W) gives (O, D', H', W').
    """
    return _convolution(3, input, weight, bias, stride, padding, dilation, groups)


@casts(cpu="lower", cuda="lower")
def conv_transpose1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sizes = 1,
    padding: Sizes = 0, output_padding: Sizes = 0, groups: int = 1, dilation: Sizes = 1,
) -> Tensor:  # fmt: skip
    """conv1d's input gradient, as a map. x: (N, C, L), w: (C, O / groups, K) -> y: (N, O, L').

    As conv_transpose2d, in one dimension.
    """
    return _transposed(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


@casts(cpu="lower", cuda="lower")
def conv_transpose2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sizes = 1,
    padding: Sizes = 0, output_padding: Sizes = 0, groups: int = 1, dilation: Sizes = 1,
) -> Tensor:  # fmt: skip
    """conv2d's input gradient, as a map. x: (N, C, H, W), w: (C, O / groups, KH, KW) -> (N, O, *).

    H' = (H - 1) * stride - 2 * padding + dilation * (KH - 1) + output_padding + 1: the size that a
    conv2d with these settings maps to H; output_padding chooses among several.

    >>> F.conv_transpose2d(lucid.ones(1, 1, 1, 1), lucid.ones(1, 1, 2, 2)).shape
    (1, 1, 2, 2)
    """
    return _transposed(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


@casts(cpu="lower", cuda="lower")
def conv_transpose3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sizes = 1,
    padding: Sizes = 0, output_padding: Sizes = 0, groups: int = 1, dilation: Sizes = 1,
) -> Tensor:  # fmt: skip
    """conv3d's input gradient, as a map. x: (N, C, D, H, W), w: (C, O / groups, *) -> (N, O, *).

    As conv_transpose2d, in three dimensions.
    """
    return _transposed(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def _convolution(
    d: int, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Sizes,
    padding: Sizes | str, dilation: Sizes, groups: int,
) -> Tensor:  # fmt: skip
    name = f"conv{d}d"
    x = _checked(name, d, input, weight)
    stride = per_dimension(name, "stride", stride, d, 1)
    dilation = per_dimension(name, "dilation", dilation, d, 1)
    kernel = weight.shape[2:]
    _check_groups(name, groups, "output", weight.shape[0])
    if x.shape[1] != weight.shape[1] * groups:
        raise ShapeError(
            f"{name}: the input must have {weight.shape[1] * groups} channels, groups times the"
            f" weight's second size; got input {input.shape}, weight {weight.shape} and"
            f" groups={groups}"
        )
    pairs = _pairs(name, padding, kernel, stride, dilation)
    if any(n < 1 for n in output_size(x.shape[2:], kernel, stride, pairs, dilation)):
        raise ShapeError(
            f"{name}: the kernel must fit into the padded input; got input {input.shape}, weight"
            f" {weight.shape}, padding={padding}, dilation={dilation}. Hint: pad more"
        )
    _check_bias(name, weight, bias, weight.shape[0])
    y = Convolution(stride, pairs, dilation, groups)(x, weight, bias)
    return y if x is input else y.squeeze(0)


def _transposed(
    d: int, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Sizes,
    padding: Sizes, output_padding: Sizes, groups: int, dilation: Sizes,
) -> Tensor:  # fmt: skip
    name = f"conv_transpose{d}d"
    x = _checked(name, d, input, weight)
    stride = per_dimension(name, "stride", stride, d, 1)
    dilation = per_dimension(name, "dilation", dilation, d, 1)
    padding = per_dimension(name, "padding", padding, d, 0)
    extra = per_dimension(name, "output_padding", output_padding, d, 0)
    if any(e >= max(s, g) for e, s, g in zip(extra, stride, dilation, strict=True)):
        raise ValueError(
            f"{name}: output_padding must be smaller than stride or dilation; got"
            f" output_padding={extra}, stride={stride}, dilation={dilation}"
        )
    _check_groups(name, groups, "input", weight.shape[0])
    if x.shape[1] != weight.shape[0]:
        raise ShapeError(
            f"{name}: the input must have {weight.shape[0]} channels, the weight's first size; got"
            f" input {input.shape}, weight {weight.shape}"
        )
    sides = zip(x.shape[2:], weight.shape[2:], stride, padding, dilation, extra, strict=True)
    size = tuple((n - 1) * s - 2 * p + g * (k - 1) + e + 1 for n, k, s, p, g, e in sides)
    if any(n < 1 for n in size):
        raise ShapeError(
            f"{name}: the output would be of size {size}; got input {input.shape}, weight"
            f" {weight.shape}, padding={padding}. Hint: pad less"
        )
    _check_bias(name, weight, bias, weight.shape[1] * groups)
    # Whole strides of output_padding are cropped, so that the convolution back has x's size.
    pairs = tuple((p, p - e // s * s) for p, e, s in zip(padding, extra, stride, strict=True))
    y = InputGradient(stride, pairs, dilation, groups, size)(x, weight)
    if bias is not None:
        y = y + bias.reshape(-1, *(1,) * d)
    return y if x is input else y.squeeze(0)


def _checked(name: str, d: int, x: Tensor, w: Tensor) -> Tensor:
    """x: (N, C, *), made from (C, *) if need be; dimensions and types are as they must be."""
    if w.ndim != d + 2:
        raise ShapeError(
            f"{name}: the weight must have {d + 2} dimensions, the last {d} of them the kernel's;"
            f" got {w.shape}"
        )
    if 0 in w.shape[2:]:
        raise ShapeError(f"{name}: the kernel must have elements; got weight {w.shape}")
    for what, t in (("input", x), ("weight", w)):
        floating(name, what, t)
    one_dtype(name, x, w)
    return batched(name, x, d)


def _check_groups(name: str, groups: int, side: str, channels: int) -> None:
    groups = whole(name, "groups", groups)
    if groups < 1 or channels % groups or channels < groups:
        raise ValueError(
            f"{name}: groups must divide the {channels} {side} channels; got groups={groups}"
        )


def _check_bias(name: str, weight: Tensor, bias: Tensor | None, channels: int) -> None:
    if bias is not None:
        one_dtype(name, weight, bias)
    if bias is not None and bias.shape != (channels,):
        raise ShapeError(
            f"{name}: the bias must be ({channels},), one for each output channel; got {bias.shape}"
        )


def _pairs(
    name: str, padding: Any, kernel: Any, stride: Any, dilation: Any
) -> tuple[tuple[int, int], ...]:
    """Padding before and after each dimension."""
    if padding == "same":
        if any(s != 1 for s in stride):
            raise ValueError(f'{name}: padding="same" needs stride 1; got stride={stride}')
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    if isinstance(padding, str) and padding != "valid":
        raise ValueError(f'{name}: padding must be ints, "same" or "valid"; got {padding!r}')
    amounts = per_dimension(name, "padding", 0 if padding == "valid" else padding, len(kernel), 0)
    return tuple((p, p) for p in amounts)


def _reference(np, x, w, b=None, stride=1, padding=0, dilation=1, groups=1):
    """The formula, one kernel offset at a time."""
    d, unbatched = w.ndim - 2, x.ndim == w.ndim - 1
    total = dilation * (w.shape[-1] - 1)
    around = (total // 2, -(-total // 2)) if padding == "same" else (padding, padding)
    x = np.pad(x[None] if unbatched else x, [(0, 0)] * 2 + [around] * d)
    every = (stride,) * d, [(0, 0)] * d, (dilation,) * d
    size = output_size(x.shape[2:], w.shape[2:], *every)
    per_group = w.shape[0] // groups
    y = np.zeros((len(x), groups, per_group, *size)) + (
        0 if b is None else b.reshape(groups, per_group, *[1] * d)
    )
    for k, at in by_offset(w.shape[2:], size, every[0], every[2]):
        part = x[at].reshape(len(x), groups, w.shape[1], *size)
        taps = w[(..., *k)].reshape(groups, per_group, w.shape[1])
        y += np.einsum("gok,ngk...->ngo...", taps, part)
    y = y.reshape(len(x), w.shape[0], *size)
    return y[0] if unbatched else y


spec(
    conv1d,
    cases=[
        Case([(2, 3, 7), (4, 3, 3), (4,)], {"stride": 2, "padding": 1}),
        Case([(3, 6), (2, 3, 2)], {"dilation": 2}),
        Case([(2, 2, 5), (4, 1, 2)], {"groups": 2, "padding": "same"}),
        Case([(0, 3, 7), (4, 3, 3), (4,)]),
    ],
    reference=_reference,
    errors=[(Case([(3,), (2, 3, 2)]), ShapeError, r"conv1d: the input must be \(N, C, L\)")],
)
spec(
    conv2d,
    cases=[
        Case([(2, 3, 4, 5), (4, 3, 3, 3), (4,)], {"padding": 1}),
        Case([(2, 4, 5, 4), (2, 2, 2, 2)], {"stride": 2, "groups": 2}),
        Case([(3, 5, 4), (3, 1, 2, 2), (3,)], {"groups": 3, "padding": "same"}),
        Case([(2, 3, 3, 2), (4, 3, 1, 1)]),
        Case([(0, 3, 4, 4), (2, 3, 3, 3)]),
    ],
    reference=_reference,
    errors=[
        (
            Case([(1, 3, 4, 4), (2, 4, 3, 3)]),
            ShapeError,
            r"conv2d: the input must have 4 channels.*got input \(1, 3, 4, 4\)",
        ),
        (Case([(1, 3, 4, 4), (2, 3, 5, 3)]), ShapeError, "conv2d: the kernel must fit"),
        (Case([(1, 3, 4, 4), (2, 3, 3, 3), (3,)]), ShapeError, r"conv2d: the bias must be \(2,\)"),
    ],
)
spec(
    conv3d,
    cases=[Case([(1, 2, 3, 3, 4), (2, 2, 2, 2, 2), (2,)], {"padding": 1, "stride": 2})],
    reference=_reference,
)
spec(conv_transpose1d, cases=[Case([(2, 3, 4), (3, 2, 3), (2,)], {"stride": 2})])
spec(
    conv_transpose2d,
    cases=[
        Case([(2, 3, 2, 3), (3, 2, 3, 3), (2,)], {"stride": 2, "padding": 1, "output_padding": 1}),
        Case([(4, 3, 3), (4, 1, 2, 2)], {"groups": 2}),
        Case([(1, 2, 3, 2), (2, 2, 2, 2)], {"dilation": 3, "output_padding": 2}),
    ],
    errors=[(Case([(1, 3, 4, 4), (2, 4, 3, 3)]), ShapeError, "must have 2 channels, the weight's")],
)
spec(conv_transpose3d, cases=[Case([(1, 2, 2, 2, 2), (2, 1, 2, 2, 2), (1,)], {"stride": 2})])
