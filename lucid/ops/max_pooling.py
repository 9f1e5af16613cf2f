"""Max pooling: the largest element of windows that slide over the last 1, 2 or 3 dimensions.

    y[n, c, i] = max over k of x[n, c, stride * i - padding + dilation * k]

Padding is never the maximum. For its gradient the op keeps the number of each maximum in its window
(a byte, mostly): the gradient places dy there, and the gradient of that takes it back. Adaptive
pooling is given the number of windows, and cuts the input into that many parts.
"""

from __future__ import annotations

from typing import Any

from lucid.backend.cpu import max_pooling as planes
from lucid.backend.cpu import pooling as cpu
from lucid.backend.cpu.pooling import Axis, Bins
from lucid.errors import DTypeError, ShapeError
from lucid.op import Op, casts, floating
from lucid.op.windows import (
    Sizes,
    batched,
    padded,
    part_sizes,
    pooling_axes,
    product,
    windows,
)
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = [
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
]


class MaxPool(Op):
    """x -> y, and with ``indices`` where in the flattened dimensions each maximum was."""

    axes: tuple[Axis, ...]
    indices: bool = False
    channels_last: bool = False  # x is, in memory: one window per plane doesn't show it

    def forward(self, x):
        xp, kernel = self.xp, [axis.kernel for axis in self.axes]
        size = [axis.size for axis in self.axes]
        around = [
            (
                a.padding,
                (a.size - 1) * a.stride + a.dilation * (a.kernel - 1) + 1 - a.extent - a.padding,
            )
            for a in self.axes
        ]
        wide = padded(xp, x, around, -xp.inf)
        stride, dilation = [a.stride for a in self.axes], [a.dilation for a in self.axes]
        view = windows(xp, wide, kernel, size, stride, dilation)
        view = view.reshape(*x.shape[:2], product(kernel), *size)
        numbers = view.argmax(2)
        y = xp.take_along_axis(view, numbers[:, :, None], 2)[:, :, 0]
        numbers = xp.where(y == -xp.inf, cpu.origins(xp, self.axes), numbers)
        return self._answer(y, numbers.astype(cpu.number_type(self.axes)))

    def forward_cpu(self, x):
        return self._answer(*planes.max_pool(x, self.axes, bool(self.needs) or self.indices))

    def forward_cuda(self, x):
        kind = cpu.number_type(self.axes) if self.needs or self.indices else None
        self.channels_last = self.device.kernels.is_channels_last(x)
        return self._answer(*self.device.kernels.max_pool(x, self.axes, kind))

    def _answer(self, y, numbers):
        if self.needs:
            self.save(numbers)
        return (y, self._positions(numbers)) if self.indices else y

    def _positions(self, numbers):
        """Numbers in the window as positions in the flattened spatial dimensions."""
        xp, rest, step = self.xp, numbers.astype("int64"), 1
        positions = xp.zeros_like(rest)
        for i, axis in reversed(list(enumerate(self.axes))):
            first = axis.stride * xp.arange(axis.size) - axis.padding
            first = first.reshape(-1, *(1,) * (len(self.axes) - 1 - i))
            positions += (first + axis.dilation * (rest % axis.kernel)) * step
            rest, step = rest // axis.kernel, step * axis.extent
        return positions

    def backward(self, dy, *_):
        (numbers,) = self.saved
        return Place(self.axes, self.channels_last)(dy, numbers)


class Place(Op):
    """dy, numbers -> dx: each dy added to the element of its window that bears the number."""

    axes: tuple[Axis, ...]
    channels_last: bool = False
    apart = (1,)

    def forward(self, dy, numbers):
        self.save(numbers)
        dx = self.xp.zeros((*dy.shape[:2], *(axis.extent for axis in self.axes)), dy.dtype)
        for k, at_y, at_x in cpu.offsets(self.axes):
            dx[at_x] += self.xp.where(numbers[at_y] == k, dy[at_y], 0).astype(dy.dtype, copy=False)
        return dx

    def forward_cpu(self, dy, numbers):
        self.save(numbers)
        return planes.place(dy, numbers, self.axes)

    def forward_cuda(self, dy, numbers):
        self.save(numbers)
        return self.device.kernels.max_pool_gather(dy, numbers, self.axes, self.channels_last)

    def backward(self, ddx):
        (numbers,) = self.saved
        return Take(self.axes)(ddx, numbers), None


