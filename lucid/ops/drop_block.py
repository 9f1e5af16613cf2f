"""DropBlock: dropout of whole squares or cubes, since neighbours tell what a dropped pixel said.

    gamma = p / K^d * product over dimensions of n / (n - K + 1)
    y = x * (number of elements) / (number kept + eps) where kept, 0 in a block

At each place where a block of side K fits, one begins with probability gamma, for each sample and
channel. No mask is stored: its decisions are addressed by (seed, stream, offset, i), and backward
draws them again. A dropped element is selected away, so NaN leaves no trace. Ghiasi, Lin and Le,
DropBlock, 2018.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from lucid import dtypes
from lucid.backend import Device, philox
from lucid.backend.philox import Key
from lucid.errors import DTypeError, ShapeError
from lucid.op import Op, inplace
from lucid.op.drawing import check_probability, check_tensor, reserve
from lucid.random import Generator
from lucid.spec import Case, spec
from lucid.tensor import Tensor

__all__ = ["drop_block2d", "drop_block3d"]


class DropBlocks(Op):
    """keep ? x * (elements / (kept + eps)) : 0, over the whole batch."""

    key: Key
    threshold: int
    side: int
    eps: float

    def forward(self, x):
        xp = self.xp
        drop = dropped(self, x.shape)
        # In double on every device, and rounded once to what is multiplied with.
        kept = (x.size - drop.sum()).astype("float64")
        scale = (x.size / (kept + self.eps)).astype(x.dtype)
        zero = x.dtype.type(0)
        y = xp.where(drop, zero, x * scale)
        if self.out is None:
            return y
        self.out[...] = y
        return self.out

    def backward(self, dy):
        return DropBlocks(self.key, self.threshold, self.side, self.eps)(dy)


class Blocks(NamedTuple):
    """What one training call dropped: a recipe, drawn again whenever it is asked for."""

    key: Key | None  # None: nothing was drawn
    threshold: int
    side: int
    shape: tuple[int, ...]
    dtype: dtypes.dtype
    device: Device

    def mask(self) -> Tensor:
        """1 where kept, 0 where dropped."""
        xp = self.device.xp
        keep = xp.ones(self.shape, bool) if self.key is None else ~dropped(self, self.shape)
        return Tensor._wrap(keep.astype(self.dtype.numpy), self.device)


def dropped(source: DropBlocks | Blocks, shape: tuple[int, ...]) -> Any:
    """Which elements lie in a block: a bool array of this shape."""
    xp, side = source.device.xp, source.side
    places = (*shape[:2], *(n - side + 1 for n in shape[2:]))
    drop = source.device.draw("decisions", source.key, math.prod(places), source.threshold)
    drop = drop.reshape(places)
    for axis in range(2, len(shape)):
        begins, at = drop, (slice(None),) * axis
        drop = xp.zeros((*begins.shape[:axis], shape[axis], *begins.shape[axis + 1 :]), bool)
        for k in range(side):
            drop[(*at, slice(k, k + begins.shape[axis]))] |= begins
    return drop


def drop_blocks(
    name: str, x: Tensor, p: float, block_size: int, in_place: bool, eps: float, training: bool,
    generator: Generator | None, d: int,
) -> tuple[Tensor, Blocks | None]:  # fmt: skip
    """The functions' one body. Returns y, and what was dropped (None when not training)."""
    p = check_probability(name, p)
    check_tensor(name, x)
    check_block_size(name, block_size)
    if x.ndim != d + 2:
        form = "(N, C, H, W)" if d == 2 else "(N, C, D, H, W)"
        raise ShapeError(f"{name}: x must be {form}; got shape {x.shape}")
    if not training:
        return x, None
    side = min(block_size, *x.shape[2:])
    nothing = Blocks(None, 0, side, x.shape, x.dtype, x._device)
    if p == 0.0 or 0 in x.shape:
        return x, nothing
    if not x.is_floating_point():
        raise DTypeError(f"{name}: x must be floating point; got {x.dtype}. Hint: use .float()")
    places = math.prod(n - side + 1 for n in x.shape[2:])
    gamma = min(1.0, p * math.prod(x.shape[2:]) / (side**d * places))
    key = reserve(name, "decisions", x.shape[0] * x.shape[1] * places, None, generator)
    threshold = philox.threshold(gamma)
    op = DropBlocks(key, threshold, side, eps)
    return (inplace(op, x) if in_place else op(x)), nothing._replace(key=key, threshold=threshold)


def check_block_size(name: str, block_size: int) -> int:
    """``block_size``, if it is a positive int."""
    if not isinstance(block_size, int) or block_size < 1:
        raise ValueError(f"{name}: block_size must be a positive integer; got {block_size!r}")
    return block_size


def drop_block2d(
    input: Tensor, p: float, block_size: int, inplace: bool = False, eps: float = 1e-6,
    training: bool = True, *, generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Zero random squares, about a fraction p of the pixels. x: (N, C, H, W) -> y: (N, C, H, W).

    What is kept is scaled so that the sum over a tensor of ones stays, over the whole batch.
    ``block_size`` is cut to H and W. The squares depend on the generator's state and logical
    indices only: not on device, dtype or memory layout. Ghiasi et al. 2018.
    """
    settings = p, block_size, inplace, eps, training, generator
    return drop_blocks("drop_block2d", input, *settings, 2)[0]


def drop_block3d(
    input: Tensor, p: float, block_size: int, inplace: bool = False, eps: float = 1e-6,
    training: bool = True, *, generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Zero random cubes, about a fraction p of the voxels. x: (N, C, D, H, W) -> same shape.

    As drop_block2d, in three dimensions.
    """
    settings = p, block_size, inplace, eps, training, generator
    return drop_blocks("drop_block3d", input, *settings, 3)[0]


_errors: list[Any] = [
    (Case([(2, 3, 4)], {"p": 0.5, "block_size": 2}), ShapeError, r"drop_block\dd: x must be \(N,"),
    (
        Case([(1, 1, 4, 4)], {"p": 1.5, "block_size": 2}),
        ValueError,
        r"^drop_block\dd: p must be in \[0, 1\]; got 1.5",
    ),
    (
        Case([(1, 1, 4, 4)], {"p": 0.5, "block_size": 0}),
        ValueError,
        r"^drop_block\dd: block_size must be a positive integer; got 0",
    ),
]
spec(
    drop_block2d,
    cases=[
        Case([(2, 3, 7, 6)], {"p": 0.3, "block_size": 3}),
        Case([(2, 3, 5, 4)], {"p": 0.1, "block_size": 2}),
        Case([(2, 3, 5, 4)], {"p": 0.5, "block_size": 9}),
        Case([(2, 3, 5, 4)], {"p": 0.0, "block_size": 2}),
        Case([(2, 3, 5, 4)], {"p": 0.5, "block_size": 2, "training": False}),
        Case([(0, 3, 5, 4)], {"p": 0.5, "block_size": 2}),
    ],
    random=True,
    errors=[
        *_errors,
        (
            Case([(1, 1, 4, 4)], {"p": 0.5, "block_size": 2}, dtypes=("int64",)),
            TypeError,
            "^drop_block2d: x must be floating point",
        ),
    ],
)
spec(
    drop_block3d,
    cases=[Case([(2, 2, 4, 5, 4)], {"p": 0.3, "block_size": 2})],
    random=True,
    errors=_errors,
)
