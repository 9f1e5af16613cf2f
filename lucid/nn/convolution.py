"""Convolutions and transposed convolutions over 1, 2 and 3 dimensions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

from lucid.errors import ShapeError
from lucid.nn import functional as F
from lucid.nn import init
from lucid.nn.module import Module
from lucid.nn.parameter import Parameter
from lucid.op.conventions import several, whole
from lucid.ops import empty
from lucid.tensor import Tensor

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """Settings, weight and bias of a convolution over ``spatial`` dimensions."""

    spatial: ClassVar[int]
    transposed: ClassVar[bool] = False
    function: ClassVar[Callable[..., Tensor]]
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
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
        output_padding: Any = 0,
    ):
        super().__init__()
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = self._tuple("kernel_size", kernel_size)
        self.stride = self._tuple("stride", stride)
        self.padding: Any = padding if isinstance(padding, str) else self._tuple("padding", padding)
        self.dilation = self._tuple("dilation", dilation)
        self.output_padding = self._tuple("output_padding", output_padding)
        self.padding_mode = padding_mode
        self._check()
        first, second = out_channels, in_channels // groups
        if self.transposed:
            first, second = in_channels, out_channels // groups
        shape = (first, second, *self.kernel_size)
        self.weight = Parameter(empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _tuple(self, name: str, value: Any) -> tuple[int, ...]:
        name_of = self._name()
        many = (value,) if isinstance(value, int) else several(name_of, name, value)
        values = tuple([whole(name_of, name, n) for n in many])
        alone = len(values) == 1 and name != "kernel_size"  # [2] says as much as 2
        values = values * self.spatial if isinstance(value, int) or alone else values
        if len(values) != self.spatial:
            raise ValueError(
                f"{self._name()}: {name} must be an int or {self.spatial} of them; got {value!r}"
            )
        return values

    def _check(self) -> None:
        name = self._name()
        if self.groups < 1:
            raise ValueError(f"{name}: groups must be positive; got {self.groups}")
        for side in ("in_channels", "out_channels"):
            if getattr(self, side) % self.groups:
                raise ValueError(
                    f"{name}: {side} must be divisible by groups; got {getattr(self, side)} and"
                    f" {self.groups}"
                )
        if isinstance(self.padding, str):
            if self.padding not in ("same", "valid"):
                raise ValueError(
                    f'{name}: padding must be ints, "same" or "valid"; got {self.padding!r}'
                )
            if self.padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError(f'{name}: padding="same" needs stride 1; got {self.stride}')
        modes = _PADDING_MODES[:1] if self.transposed else _PADDING_MODES
        if self.padding_mode not in modes:
            raise ValueError(
                f"{name}: padding_mode must be {' or '.join(modes)}; got {self.padding_mode!r}"
            )

    def reset_parameters(self) -> None:
        """Draw new weights, uniform in +-1/sqrt(fan_in)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._borders(), mode=self.padding_mode)
            padding = 0
        return type(self).function(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )

    def _borders(self) -> list[int]:
        """The padding as F.pad takes it: low and high of the last dimension first."""
        borders: list[int] = []
        for i in reversed(range(self.spatial)):
            if self.padding == "valid":
                borders += [0, 0]
            elif self.padding == "same":
                total = self.dilation[i] * (self.kernel_size[i] - 1)
                borders += [total // 2, total - total // 2]
            else:
                borders += [self.padding[i]] * 2
        return borders

    def extra_repr(self) -> str:
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size},"
            f" stride={self.stride}"
        )
        if self.padding != (0,) * self.spatial:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * self.spatial:
            text += f", dilation={self.dilation}"
        if self.output_padding != (0,) * self.spatial:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class Conv1d(_ConvNd):
    """Slide out_channels kernels over x. x: (N, C, L) -> y: (N, out_channels, L').

    L' = floor((L + 2 * padding - dilation * (kernel_size - 1) - 1) / stride) + 1;
    ``padding="same"`` keeps L.
    """

    spatial = 1
    function = staticmethod(F.conv1d)


class Conv2d(_ConvNd):
    """Slide out_channels kernels over x. x: (N, C, H, W) -> y: (N, out_channels, H', W').

    H' = floor((H + 2 * padding - dilation * (kernel_size - 1) - 1) / stride) + 1, W' likewise;
    ``padding="same"`` keeps both.

    >>> nn.Conv2d(3, 8, 3, stride=2, padding=1)(lucid.ones(1, 3, 32, 32)).shape
    (1, 8, 16, 16)
    """

    spatial = 2
    function = staticmethod(F.conv2d)


class Conv3d(_ConvNd):
    """Slide out_channels kernels over x. x: (N, C, D, H, W) -> y: (N, out_channels, D', H', W')."""

    spatial = 3
    function = staticmethod(F.conv3d)


class _ConvTransposeNd(_ConvNd):
    """The gradient of a convolution with respect to its input, as a layer.

    L' = (L - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1.
    """

    transposed = True

    def __init__(
        self,
        in_channels: int,
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
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
            padding_mode, device, dtype, output_padding,
        )  # fmt: skip
        if isinstance(self.padding, str):
            raise ValueError(f"{self._name()}: padding must be ints; got {self.padding!r}")

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        """``output_size`` chooses among the sizes that ``stride`` leaves open."""
        extra = self.output_padding if output_size is None else self._extra(input, output_size)
        return type(self).function(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups,
            self.dilation,
        )  # fmt: skip

    def _extra(self, input: Tensor, output_size: Any) -> tuple[int, ...]:
        """The output_padding that leads to this size."""
        wanted = tuple(output_size)[-self.spatial :]
        if len(output_size) not in (self.spatial, input.ndim) or len(wanted) != self.spatial:
            raise ShapeError(
                f"{self._name()}: output_size must have {self.spatial} or {input.ndim} entries;"
                f" got {output_size}"
            )
        least = tuple(
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(
                input.shape[-self.spatial :], self.stride, self.padding, self.dilation,
                self.kernel_size, strict=True,
            )
        )  # fmt: skip
        extra = tuple(w - n for w, n in zip(wanted, least, strict=True))
        if any(not 0 <= e < s for e, s in zip(extra, self.stride, strict=True)):
            most = tuple(n + s - 1 for n, s in zip(least, self.stride, strict=True))
            raise ShapeError(
                f"{self._name()}: output_size must be from {least} to {most}; got {wanted}"
            )
        return extra


class ConvTranspose1d(_ConvTransposeNd):
    """Convolution turned round: it enlarges. x: (N, C, L) -> y: (N, out_channels, L')."""

    spatial = 1
    function = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTransposeNd):
    """Convolution turned round: it enlarges. x: (N, C, H, W) -> y: (N, out_channels, H', W')."""

    spatial = 2
    function = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_ConvTransposeNd):
    """Convolution turned round: x: (N, C, D, H, W) -> y: (N, out_channels, D', H', W')."""

    spatial = 3
    function = staticmethod(F.conv_transpose3d)
