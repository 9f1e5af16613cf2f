"""Windows of images as columns, and back: unfold (im2col) and fold (col2im).

unfold   y[n, c * k + offset, window] = x[n, c, where the window has that offset]
fold     the sum of all columns' elements at each place: unfold's gradient
"""

from __future__ import annotations

from typing import Any

from lucid.errors import ShapeError
from lucid.op import Op, explained, floating
from lucid.op import dimension as normalized
from lucid.op.windows import (
    Ints,
    batched,
    by_offset,
    output_size,
    padded,
    per_dimension,
    product,
    windows,
)
from lucid.spec import Case, spec
from lucid.tensor import Tensor, tensor_method

__all__ = ["fold", "unfold"]


class Unfold(Op):
    """(N, C, H, W) -> (N, C * prod(kernel), windows)."""

    kernel: Ints
    stride: Ints
    padding: Ints
    dilation: Ints
    size: Ints  # windows per dimension
    extent: Ints
    upcasts = promotes = False
    orders = True

    def forward(self, x):
        around = padded(self.xp, x, [(p, p) for p in self.padding])
        seen = windows(self.xp, around, self.kernel, self.size, self.stride, self.dilation)
        n, c = x.shape[:2]
        y = seen.reshape(n, c * product(self.kernel), product(self.size))
        return y.copy() if self.xp.may_share_memory(y, x) else y

    def backward(self, dy):
        return Fold(*_fields(self))(dy)


class Fold(Op):
    """(N, C * prod(kernel), windows) -> (N, C, H, W): overlapping elements are added."""

    kernel: Ints
    stride: Ints
    padding: Ints
    dilation: Ints
    size: Ints
    extent: Ints
    promotes = False
    orders = True

    def forward(self, columns):
        n, c = columns.shape[0], columns.shape[1] // product(self.kernel)
        parts = columns.reshape(n, c, *self.kernel, *self.size)
        sides = [e + 2 * p for e, p in zip(self.extent, self.padding, strict=True)]
        y = self.xp.zeros((n, c, *sides), columns.dtype)
        for offset, at in by_offset(self.kernel, self.size, self.stride, self.dilation):
            y[at] += parts[(slice(None), slice(None), *offset)]
        inside = [slice(p, p + e) for p, e in zip(self.padding, self.extent, strict=True)]
        return self.xp.ascontiguousarray(y[(..., *inside)])

    def backward(self, dy):
        return Unfold(*_fields(self))(dy)


class Slide(Op):
    """Windows along one dimension, appended as the last one: a view."""

    axis: int
    width: int
    step: int
    is_view = True
    upcasts = promotes = False

    def forward(self, x):
        size, stride = list(x.shape), list(x.strides)
        size[self.axis] = (size[self.axis] - self.width) // self.step + 1
        size.append(self.width)
        stride.append(stride[self.axis])
        stride[self.axis] *= self.step
        return self.xp.lib.stride_tricks.as_strided(x, size, stride)

    def backward(self, dy):
        return SlideBack(self.axis, self.width, self.step, self.shapes[0])(dy)


class SlideBack(Op):
    """The sum of all windows' elements at each place."""

    axis: int
    width: int
    step: int
    shape: tuple[int, ...]
    promotes = False

    def forward(self, dy):
        dx = self.xp.zeros(self.shape, dy.dtype)
        count, before = dy.shape[self.axis], (slice(None),) * self.axis
        for i in range(self.width):
            dx[(*before, slice(i, i + self.step * (count - 1) + 1, self.step))] += dy[..., i]
        return dx

    def backward(self, ddx):
        return Slide(self.axis, self.width, self.step)(ddx)


def _fields(op: Any) -> tuple:
    return op.kernel, op.stride, op.padding, op.dilation, op.size, op.extent


def _settings(
    name: str, extent: Ints, kernel: Any, dilation: Any, padding: Any, stride: Any
) -> tuple:
    kernel = per_dimension(name, "kernel_size", kernel, 2, 1)
    dilation = per_dimension(name, "dilation", dilation, 2, 1)
    padding = per_dimension(name, "padding", padding, 2, 0)
    stride = per_dimension(name, "stride", stride, 2, 1)
    size = output_size(extent, kernel, stride, [(p, p) for p in padding], dilation)
    if min(size) < 1:
        raise ShapeError(
            f"{name}: the window must fit into the padded image; got kernel_size={kernel},"
            f" dilation={dilation}, padding={padding} for {extent}"
        )
    return kernel, stride, padding, dilation, size, extent


