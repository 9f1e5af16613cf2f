"""Lazy layers: linear, convolutions and norms that learn their input's size from the first one."""

from __future__ import annotations

from typing import Any

from lucid.errors import ShapeError
from lucid.nn import batch_norm, convolution, linear
from lucid.nn.lazy_module import LazyModuleMixin
from lucid.nn.parameter import UninitializedBuffer, UninitializedParameter
from lucid.ops import tensor
from lucid.tensor import Tensor


class LazyLinear(LazyModuleMixin, linear.Linear):
    """Linear whose in_features is that of the first input. x: (*, in) -> y: (*, out_features).

    >>> layer = nn.LazyLinear(3)
    >>> layer.weight
    <UninitializedParameter>
    >>> _ = layer(lucid.ones(2, 5))
    >>> layer
    Linear(in_features=5, out_features=3, bias=True)
    """

    cls_to_become = linear.Linear

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None):
        super().__init__(0, 0, False, device, dtype)
        self.out_features = out_features
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw new weights, once there are any."""
        if not self.has_uninitialized_params() and self.in_features:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        self.in_features = input.shape[-1]
        if self.has_uninitialized_params():
            shapes = {"weight": (self.out_features, self.in_features), "bias": (self.out_features,)}
            for name, waiting in self._waiting().items():
                waiting.materialize(shapes[name])
            self.reset_parameters()


class _LazyConv(LazyModuleMixin, convolution._ConvNd):
    def __init__(self, out_channels: int, *settings: Any, bias: bool, device: Any, dtype: Any):
        super().__init__(0, 0, *settings, device=device, dtype=dtype)
        self.out_channels = out_channels
        self._check()
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw new weights, once there are any."""
        if not self.has_uninitialized_params() and self.in_channels:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor, *args: Any) -> None:
        if input.ndim not in (self.spatial + 1, self.spatial + 2):
            sides = ", ".join("LHWDHW"[self.spatial * (self.spatial - 1) // 2 :][: self.spatial])
            raise ShapeError(
                f"{self._name()}: the input must be (N, C, {sides}) or (C, {sides}); got"
                f" {input.shape}"
            )
        self.in_channels = input.shape[-self.spatial - 1]
        self._check()
        if self.has_uninitialized_params():
            first, second = self.out_channels, self.in_channels // self.groups
            if self.transposed:
                first, second = self.in_channels, self.out_channels // self.groups
            shapes = {"weight": (first, second, *self.kernel_size), "bias": (self.out_channels,)}
            for name, waiting in self._waiting().items():
                waiting.materialize(shapes[name])
            self.reset_parameters()


class _LazyConvNd(_LazyConv):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ):
        settings = kernel_size, stride, padding, dilation, groups, False, padding_mode
        super().__init__(out_channels, *settings, bias=bias, device=device, dtype=dtype)


class LazyConv1d(_LazyConvNd, convolution.Conv1d):
    """Conv1d whose in_channels is that of the first input."""

    cls_to_become = convolution.Conv1d


class LazyConv2d(_LazyConvNd, convolution.Conv2d):
    """Conv2d whose in_channels is that of the first input.

    >>> net = nn.Sequential(nn.LazyConv2d(8, 3), nn.LazyBatchNorm2d(), nn.ReLU())
    >>> net(lucid.ones(1, 3, 8, 8)).shape
    (1, 8, 6, 6)
    """

    cls_to_become = convolution.Conv2d


class LazyConv3d(_LazyConvNd, convolution.Conv3d):
    """Conv3d whose in_channels is that of the first input."""

    cls_to_become = convolution.Conv3d


class _LazyConvTransposeNd(_LazyConv, convolution._ConvTransposeNd):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ):
        settings = kernel_size, stride, padding, output_padding, groups, False, dilation
        super().__init__(
            out_channels, *settings, padding_mode, bias=bias, device=device, dtype=dtype
        )


class LazyConvTranspose1d(_LazyConvTransposeNd, convolution.ConvTranspose1d):
    """ConvTranspose1d whose in_channels is that of the first input."""

    cls_to_become = convolution.ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTransposeNd, convolution.ConvTranspose2d):
    """ConvTranspose2d whose in_channels is that of the first input."""

    cls_to_become = convolution.ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTransposeNd, convolution.ConvTranspose3d):
    """ConvTranspose3d whose in_channels is that of the first input."""

    cls_to_become = convolution.ConvTranspose3d


class _LazyNorm(LazyModuleMixin, batch_norm._NormBase):
    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ):
        super().__init__(0, eps, momentum, False, False, device, dtype, bias=bias)
        self.affine, self.track_running_stats = affine, track_running_stats
        if affine:
            self.weight = UninitializedParameter(device=device, dtype=dtype)
            if bias:
                self.bias = UninitializedParameter(device=device, dtype=dtype)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var = UninitializedBuffer(device=device, dtype=dtype)
            self.num_batches_tracked = tensor(0, device=device)

    def reset_parameters(self) -> None:
        """Weight 1, bias 0, and fresh running statistics, once there are any."""
        if not self.has_uninitialized_params() and self.num_features:
            super().reset_parameters()

    def _channels(self, input: Tensor) -> int:
        self._check_input_dim(input)
        return input.shape[1]

    def initialize_parameters(self, input: Tensor) -> None:
        self.num_features = self._channels(input)
        if self.has_uninitialized_params():
            for waiting in self._waiting().values():
                waiting.materialize((self.num_features,))
            self.reset_parameters()


class LazyBatchNorm1d(_LazyNorm, batch_norm.BatchNorm1d):
    """BatchNorm1d whose num_features is that of the first input."""

    cls_to_become = batch_norm.BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, batch_norm.BatchNorm2d):
    """BatchNorm2d whose num_features is that of the first input."""

    cls_to_become = batch_norm.BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, batch_norm.BatchNorm3d):
    """BatchNorm3d whose num_features is that of the first input."""

    cls_to_become = batch_norm.BatchNorm3d


class _LazyInstanceNorm(_LazyNorm, batch_norm._InstanceNorm):
    def _channels(self, input: Tensor) -> int:
        self._check_input_dim(input)
        return input.shape[0 if input.ndim == self.dims[0] else 1]


class LazyInstanceNorm1d(_LazyInstanceNorm, batch_norm.InstanceNorm1d):
    """InstanceNorm1d whose num_features is that of the first input."""

    cls_to_become = batch_norm.InstanceNorm1d


class LazyInstanceNorm2d(_LazyInstanceNorm, batch_norm.InstanceNorm2d):
    """InstanceNorm2d whose num_features is that of the first input."""

    cls_to_become = batch_norm.InstanceNorm2d


class LazyInstanceNorm3d(_LazyInstanceNorm, batch_norm.InstanceNorm3d):
    """InstanceNorm3d whose num_features is that of the first input."""

    cls_to_become = batch_norm.InstanceNorm3d
