"""Convolution of each channel with a kernel of its own.

Without a sum over channels there is no matrix product worth the name. Channels-last, gathering
receptive fields would even move single elements: sums over shifted views, channels innermost, need
no gathering. A gradient's fields are dy times one weight, offset by offset, in either layout.
"""

import numpy as np

from lucid.backend.cpu.fields import Fields, Ints

__all__ = ["DepthwiseFields", "is_depthwise"]


def is_depthwise(x_shape: Ints, w_shape: Ints) -> bool:
    """Whether each channel of x has a kernel, and an output, of its own."""
    return w_shape[1] == 1 and w_shape[0] == x_shape[1]


class DepthwiseFields(Fields):
    """Fields of one channel with one output each; channels-last, weights are (1, *kernel, C)."""

    def weight_matrix(self, w: np.ndarray) -> np.ndarray:
        if self.channels_last:
            return np.ascontiguousarray(np.moveaxis(w, 0, -1))
        return super().weight_matrix(w)

    def weight_array(self, matrix: np.ndarray) -> np.ndarray:
        if self.channels_last:
            return np.ascontiguousarray(np.moveaxis(matrix, -1, 0))
        return super().weight_array(matrix)

    def products(self, memory: np.ndarray) -> np.ndarray:
        if self.channels_last:
            return memory.reshape(-1, 1, *self.kernel, self.groups)
        return super().products(memory)

    def multiply(self, weights: np.ndarray, x: np.ndarray, task: int, block: np.ndarray) -> None:
        if self.channels_last:
            windows, block = self._shifted(x, task, block)
            band, kernel = self._letters()
            np.einsum(f"cn{band}{kernel},{kernel}c->cn{band}", windows, weights[0], out=block)
        else:
            super().multiply(weights, x, task, block)

    def correlate(self, block: np.ndarray, x: np.ndarray, task: int, out: np.ndarray) -> None:
        if self.channels_last:
            windows, block = self._shifted(x, task, block)
            band, kernel = self._letters()
            np.einsum(f"cn{band}{kernel},cn{band}->{kernel}c", windows, block, out=out[0])
        else:
            super().correlate(block, x, task, out)

    def spread(self, weights: np.ndarray, block: np.ndarray, task: int, total: np.ndarray) -> None:
        _, top, bottom = self.locate(task)
        block = block.transpose(2, 0, 1, 3)  # (N, C, 1, points)
        product = np.empty_like(block)
        shape = len(block), self.groups, 1, bottom - top, *self.size[1:]
        if self.channels_last:
            taps = np.moveaxis(weights[0], -1, 0)
        else:
            taps = weights.reshape(self.groups, *self.kernel)

        def part(offset: tuple[int, ...]) -> np.ndarray:
            np.multiply(block, taps[(slice(None), *offset)][:, None, None], out=product)
            return product.reshape(shape)

        self.scatter(part, task, total)

    def _shifted(self, x: np.ndarray, task: int, block: np.ndarray) -> tuple:
        """The windows of a task, (C, N, *band, *kernel), and the block as (C, N, *band)."""
        windows = self.windows(x, task)[..., 0]
        return windows, block.reshape(windows.shape[: 2 + len(self.kernel)])

    def _letters(self) -> tuple[str, str]:
        """The dimensions of a band and of the kernel, for einsum."""
        return "pqr"[: len(self.kernel)], "ijk"[: len(self.kernel)]