def unfold(
    input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Each window of an image as a column. x: (N, C, H, W) -> y: (N, C * K * K, windows).

    Also (C, H, W) -> (C * K * K, windows). Windows go along W first.

    >>> F.unfold(lucid.ones(1, 2, 4, 5), kernel_size=3).shape
    (1, 18, 6)
    """
    x = batched("unfold", input, 2)
    y = Unfold(*_settings("unfold", x.shape[2:], kernel_size, dilation, padding, stride))(x)
    return y if x is input else y.squeeze(0)


def fold(
    input: Tensor,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Tensor:
    """Columns added up to an image. x: (N, C * K * K, windows) -> y: (N, C, *output_size).

    Also (C * K * K, windows) -> (C, *output_size). fold(unfold(x)) is x times the number of
    windows that each element stands in.
    """
    floating("fold", "input", input)
    extent = per_dimension("fold", "output_size", output_size, 2, 1)
    settings = _settings("fold", extent, kernel_size, dilation, padding, stride)
    area, count = product(settings[0]), product(settings[4])
    if input.ndim not in (2, 3) or input.shape[-2] % area or input.shape[-1] != count:
        raise ShapeError(
            f"fold: the input must be (N, C * {area}, {count}) for kernel_size={settings[0]} and"
            f" output_size={extent}; got {input.shape}"
        )
    y = Fold(*settings)(input if input.ndim == 3 else input.unsqueeze(0))
    return y if input.ndim == 3 else y.squeeze(0)


@tensor_method("unfold")
@explained
def _unfold(self: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """A view of the windows along one dimension, appended as the last. (L,) -> (windows, size).

    >>> lucid.arange(5).unfold(0, 3, 2)
    Tensor([[0, 1, 2],
            [2, 3, 4]])
    """
    x = self if self.ndim else self.reshape(1)
    axis = normalized("unfold", dimension, self.ndim)
    if not self.ndim and size in (0, 1) and step > 0:
        return x[:size]
    if step < 1 or not 0 <= size <= x.shape[axis]:
        raise ShapeError(
            f"unfold: size must be at most {x.shape[axis]} and step positive; got size={size},"
            f" step={step} for a tensor of shape {self.shape}"
        )
    return Slide(axis, size, step)(x)


def _columns(np, x, kernel_size, dilation=1, padding=0, stride=1):
    x = np.pad(x, [(0, 0), (0, 0), (padding,) * 2, (padding,) * 2])
    c, k, reach = x.shape[1], kernel_size, dilation * (kernel_size - 1) + 1
    starts = [range(0, n - reach + 1, stride) for n in x.shape[2:]]
    columns = [
        x[:, :, i : i + reach : dilation, j : j + reach : dilation].reshape(len(x), c * k * k)
        for i in starts[0]
        for j in starts[1]
    ]
    return np.stack(columns, -1)


def _image(np, x, output_size, kernel_size, padding=0):
    """By the definition: put each number of the image into columns, and see where they are."""
    y = np.zeros((len(x), x.shape[1] // kernel_size**2, *output_size))
    for at in np.ndindex(*output_size):
        one = np.zeros((1, 1, *output_size))
        one[(0, 0, *at)] = 1
        columns = _columns(np, one, kernel_size, padding=padding)[0]
        y[(..., *at)] = (x.reshape(len(x), -1, *columns.shape) * columns).sum((-1, -2))
    return y


spec(
    unfold,
    cases=[
        Case([(2, 3, 4, 5)], {"kernel_size": 2}),
        Case([(1, 2, 5, 5)], {"kernel_size": 3, "padding": 1, "stride": 2}),
        Case([(1, 2, 6, 5)], {"kernel_size": 2, "dilation": 3}),
        Case([(2, 2, 3, 3)], {"kernel_size": 1}),
        Case([(0, 2, 4, 4)], {"kernel_size": 2}),
    ],
    reference=_columns,
    errors=[
        (Case([(4, 4)], {"kernel_size": 2}), ShapeError, "unfold: the input must be"),
        (
            Case([(1, 1, 2, 4)], {"kernel_size": 3}),
            ShapeError,
            r"unfold: the window must fit .* for \(2, 4\)",
        ),
    ],
)
spec(
    fold,
    cases=[
        Case([(2, 12, 6)], {"output_size": (3, 4), "kernel_size": 2}),
        Case([(1, 9, 20)], {"output_size": (4, 5), "kernel_size": 3, "padding": 1}),
    ],
    reference=_image,
    errors=[
        (
            Case([(1, 8, 5)], {"output_size": (3, 4), "kernel_size": 2}),
            ShapeError,
            r"fold: the input must be \(N, C \* 4, 6\) .*got \(1, 8, 5\)",
        )
    ],
)
