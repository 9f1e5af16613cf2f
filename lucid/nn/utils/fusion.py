"""Batch normalization of evaluation, folded into the layer before it."""

from __future__ import annotations

import copy
from typing import Any

from lucid.nn.batch_norm import _BatchNorm
from lucid.nn.linear import Linear
from lucid.nn.module import Module
from lucid.nn.parameter import Parameter
from lucid.ops import ones_like, zeros_like
from lucid.tensor import Tensor

__all__ = [
    "fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights",
]  # fmt: skip


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of the convolution that does what convolution and normalization do.

    w * s and (b - mean) * s + beta, s = gamma / sqrt(var + eps) per output channel: dimension 0 of
    the weight, or 1 with ``transpose``. None stands for a bias of 0, a gamma of 1 and a beta of 0.
    """
    shape = [1] * conv_w.ndim
    shape[1 if transpose else 0] = -1
    return _fold(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, shape)


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor,
    bn_b: Tensor,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of the linear layer that does what layer and normalization do."""
    return _fold(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, [-1, 1])


def _fold(
    w: Tensor,
    b: Tensor | None,
    mean: Tensor,
    var: Tensor,
    eps: float,
    gamma: Tensor | None,
    beta: Tensor | None,
    shape: list[int],
) -> tuple[Parameter, Parameter]:
    gamma = ones_like(mean) if gamma is None else gamma
    beta = zeros_like(mean) if beta is None else beta
    scale = gamma.detach() / (var + eps).sqrt()
    weight = (w.detach() * scale.reshape(*shape)).to(w.dtype)
    offset = -mean if b is None else b.detach() - mean
    bias = (offset * scale + beta.detach()).to(w.dtype if b is None else b.dtype)
    return Parameter(weight, w.requires_grad), Parameter(bias, b is not None and b.requires_grad)


def _check(function: str, layer: Module, bn: _BatchNorm) -> None:
    if layer.training or bn.training:
        raise ValueError(
            f"{function}: both layers must be in evaluation mode; got training. Hint: .eval()"
        )
    if bn.running_mean is None or bn.running_var is None:
        raise ValueError(f"{function}: the normalization must have running statistics; got none")


def _fused(layer: Any, bn: Any, fold: Any, *settings: Any) -> Any:
    fused = copy.deepcopy(layer)
    fused.weight, fused.bias = fold(
        layer.weight, layer.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias,
        *settings,
    )  # fmt: skip
    return fused


def fuse_conv_bn_eval(conv: Any, bn: _BatchNorm, transpose: bool = False) -> Any:
    """A convolution that does what ``bn(conv(x))`` does in evaluation; ``transpose`` if the
    convolution is a transposed one.

    >>> conv, bn = nn.Conv2d(3, 4, 3).eval(), nn.BatchNorm2d(4).eval()
    >>> x = lucid.randn(1, 3, 5, 5)
    >>> nn.utils.fuse_conv_bn_eval(conv, bn)(x).allclose(bn(conv(x)), atol=1e-5)
    True
    """
    _check("fuse_conv_bn_eval", conv, bn)
    return _fused(conv, bn, fuse_conv_bn_weights, transpose)


def fuse_linear_bn_eval(linear: Linear, bn: _BatchNorm) -> Any:
    """A linear layer that does what ``bn(linear(x))`` does in evaluation."""
    _check("fuse_linear_bn_eval", linear, bn)
    if bn.num_features not in (1, linear.out_features):
        raise ValueError(
            "fuse_linear_bn_eval: the normalization must have as many features as the layer has"
            f" outputs, {linear.out_features}, or 1; got {bn.num_features}"
        )
    return _fused(linear, bn, fuse_linear_bn_weights)
