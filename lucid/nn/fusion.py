"""Neighbours in a Sequential that run as one op on CUDA, in training:

    BatchNorm1d/2d/3d, ReLU                      and behind them a dropout of channels
    SELU, AlphaDropout or FeatureAlphaDropout

The masks, the numbers drawn, ``layer.mask`` and the running statistics are those of the layers one
after the other. So are values and gradients; in halves they are rounded once, not after each layer.
What is between the layers is never made, so it must be nobody's business: layers with hooks, of a
subclass or with a forward of their own, in evaluation mode, or with an input that they would refuse
run by themselves, and so does everything under anomaly detection, which names ops.
``lucid.backends.fusion.enabled = False`` switches fusion off.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lucid import backends, dtypes
from lucid.backend import philox
from lucid.backend.philox import Key
from lucid.graph import anomaly
from lucid.nn.activation import SELU, ReLU
from lucid.nn.batch_norm import BatchNorm1d, BatchNorm2d, BatchNorm3d, _BatchNorm
from lucid.nn.calling import _note_path
from lucid.nn.dropout import (
    AlphaDropout,
    Dropout,
    Dropout1d,
    Dropout2d,
    Dropout3d,
    FeatureAlphaDropout,
    _Dropout,
)
from lucid.nn.module import Module
from lucid.ops.dropout import CHANNELS, Decisions, decision_shape, reserve
from lucid.ops.norm_relu_dropout import NormReluDropout
from lucid.ops.selu_dropout import SeluDropout
from lucid.random import Generator
from lucid.tensor import Tensor

__all__ = ["applies", "run"]

_NORMS = (BatchNorm1d, BatchNorm2d, BatchNorm3d)
_SCALING = (Dropout, Dropout1d, Dropout2d, Dropout3d)
_ALPHA = (AlphaDropout, FeatureAlphaDropout)
# As they were made: a class whose forward somebody replaced does what we don't know.
_KNOWN: tuple[Any, ...] = (*_NORMS, *_SCALING, *_ALPHA, ReLU, SELU)
_FORWARD: dict[type, Any] = {kind: kind.forward for kind in _KNOWN}
# The chain draws a block of 16 decisions for a thread's 4 or 8 channels. Where each decides about
# one element only, that costs more than the pass over memory that is saved, unless that is short.
_MOST_SINGLE = 1 << 18

Fused = tuple[Tensor, int] | None  # the output, and of how many layers


def applies(x: Any) -> bool:
    """Whether layers may be fused for this input."""
    if not isinstance(x, Tensor) or x._device.type != "cuda":
        return False
    return backends.fusion.enabled and not anomaly.flags.enabled


def run(modules: dict[str, Module], x: Any) -> Any:
    """x through the modules in order, neighbours as one where that is possible."""
    names = list(modules)
    at = 0
    while at < len(names):
        module = modules[names[at]]
        chain = _CHAINS.get(type(module))
        fused = None
        if chain is not None and applies(x) and _is_plain(module):
            following = [modules[name] for name in names[at + 1 : at + 3]]
            try:
                fused = chain(module, following, x)
            except Exception as error:
                _note_path(error, module)
                raise
        x, used = (module(x), 1) if fused is None else fused
        at += used
    return x


def _is_plain(module: Module) -> bool:
    """Whether a call runs the class' own forward, and nobody watches."""
    hooks = (
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
    )
    known = type(module).forward is _FORWARD.get(type(module))
    return known and not hooks and "forward" not in module.__dict__


def _norm_chain(norm: _BatchNorm, following: list[Module], x: Tensor) -> Fused:
    relu = following[0] if following else None
    if type(relu) is not ReLU or not _is_plain(relu) or not norm.training:
        return None
    running = norm._running()
    if not _norm_takes(norm, running, x):
        return None
    op, layers = NormReluDropout((0, *range(2, x.ndim)), norm.eps), 2
    dropout: Any = following[1] if len(following) > 1 else None
    if type(dropout) in _SCALING and _drops(dropout) and _drops_channels(dropout, x):
        op.key, op.threshold = _reserve(dropout, x, None if type(dropout) is Dropout else 2)
        op.factor, layers = dropout.law(dropout.p).scale, 3
    mean, var, momentum, batches = running
    moved = [] if mean is None and var is None else [mean, var, batches]
    if moved:
        n = x.numel() // x.shape[1]
        arrays = [None if t is None else t._array for t in moved]
        op.running = *arrays, momentum, n / (n - 1)
    y = op(x, norm.weight, norm.bias)[0]
    for t in moved:
        if t is not None:
            t._shared_counter()[0] += 1
    return y, layers


def _norm_takes(norm: _BatchNorm, running: tuple, x: Tensor) -> bool:
    """Whether batch norm has nothing to object to, and its kernels know these types."""
    if x.ndim not in norm.dims or not x.is_floating_point() or x.numel() <= x.shape[1]:
        return False
    mean, var, momentum, batches = running
    if batches is not None and (batches._device is not x._device or batches.dtype != dtypes.int64):
        return False
    if not (momentum is None or (isinstance(momentum, (float, int)) and momentum >= 0)):
        return False
    if mean is not None and var is not None and mean.dtype != var.dtype:
        return False
    kinds = (x.dtype, dtypes.float64 if x.dtype == dtypes.float64 else dtypes.float32)
    return all(
        t is None or (t.shape == x.shape[1:2] and t._device is x._device and t.dtype in kinds)
        for t in (mean, var, norm.weight, norm.bias)
    )


def _selu_chain(selu: SELU, following: list[Module], x: Tensor) -> Fused:
    dropout: Any = following[0] if following else None
    if selu.inplace or type(dropout) not in _ALPHA or not _drops(dropout):
        return None
    if not x.is_floating_point() or not x.numel():
        return None
    dims = None
    if type(dropout) is FeatureAlphaDropout:
        dims = CHANNELS[dropout.function].otherwise
        if x.ndim < 2:
            return None
    return SeluDropout(*_reserve(dropout, x, dims), dims, *dropout.law(dropout.p))(x), 2


def _drops(dropout: _Dropout) -> bool:
    """Whether this call of the layer draws numbers, and no more than that is special about it."""
    plain = _is_plain(dropout) and dropout.training and isinstance(dropout.p, float)
    source = dropout.generator is None or isinstance(dropout.generator, Generator)
    return plain and source and 0.0 < dropout.p < 1.0


def _drops_channels(dropout: _Dropout, x: Tensor) -> bool:
    """Whether it decides once for each (n, c), and that is worth it."""
    single = x.numel() == x.shape[0] * x.shape[1]
    if type(dropout) is Dropout:
        return single and x.numel() <= _MOST_SINGLE
    if single and x.numel() > _MOST_SINGLE:
        return False
    return CHANNELS[dropout.function].dims.get(x.ndim) == 2


def _reserve(dropout: _Dropout, x: Tensor, dims: int | None) -> tuple[Key, int]:
    """Key and threshold of the layer's next decisions, which its mask then shows."""
    key = reserve(dropout.function, x, dropout.generator, dims)
    shape = decision_shape(x.shape, dims)
    dropout.__dict__["_decided"] = Decisions(key, dropout.p, shape, x.dtype, x._device)
    return key, philox.threshold(dropout.p)


_CHAINS: dict[type, Callable[..., Fused]] = dict.fromkeys(_NORMS, _norm_chain)
_CHAINS[SELU] = _selu_chain
