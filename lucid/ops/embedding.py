"""Rows of a table by index, and one-hot vectors."""

from __future__ import annotations

from typing import Any

from lucid.errors import DimensionError, DTypeError, ShapeError
from lucid.op import Op
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = ["embedding", "one_hot"]


class Embedding(Op):
    """weight[index]; the row ``skip`` gets no gradient."""

    skip: int | None
    by_frequency: bool
    promotes = upcasts = False

    def forward(self, weight, index):
        self.save(index)
        return self.xp.take(weight, index, 0)

    def backward(self, dy):
        (index,) = self.saved
        return EmbeddingGradient(self.skip, self.by_frequency, self.shapes[0])(dy, index), None


class EmbeddingGradient(Op):
    """Per row of the table the sum (or mean) of the gradients where it was used."""

    skip: int | None
    by_frequency: bool
    shape: tuple[int, ...]
    promotes = False

    def forward(self, dy, index):
        xp = self.xp
        self.save(index)
        rows = self._scaled(dy.reshape(-1, self.shape[1]), index.reshape(-1))
        return self._add_up(xp.zeros(self.shape, dy.dtype), index.reshape(-1), rows)

    def forward_cpu(self, dy, index):
        """Equal indices side by side, and their rows added up: NumPy's add.at is much slower."""
        xp, flat = self.xp, index.reshape(-1)
        self.save(index)
        wide = xp.float32 if dy.dtype.itemsize == 2 else dy.dtype
        dw = xp.zeros(self.shape, dy.dtype)
        if flat.size:
            order = xp.argsort(flat, kind="stable")
            arranged = flat[order]
            first = xp.flatnonzero(xp.diff(arranged, prepend=arranged[0] - 1))
            rows = self._scaled(dy.reshape(-1, self.shape[1])[order].astype(wide), arranged)
            dw[arranged[first]] = xp.add.reduceat(rows, first, axis=0)
        return dw

    def forward_cuda(self, dy, index):
        self.save(index)
        settings = self.shape, self.skip, self.by_frequency
        return self.device.kernels.embedding_gradient(dy, index, *settings)

    def _add_up(self, dw, index, rows):
        self.device.scatter_add(dw, index, rows)
        return dw

    def _scaled(self, rows, index):
        """Rows without those of ``skip``, and divided by how often their index occurs."""
        xp = self.xp
        factor = None
        if self.by_frequency and index.size:
            factor = 1 / xp.bincount(index, minlength=1)[index].astype(rows.dtype)
        if self.skip is not None:
            used = (index != self.skip).astype(rows.dtype)
            factor = used if factor is None else factor * used
        return rows if factor is None else rows * factor[:, None]

    def backward(self, ddw):
        (index,) = self.saved
        rows = Embedding(None, False)(ddw, index)
        if self.skip is None and not self.by_frequency:
            return rows, None
        flat = index._array.reshape(-1)
        ones = self.xp.ones((flat.size, 1), ddw._array.dtype)
        factor = self.wrap(self._scaled(ones, flat).reshape((*index.shape, 1)))
        return rows * factor, None


class OneHot(Op):
    """The rows of an identity matrix."""

    classes: int
    promotes = False
    differentiable = False

    def forward(self, x):
        xp = self.xp
        return (xp.expand_dims(x, -1) == xp.arange(self.classes)).astype(xp.int64)


class Shorten(Op):
    """The table with its rows ``index`` no longer than the limit in the p-norm. In place only."""

    limit: float
    p: float
    promotes = upcasts = False
    differentiable = False

    def forward(self, weight, index):
        xp = self.xp
        used = xp.unique(index)
        rows = weight[used].astype(xp.float32 if weight.dtype.itemsize == 2 else weight.dtype)
        if self.p == float("inf"):
            size = xp.abs(rows).max(1)
        else:
            size = (xp.abs(rows) ** self.p).sum(1) ** (1 / self.p)
        factor = xp.where(size > self.limit, self.limit / (size + 1e-7), 1)
        weight[used] = rows * factor[:, None]
        return weight


def _check_index(name: str, index: Tensor, rows: int) -> None:
    if index.dtype.category != 1:
        raise DTypeError(f"{name}: indices must be integers; got {index.dtype}. Hint: .long()")
    array = index._array
    if array.size and index._device.type == "cpu":  # a GPU is not waited for
        low, high = int(array.min()), int(array.max())
        if low < 0 or high >= rows:
            wrong = low if low < 0 else high
            raise DimensionError(f"{name}: indices must be in [0, {rows - 1}]; got {wrong}")


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
    _check_index("embedding", input, rows)
    if padding_idx is not None:
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
    if num_classes == -1:
        if not tensor.numel():
            raise ShapeError("one_hot: num_classes is needed for an empty tensor; got -1")
        num_classes = int(tensor._array.max()) + 1
    if num_classes < 1 and tensor.numel():
        raise ValueError(f"one_hot: num_classes must be positive or -1; got {num_classes}")
    _check_index("one_hot", tensor, num_classes)
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
