"""SyncBatchNorm: batch normalization over the batches of all processes, of which there is one."""

from __future__ import annotations

from typing import Any

from lucid.errors import ShapeError
from lucid.nn.batch_norm import _BatchNorm
from lucid.nn.module import Module
from lucid.tensor import Tensor


class SyncBatchNorm(_BatchNorm):
    """Batch normalization. x: (N, C, *) -> same.

    lucid trains in one process, and there the batch of all processes is the batch: this layer is
    BatchNorm1d, 2d and 3d in one. ``process_group`` must be None.
    """

    dims = ()
    form = "(N, C, *)"

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ):
        _one_process(process_group)
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )
        self.process_group = None

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ShapeError(f"SyncBatchNorm: x must be {self.form}; got shape {input.shape}")

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """``module`` with each BatchNorm in it replaced by a SyncBatchNorm of the same parameters.

        >>> net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
        >>> type(nn.SyncBatchNorm.convert_sync_batchnorm(net)[1]).__name__
        'SyncBatchNorm'
        """
        _one_process(process_group)
        if isinstance(module, _BatchNorm) and not isinstance(module, cls):
            return cls._from(module)
        for name, child in module.named_children():
            converted = cls.convert_sync_batchnorm(child)
            if converted is not child:
                module.add_module(name, converted)
        return module

    @classmethod
    def _from(cls, norm: _BatchNorm) -> SyncBatchNorm:
        layer = cls(norm.num_features, norm.eps, norm.momentum, False, False)
        layer.affine, layer.track_running_stats = norm.affine, norm.track_running_stats
        layer._parameters.update(norm._parameters)
        layer._buffers.update(norm._buffers)
        layer.training = norm.training
        return layer


def _one_process(group: Any) -> None:
    if group is not None:
        raise ValueError(
            f"SyncBatchNorm: process_group must be None, there is one process; got {group!r}"
        )
