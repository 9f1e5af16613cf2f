"""Rows of a table by index, and one-hot vectors."""

from __future__ import annotations

from typing import Any

from lucid.errors import DimensionError, DTypeError, ShapeError
from lucid.op import Op
from lucid.op.conventions import whole
from lucid.op.table import Embedding, Shorten, check_index
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = ["embedding", "one_hot"]


class OneHot(Op):
    """The rows of an identity matrix."""

    classes: int
    promotes = False
    differentiable = False

    def forward(self, x):
        xp = self.xp
        return (xp.expand_dims(x, -1) == xp.arange(self.classes)).astype(xp.int64)


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """weight[input]: one row of the table per index. input: (*), weight: (V, D) -> y: (*, D).

    The row ``padding_idx`` gets no gradient. With ``max_norm`` the rows used are first shortened to
    that p-norm, in place. ``scale_grad_by_freq`` averages the gradients of an index that occurs
    several times. Gradients are dense: ``sparse`` is accepted and changes nothing.

    >>> F.embedding(lucid.tensor([1, 0]), Tensor([[1.0, 2.0], [3.0, 4.0]]))
    Tensor([[3., 4.],
            [1., 2.]])
    """
    if weight.ndim != 2:
        raise ShapeError(f"embedding: weight must be (V, D); got shape {weight.shape}")
    rows = weight.shape[0]
    check_index("embedding", input, rows)
    if padding_idx is not None:
        padding_idx = whole("embedding", "padding_idx", padding_idx)
        if not -rows <= padding_idx < rows:
            raise DimensionError(
                f"embedding: padding_idx must be in [{-rows}, {rows - 1}]; got {padding_idx}"
            )
        padding_idx %= rows
    if max_norm is not None:
        Shorten(max_norm, norm_type)(weight.detach(), input)
        weight._shared_counter()[0] += 1
    return Embedding(padding_idx, scale_grad_by_freq)(weight, input)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """1 where the class is, 0 elsewhere, as int64. tensor: (*) -> y: (*, num_classes).

    num_classes = -1 is one more than the largest class.

    >>> F.one_hot(lucid.tensor([0, 2]))
    Tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    if tensor.dtype.category != 1:
        raise DTypeError(f"one_hot: classes must be integers; got {tensor.dtype}. Hint: .long()")
    num_classes = whole("one_hot", "num_classes", num_classes)
    if num_classes == -1:
        if not tensor.numel():
            raise ShapeError("one_hot: num_classes is needed for an empty tensor; got -1")
        num_classes = int(tensor._array.max()) + 1
    if num_classes < 1 and tensor.numel():
        raise ValueError(f"one_hot: num_classes must be positive or -1; got {num_classes}")
    check_index("one_hot", tensor, num_classes)
    return OneHot(num_classes)(tensor)


def _case(index: tuple, weight: tuple, by_value: bool = False, **kwargs: Any) -> Case:
    return Case([index, weight], kwargs, 0, 4, ("int64", "float32"), by_value)


spec(
    embedding,
    cases=[
        _case((6,), (4, 3)),
        _case((2, 3), (5, 2)),
        _case((0,), (4, 3)),
        _case((), (4, 3)),
    ],
    reference=lambda np, i, w, **kwargs: w[i],
    errors=[
        (
            _case((9,), (3, 2), by_value=True),
            IndexError,
            r"embedding: indices must be in \[0, 2\]; got 3",
        ),
        (
            _case((2,), (4, 2), padding_idx=7),
            IndexError,
            r"padding_idx must be in .* got 7",
        ),
        (_case((2,), (4,)), ShapeError, r"embedding: weight must be \(V, D\)"),
    ],
)
