"""Pooling's kin: powers of windows, windows at random places, and the way back from the maxima."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from lucid.nn import functional as F
from lucid.nn.module import Module
from lucid.tensor import Tensor


class _LPPoolNd(Module):
    function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
    ):
        super().__init__()
        self.norm_type, self.kernel_size, self.stride = norm_type, kernel_size, stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        p = float(self.norm_type)
        return type(self).function(input, p, self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride},"
            f" ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPoolNd):
    """(sum of x^p)^(1/p) over each window. x: (N, C, L) -> y: (N, C, L')."""

    function = staticmethod(F.lp_pool1d)


class LPPool2d(_LPPoolNd):
    """(sum of x^p)^(1/p) over each window. x: (N, C, H, W) -> y: (N, C, H', W')."""

    function = staticmethod(F.lp_pool2d)


class LPPool3d(_LPPoolNd):
    """(sum of x^p)^(1/p) over each window. x: (N, C, D, H, W) -> y: (N, C, D', H', W')."""

    function = staticmethod(F.lp_pool3d)


class _MaxUnpoolNd(Module):
    function: ClassVar[Callable[..., Tensor]]
    spatial: ClassVar[int]

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0):
        super().__init__()
        stride = kernel_size if stride is None else stride
        given = (kernel_size, stride, padding)
        self.kernel_size, self.stride, self.padding = (_tuple(v, self.spatial) for v in given)

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        """``indices`` are those that the pooling layer returned."""
        return type(self).function(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """Put maxima back to their places, zeros elsewhere. x, indices: (N, C, L) -> y: (N, C, L')."""

    spatial = 1
    function = staticmethod(F.max_unpool1d)


class MaxUnpool2d(_MaxUnpoolNd):
    """Put maxima back to their places, zeros elsewhere. x, indices: (N, C, H, W) -> (N, C, H', W').

    >>> pool, unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)
    >>> unpool(*pool(lucid.ones(1, 3, 8, 8))).sum()
    Tensor(48.)
    """

    spatial = 2
    function = staticmethod(F.max_unpool2d)


class MaxUnpool3d(_MaxUnpoolNd):
    """Put maxima back to their places. x, indices: (N, C, D, H, W) -> y: (N, C, D', H', W')."""

    spatial = 3
    function = staticmethod(F.max_unpool3d)


class _FractionalMaxPoolNd(Module):
    """Give either ``output_size`` or ``output_ratio``."""

    function: ClassVar[Callable[..., Any]]
    spatial: ClassVar[int]
    _random_samples: Tensor | None

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ):
        super().__init__()
        if (output_size is None) == (output_ratio is None):
            raise ValueError(
                f"{self._name()}: either output_size or output_ratio must be given; got"
                f" {output_size} and {output_ratio}"
            )
        self.kernel_size = _tuple(kernel_size, self.spatial)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else _tuple(output_size, self.spatial)
        self.output_ratio = None if output_ratio is None else _tuple(output_ratio, self.spatial)
        if self.output_ratio is not None and not all(0 < r < 1 for r in self.output_ratio):
            raise ValueError(
                f"{self._name()}: output_ratio must be between 0 and 1; got {output_ratio}"
            )

    def forward(self, input: Tensor) -> Any:
        return type(self).function(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices,
            _random_samples=self._random_samples,
        )  # fmt: skip


class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """The maxima of randomly placed windows. x: (N, C, H, W) -> y: (N, C, *output_size).

    Graham, Fractional Max-Pooling, 2015.
    """

    spatial = 2
    function = staticmethod(F.fractional_max_pool2d)


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """The maxima of randomly placed windows. x: (N, C, D, H, W) -> y: (N, C, *output_size)."""

    spatial = 3
    function = staticmethod(F.fractional_max_pool3d)


def _tuple(value: Any, n: int) -> tuple:
    return (value,) * n if isinstance(value, int | float) else tuple(value)
