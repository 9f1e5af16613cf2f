"""Batch normalization, and instance normalization, which is the same per sample."""

from __future__ import annotations

from typing import Any, ClassVar

from lucid import dtypes
from lucid.backend.cpu import batch_norm as cpu
from lucid.errors import ShapeError
from lucid.op import Op, floating
from lucid.op.standardize import PerChannel, PerGroup, check_parameters
from lucid.op.standardize import along_channels as _along
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = ["batch_norm", "instance_norm"]


class BatchNorm(PerChannel):
    """Standardize over all axes but the second, w and b: (C,); on the CPU in two walks."""

    inverse: ClassVar[Any] = None  # 1 / sqrt(var + eps), where cuDNN computed it

    def forward_cpu(self, x, w, b):
        known = cpu.forward(x, w, b, self.eps)
        if known is None:
            return self.forward(x, w, b)
        y, mean, var = known
        shape = (1, -1) + (1,) * (x.ndim - 2)
        return self._keep(x, w, y, mean.reshape(shape), var.reshape(shape))

    def backward_cpu(self, dy, dmean, dvar):
        known = cpu.backward(dy, dmean, dvar, *self.saved_arrays, self.eps, self.needs)
        return self.unfused(dy, dmean, dvar) if known is None else known

    def forward_cuda(self, x, w, b):
        kernels = self.device.kernels
        known = kernels.cudnn_batch_norm(x, w, b, self.eps)
        if known is None:
            mean, var = kernels.batch_statistics(x)
            y = kernels.batch_norm(x, mean, var, w, b, self.eps)
        else:
            y, mean, var, inverse = known
            if self.needs:
                self.inverse = inverse
        shape = (1, -1) + (1,) * (x.ndim - 2)
        return self._keep(x, w, y, mean.reshape(shape), var.reshape(shape))

    def backward_cuda(self, dy, dmean, dvar):
        x, w, mean, var = self.saved_arrays
        kernels, needs = self.device.kernels, self.needs
        if self.inverse is not None and needs[0] and dmean is None and dvar is None:
            known = kernels.cudnn_batch_norm_gradient(dy, x, w, mean, self.inverse)
            if known is not None:
                return tuple([d if need else None for d, need in zip(known, needs, strict=True)])
        gradient = kernels.batch_norm_gradient
        return gradient(dy, x, mean, var, w, self.eps, needs, fixed=False, dmean=dmean, dvar=dvar)


class BatchNormFixed(Op):
    """(x - mean) / sqrt(var + eps) * w + b with given statistics, which are constants."""

    eps: float
    promotes = upcasts = False

    def forward(self, x, mean, var, w, b):
        xp = self.xp
        if self.needs:
            self.save(x if self.needs[3] else None, mean, var, w)
        scale = 1 / xp.sqrt(var + self.eps)
        y = cpu.affine(x, mean, scale, w, b) if self.device.type == "cpu" else None
        if y is not None:
            return y
        if w is not None:
            scale = scale * w
        y = (x - _along(mean, x.ndim)) * _along(scale, x.ndim)
        if b is not None:
            y += _along(b, x.ndim)
        return y.astype(x.dtype, copy=False)

    def forward_cuda(self, x, mean, var, w, b):
        if self.needs:
            self.save(x if self.needs[3] else None, mean, var, w)
        return self.device.kernels.batch_norm(x, mean, var, w, b, self.eps)

    def backward_cuda(self, dy):
        x, mean, var, w = self.saved_arrays
        needs = self.needs[0], self.needs[3], self.needs[4]
        gradient = self.device.kernels.batch_norm_gradient
        dx, dw, db = gradient(dy, x, mean, var, w, self.eps, needs, fixed=True)
        return dx, None, None, dw, db

    def backward(self, dy):
        x, mean, var, w = self.saved
        scale = (var + self.eps).rsqrt()
        dy, ndim = dy.to(mean.dtype), dy.ndim
        axes = tuple(i for i in range(ndim) if i != 1)
        dx = dw = db = None
        if self.needs[0]:
            dx = dy * _along(scale if w is None else scale * w, ndim)
        if self.needs[3]:
            dw = (dy * (x - _along(mean, ndim))).sum(axes) * scale
        if self.needs[4]:
            db = dy.sum(axes)
        return dx, None, None, dw, db


