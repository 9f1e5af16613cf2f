"""Rows of a table by index, and what is shared by those who read them.

``Embedding`` and ``EmbeddingGradient`` are each other's gradients: rows taken by index, and rows
added up by index.
"""

from __future__ import annotations

from lucid.errors import DimensionError, DTypeError
from lucid.op.base import Op
from lucid.tensor import Tensor


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
        rows = self._scaled(dy.reshape(index.size, self.shape[1]), index.reshape(-1))
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
            rows = self._scaled(dy.reshape(index.size, self.shape[1])[order].astype(wide), arranged)
            dw[arranged[first]] = _sums(xp, rows, first)
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


def _sums(xp, rows, first):
    """Rows added up from each index in ``first`` to the next.

    reduceat takes a microsecond for each part, however short; of short parts the second rows are
    added all at once, then the third, and so on.
    """
    count = xp.diff(first, append=len(rows))
    short, long = xp.flatnonzero(count <= 6), xp.flatnonzero(count > 6)
    total = xp.empty((len(first), rows.shape[1]), rows.dtype)
    total[short] = rows[first[short]]
    for k in range(1, 6):
        short = short[count[short] > k]
        total[short] += rows[first[short] + k]
    if long.size:
        # Sums from each long part's first row to its last, and from there to the next one's first.
        bounds = xp.stack([first[long], first[long] + count[long]], 1).reshape(-1)
        bounds = bounds[:-1] if bounds[-1] == len(rows) else bounds
        total[long] = xp.add.reduceat(rows, bounds, axis=0)[::2]
    return total


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


def check_index(name: str, index: Tensor, rows: int) -> None:
    """Refuse what is not in [0, rows); the values only where they can be seen at once."""
    if index.dtype.category != 1:
        raise DTypeError(f"{name}: indices must be integers; got {index.dtype}. Hint: .long()")
    array = index._array
    if array.size and index._device.type == "cpu":  # a GPU is not waited for
        low, high = int(array.min()), int(array.max())
        if low < 0 or high >= rows:
            wrong = low if low < 0 else high
            raise DimensionError(f"{name}: indices must be in [0, {rows - 1}]; got {wrong}")
