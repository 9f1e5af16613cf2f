"""The dropout family: one random decision per element or per channel, then one of two lines.

    y = scale * x + shift   where kept
    y = fill                where dropped

No mask is stored. Decision i is a pure function of (seed, stream, offset, i), so backward draws the
same decisions again: between forward and backward the node keeps the key and a few numbers. The
gradient is the same op with shift = fill = 0, and so has every higher derivative. A dropped element
is selected away, not multiplied by 0: NaN and Inf leave no trace, in backward too.

Hinton et al. 2012 (dropout); Tompson et al. 2015 (whole channels); Klambauer et al. 2017 (alpha).
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, NamedTuple

from lucid import dtypes
from lucid.backend import Device, philox
from lucid.backend.philox import Key
from lucid.errors import DTypeError, ShapeError, warn
from lucid.op import Op, inplace
from lucid.op.drawing import check_probability as check_probability
from lucid.op.drawing import check_tensor as check_tensor
from lucid.op.drawing import reserve as reserve_numbers
from lucid.random import Generator
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = [
    "alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout",
]  # fmt: skip

# -scale * alpha of SELU, where its negative side levels off. The double that PyTorch uses.
SELU_FLOOR = -1.7580993408473766


class BernoulliAffine(Op):
    """keep ? scale * x + shift : fill."""

    key: Key
    threshold: int  # a decision word below it is a drop: round(p * 2**32)
    channel_dims: int | None  # None: each element decides; 2: each (n, c); 1: each c
    scale: float
    shift: float = 0.0
    fill: float = 0.0

    overwrites = True
    called: ClassVar[str] = "dropout"  # the public function, for messages and the graph's repr

    def name(self):
        return self.called

    def forward(self, x):
        shape = decision_shape(x.shape, self.channel_dims)
        drop = self.device.draw("decisions", self.key, math.prod(shape), self.threshold)
        return self.xp.where(drop.reshape(shape), self.fill, x * self.scale + self.shift).astype(
            x.dtype, copy=False
        )

    def forward_cpu(self, x):
        return self.device.bernoulli_affine(
            x,
            self.key,
            self.threshold,
            self.scale,
            self.shift,
            self.fill,
            self.channel_dims,
            self.out,
        )

    forward_cuda = forward_cpu

    def backward(self, dy):
        op = BernoulliAffine(self.key, self.threshold, self.channel_dims, self.scale)
        op.called = self.called
        return op(dy)

    def backward_cpu(self, dy):
        law = self.threshold, self.scale, 0.0, 0.0, self.channel_dims
        return self.device.bernoulli_affine(dy, self.key, *law, self.reusable)


class DropAll(Op):
    """p = 1: zeros, whatever x is; nothing random."""

    promotes = upcasts = False
    called: ClassVar[str] = "dropout"

    def name(self):
        return self.called

    def forward(self, x):
        if self.out is None:
            expanded = any(step == 0 and n > 1 for step, n in zip(x.strides, x.shape, strict=True))
            return self.xp.zeros_like(x, order="C" if expanded else "K")
        self.out[...] = 0
        return self.out

    def backward(self, dy):
        return DropAll()(dy)


class Law(NamedTuple):
    """What happens to kept and dropped elements."""

    scale: float
    shift: float
    fill: float


def scaling(p: float) -> Law:
    """x / (1 - p) if kept, else 0: the mean is preserved."""
    return Law(1 / (1 - p), 0.0, 0.0)


def self_normalizing(p: float) -> Law:
    """a * x + b if kept, else a * SELU_FLOOR + b: mean 0 and variance 1 are preserved.

    a = ((1 - p) * (1 + p * floor**2)) ** -0.5 and b = -a * p * floor; the dropped value is written
    as (1 - p) * a * floor, which does not cancel as p goes to 1.
    """
    q = 1 - p
    a = (q * (1 + p * SELU_FLOOR**2)) ** -0.5
    return Law(a, -a * p * SELU_FLOOR, q * a * SELU_FLOOR)


class Decisions(NamedTuple):
    """What one training call decided: a recipe, drawn again whenever it is asked for."""

    key: Key | None  # None: p is 0 or 1, or there were no elements; nothing was drawn
    p: float
    shape: tuple[int, ...]
    dtype: dtypes.dtype
    device: Device

    def mask(self) -> Tensor:
        """1 where kept, 0 where dropped."""
        if self.key is None:
            keep: Any = self.device.xp.full(self.shape, self.p != 1.0)
        else:
            count, threshold = math.prod(self.shape), philox.threshold(self.p)
            drop = self.device.draw("decisions", self.key, count, threshold)
            keep = ~drop.reshape(self.shape)
        return Tensor._wrap(keep.astype(self.dtype.numpy), self.device)


def decision_shape(shape: tuple[int, ...], channel_dims: int | None) -> tuple[int, ...]:
    """One decision per element, or per index of the leading ``channel_dims`` dimensions."""
    if channel_dims is None:
        return shape
    return shape[:channel_dims] + (1,) * (len(shape) - channel_dims)


def drop(
    name: str,
    x: Tensor,
    p: float,
    training: bool,
    in_place: bool,
    generator: Generator | None,
    law: Any,
    channel_dims: int | None = None,
) -> tuple[Tensor, Decisions | None]:
    """The family's one body. Returns y, and what was decided (None when not training)."""
    p = check_probability(name, p)
    check_tensor(name, x)
    if not training:
        return x, None
    shape = decision_shape(x.shape, channel_dims)
    if p == 0.0 or 0 in x.shape:
        return x, Decisions(None, p, shape, x.dtype, x._device)
    if p == 1.0:
        y = _call(DropAll(), name, x, in_place)
        return y, Decisions(None, p, shape, x.dtype, x._device)
    if not x.is_floating_point():
        raise DTypeError(
            f"{name}: with 0 < p < 1 the result is not whole numbers, so x must be floating point;"
            f" got {x.dtype}. Hint: use .float() first"
        )
    key = reserve(name, x, generator, channel_dims)
    op = BernoulliAffine(key, philox.threshold(p), channel_dims, *law(p))
    return _call(op, name, x, in_place), Decisions(key, p, shape, x.dtype, x._device)


