"""Normalization over the batch and over single instances: with running statistics."""

from __future__ import annotations

from typing import Any, ClassVar

from lucid.errors import ShapeError
from lucid.nn import functional as F
from lucid.nn import init
from lucid.nn.module import Module
from lucid.nn.parameter import Parameter
from lucid.ops import empty, ones, tensor, zeros
from lucid.tensor import Tensor


class _NormBase(Module):
    """Weight, bias and running statistics per feature."""

    _version = 2  # 2: num_batches_tracked is part of the state
    dims: ClassVar[tuple[int, ...]]  # how many dimensions an input may have
    form: ClassVar[str]
    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: Any,
        dtype: Any,
        bias: bool,
    ):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            value = empty(num_features, device=device, dtype=dtype) if wanted else None
            self.register_parameter(name, None if value is None else Parameter(value))
        if track_running_stats:
            self.register_buffer("running_mean", zeros(num_features, device=device, dtype=dtype))
            self.register_buffer("running_var", ones(num_features, device=device, dtype=dtype))
            self.register_buffer("num_batches_tracked", tensor(0, device=device))
        else:
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                self.register_buffer(name, None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Mean 0, variance 1, no batches seen."""
        if self.running_mean is not None:
            self.running_mean.zero_()
            self.running_var.fill_(1)  # type: ignore[union-attr]
            self.num_batches_tracked.zero_()  # type: ignore[union-attr]

    def reset_parameters(self) -> None:
        """Weight 1, bias 0, and fresh running statistics."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim not in self.dims:
            raise ShapeError(f"{self._name()}: x must be {self.form}; got shape {input.shape}")

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine},"
            f" bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, *args: Any
    ) -> None:
        """States from before version 2 do not count batches."""
        key = prefix + "num_batches_tracked"
        version = local_metadata.get("version")
        if (version is None or version < 2) and self.num_batches_tracked is not None:
            state_dict.setdefault(key, self.num_batches_tracked)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


class _BatchNorm(_NormBase):
    """(x - mean) / sqrt(var + eps) * weight + bias, per channel, over batch and space.

    In training mean and variance are the batch's, and the running ones move towards them by
    ``momentum`` (None: they become the mean over all batches); in evaluation the running ones are
    used. Running variances are unbiased.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ):
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias
        )

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        mean, var, momentum, batches = self._running()
        weight, bias = self.weight, self.bias
        training = self.training or self.running_mean is None
        return F.batch_norm(input, mean, var, weight, bias, training, momentum, self.eps, batches)

    def _running(self) -> tuple[Tensor | None, Tensor | None, float | None, Tensor | None]:
        """What a call uses or moves: running mean and variance, momentum, the batches counted."""
        if self.training and not self.track_running_stats:
            return None, None, self.momentum or 0.0, None
        batches = self.num_batches_tracked
        momentum = 0.0 if self.momentum is None and batches is None else self.momentum
        return self.running_mean, self.running_var, momentum, batches


class BatchNorm1d(_BatchNorm):
    """Batch normalization. x: (N, C) or (N, C, L) -> same."""

    dims = (2, 3)
    form = "(N, C) or (N, C, L)"


class BatchNorm2d(_BatchNorm):
    """Batch normalization. x: (N, C, H, W) -> same.

    >>> nn.BatchNorm2d(3)(lucid.ones(2, 3, 4, 4)).shape
    (2, 3, 4, 4)
    """

    dims = (4,)
    form = "(N, C, H, W)"


class BatchNorm3d(_BatchNorm):
    """Batch normalization. x: (N, C, D, H, W) -> same."""

    dims = (5,)
    form = "(N, C, D, H, W)"


class _InstanceNorm(_NormBase):
    """(x - mean) / sqrt(var + eps) per sample and channel, over space.

    Without ``track_running_stats`` evaluation works as training does.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ):
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias
        )

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        single = input.ndim == self.dims[0]
        x = input.unsqueeze(0) if single else input
        y = F.instance_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return y.squeeze(0) if single else y


class InstanceNorm1d(_InstanceNorm):
    """Instance normalization. x: (N, C, L) or (C, L) -> same."""

    dims = (2, 3)
    form = "(N, C, L) or (C, L)"


class InstanceNorm2d(_InstanceNorm):
    """Instance normalization. x: (N, C, H, W) or (C, H, W) -> same."""

    dims = (3, 4)
    form = "(N, C, H, W) or (C, H, W)"


class InstanceNorm3d(_InstanceNorm):
    """Instance normalization. x: (N, C, D, H, W) or (C, D, H, W) -> same."""

    dims = (4, 5)
    form = "(N, C, D, H, W) or (C, D, H, W)"
