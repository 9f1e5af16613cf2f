"""An input gradient as a sum over the kernel's offsets: each field of dx is a product w.T @ dy.

There are three forms, and one for channels of their own in depthwise.py; which of them is used, if
any, follows from the shapes alone: see form_of_sum.
"""

import itertools
import math
from typing import Any

import numpy as np

from lucid.backend.cpu.depthwise import DepthwiseFields, is_depthwise
from lucid.backend.cpu.fields import Fields, Ints, copy_rows
from lucid.backend.cpu.packing import product
from lucid.backend.cpu.threads import scratch

__all__ = ["AlongRows", "ByOffset", "BySlices", "form_of_sum"]

_ROWS = 64  # points of a sample from which on it is a product of its own
_SMALL = 256  # points of x up to which its rows are too short to gather well
_MANY = 32  # channels that make long rows instead,
_SOME = 16  # and those that do where stride cuts the rows to pieces


def form_of_sum(
    w_shape: Ints, x_shape: Ints, stride: Ints, channels_last: bool
) -> type["AlongRows | ByOffset | BySlices | DepthwiseFields"] | None:
    """How to make an input gradient; None: by convolving dy with the mirrored kernel.

    That gathers the fields of dy, per channel and offset, where the others add up the fields of dx.
    Measured, in ms of one core, for 8 samples (5 x 5, 14 x 14: 16 samples):

        outputs, inputs, kernel, map    mirrored    AlongRows    ByOffset
        64         3    7 x 7  32 x 32      11.8          4.0         9.1
        64         8    3 x 3  32 x 32       2.9          1.9         2.0
        64        32    5 x 5  14 x 14       7.1          7.7         5.7
        64        32    3 x 3  32 x 32       5.1          5.4         6.6
        64        64    5 x 5  14 x 14       9.5         15.5         9.7

    With stride 2, for 16 samples of 64 outputs and 3 inputs under 7 x 7 on 64 x 64, BySlices takes
    10.8 and ByOffset 24.8; of 32 outputs and 16 inputs under 3 x 3 on 28 x 28, 1.6 and 1.4.
    """
    outputs, inputs = w_shape[0], x_shape[1]
    if any(s != 1 for s in stride):
        if is_depthwise(x_shape, w_shape):
            return DepthwiseFields
        return ByOffset if channels_last or w_shape[1] >= _SOME else BySlices
    if math.prod(w_shape[2:]) == 1:
        return None
    if outputs >= 4 * inputs:
        return ByOffset if channels_last else AlongRows
    small = math.prod(x_shape[2:]) <= _SMALL and w_shape[1] >= _MANY
    return ByOffset if small and outputs >= 2 * inputs and not channels_last else None


class AlongRows(Fields):
    """For stride 1 and few input channels: an offset is one step along a whole padded sample.

    The rows of dy get the length of the padded ones, filled with zeros. Then all that an offset
    adds is one long row per sample and channel, not one per row of the image: 12.4 -> 4.1 ms for
    64 samples of 1 x 28 x 28 under 32 x 5 x 5. The products are longer by the padding.
    """

    def spread(self, weights: np.ndarray, block: np.ndarray, task: int, total: np.ndarray) -> None:
        """Add weights.T @ block to the padded samples, total: (N, C, *), whose fields it is."""
        samples, top, bottom = self.locate(task)
        count, rows, across = samples.stop - samples.start, bottom - top, total.shape[3:]
        steps = [math.prod(across[i:]) for i in range(len(self.kernel))]
        shape = self.groups, self.outputs, count, rows, *across
        longer = scratch("longer", math.prod(shape), self.dtype).reshape(shape)
        longer.fill(0)
        points = block.reshape(*block.shape[:3], rows, *self.size[1:])
        beginning: Any = (..., *map(slice, self.size[1:]))
        copy_rows(longer[beginning], points)

        size = self.groups, self.field, count * rows * steps[0]
        fields = scratch("fields", math.prod(size), self.dtype).reshape(size)
        product(weights.swapaxes(1, 2), longer.reshape(*shape[:2], -1), fields)
        fields = fields.reshape(self.groups, self.inputs, *self.kernel, count, -1)

        total = total.reshape(count, self.groups, self.inputs, -1).transpose(1, 2, 0, 3)
        ends = zip((rows, *self.size[1:]), steps, strict=True)
        length = 1 + sum((n - 1) * step for n, step in ends)
        for offset in itertools.product(*map(range, self.kernel)):
            sides = zip(offset, self.dilation, steps, strict=True)
            start = top * steps[0] + sum(i * d * step for i, d, step in sides)
            target = total[..., start : start + length]
            index: Any = (slice(None), slice(None), *offset)
            np.add(target, fields[index][..., :length], out=target)


class BySlices(Fields):
    """For strides and few input channels: an offset adds to a strided slice of each sample."""

    def spread(self, weights: np.ndarray, block: np.ndarray, task: int, total: np.ndarray) -> None:
        """Add weights.T @ block to the padded samples, total: (N, C, *), whose fields it is."""
        fields, matrix = self.empty(task)
        np.matmul(weights.swapaxes(1, 2), block.reshape(*block.shape[:2], -1), out=matrix)
        d = len(self.kernel)
        order = *range(2, 2 + d), 2 + d, 0, 1, *range(3 + d, 3 + 2 * d)
        self.scatter(fields.transpose(order).__getitem__, task, total)


class ByOffset(Fields):
    """Channels innermost: an offset adds a product of its own, (points, outputs) by (., inputs).

    Rows of channels are long where rows of a small or strided image are not, and the products are
    mostly small enough not to be packed: 22 -> 19.5 ms for 64 samples of 32 x 14 x 14 under
    64 x 5 x 5, 5.6 -> 5.1 for 8 of 64 x 32 x 32 under 128 x 3 x 3 with stride 2. A contiguous dx is
    transposed once.
    """

    sums_last = True

    def weight_matrix(self, w: np.ndarray) -> np.ndarray:
        """w as (*kernel, groups, 1, outputs, inputs)."""
        w = w.reshape(self.groups, 1, self.outputs, self.inputs, *self.kernel)
        d = len(self.kernel)
        return np.ascontiguousarray(w.transpose(*range(4, 4 + d), 0, 1, 2, 3))

    def spread(self, weights: np.ndarray, block: np.ndarray, task: int, total: np.ndarray) -> None:
        """Add weights.T @ block to the padded samples, total: (N, C, *), whose fields it is."""
        samples, top, bottom = self.locate(task)
        band = bottom - top, *self.size[1:]
        rows = block.transpose(0, 2, 3, 1)  # (groups, N, points, outputs)
        count, points = rows.shape[1:3]
        if points < _ROWS:  # one product for all samples of the task
            rows = rows.reshape(self.groups, 1, count * points, self.outputs)
        slab = (
            *self.kernel[1:],
            *rows.shape[:3],
            self.inputs,
        )  # of one offset in the first dimension
        fields = scratch("fields", math.prod(slab), self.dtype).reshape(slab)
        d = len(self.kernel)
        parts = fields.reshape(*self.kernel[1:], self.groups, count, *band, self.inputs)
        axes = d, d - 1, 2 * d + 1, *range(d + 1, 2 * d + 1)
        parts = parts.transpose(*range(d - 1), *axes)  # of (N, groups, inputs, *band) each

        def part(offset: tuple[int, ...]) -> np.ndarray:
            if not any(offset[1:]):  # products for all of these at once: they fit the cache
                np.matmul(rows, weights[offset[0]], out=fields)
            return parts[offset[1:]]

        self.scatter(part, task, total)