def reserve(name: str, x: Tensor, generator: Generator | None, channel_dims: int | None) -> Key:
    """The key to what one call decides about x: the generator moves on behind its numbers."""
    count = math.prod(decision_shape(x.shape, channel_dims))
    return reserve_numbers(name, "decisions", count, None, generator)


def _call(op: BernoulliAffine | DropAll, name: str, x: Tensor, in_place: bool) -> Tensor:
    op.called = name  # type: ignore[misc]
    return inplace(op, x) if in_place else op(x)


class Channels(NamedTuple):
    """The inputs that a channelwise function takes."""

    wanted: str
    dims: dict[int, int]  # dimensions of x -> how many leading ones index its channels
    otherwise: int | None  # the same for any other x of 2 dimensions or more; None: refused
    warns: bool = True  # if it is another one


CHANNELS = {
    "dropout1d": Channels("(N, C, L) or (C, L)", {3: 2, 2: 1}, None),
    "dropout2d": Channels("(N, C, H, W)", {4: 2}, 2),
    "dropout3d": Channels("(N, C, D, H, W) or (C, D, H, W)", {5: 2, 4: 1}, 1),
    "feature_alpha_dropout": Channels("(N, C, *)", {}, 2, warns=False),
}


def channel_dims_of(name: str, x: Tensor) -> int:
    """How many leading dimensions of x index channels."""
    check_tensor(name, x)
    wanted, dims, otherwise, warns = CHANNELS[name]
    if x.ndim in dims:
        return dims[x.ndim]
    if otherwise is None or x.ndim < 2:
        hint = "Hint: dropout and alpha_dropout take any shape"
        raise ShapeError(f"{name}: x must be {wanted}; got shape {x.shape}. {hint}")
    if warns:
        taken = (
            "two dimensions are taken as (N, C)" if otherwise == 2 else "dimension is taken as C"
        )
        warn(
            f"{name}: x should be {wanted}; got shape {x.shape}, of which the first {taken}."
            " Hint: dropout for one decision per element, dropout1d for (N, C, L)"
        )
    return otherwise


