"""Gumbel-softmax: a sample from a categorical distribution that has a gradient.

    y = softmax((logits + g) / tau), g = -log(E), E exponential

Jang, Gu and Poole 2017; Maddison, Mnih and Teh 2017.
"""

from __future__ import annotations

from lucid import dtypes
from lucid.errors import warn
from lucid.op import casts, floating
from lucid.op.drawing import draw
from lucid.random import Generator
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = ["gumbel_softmax"]

_LEAST = 2.0**-25  # below the smallest number that an exponential of a float32 draw takes but 0


@casts(cuda="float32")
def gumbel_softmax(
    logits: Tensor,
    tau: float = 1,
    hard: bool = False,
    eps: float = 1e-10,
    dim: int = -1,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """softmax of (x + Gumbel noise) / tau along ``dim``. x: (*) -> y: (*).

    ``hard``: 1 at the largest, 0 elsewhere, with the gradient of the soft answer. The noise depends
    on the generator's state and logical indices only. ``eps`` is an old argument without effect.

    >>> F.gumbel_softmax(lucid.zeros(4, 3), hard=True).sum(1)
    Tensor([1., 1., 1., 1.])
    """
    name = "gumbel_softmax"
    floating(name, "input", logits)
    if not tau > 0:
        raise ValueError(f"{name}: tau must be positive; got {tau}")
    if eps != 1e-10:
        warn(f"{name}: eps has no effect; got {eps}")
    xp, where = logits._device.xp, logits._device
    u = draw("uniform", logits.numel(), dtypes.float32.numpy, where, generator)
    noise = -xp.log(xp.maximum(-xp.log1p(-u), u.dtype.type(_LEAST)))
    noise = noise.reshape(logits.shape).astype(logits._array.dtype, copy=False)
    y = ((logits + Tensor._wrap(noise, where)) / tau).softmax(dim)
    if not hard:
        return y
    if not y.ndim:
        return y.new_ones(()) - y.detach() + y
    index = y.detach().max(dim, keepdim=True)[1]
    one = y.new_ones((1,) * y.ndim).expand(*index.shape)
    return y.new_zeros(y.shape).scatter(dim, index, one) - y.detach() + y


spec(
    gumbel_softmax,
    cases=[
        Case([(3, 5)]),
        Case([(2, 3, 4)], {"tau": 0.5, "dim": 1}),
        Case([(0, 3)]),
    ],
    random=True,
    errors=[(Case([(2, 3)], {"tau": 0}), ValueError, "gumbel_softmax: tau must be positive; got")],
)
