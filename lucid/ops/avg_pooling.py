"""Average pooling: the mean of windows that slide over the last 1, 2 or 3 dimensions.

    y[n, c, i] = sum over k of x[n, c, stride * i - padding + k] / count[i]

Padding is zeros that count, or do not. The sums are taken one dimension after the other. Adaptive
pooling is given the number of windows, and cuts the input into that many parts.
"""

from __future__ import annotations

from typing import Any

from lucid.backend.cpu import pooling as cpu
from lucid.backend.cpu.pooling import Axis, Bins
from lucid.errors import ShapeError
from lucid.op import Op, casts, floating
from lucid.op.windows import Sizes, batched, part_sizes, pooling_axes, product
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
]


class AvgPool(Op):
    """x -> y: the sum of each window over its divisor, the product of one count per dimension."""

    axes: tuple[Axis | Bins, ...]
    counts: tuple[tuple[int, ...], ...]
    channels_last: bool = False  # x is, in memory: one window per plane doesn't show it

    def divisor(self):
        """One number for all windows if they agree, else one for each."""
        if all(len(set(counts)) == 1 for counts in self.counts):
            return product([counts[0] for counts in self.counts])
        total = self.xp.ones((), "float64")
        for counts in self.counts:
            total = self.xp.expand_dims(total, -1) * self.xp.asarray(counts)
        return total

    def forward(self, x):
        for dim, axis in enumerate(self.axes, 2):
            at = (slice(None),) * dim
            sums = [x[(*at, slice(start, stop))].sum(dim) for start, stop in axis.spans()]
            x = self.xp.stack(sums, dim)
        return (x / self.divisor()).astype(x.dtype, copy=False)

    def forward_cpu(self, x):
        return cpu.window_sums(x, self.axes, self.divisor())

    def forward_cuda(self, x):
        self.channels_last = self.device.kernels.is_channels_last(x)
        return self.device.kernels.avg_pool(x, self.axes, self.counts)

    def backward(self, dy):
        return Spread(self.axes, self.counts, self.channels_last)(dy)


class Spread(AvgPool):
    """dy -> dx: each dy over its divisor, added to every element of its window."""

    def forward(self, dy):
        dx = (dy / self.divisor()).astype(dy.dtype, copy=False)
        for dim, axis in enumerate(self.axes, 2):
            at, dy = (slice(None),) * dim, dx
            dx = self.xp.zeros((*dy.shape[:dim], axis.extent, *dy.shape[dim + 1 :]), dy.dtype)
            for i, (start, stop) in enumerate(axis.spans()):
                dx[(*at, slice(start, stop))] += dy[(*at, slice(i, i + 1))]
        return dx

    def forward_cpu(self, dy):
        return cpu.window_spread(dy, self.axes, self.divisor())

    def forward_cuda(self, dy):
        kernels = self.device.kernels
        return kernels.avg_pool_gather(dy, self.axes, self.counts, self.channels_last)

    def backward(self, ddx):
        return AvgPool(self.axes, self.counts)(ddx)


