"""Diagonals: laid into matrices, filled, added up; and blocks along them."""

from __future__ import annotations

from functools import reduce

from lucid import dtypes
from lucid.errors import ShapeError
from lucid.op import Op, casts, dimension
from lucid.spec import Case, spec
from lucid.tensor import Tensor, tensor_method

__all__ = ["block_diag", "diag_embed", "diagflat", "diagonal_scatter", "trace"]


class DiagonalEmbedding(Op):
    """Zeros with x's last dimension on the diagonal of two new ones; the gradient reads it."""

    offset: int
    axis1: int
    axis2: int
    upcasts = promotes = False

    def forward(self, x):
        n = x.shape[-1] + abs(self.offset)
        shape = list(x.shape[:-1])
        for axis in sorted((self.axis1, self.axis2)):
            shape.insert(axis, n)
        y = self.xp.zeros(shape, x.dtype)
        last = self.xp.moveaxis(y, (self.axis1, self.axis2), (-2, -1))
        at = self.xp.arange(x.shape[-1])
        last[..., at + max(-self.offset, 0), at + max(self.offset, 0)] = x
        return y

    def backward(self, dy):
        return dy.diagonal(self.offset, self.axis1, self.axis2)


@tensor_method("diag_embed")
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Vectors as the diagonals of matrices of zeros, which dims dim1 and dim2 hold.

    x: (*, N) -> y: (*, N + |offset|, N + |offset|).

    >>> lucid.diag_embed(Tensor([1.0, 2.0]))
    Tensor([[1., 0.],
            [0., 2.]])
    """
    if not input.ndim:
        raise ShapeError("diag_embed: the input must have a dimension; got shape ()")
    first = dimension("diag_embed", dim1, input.ndim + 1)
    second = dimension("diag_embed", dim2, input.ndim + 1)
    if first == second:
        raise ShapeError(f"diag_embed: dim1 and dim2 must differ; got {dim1} and {dim2}")
    return DiagonalEmbedding(offset, first, second)(input)


@tensor_method("diagflat")
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """All elements, in order, as the diagonal of a matrix of zeros."""
    return diag_embed(input.reshape(-1), offset)


@tensor_method("diagonal_scatter")
def diagonal_scatter(
    input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """A copy of ``input`` whose diagonal is ``src``, which has the diagonal's shape."""
    y = input.clone()
    part = y.diagonal(offset, dim1, dim2)
    if part.shape != src.shape:
        raise ShapeError(
            f"diagonal_scatter: src must have the diagonal's shape {part.shape}; got {src.shape}"
        )
    part.copy_(src)
    return y


@tensor_method("trace")
@casts(cpu="float32")
def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal. (M, N) -> ()."""
    if input.ndim != 2:
        raise ShapeError(f"trace: expected a matrix; got shape {input.shape}")
    return input.diagonal().sum()


@tensor_method("fill_diagonal_")
def fill_diagonal_(self: Tensor, fill_value: float, wrap: bool = False) -> Tensor:
    """The main diagonal filled with a number, in place; of more than 2 dimensions, equal sizes.

    With ``wrap`` the diagonal of a tall matrix starts again after N columns, one row further.
    """
    if self.ndim < 2 or (self.ndim > 2 and len(set(self.shape)) > 1):
        raise ShapeError(
            "fill_diagonal_: expected a matrix, or more dimensions of one size; got shape"
            f" {self.shape}"
        )
    step, rest = self, (self.shape[1] + 1 if wrap and self.ndim == 2 else 0)
    while step.ndim > 2:
        step = step.diagonal(0, 0, 1).movedim(-1, 0)
    start = 0
    while start < max(step.shape[0], 1):
        step[start:].diagonal().fill_(fill_value)
        if not rest:
            break
        start += rest
    return self


def block_diag(*tensors: Tensor) -> Tensor:
    """Matrices along the diagonal of one, zeros elsewhere; numbers and vectors count as rows."""
    blocks = [t.reshape(1, -1) if t.ndim < 2 else t for t in tensors] or [Tensor(1, 0)]
    if any(t.ndim > 2 for t in blocks):
        raise ShapeError(
            f"block_diag: at most 2 dimensions each; got shapes {[t.shape for t in tensors]}"
        )
    height, width = (sum(t.shape[i] for t in blocks) for i in (0, 1))
    kind = reduce(dtypes.promote_types, [t.dtype for t in blocks])
    y = blocks[0].new_zeros(height, width, dtype=kind)
    row = column = 0
    for t in blocks:
        y[row : row + t.shape[0], column : column + t.shape[1]] = t
        row, column = row + t.shape[0], column + t.shape[1]
    return y


spec(
    diag_embed,
    cases=[Case([(3,)]), Case([(2, 3)], {"offset": -1}), Case([(2, 3)], {"dim1": 0, "dim2": 2})],
    errors=[(Case([(2,)], {"dim1": -1}), ShapeError, "diag_embed: dim1 and dim2 must differ")],
)
spec(diagflat, cases=[Case([(2, 2)]), Case([(3,)], {"offset": 1})],
     reference=lambda np, x, offset=0: np.diagflat(x, offset))  # fmt: skip
spec(trace, cases=[Case([(3, 4)]), Case([(2, 2)])], reference=lambda np, x: np.trace(x))
spec(diagonal_scatter, cases=[Case([(3, 4), (3,)]), Case([(3, 3), (2,)], {"offset": 1})])
spec(block_diag, cases=[Case([(2, 3), (1, 2), (2,)])])
