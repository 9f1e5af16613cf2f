"""Choosing elements by a condition, or by their place in a matrix."""

from __future__ import annotations

from typing import Any

from lucid import dtypes
from lucid.errors import DTypeError, ShapeError
from lucid.op import Op, as_number, dimension, inplace, whole
from lucid.op.arguments import shown
from lucid.spec import Case, spec
from lucid.tensor import Tensor, tensor_method

__all__ = [
    "diag",
    "diagonal",
    "masked_fill",
    "masked_select",
    "nonzero",
    "tril",
    "triu",
    "where",
]


class MaskedFill(Op):
    value: float
    apart = (1,)
    broadcasts = True

    def forward(self, x, mask):
        self.save(mask)
        if self.out is not None and mask.shape == x.shape:
            self.out[mask] = self.value
            return self.out
        return self.xp.where(mask, self.xp.asarray(self.value, x.dtype), x)

    def backward(self, dy):
        (mask,) = self.saved
        return MaskedFill(0.0)(dy, mask), None


class Where(Op):
    apart = (0,)
    broadcasts = True

    def forward(self, condition, a, b):
        self.save(condition)
        a, b = self._settle(a, b)
        return self.xp.where(condition, a, b)

    def _settle(self, a, b):
        """Numbers take the other's dtype; NumPy would widen them."""
        kind = getattr(a, "dtype", None) or getattr(b, "dtype", None)
        return self.xp.asarray(a, kind), self.xp.asarray(b, kind)

    def backward(self, dy):
        (condition,) = self.saved
        da = MaskedFill(0.0)(dy, ~condition) if self.needs[1] else None
        db = MaskedFill(0.0)(dy, condition) if self.needs[2] else None
        return None, da, db


class Triangle(Op):
    """The lower ("tril") or upper ("triu") triangle, zeros elsewhere."""

    function: str
    diagonal: int
    upcasts = promotes = False

    def forward(self, x):
        return getattr(self.xp, self.function)(x, self.diagonal).astype(x.dtype)

    def backward(self, dy):
        return Triangle(self.function, self.diagonal)(dy)


class Diagonal(Op):
    offset: int
    axis1: int
    axis2: int
    is_view = True
    upcasts = promotes = False

    def forward(self, x):
        y = self.xp.diagonal(x, self.offset, self.axis1, self.axis2)
        if hasattr(y.flags, "writeable") and x.flags.writeable:
            y.flags.writeable = True  # NumPy hands it out read-only
        return y

    def backward(self, dy):
        zeros = self.wrap(self.xp.zeros(self.shapes[0], dy._array.dtype))
        part = Diagonal(self.offset, self.axis1, self.axis2)(zeros)
        part.copy_(dy)
        return zeros


class Nonzero(Op):
    differentiable = False
    upcasts = promotes = False

    def forward(self, x):
        if not x.ndim:
            return self.xp.zeros((int(x != 0), 0), dtypes.int64.numpy)
        return self.xp.stack(self.xp.nonzero(x), -1).astype(dtypes.int64.numpy).reshape(-1, x.ndim)


def _mask(name: str, x: Tensor, mask: Tensor) -> Tensor:
    if not isinstance(mask, Tensor) or mask.dtype.category != 0:
        got = mask.dtype if isinstance(mask, Tensor) else shown(mask)
        raise DTypeError(f"{name}: mask must be a bool tensor; got {got}")
    return mask


@tensor_method("masked_fill")
def masked_fill(input: Tensor, mask: Tensor, value: float) -> Tensor:
    """A copy with ``value`` where ``mask`` is true. mask broadcasts to x: (*) -> y: (*)."""
    if isinstance(value, Tensor):
        if value.ndim:
            raise ShapeError(f"masked_fill: value must be a number; got shape {value.shape}")
        return where(_mask("masked_fill", input, mask), value.to(input.dtype), input)
    value = as_number("masked_fill", "value", value)
    return MaskedFill(value)(input, _mask("masked_fill", input, mask))


@tensor_method("masked_fill_")
def masked_fill_(self: Tensor, mask: Tensor, value: float) -> Tensor:
    """masked_fill, in place."""
    value = as_number("masked_fill_", "value", value)
    return inplace(MaskedFill(value), self, _mask("masked_fill_", self, mask))