def avg_pool1d(
    input: Tensor, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0,
    ceil_mode: bool = False, count_include_pad: bool = True,
) -> Tensor:  # fmt: skip
    """The mean of each window of a sequence. x: (N, C, L) -> y: (N, C, L').

    As avg_pool2d, in one dimension.
    """
    return _avg(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Tensor, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0,
    ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window of an image. x: (N, C, H, W) -> y: (N, C, H', W').

    H' = (H + 2 * padding - K) // stride + 1, rounded up with ceil_mode; the stride is the kernel's
    size unless given. Padding counts as zeros, or not at all with count_include_pad=False;
    divisor_override replaces the count.

    >>> F.avg_pool2d(lucid.ones(1, 1, 4, 4), 3, stride=1, padding=1)[0, 0, 0, 0].item()
    0.4444444477558136
    """
    return _avg(
        2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


@casts(cpu="float32")
def avg_pool3d(
    input: Tensor, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0,
    ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window of a volume. x: (N, C, D, H, W) -> y: (N, C, D', H', W').

    As avg_pool2d, in three dimensions.
    """
    return _avg(
        3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """The mean of each of output_size parts. x: (N, C, L) -> y: (N, C, output_size).

    As adaptive_avg_pool2d, in one dimension.
    """
    return _adaptive_avg(1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The mean of each part of an image. x: (N, C, H, W) -> y: (N, C, *output_size).

    Part i of H' reaches from floor(i H / H') to ceil((i + 1) H / H'); None keeps a dimension.

    >>> F.adaptive_avg_pool2d(lucid.ones(1, 2, 5, 7), (3, None)).shape
    (1, 2, 3, 7)
    """
    return _adaptive_avg(2, input, output_size)


@casts(cpu="float32")
def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """The mean of each part of a volume. x: (N, C, D, H, W) -> y: (N, C, *output_size).

    As adaptive_avg_pool2d, in three dimensions.
    """
    return _adaptive_avg(3, input, output_size)


def _avg(
    d: int, input: Tensor, kernel_size: Sizes, stride: Sizes | None, padding: Sizes,
    ceil_mode: bool, count_include_pad: bool, divisor_override: int | None,
) -> Tensor:  # fmt: skip
    name = f"avg_pool{d}d"
    x = batched(name, floating(name, "input", input), d)
    axes = pooling_axes(name, x, d, kernel_size, stride, padding, 1, ceil_mode)
    if divisor_override == 0:
        raise ValueError(f"{name}: divisor_override must not be 0")
    if divisor_override is not None:
        counts: Any = ((divisor_override,), *((1,),) * (d - 1))
    elif count_include_pad:
        counts = tuple(_counts_with_padding(axis) for axis in axes)
    else:
        counts = tuple(_counts(axis) for axis in axes)
    y = AvgPool(axes, counts)(x)
    return y if x is input else y.squeeze(0)


def _adaptive_avg(d: int, input: Tensor, output_size: Any) -> Tensor:
    name = f"adaptive_avg_pool{d}d"
    x = batched(name, floating(name, "input", input), d)
    sizes = part_sizes(name, x, d, output_size)
    axes = tuple(_parts(n, size) for n, size in zip(x.shape[2:], sizes, strict=True))
    y = AvgPool(axes, tuple(_counts(axis) for axis in axes))(x)
    return y if x is input else y.squeeze(0)


def _parts(extent: int, size: int) -> Axis | Bins:
    """Equal parts are windows that do not overlap."""
    if size == 0 or extent % size:
        return Bins(extent, size)
    return Axis(extent, size, extent // size, extent // size)


def _counts(axis: Axis | Bins) -> tuple[int, ...]:
    return tuple(stop - start for start, stop in axis.spans())


def _counts_with_padding(axis: Axis) -> tuple[int, ...]:
    """Windows reach into the padding, but a last one not beyond it."""
    starts = (axis.stride * i - axis.padding for i in range(axis.size))
    return tuple(min(axis.kernel, axis.extent + axis.padding - start) for start in starts)


def _reference(
    np, x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
    divisor_override=None,
):  # fmt: skip
    """The definition, window by window; one int per setting."""
    d, k, s = x.ndim - 2, kernel_size, stride or kernel_size
    size = []
    for n in x.shape[2:]:
        count = (n + 2 * padding - k + (s - 1) * ceil_mode) // s + 1
        size.append(count - (ceil_mode and (count - 1) * s >= n + padding))
    y = np.empty((*x.shape[:2], *size))
    for i in np.ndindex(*size):
        inside, count = [], 1
        for j, n in zip(i, x.shape[2:], strict=True):
            start = s * j - padding
            inside.append(slice(max(start, 0), min(start + k, n)))
            whole = min(start + k, n + padding) - start
            count *= whole if count_include_pad else inside[-1].stop - inside[-1].start
        total = x[(..., *inside)].sum(tuple(range(2, 2 + d)))
        y[(..., *i)] = total / (divisor_override or count)
    return y


def _adaptive_reference(np, x, output_size):
    sizes = [n or m for n, m in zip(output_size, x.shape[2:], strict=True)]
    y = np.empty((*x.shape[:2], *sizes))
    for i in np.ndindex(*sizes):
        spans = [Bins(n, m).spans()[j] for n, m, j in zip(x.shape[2:], sizes, i, strict=True)]
        y[(..., *i)] = x[(..., *(slice(*span) for span in spans))].mean(tuple(range(2, x.ndim)))
    return y


spec(
    avg_pool1d,
    cases=[
        Case([(2, 3, 7)], {"kernel_size": 3, "padding": 1}),
        Case([(2, 2, 6)], {"kernel_size": 5, "stride": 1}),
        Case([(0, 3, 4)], {"kernel_size": 2}),
    ],
    reference=_reference,
)
spec(
    avg_pool2d,
    cases=[
        Case([(2, 3, 4, 6)], {"kernel_size": 2}),
        Case([(1, 2, 5, 7)], {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
        Case(
            [(1, 2, 5, 4)],
            {"kernel_size": 3, "stride": 1, "padding": 1, "count_include_pad": False},
        ),
        Case([(1, 1, 4, 4)], {"kernel_size": 2, "divisor_override": 3}),
        Case([(0, 2, 4, 4)], {"kernel_size": 2}),
    ],
    reference=_reference,
    errors=[
        (
            Case([(1, 1, 4, 4)], {"kernel_size": 2, "padding": 2}),
            ValueError,
            "avg_pool2d: padding must be at most half of the window",
        ),
        (
            Case([(1, 1, 4, 4)], {"kernel_size": 2, "divisor_override": 0}),
            ValueError,
            "avg_pool2d: divisor_override must not be 0",
        ),
        (Case([(1, 1, 2, 4)], {"kernel_size": 3}), ShapeError, "avg_pool2d: the window must fit"),
    ],
)
spec(
    avg_pool3d,
    cases=[Case([(1, 2, 3, 4, 4)], {"kernel_size": 2, "padding": 1})],
    reference=_reference,
)
spec(
    adaptive_avg_pool1d,
    cases=[Case([(2, 3, 7)], {"output_size": (3,)}), Case([(2, 3, 4)], {"output_size": (1,)})],
    reference=_adaptive_reference,
)
spec(
    adaptive_avg_pool2d,
    cases=[
        Case([(2, 3, 4, 6)], {"output_size": (2, 3)}),
        Case([(1, 2, 5, 7)], {"output_size": (3, None)}),
        Case([(0, 2, 4, 5)], {"output_size": (1, 1)}),
    ],
    reference=_adaptive_reference,
)
spec(
    adaptive_avg_pool3d,
    cases=[Case([(1, 2, 3, 4, 2)], {"output_size": (2, 1, 1)})],
    reference=_adaptive_reference,
)
