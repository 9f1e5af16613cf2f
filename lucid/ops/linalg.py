"""Products of matrices and vectors."""

from __future__ import annotations

from math import prod
from typing import Any

from lucid import dtypes
from lucid.errors import DTypeError, ShapeError
from lucid.op import Op, casts, one_dtype
from lucid.op.arguments import shown
from lucid.spec import Case, spec
from lucid.tensor import Tensor, tensor_method

__all__ = [
    "addmm",
    "addmv",
    "baddbmm",
    "bmm",
    "dot",
    "einsum",
    "linear",
    "matmul",
    "mm",
    "mv",
    "outer",
    "tensordot",
]


class MatMul(Op):
    """a @ b for matrices, with leading dimensions that broadcast."""

    def forward(self, a, b):
        if self.needs:
            self.save(a if self.needs[1] else None, b if self.needs[0] else None)
        return self.device.matmul(a, b)

    def forward_cuda(self, a, b):
        if self.needs:
            self.save(a if self.needs[1] else None, b if self.needs[0] else None)
        return self.device.kernels.matmul(a, b)

    def backward(self, dy):
        a, b = self.saved
        da = db = None
        if self.needs[0]:
            da = MatMul()(dy, b.transpose(-1, -2)).sum_to_size(self.shapes[0])
        if self.needs[1]:
            db = MatMul()(a.transpose(-1, -2), dy).sum_to_size(self.shapes[1])
        return da, db


def _rows(x: Any) -> Any:
    """A tensor, or an array, as a matrix of its last dimension's rows."""
    return x if x.ndim == 2 else x.reshape(prod(x.shape[:-1]), x.shape[-1])


class Linear(Op):
    """x @ w.T + b over the last dimension, as one matrix product whatever x's shape."""

    def forward(self, x, w, b):
        if self.needs:
            self.save(x if self.needs[1] else None, w if self.needs[0] else None)
        y = self.device.matmul(_rows(x), w.T)
        if b is not None:
            y += b
        return y.reshape(*x.shape[:-1], w.shape[0])

    def forward_cuda(self, x, w, b):
        if self.needs:
            self.save(x if self.needs[1] else None, w if self.needs[0] else None)
        y = self.device.kernels.matmul(_rows(x), w.T, b)
        return y.reshape(*x.shape[:-1], w.shape[0])

    def backward(self, dy):
        x, w = self.saved
        flat = _rows(dy)
        dx = dw = db = None
        if self.needs[0]:
            dx = MatMul()(flat, w).reshape(self.shapes[0])
        if self.needs[1]:
            dw = MatMul()(flat.t(), _rows(x))
        if self.needs[2]:
            db = flat.sum(0)
        return dx, dw, db

    def backward_cpu(self, dy):
        if dy.dtype.itemsize == 2:  # the halves' products are computed in float32
            return self.unfused(dy)
        x, w = self.saved_arrays
        flat, multiply = _rows(dy), self.device.matmul
        dx = multiply(flat, w).reshape(self.shapes[0]) if self.needs[0] else None
        dw = multiply(flat.T, _rows(x)) if self.needs[1] else None
        return dx, dw, flat.sum(0) if self.needs[2] else None


def _refuse(name: str, rule: str, *tensors: Tensor) -> ShapeError:
    return ShapeError(f"{name}: {rule}; got {' and '.join(str(t.shape) for t in tensors)}")


@tensor_method("matmul", "__matmul__")
@casts(cpu="lower", cuda="lower")
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The matrix product; vectors are a row on the left and a column on the right.

    (*, M, K) @ (*, K, N) -> (*, M, N), where the * broadcast; (K,) @ (K,) -> ().
    """
    one_dtype("matmul", input, other)
    if input.ndim == 0 or other.ndim == 0:
        raise _refuse("matmul", "both need at least one dimension", input, other)
    a = input.unsqueeze(0) if input.ndim == 1 else input
    b = other.unsqueeze(1) if other.ndim == 1 else other
    if a.shape[-1] != b.shape[-2]:
        raise _refuse(
            "matmul", "the last dimension must equal the other's second to last", input, other
        )
    try:
        y = MatMul()(a, b)
    except ValueError:
        raise _refuse("matmul", "leading dimensions must broadcast", input, other) from None
    if input.ndim == 1:
        y = y.squeeze(-2)
    return y.squeeze(-1) if other.ndim == 1 else y


@tensor_method("__rmatmul__")
def _rmatmul(self: Tensor, other: Tensor) -> Tensor:
    return matmul(other, self)


@tensor_method("mm")
@casts(cpu="lower", cuda="lower")
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices. (M, K), (K, N) -> (M, N)."""
    if input.ndim != 2 or mat2.ndim != 2:
        raise _refuse("mm", "both must be matrices", input, mat2)
    return matmul(input, mat2)


@tensor_method("bmm")
@casts(cpu="lower", cuda="lower")
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """A batch of matrix products. (B, M, K), (B, K, N) -> (B, M, N)."""
    if input.ndim != 3 or mat2.ndim != 3 or input.shape[0] != mat2.shape[0]:
        raise _refuse("bmm", "both must be (B, *, *) with the same B", input, mat2)
    return matmul(input, mat2)


