"""A training step of batch norm on CUDA, by cuDNN or by lucid's own kernels."""

import numpy

import lucid
from lucid import backends
from lucid.nn import functional as F

# Both compute in float32 and round once; the sums of some hundred terms are made in another order.
CLOSE = {"float32": 2e-6, "float16": 2**-10, "bfloat16": 2**-7}
SHAPES = {
    "2d": (4, 16, 5, 6),
    "3d": (2, 8, 3, 4, 2),
    "1d": (3, 8, 7),
    "no space": (12, 8),
    "six dimensions": (2, 8, 2, 3, 2, 2),
}
ORDERS = ("contiguous", "channels_last")


def ordered(t, order):
    """The same tensor with its channels last in memory."""
    if order == "contiguous" or t.ndim < 3:
        return t
    back = (0, t.ndim - 1, *range(1, t.ndim - 1))
    return t.permute(0, *range(2, t.ndim), 1).contiguous().permute(*back)


def values(shape, dtype, seed=0):
    return lucid.tensor(numpy.random.default_rng(seed).normal(1, 2, shape)).to(dtype).to("cuda")


def step(shape, dtype="float32", order="contiguous", parameters="float32", momentum=0.1):
    """Output, gradients and running statistics of a training step, in float64."""
    kind, narrow = getattr(lucid, dtype), getattr(lucid, parameters)
    c = shape[1]
    x = ordered(values(shape, kind), order).requires_grad_()
    w, b = (values((c,), narrow, seed).requires_grad_() for seed in (1, 2))
    mean, var = lucid.zeros(c), lucid.ones(c)
    y = F.batch_norm(x, mean, var, w, b, True, momentum)
    y.backward(ordered(values(shape, kind, 3), order))
    tensors = [y.detach(), x.grad, w.grad, b.grad, mean, var]
    assert [t.dtype for t in tensors] == [kind, kind, narrow, narrow, lucid.float32, lucid.float32]
    strides = x._array.strides
    assert y._array.strides == x.grad._array.strides == strides
    return [t.double().cpu().numpy() for t in tensors]


def own(*args, **kwargs):
    """The same step by lucid's own kernels."""
    before = backends.cudnn.batch_norm
    backends.cudnn.batch_norm = False
    try:
        return step(*args, **kwargs)
    finally:
        backends.cudnn.batch_norm = before


def assert_close(actual, expected, tolerance):
    for a, b in zip(actual, expected, strict=True):
        scale = max(1.0, abs(b).max())
        numpy.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale)