class Take(Op):
    """x, numbers -> y: the element of each window that bears the number."""

    axes: tuple[Axis, ...]
    apart = (1,)

    def forward(self, x, numbers):
        self.save(numbers)
        y = self.xp.zeros((*x.shape[:2], *(axis.size for axis in self.axes)), x.dtype)
        for k, at_y, at_x in cpu.offsets(self.axes):
            y[at_y] = self.xp.where(numbers[at_y] == k, x[at_x], y[at_y])
        return y

    def forward_cpu(self, x, numbers):
        self.save(numbers)
        return planes.take(x, numbers, self.axes)

    def backward(self, dy):
        (numbers,) = self.saved
        return Place(self.axes)(dy, numbers), None


def max_pool1d(
    input: Tensor, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0,
    dilation: Sizes = 1, ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The maximum of each window of a sequence. x: (N, C, L) -> y: (N, C, L').

    As max_pool2d, in one dimension.
    """
    return _max(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Tensor, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0,
    dilation: Sizes = 1, ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The maximum of each window of an image. x: (N, C, H, W) -> y: (N, C, H', W').

    H' = (H + 2 * padding - dilation * (K - 1) - 1) // stride + 1, rounded up with ceil_mode; the
    stride is the kernel's size unless given. Of equal elements the first is the maximum; a NaN is
    larger than all. With return_indices a pair (y, positions in the flattened H and W).

    >>> F.max_pool2d(lucid.arange(16.0).reshape(1, 1, 4, 4), 2)
    Tensor([[[[ 5.,  7.],
              [13., 15.]]]])
    """
    return _max(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@casts(cpu="float32")
def max_pool3d(
    input: Tensor, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0,
    dilation: Sizes = 1, ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The maximum of each window of a volume. x: (N, C, D, H, W) -> y: (N, C, D', H', W').

    As max_pool2d, in three dimensions.
    """
    return _max(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maximum of each of output_size parts. x: (N, C, L) -> y: (N, C, output_size).

    As adaptive_max_pool2d, in one dimension.
    """
    return _adaptive_max(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maximum of each part of an image. x: (N, C, H, W) -> y: (N, C, *output_size).

    The parts are adaptive_avg_pool2d's, the rest is as in max_pool2d.
    """
    return _adaptive_max(2, input, output_size, return_indices)


@casts(cpu="float32")
def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maximum of each part of a volume. x: (N, C, D, H, W) -> y: (N, C, *output_size).

    As adaptive_max_pool2d, in three dimensions.
    """
    return _adaptive_max(3, input, output_size, return_indices)


def _max(
    d: int, input: Tensor, kernel_size: Sizes, stride: Sizes | None, padding: Sizes,
    dilation: Sizes, ceil_mode: bool, return_indices: bool,
) -> Any:  # fmt: skip
    name = f"max_pool{d}d"
    x = batched(name, floating(name, "input", input), d)
    axes = pooling_axes(name, x, d, kernel_size, stride, padding, dilation, ceil_mode)
    return _like_input(input, x, MaxPool(axes, return_indices)(x))


def _adaptive_max(d: int, input: Tensor, output_size: Any, return_indices: bool) -> Any:
    name = f"adaptive_max_pool{d}d"
    x = batched(name, floating(name, "input", input), d)
    extent = x.shape[2:]
    axes, sources = [], []
    sizes = part_sizes(name, x, d, output_size)
    if 0 in sizes:
        raise ShapeError(f"{name}: output_size must be positive; got {output_size!r}")
    for n, size in zip(extent, sizes, strict=True):
        # Parts of several lengths, each prolonged by its last element, which is no new maximum.
        spans = Bins(n, size).spans()
        longest = max([stop - start for start, stop in spans], default=1)
        source = [min(start + k, stop - 1) for start, stop in spans for k in range(longest)]
        axes.append(Axis(len(source), size, longest, longest))
        sources.append(x._device.xp.asarray(source, "int64"))
        if source != list(range(n)):
            x = x.index_select(1 + len(axes), Tensor._wrap(sources[-1], x._device))
    result = MaxPool(tuple(axes), return_indices)(x)
    if return_indices:
        result = result[0], _sources(result[1], sources, extent)
    return _like_input(input, x, result)


def _sources(positions: Tensor, sources: list[Any], extent: tuple[int, ...]) -> Tensor:
    """Positions among the sources as positions in what they were taken from."""
    rest, step = positions._array, 1
    flat = positions._device.xp.zeros_like(rest)
    for source, n in zip(reversed(sources), reversed(extent), strict=True):
        flat += source[rest % max(len(source), 1)] * step
        rest, step = rest // max(len(source), 1), step * n
    return Tensor._wrap(flat, positions._device)


def _like_input(input: Tensor, x: Tensor, result: Any) -> Any:
    """The result without the batch dimension, if the input had none."""
    if x.ndim == input.ndim:
        return result
    if isinstance(result, tuple):
        return tuple(t.squeeze(0) for t in result)
    return result.squeeze(0)


def _reference(np, x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """The definition, window by window; one int per setting."""
    d, k, s = x.ndim - 2, kernel_size, stride or kernel_size
    reach = dilation * (k - 1) + 1
    size = []
    for n in x.shape[2:]:
        count = (n + 2 * padding - reach + (s - 1) * ceil_mode) // s + 1
        size.append(count - (ceil_mode and (count - 1) * s >= n + padding))
    wide = np.pad(x, [(0, 0)] * 2 + [(padding, padding + s)] * d, constant_values=-np.inf)
    y = np.empty((*x.shape[:2], *size))
    for i in np.ndindex(*size):
        at = [slice(s * j, s * j + reach, dilation) for j in i]
        y[(..., *i)] = wide[(..., *at)].max(tuple(range(2, 2 + d)))
    return y


def _adaptive_reference(np, x, output_size):
    sizes = [n or m for n, m in zip(output_size, x.shape[2:], strict=True)]
    y = np.empty((*x.shape[:2], *sizes))
    for i in np.ndindex(*sizes):
        spans = [Bins(n, m).spans()[j] for n, m, j in zip(x.shape[2:], sizes, i, strict=True)]
        y[(..., *i)] = x[(..., *(slice(*span) for span in spans))].max(tuple(range(2, x.ndim)))
    return y


spec(
    max_pool1d,
    cases=[
        Case([(2, 3, 7)], {"kernel_size": 3, "padding": 1}),
        Case([(2, 2, 6)], {"kernel_size": 2, "stride": 1, "dilation": 2}),
        Case([(0, 3, 4)], {"kernel_size": 2}),
    ],
    reference=_reference,
)
spec(
    max_pool2d,
    cases=[
        Case([(2, 3, 4, 6)], {"kernel_size": 2}),
        Case([(1, 2, 5, 7)], {"kernel_size": 3, "stride": 2, "padding": 1}),
        Case([(1, 2, 5, 6)], {"kernel_size": 2, "stride": 3, "ceil_mode": True}),
        Case([(1, 1, 6, 5)], {"kernel_size": 2, "stride": 1, "padding": 1, "dilation": 2}),
        Case([(0, 2, 4, 4)], {"kernel_size": 2}),
    ],
    reference=_reference,
    errors=[
        (
            Case([(1, 1, 4, 4)], {"kernel_size": 2, "padding": 2}),
            ValueError,
            r"max_pool2d: padding must be at most half of the window; got padding=\(2, 2\)",
        ),
        (Case([(1, 1, 2, 4)], {"kernel_size": 3}), ShapeError, "max_pool2d: the window must fit"),
        (Case([(4, 4)], {"kernel_size": 2}), ShapeError, r"max_pool2d: the input must be \(N, C"),
        (
            Case([(1, 4, 4)], {"kernel_size": (2, 2, 2)}),
            ValueError,
            "max_pool2d: kernel_size must be an int or 2 ints",
        ),
        (
            Case([(1, 4, 4)], {"kernel_size": 2}, dtypes=["int64"]),
            DTypeError,
            "max_pool2d: the input must be floating point; got lucid.int64",
        ),
    ],
)
spec(
    max_pool3d,
    cases=[Case([(1, 2, 3, 4, 4)], {"kernel_size": 2, "padding": 1})],
    reference=_reference,
)
spec(
    adaptive_max_pool1d,
    cases=[Case([(2, 3, 7)], {"output_size": (3,)})],
    reference=_adaptive_reference,
)
spec(
    adaptive_max_pool2d,
    cases=[
        Case([(2, 3, 4, 6)], {"output_size": (2, 3)}),
        Case([(1, 2, 5, 7)], {"output_size": (3, None)}),
        Case([(0, 2, 4, 5)], {"output_size": (2, 2)}),
    ],
    reference=_adaptive_reference,
    errors=[
        (
            Case([(1, 1, 4, 4)], {"output_size": (2, 2, 2)}),
            ValueError,
            "adaptive_max_pool2d: output_size must be an int, or 2 of ints and None",
        ),
        (
            Case([(1, 1, 0, 4)], {"output_size": 1}),
            ShapeError,
            "adaptive_max_pool2d: there is nothing to pool",
        ),
    ],
)
spec(
    adaptive_max_pool3d,
    cases=[Case([(1, 2, 3, 4, 2)], {"output_size": (2, 2, 1)})],
    reference=_adaptive_reference,
)