@tensor_method("mv")
@casts(cpu="own", cuda="lower")
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """A matrix times a vector. (M, K), (K,) -> (M,)."""
    if input.ndim != 2 or vec.ndim != 1:
        raise _refuse("mv", "a matrix and a vector are needed", input, vec)
    return matmul(input, vec)


@tensor_method("dot")
@casts(cpu="own", cuda="widest")
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The sum of the products of two vectors' elements. (K,), (K,) -> ()."""
    if input.ndim != 1 or tensor.ndim != 1:
        raise _refuse("dot", "both must be vectors", input, tensor)
    return matmul(input, tensor)


@tensor_method("outer")
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """All products of two vectors' elements. (M,), (N,) -> (M, N)."""
    if input.ndim != 1 or vec2.ndim != 1:
        raise _refuse("outer", "both must be vectors", input, vec2)
    return input.unsqueeze(1) * vec2


@tensor_method("addmm")
@casts(cpu="lower", cuda="lower")
def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta * input + alpha * (mat1 @ mat2)."""
    return _times(input, beta) + mm(mat1, mat2) * alpha


@tensor_method("addmv")
@casts(cpu="own", cuda="lower")
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * (mat @ vec)."""
    return _times(input, beta) + mv(mat, vec) * alpha


@tensor_method("baddbmm")
@casts(cpu="lower", cuda="lower")
def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta * input + alpha * (batch1 @ batch2)."""
    return _times(input, beta) + bmm(batch1, batch2) * alpha


def _times(x: Tensor, beta: float) -> Tensor:
    """beta * x; with 0 nothing of x is left, NaN neither."""
    return x * beta if beta else x.masked_fill(x.new_ones((), dtype=dtypes._bool), 0)


@casts(cpu="lower", cuda="lower")
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input @ weight.T + bias. x: (*, in), w: (out, in), b: (out,) -> y: (*, out).

    One row of weights, w: (in,), gives y: (*).
    """
    one_dtype("linear", input, weight, bias)
    if weight.ndim == 1 and (bias is None or bias.ndim == 0):
        y = matmul(input, weight)
        return y if bias is None else y + bias
    if weight.ndim == 0:
        raise ShapeError("linear: weight must be (out, in) or (in,); got shape ()")
    if weight.ndim != 2 or input.ndim == 0 or input.shape[-1] != weight.shape[1]:
        raise ShapeError(
            f"linear: the last dimension of the input must be the weight's {weight.shape[-1]} input"
            f" features; got input {input.shape}, weight {weight.shape}"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError(f"linear: bias must be ({weight.shape[0]},); got {bias.shape}")
    return Linear()(input, weight, bias)


@casts(cuda="widest")
def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Sum of products over the dimensions ``dims``: a number of them, or two lists."""
    if isinstance(dims, int):
        left, right = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        left, right = ([d % t.ndim for d in side] for side, t in zip(dims, (a, b), strict=True))
    if [a.shape[i] for i in left] != [b.shape[i] for i in right]:
        raise _refuse("tensordot", f"the dimensions {dims} must agree", a, b)
    rest_a = [i for i in range(a.ndim) if i not in left]
    rest_b = [i for i in range(b.ndim) if i not in right]
    inner = 1
    for i in left:
        inner *= a.shape[i]
    above, below = [a.shape[i] for i in rest_a], [b.shape[i] for i in rest_b]
    rows = a.permute(*rest_a, *left).reshape(_product(above), inner)
    columns = b.permute(*right, *rest_b).reshape(inner, _product(below))
    return matmul(rows, columns).reshape(above + below)


@casts(cpu="lower", cuda="lower")
def einsum(equation: str, *operands: Any) -> Tensor:
    """Sums of products by Einstein's convention: ``einsum("bij,bjk->bik", x, y)``.

    Letters name dimensions; those that are missing on the right are summed over. ``...`` stands for
    leading dimensions that broadcast.

    >>> lucid.einsum("ij,j->i", lucid.ones(2, 3), lucid.ones(3))
    Tensor([3., 3.])
    """
    tensors = (
        list(operands[0])
        if len(operands) == 1 and isinstance(operands[0], (list, tuple))
        else list(operands)
    )
    if not all(isinstance(t, Tensor) for t in tensors):
        raise DTypeError(f"einsum: operands must be Tensors; got {shown(tensors)}")
    terms, output = _parse_equation(equation, tensors)
    result, letters = _diagonals(tensors[0], terms[0])
    for i, (t, term) in enumerate(zip(tensors[1:], terms[1:], strict=True)):
        other, other_letters = _diagonals(t, term)
        later = set(output).union(*terms[i + 2 :])
        result, letters = _contract(result, letters, other, other_letters, later)
    gone = [i for i, c in enumerate(letters) if c not in output]
    if gone:
        result = result.sum(tuple(gone))
        letters = [c for c in letters if c in output]
    return result.permute([letters.index(c) for c in output])


def _parse_equation(equation: str, tensors: list[Tensor]) -> tuple[list[list[str]], list[str]]:
    """Letters per operand and of the result; what ... covers is called 0, 1, 2 from the back."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    texts = left.split(",")
    if len(texts) != len(tensors):
        raise ShapeError(
            f"einsum: there must be as many tensors as operands in {equation!r}, {len(texts)}; got"
            f" {len(tensors)}"
        )
    most = 0
    terms = []
    for text, t in zip(texts, tensors, strict=True):
        named = text.replace("...", "")
        rest = t.ndim - len(named)
        if rest < 0 or (rest and "..." not in text):
            raise ShapeError(f"einsum: {text!r} must name each dimension; got shape {t.shape}")
        most = max(most, rest)
        dots = [str(i) for i in reversed(range(rest))]
        front, _, back = text.partition("...")
        terms.append([*front, *dots, *back] if "..." in text else list(text))
    every = [str(i) for i in reversed(range(most))]
    if arrow:
        front, dots_there, back = right.partition("...")
        return terms, [*front, *(every if dots_there else []), *back]
    flat = [c for term in terms for c in term]
    return terms, every + sorted(c for c in set(flat) if flat.count(c) == 1 and not c.isdigit())


def _diagonals(t: Tensor, letters: list[str]) -> tuple[Tensor, list[str]]:
    """A letter that stands twice in one operand means its diagonal."""
    letters = list(letters)
    for c in dict.fromkeys(letters):
        while letters.count(c) > 1:
            i = letters.index(c)
            j = letters.index(c, i + 1)
            t = t.diagonal(0, i, j)
            letters = [x for k, x in enumerate(letters) if k not in (i, j)] + [c]
    return t, letters


def _contract(
    a: Tensor, la: list[str], b: Tensor, lb: list[str], later: set[str]
) -> tuple[Tensor, list[str]]:
    """One batched matrix product: shared letters needed later are the batch, the others summed."""
    for side, (t, letters, others) in enumerate(((a, la, lb), (b, lb, la))):
        alone = [c for c in letters if c not in others and c not in later]
        if alone:
            t = t.sum(tuple(letters.index(c) for c in alone))
            letters = [c for c in letters if c not in alone]
            a, la, b, lb = (t, letters, b, lb) if side == 0 else (a, la, t, letters)
    batch = [c for c in la if c in lb and c in later]
    inner = [c for c in la if c in lb and c not in later]
    rows, columns = [c for c in la if c not in lb], [c for c in lb if c not in la]
    size = _letter_sizes(a, la, b, lb)
    shape = lambda cs: [size[c] for c in cs]  # noqa: E731
    a = a.permute([la.index(c) for c in (*batch, *rows, *inner)])
    b = b.permute([lb.index(c) for c in (*batch, *inner, *columns)])
    a = a.expand(shape([*batch, *rows, *inner]))
    b = b.expand(shape([*batch, *inner, *columns]))
    a = a.reshape([*shape(batch), _product(shape(rows)), _product(shape(inner))])
    b = b.reshape([*shape(batch), _product(shape(inner)), _product(shape(columns))])
    letters = [*batch, *rows, *columns]
    return MatMul()(a, b).reshape(shape(letters)), letters


def _letter_sizes(a: Tensor, la: list[str], b: Tensor, lb: list[str]) -> dict[str, int]:
    size: dict[str, int] = {}
    for letters, t in ((la, a), (lb, b)):
        for c, n in zip(letters, t.shape, strict=True):
            if size.get(c, 1) not in (1, n) and n != 1:
                raise ShapeError(f"einsum: {c!r} must be one size; got {size[c]} and {n}")
            size[c] = max(size.get(c, 1), n) if n else 0
    return size


def _product(sizes: list[int]) -> int:
    n = 1
    for size in sizes:
        n *= size
    return n


spec(
    matmul,
    cases=[
        Case([(3, 4), (4, 2)]),
        Case([(2, 3, 4), (4, 2)]),
        Case([(4,), (4,)]),
        Case([(2, 1, 3, 4), (5, 4, 2)]),
        Case([(0, 3), (3, 2)]),
    ],
    reference=lambda np, a, b: a @ b,
    errors=[
        (
            Case([(2, 3), (2, 3)]),
            ShapeError,
            r"matmul: the last dimension.*got \(2, 3\) and \(2, 3\)",
        )
    ],
)
spec(outer, cases=[Case([(3,), (4,)])], reference=lambda np, a, b: np.outer(a, b))
spec(
    linear,
    cases=[
        Case([(5, 3), (2, 3), (2,)]),
        Case([(2, 5, 3), (4, 3)]),
        Case([(3,), (4, 3), (4,)]),
        Case([(0, 3), (4, 3), (4,)]),
    ],
    reference=lambda np, x, w, b=0.0: x @ w.T + b,
    errors=[
        (
            Case([(5, 3), (2, 4)]),
            ShapeError,
            "linear: the last dimension of the input must be the weight's 4",
        )
    ],
)
spec(
    tensordot,
    cases=[Case([(2, 3, 4), (3, 4, 5)]), Case([(2, 3), (3, 2)], {"dims": ([0], [1])})],
    reference=lambda np, a, b, dims=2: np.tensordot(a, b, dims),
)