@tensor_method("masked_select")
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where ``mask`` is true, in one dimension."""
    mask = _mask("masked_select", input, mask)
    return input[mask.expand(input.shape)]


def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """input where ``condition`` is true, other elsewhere. Shapes broadcast.

    With the condition alone: the indices of its true elements, one tensor per dimension.
    """
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    if input is None or other is None:
        raise DTypeError(
            "where: input and other must both be given, or neither; got"
            f" {'other' if input is None else 'input'} alone"
        )
    condition = _mask("where", condition, condition)
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        kind = dtypes.get_default_dtype() if float in (type(input), type(other)) else dtypes.int64
        xp = condition._device.xp
        input = Tensor._wrap(xp.asarray(input, kind.numpy), condition._device)
    return Where()(condition, input, other)


@tensor_method("where")
def _where(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """This tensor where ``condition`` is true, other elsewhere. Shapes broadcast."""
    return where(condition, self, other)


@tensor_method("nonzero")
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """Indices of the nonzero elements: (count, ndim), or ``as_tuple`` one tensor per dimension."""
    found = Nonzero()(input)
    if as_tuple and not input.ndim:  # a number counts as the only element of a vector
        found = Nonzero()(input.reshape(1))
    return tuple(found[:, i] for i in range(found.shape[1])) if as_tuple else found


@tensor_method("tril")
def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of matrices, zeros above ``diagonal``. x: (*, M, N) -> y: (*, M, N)."""
    return _triangle("tril", input, diagonal)


@tensor_method("triu")
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of matrices, zeros below ``diagonal``. x: (*, M, N) -> y: (*, M, N)."""
    return _triangle("triu", input, diagonal)


def _triangle(name: str, x: Tensor, diagonal: int) -> Tensor:
    if x.ndim < 2:
        raise ShapeError(f"{name}: the input must be (*, M, N); got shape {x.shape}")
    return Triangle(name, whole(name, "diagonal", diagonal))(x)


@tensor_method("diagonal")
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A view of the diagonal of dimensions dim1 and dim2, appended as the last dimension."""
    return Diagonal(
        offset, dimension("diagonal", dim1, input.ndim), dimension("diagonal", dim2, input.ndim)
    )(input)


@tensor_method("diag")
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A vector as the diagonal of a matrix of zeros, or a copy of the diagonal of a matrix."""
    if input.ndim == 2:
        return Diagonal(diagonal, 0, 1)(input).clone()
    if input.ndim != 1:
        raise ShapeError(f"diag: expected a vector or a matrix; got shape {input.shape}")
    n = input.shape[0] + abs(diagonal)
    square = Tensor._wrap(input._device.xp.zeros((n, n), input._array.dtype), input._device)
    part = Diagonal(diagonal, 0, 1)(square)
    part.copy_(input)
    return square


spec(
    where,
    cases=[Case([(3, 4), (3, 4), (4,)], low=0, high=2, dtypes=("bool", "float32", "float32"))],
    reference=lambda np, c, a, b: np.where(c, a, b),
)


spec(
    masked_fill,
    cases=[Case([(3, 4), (4,)], {"value": 7.0}, low=0, high=2, dtypes=("float32", "bool"))],
    reference=lambda np, x, m, value: np.where(m, value, x),
)


spec(
    tril,
    cases=[Case([(3, 4)]), Case([(2, 3, 3)], {"diagonal": -1})],
    reference=lambda np, x, diagonal=0: np.tril(x, diagonal),
)


spec(
    triu,
    cases=[Case([(3, 4)]), Case([(2, 3, 3)], {"diagonal": 1})],
    reference=lambda np, x, diagonal=0: np.triu(x, diagonal),
)


spec(
    diagonal,
    cases=[Case([(3, 4)]), Case([(2, 3, 3)], {"offset": 1, "dim1": 1, "dim2": 2})],
    reference=lambda np, x, offset=0, dim1=0, dim2=1: np.diagonal(x, offset, dim1, dim2),
)


spec(
    diag,
    cases=[Case([(3,)]), Case([(3,)], {"diagonal": 1})],
    reference=lambda np, x, diagonal=0: np.diag(x, diagonal),
)