def _update(
    mean: Tensor | None,
    var: Tensor | None,
    batch: tuple[Any, Any],
    n: int,
    momentum: float | None,
    batches: Tensor | None = None,
) -> None:
    """running = (1 - momentum) running + momentum batch, outside the graph; batches + 1.

    var as the unbiased estimate from n elements. momentum None: 1 / batches.
    """
    running = [t for t in (mean, var) if t is not None]
    if not running:
        return
    changed = running if batches is None else [*running, batches]
    device, correction = running[0]._device, n / (n - 1)
    kinds, double = {t._array.dtype for t in running}, dtypes.float64.numpy
    fused = device.type == "cuda" and len(kinds) == 1
    fused = fused and (double in kinds) == (batch[0].dtype == double)  # it computes in one type
    if batches is not None:
        fused = fused and batches._device is device and batches.dtype is dtypes.int64
    token = device.enter()
    try:
        if fused:
            arrays = [None if t is None else t._array for t in (mean, var)]
            count = None if batches is None else batches._array
            device.kernels.update_running_statistics(*arrays, *batch, momentum, correction, count)
        else:
            if batches is not None:
                batches._array[...] += 1
            share = 1.0 / batches.item() if momentum is None else momentum  # type: ignore[union-attr]
            for t, values in ((mean, batch[0]), (var, batch[1])):
                if t is not None:
                    values = values if t is mean else values * correction
                    t._array[...] = t._array * (1 - share) + share * values
    finally:
        device.leave(token)
    for t in changed:
        t._shared_counter()[0] += 1


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float | None = 0.1,
    eps: float = 1e-5,
    num_batches_tracked: Tensor | None = None,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias per channel. x: (N, C, *) -> y: (N, C, *).

    In training mean and var are the batch's, and move the running ones by the share ``momentum``
    (var as the unbiased estimate); else the running ones are used. ``num_batches_tracked``, an
    int64, counts the batches that moved them; with it momentum may be None: they become the mean
    over all batches. Statistics of float16 and bfloat16 are computed in float32. Ioffe and Szegedy,
    Batch Normalization, 2015.
    """
    if input.ndim < 2:
        raise ShapeError(f"batch_norm: input must be (N, C, *); got shape {input.shape}")
    channels = input.shape[1]
    floating("batch_norm", "input", input)
    check_parameters(
        "batch_norm",
        channels,
        running_mean=running_mean,
        running_var=running_var,
        weight=weight,
        bias=bias,
    )
    if not training:
        if running_mean is None or running_var is None:
            raise ValueError(
                "batch_norm: running_mean and running_var are needed when not training; got None"
            )
        mean, var = running_mean.detach(), running_var.detach()
        return BatchNormFixed(eps)(input, mean, var, weight, bias)
    n = input.numel() // channels if channels else 0
    tracks = running_mean is not None or running_var is not None
    if tracks and momentum is None and num_batches_tracked is None:
        raise ValueError(
            "batch_norm: momentum None needs num_batches_tracked, to know how many batches there"
            " were; got None. Hint: momentum=0.1"
        )
    if n == 1:
        raise ShapeError(
            "batch_norm: expected more than 1 value per channel when training; got input"
            f" {input.shape}"
        )
    axes = (0, *range(2, input.ndim))
    y, batch_mean, batch_var = BatchNorm(axes, eps)(input, weight, bias)
    batch = batch_mean._array.reshape(-1), batch_var._array.reshape(-1)
    _update(running_mean, running_var, batch, n, momentum, num_batches_tracked)
    return y


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Standardize each channel of each sample. x: (N, C, *) -> y: (N, C, *).

    The running statistics, if given, follow the average over the batch; they are used when
    ``use_input_stats`` is False. Ulyanov et al., Instance Normalization, 2016.
    """
    if input.ndim < 3:
        raise ShapeError(f"instance_norm: input must be (N, C, L, *); got shape {input.shape}")
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    n, c = input.shape[:2]
    floating("instance_norm", "input", input)
    size = input.numel() // max(1, n * c)
    check_parameters(
        "instance_norm",
        c,
        running_mean=running_mean,
        running_var=running_var,
        weight=weight,
        bias=bias,
    )
    if size == 1:
        raise ShapeError(
            "instance_norm: expected more than 1 value per channel of a sample; got input"
            f" {input.shape}"
        )
    y, mean, var = PerGroup(tuple(range(2, input.ndim)), eps, c)(input, weight, bias)
    if running_mean is not None or running_var is not None:
        batch = mean._array.reshape(n, c).mean(0), var._array.reshape(n, c).mean(0)
        _update(running_mean, running_var, batch, size, momentum)
    return y


