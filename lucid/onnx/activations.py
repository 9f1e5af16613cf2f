"""ONNX forms of activations."""

from __future__ import annotations

import math

from lucid.onnx.elementwise import clipped
from lucid.onnx.graph import Graph, Place, emits
from lucid.ops.activation import Elu, LogSigmoid, Softplus, Tanhshrink
from lucid.ops.gated import Gelu, GeluTanh, Mish, Silu
from lucid.ops.piecewise import (
    Hardshrink,
    Hardsigmoid,
    Hardtanh,
    LeakyRelu,
    Softshrink,
    Threshold,
)


@emits(Hardtanh)
def _hardtanh(g: Graph, p: Place) -> str:
    return clipped(g, p, p.op.low, p.op.high)


@emits(LogSigmoid)
def _log_sigmoid(g: Graph, p: Place) -> str:
    return g.op("Neg", g.op("Softplus", g.op("Neg", p.names[0])))


@emits(Softplus)
def _softplus(g: Graph, p: Place) -> str:
    (x,), beta, limit = p.names, p.op.beta, p.op.limit
    bx = x if beta == 1 else g.op("Mul", x, g.constant(beta, p.dtype))
    y = g.op("Softplus", bx)
    y = y if beta == 1 else g.op("Div", y, g.constant(beta, p.dtype))
    if limit >= 20:  # beyond it the difference is below 2e-9
        return y
    return g.op("Where", g.op("Greater", bx, g.constant(limit, p.dtype)), x, y)


@emits(Tanhshrink)
def _tanhshrink(g: Graph, p: Place) -> str:
    return g.op("Sub", p.names[0], g.op("Tanh", p.names[0]))


@emits(Elu)
def _elu(g: Graph, p: Place) -> str:
    (x,), (alpha, scale, rate) = p.names, (p.op.alpha, p.op.scale, p.op.rate)
    if rate == 1:
        if scale == 1:
            return g.op("Elu", x, alpha=float(alpha))
        return g.op("Selu", x, alpha=float(alpha), gamma=float(scale))
    zero = g.constant(0, p.dtype)
    low = g.op("Mul", g.op("Min", x, zero), g.constant(rate, p.dtype))
    low = g.op("Sub", g.op("Exp", low), g.constant(1, p.dtype))
    low = g.op("Mul", low, g.constant(alpha * scale, p.dtype))
    high = g.op("Mul", g.op("Max", x, zero), g.constant(scale, p.dtype))
    return g.op("Add", low, high)


@emits(Gelu)
def _gelu(g: Graph, p: Place) -> str:
    (x,) = p.names
    y = g.op("Erf", g.op("Mul", x, g.constant(math.sqrt(0.5), p.dtype)))
    y = g.op("Mul", x, g.op("Add", y, g.constant(1, p.dtype)))
    return g.op("Mul", y, g.constant(0.5, p.dtype))


@emits(GeluTanh)
def _gelu_tanh(g: Graph, p: Place) -> str:
    (x,), a, b = p.names, p.op.a, p.op.b
    y = g.op("Mul", g.op("Mul", x, x), g.constant(a * b, p.dtype))
    y = g.op("Tanh", g.op("Mul", x, g.op("Add", y, g.constant(a, p.dtype))))
    y = g.op("Mul", x, g.op("Add", y, g.constant(1, p.dtype)))
    return g.op("Mul", y, g.constant(0.5, p.dtype))


@emits(Silu)
def _silu(g: Graph, p: Place) -> str:
    return g.op("Mul", p.names[0], g.op("Sigmoid", p.names[0]))


@emits(Mish)
def _mish(g: Graph, p: Place) -> str:
    return g.op("Mul", p.names[0], g.op("Tanh", g.op("Softplus", p.names[0])))


@emits(LeakyRelu)
def _leaky_relu(g: Graph, p: Place) -> str:
    return g.op("LeakyRelu", p.names[0], alpha=float(p.op.slope))


@emits(Hardsigmoid)
def _hardsigmoid(g: Graph, p: Place) -> str:
    return g.op("HardSigmoid", p.names[0], alpha=1 / 6, beta=0.5)


@emits(Softshrink)
def _softshrink(g: Graph, p: Place) -> str:
    return g.op("Shrink", p.names[0], lambd=float(p.op.size), bias=float(p.op.size))


@emits(Hardshrink)
def _hardshrink(g: Graph, p: Place) -> str:
    return g.op("Shrink", p.names[0], lambd=float(p.op.size), bias=0.0)


@emits(Threshold)
def _threshold(g: Graph, p: Place) -> str:
    (x,) = p.names
    low = g.op("LessOrEqual", x, g.constant(p.op.limit, p.dtype))
    return g.op("Where", low, g.constant(p.op.fill, p.dtype), x)
