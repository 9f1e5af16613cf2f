"""Tensors filled with random numbers in place, and bernoulli, whose input says how likely a 1 is.

Element i of a draw is that of its logical, C-order index; see lucid.ops.sampling.
"""

from __future__ import annotations

from typing import Any

from lucid import dtypes
from lucid.backend import Array
from lucid.errors import DTypeError
from lucid.op import Op, as_number, explained, inplace
from lucid.op.drawing import affine, draw, flags, integers, whole_numbers
from lucid.random import Generator
from lucid.spec import Case, spec
from lucid.tensor import Tensor, tensor_method

__all__ = ["bernoulli"]


class Overwrite(Op):
    """The input's elements replaced by numbers that don't depend on them. In-place calls only."""

    values: Any
    called: str  # the public function, for messages

    promotes = upcasts = False

    def name(self):
        return self.called

    def forward(self, x):
        y = x if self.out is None else self.out
        y[...] = self.values
        return y

    def backward(self, dy):
        return None


@tensor_method("bernoulli")
@explained
def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None
) -> Tensor:
    """1 with probability ``input`` (or p, for every element), else 0. x: (*) -> y: (*)."""
    y = Tensor._wrap(input._device.xp.empty_like(input._array), input._device)
    return bernoulli_(y, input.detach() if p is None else p, generator=generator)


@tensor_method("bernoulli_")
@explained
def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Every element 1 with probability ``p`` (a number or a tensor that broadcasts), else 0."""
    if isinstance(p, Tensor):
        if p.numel() and not (float(p.min()) >= 0 and float(p.max()) <= 1):
            raise ValueError("bernoulli: probabilities must be in [0, 1]; got some outside")
        p = p.double().expand(self.shape)._array
    else:
        p = _probability("bernoulli", as_number("bernoulli", "p", p))
    values = flags(p, self.shape, self._device, generator)
    return inplace(Overwrite(values, "bernoulli"), self)


@tensor_method("uniform_")
@explained
def uniform_(
    self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Every element uniform in [from_, to), in place."""
    _need_floats("uniform_", self)
    if not from_ <= to:
        raise ValueError(f"uniform_: from must not be above to; got {from_}, {to}")
    values = affine(_fill(self, "uniform", generator), to - from_, from_)
    values = self._device.xp.asarray(values)  # NumPy answers 0-d results as scalars
    values[values >= to] = from_  # what was rounded up to the excluded end
    return inplace(Overwrite(values, "uniform"), self)


@tensor_method("normal_")
@explained
def normal_(
    self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Every element normal with this mean and standard deviation, in place."""
    _need_floats("normal_", self)
    if not std >= 0:
        raise ValueError(f"normal_: std must not be negative; got {std}")
    values = affine(_fill(self, "normal", generator), std, mean)
    return inplace(Overwrite(values, "normal"), self)


@tensor_method("exponential_")
def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Every element exponential with rate ``lambd``, in place."""
    _need_floats("exponential_", self)
    if lambd <= 0:
        raise ValueError(f"exponential_: lambd must be positive; got {lambd}")
    u = draw("uniform", self.numel(), dtypes.float64.numpy, self._device, generator)
    values = (-self._device.xp.log1p(-u) / lambd).reshape(self.shape)
    return inplace(Overwrite(values.astype(self._array.dtype), "exponential"), self)


@tensor_method("random_")
def random_(
    self: Tensor, from_: int | None = None, to: int | None = None, *,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Every element a whole number, in place: of [0, to), [from_, to), or all that the dtype holds.

    ``random_(to)``, ``random_(from_, to)`` and ``random_()``. Of a floating point dtype those are
    meant that have all their neighbours: 0 … 2**24 of float32.
    """
    if to is None:
        from_, to = 0, whole_numbers(self.dtype)[1] + 1 if from_ is None else from_
    values = integers("random_", from_, to, self.numel(), self.dtype, self._device, generator)
    return inplace(Overwrite(values.reshape(self.shape), "random"), self)


def _probability(name: str, p: float) -> float:
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: p must be in [0, 1]; got {p}")
    return float(p)


def _need_floats(name: str, t: Tensor) -> None:
    if not t.is_floating_point():
        raise DTypeError(f"{name}: the tensor must be floating point; got {t.dtype}")


def _fill(t: Tensor, kind: str, generator: Any) -> Array:
    return draw(kind, t.numel(), t._array.dtype, t._device, generator).reshape(t.shape)


spec(
    bernoulli,
    cases=[Case([(3, 4)], {"p": 0.3}), Case([(3, 4)], low=0.0, high=1.0)],
    random=True,
    differentiable=False,
    errors=[(Case([(2,)], {"p": 1.5}), ValueError, r"bernoulli: p must be in \[0, 1\]; got 1.5")],
)