def _standard(np: Any, x: Any, axes: Any, eps: float = 1e-5) -> Any:
    mean = x.mean(axes, keepdims=True)
    return (x - mean) / np.sqrt(((x - mean) ** 2).mean(axes, keepdims=True) + eps)


def _channels(x: Any, w: Any, b: Any) -> tuple[Any, Any]:
    shape = (1, -1) + (1,) * (x.ndim - 2)
    return (1 if w is None else w.reshape(shape)), (0 if b is None else b.reshape(shape))


def _batch_reference(
    np: Any, x: Any, m: Any, v: Any, w: Any = None, b: Any = None, training: bool = False
) -> Any:
    w, b = _channels(x, w, b)
    if training:
        return _standard(np, x, (0, *range(2, x.ndim))) * w + b
    m, v = _channels(x, m, v)
    return (x - m) / np.sqrt(v + 1e-5) * w + b


def _batch_train(input: Tensor, weight: Any = None, bias: Any = None) -> Tensor:
    """batch_norm in training, without running statistics."""
    return batch_norm(input, None, None, weight, bias, True)


def _batch_eval(input: Tensor, weight: Any = None, bias: Any = None) -> Tensor:
    """batch_norm with running statistics 0.5 and 2."""
    c = input.shape[1:2]
    return batch_norm(input, input.new_full(c, 0.5), input.new_full(c, 2.0), weight, bias)


_affine = [
    Case([(4, 3), (3,), (3,)]),
    Case([(2, 4, 3, 2), (4,), (4,)]),
    Case([(2, 4, 5)]),
    Case([(2, 4, 3), (4,)]),
    Case([(2, 2, 2, 2, 3), (2,), (2,)]),
]
spec(
    _batch_train,
    cases=_affine,
    reference=lambda np, x, w=None, b=None: _batch_reference(np, x, None, None, w, b, True),
    errors=[
        (Case([(1, 3)]), ShapeError, r"expected more than 1 value per channel when training; got"),
        (Case([(2, 3), (2,)]), ShapeError, r"batch_norm: weight must be \(3,\), one per channel"),
        (Case([(3,)]), ShapeError, r"batch_norm: input must be \(N, C, \*\); got shape \(3,\)"),
    ],
)
spec(
    _batch_eval,
    cases=[*_affine, Case([(0, 3)])],
    reference=lambda np, x, w=None, b=None: _batch_reference(
        np, x, np.full(x.shape[1], 0.5), np.full(x.shape[1], 2.0), w, b
    ),
)
spec(
    instance_norm,
    cases=[Case([(2, 3, 4)]), Case([(2, 3, 2, 2)])],
    reference=lambda np, x: _standard(np, x, tuple(range(2, x.ndim))),
    errors=[
        (Case([(2, 3, 1)]), ShapeError, "instance_norm: expected more than 1 value per channel"),
        (Case([(2, 3)]), ShapeError, r"instance_norm: input must be \(N, C, L, \*\)"),
    ],
)