def dropout(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """x / (1 - p) with probability 1 - p, else 0, for each element. x: (*) -> y: (*).

    The tensor itself when not training, for p = 0 and for empty tensors. p = 1 gives zeros. For
    0 < p < 1 floating point only. The mask depends on the generator's state and each element's
    logical index only: not on device, dtype, memory layout or number of threads.

    >>> _ = lucid.manual_seed(0)
    >>> F.dropout(lucid.ones(8), 0.5)
    Tensor([2., 0., 2., 0., 2., 2., 0., 0.])
    """
    return drop("dropout", input, p, training, inplace, generator, scaling)[0]


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Zero whole channels with probability p, scale the others by 1 / (1 - p).

    x: (N, C, L) -> y: (N, C, L), or (C, L) -> (C, L). Otherwise as ``dropout``.
    """
    dims = channel_dims_of("dropout1d", input)
    return drop("dropout1d", input, p, training, inplace, generator, scaling, dims)[0]


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Zero whole channels with probability p, scale the others by 1 / (1 - p).

    x: (N, C, H, W) -> y: (N, C, H, W). Any other shape of 2 dimensions or more is taken as
    (N, C, *) with a warning. Otherwise as ``dropout``.
    """
    dims = channel_dims_of("dropout2d", input)
    return drop("dropout2d", input, p, training, inplace, generator, scaling, dims)[0]


def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Zero whole channels with probability p, scale the others by 1 / (1 - p).

    x: (N, C, D, H, W) -> y: (N, C, D, H, W), or (C, D, H, W) -> (C, D, H, W). Any other shape of 2
    dimensions or more is taken as (C, *) with a warning, as in PyTorch. Otherwise as ``dropout``.
    """
    dims = channel_dims_of("dropout3d", input)
    return drop("dropout3d", input, p, training, inplace, generator, scaling, dims)[0]


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False, *,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Dropout that keeps mean 0 and variance 1 after a SELU. x: (*) -> y: (*).

    a * x + b with probability 1 - p, else the constant a * floor + b with SELU's floor -1.758; a
    and b depend on p only. Inputs of another mean or variance don't keep theirs. ``training`` is
    False by default, as in PyTorch. Otherwise as ``dropout``.
    """
    return drop("alpha_dropout", input, p, training, inplace, generator, self_normalizing)[0]


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False, *,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """``alpha_dropout`` with one decision per channel. x: (N, C, *) -> y: (N, C, *)."""
    name = "feature_alpha_dropout"
    dims = channel_dims_of(name, input)
    return drop(name, input, p, training, inplace, generator, self_normalizing, dims)[0]


def _errors(name: str, shape: tuple[int, ...]) -> list:
    training = {"training": True}
    return [
        (
            Case([shape], {"p": 1.5, **training}),
            ValueError,
            rf"^{name}: p must be in \[0, 1\]; got 1.5",
        ),
        (Case([shape], {"p": -0.1}), ValueError, rf"^{name}: p must be in \[0, 1\]; got -0.1"),
        (Case([shape], {"p": math.nan}), ValueError, rf"^{name}: p must be in \[0, 1\]; got nan"),
        (Case([shape], {"p": "0.5"}), TypeError, rf"^{name}: p must be a number in \[0, 1\]"),
        (
            Case([shape], training, dtypes=("int64",)),
            TypeError,
            rf"^{name}: .* must be floating point",
        ),
    ]


def _cases(*shapes: tuple[int, ...]) -> list[Case]:
    probabilities: list[dict[str, Any]] = [
        {},
        {"p": 0.1},
        {"p": 0.0},
        {"p": 1.0},
        {"training": False},
    ]
    return [Case([s], {"training": True, **kwargs}) for s in shapes for kwargs in probabilities]


spec(
    dropout,
    cases=_cases((3, 17), (), (0, 3)),
    errors=_errors("dropout", (2,)),
    random=True,
)
spec(
    dropout1d,
    cases=_cases((2, 3, 4), (3, 4)),
    errors=[
        *_errors("dropout1d", (2, 3, 4)),
        (Case([(2, 3, 4, 5)]), ShapeError, r"dropout1d: x must be \(N, C, L\) or \(C, L\)"),
    ],
    random=True,
)
spec(
    dropout2d,
    cases=_cases((2, 3, 4, 5)),
    errors=[
        *_errors("dropout2d", (2, 3, 4, 5)),
        (
            Case([(3,)]),
            ShapeError,
            r"dropout2d: x must be \(N, C, H, W\); got shape \(3,\)",
        ),
    ],
    random=True,
)
spec(
    dropout3d,
    cases=_cases((2, 3, 2, 2, 2), (3, 2, 2, 2)),
    errors=_errors("dropout3d", (3, 2, 2, 2)),
    random=True,
)
spec(alpha_dropout, cases=_cases((3, 17), ()), errors=_errors("alpha_dropout", (2,)), random=True)
spec(
    feature_alpha_dropout,
    cases=_cases((2, 3, 4), (2, 3)),
    errors=[
        *_errors("feature_alpha_dropout", (2, 3)),
        (Case([(3,)]), ShapeError, r"feature_alpha_dropout: x must be \(N, C, \*\)"),
    ],
    random=True,
)
