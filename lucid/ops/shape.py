"""The same elements in another shape: views where memory allows, copies where it doesn't."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lucid import dtypes
from lucid.errors import ShapeError
from lucid.op import Op, dimension, dimensions, explained, sizes
from lucid.op.conventions import several
from lucid.spec import Case, spec
from lucid.tensor import Tensor, tensor_method, tensor_property

__all__ = [
    "broadcast_tensors",
    "broadcast_to",
    "flatten",
    "moveaxis",
    "movedim",
    "permute",
    "ravel",
    "reshape",
    "squeeze",
    "swapaxes",
    "t",
    "transpose",
    "unflatten",
    "unsqueeze",
]


class Reshape(Op):
    shape: tuple
    is_view = True
    upcasts = promotes = False

    def forward(self, x):
        return x.reshape(self.shape)

    def backward(self, dy):
        return dy.reshape(self.shapes[0])


class Permute(Op):
    order: tuple
    is_view = True
    upcasts = promotes = False

    def forward(self, x):
        return x.transpose(self.order)

    def backward(self, dy):
        back = [0] * len(self.order)
        for i, d in enumerate(self.order):
            back[d] = i
        return Permute(tuple(back))(dy)


class Expand(Op):
    shape: tuple
    is_view = True
    upcasts = promotes = False
    broadcasts = True

    def forward(self, x):
        y = self.xp.broadcast_to(x, self.shape)
        if getattr(x.flags, "writeable", False) and not y.flags.writeable:  # CuPy has no such flag
            y.flags.writeable = True  # where no element stands twice; in-place calls look
        return y

    def backward(self, dy):
        return dy


class Reinterpret(Op):
    """The same bytes as another type."""

    target: dtypes.dtype
    is_view = True
    differentiable = False
    upcasts = promotes = False

    def forward(self, x):
        return x.view(self.target.numpy)


def _infer(name: str, shape: tuple[int, ...], numel: int, source: tuple[int, ...]) -> tuple:
    """``shape`` with its one -1 worked out."""
    if shape.count(-1) == 1:
        known = math.prod(n for n in shape if n != -1)
        if known and numel % known == 0:
            shape = tuple(numel // known if n == -1 else n for n in shape)
    if any(n < 0 for n in shape) or math.prod(shape) != numel:
        raise ShapeError(
            f"{name}: shape {shape} doesn't fit the {numel} elements; got a tensor of shape"
            f" {source}"
        )
    return shape


@tensor_method("reshape")
def _reshape(self: Tensor, *shape: Any) -> Tensor:
    """The same elements in C order in another shape; one size may be -1. A view if possible."""
    return reshape(self, sizes("reshape", shape))


def reshape(input: Tensor, shape: Sequence[int]) -> Tensor:
    """The same elements in C order in another shape; one size may be -1. A view if possible.

    >>> lucid.reshape(lucid.arange(4), (2, -1)).shape
    (2, 2)
    """
    return Reshape(_infer("reshape", tuple(shape), input.numel(), input.shape))(input)


@tensor_method("view")
def _view(self: Tensor, *shape: Any) -> Tensor:
    """reshape that never copies: an error if the memory order does not allow a view.

    ``x.view(dtype)`` reads the same bytes as another type, along the last dimension.
    """
    if len(shape) == 1 and isinstance(shape[0], dtypes.dtype):
        return _reinterpret(self, shape[0])
    wanted = _infer("view", sizes("view", shape), self.numel(), self.shape)
    y = Reshape(wanted)(self)
    if self.numel() and y._base is None:
        raise ShapeError(
            f"view: as {wanted} this tensor can't be seen without a copy; got shape {self.shape}"
            f" with strides {self.stride()}. Hint: use .reshape()"
        )
    return y


def _reinterpret(x: Tensor, dtype: dtypes.dtype) -> Tensor:
    old, new = x.element_size(), dtype.itemsize
    fits = old == new or (x.ndim and x.stride(-1) == 1 and x.shape[-1] * old % new == 0)
    if not fits:
        raise ShapeError(
            f"view: {x.dtype} can be seen as {dtype} where the last dimension has no gaps, and a"
            f" whole number of them; got shape {x.shape}, strides {x.stride()}"
        )
    return Reinterpret(dtype)(x)


@tensor_method("view_as")
def _view_as(self: Tensor, other: Tensor) -> Tensor:
    """view with the shape of ``other``."""
    return self.view(other.shape)


@tensor_method("reshape_as")
def _reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """reshape with the shape of ``other``."""
    return reshape(self, other.shape)


@tensor_method("flatten")
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions start_dim to end_dim as one. (N, C, H, W), 1 -> (N, C*H*W)."""
    first, last = (
        dimension("flatten", start_dim, input.ndim),
        dimension("flatten", end_dim, input.ndim),
    )
    if first > last:
        raise ShapeError(
            f"flatten: start_dim must not be after end_dim; got {start_dim}, {end_dim}"
        )
    if first == last and input.ndim:
        return input
    shape = input.shape or (1,)
    middle = math.prod(shape[first : last + 1])
    return Reshape((*shape[:first], middle, *shape[last + 1 :]))(input)


@tensor_method("ravel")
def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension, in C order."""
    return reshape(input, (-1,)).contiguous()


@tensor_method("unflatten")
def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Dimension ``dim`` split into ``sizes``; one of them may be -1."""
    d = dimension("unflatten", dim, input.ndim)
    inner = _infer("unflatten", tuple(sizes), input.shape[d], input.shape)
    return Reshape((*input.shape[:d], *inner, *input.shape[d + 1 :]))(input)


@tensor_method("permute")
def _permute(self: Tensor, *dims: Any) -> Tensor:
    """A view with the dimensions in the order ``dims``."""
    return permute(self, sizes("permute", dims))


def permute(input: Tensor, dims: Sequence[int]) -> Tensor:
    """A view with the dimensions in the order ``dims``. permute(x, (1, 0)): (H, W) -> (W, H)."""
    order = tuple(dimension("permute", d, input.ndim) for d in dims)
    if sorted(order) != list(range(input.ndim)):
        raise ShapeError(
            f"permute: dims must name each of the {input.ndim} dimensions once; got {tuple(dims)}"
        )
    return Permute(order)(input)


@tensor_method("transpose", "swapaxes", "swapdims")
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """A view with two dimensions exchanged."""
    a, b = dimension("transpose", dim0, input.ndim), dimension("transpose", dim1, input.ndim)
    order = list(range(input.ndim))
    if order:
        order[a], order[b] = b, a
    return Permute(tuple(order))(input)


@tensor_method("t")
def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; vectors stay. (M, N) -> (N, M)."""
    if input.ndim > 2:
        raise ShapeError(
            f"t: at most 2 dimensions; got shape {input.shape}. Hint: .transpose(-1, -2)"
        )
    return Permute(tuple(reversed(range(input.ndim))))(input)


@tensor_property("T")
def _reversed(self: Tensor) -> Tensor:
    """A view with the dimensions in reverse order."""
    return Permute(tuple(reversed(range(self.ndim))))(self)


@tensor_property("mT")
def _matrix_transposed(self: Tensor) -> Tensor:
    """A view with the last two dimensions exchanged."""
    return transpose(self, -1, -2)


@tensor_method("movedim", "moveaxis")
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """A view with the dimensions ``source`` moved to ``destination``, the others in order."""
    from_ = [
        dimension("movedim", d, input.ndim)
        for d in ([source] if isinstance(source, int) else source)
    ]
    to = [
        dimension("movedim", d, input.ndim)
        for d in ([destination] if isinstance(destination, int) else destination)
    ]
    rest = iter(d for d in range(input.ndim) if d not in from_)
    order = [from_[to.index(i)] if i in to else next(rest) for i in range(input.ndim)]
    return Permute(tuple(order))(input)


@tensor_method("squeeze")
def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """A view without the dimensions of size 1: all of them, or those in ``dim``."""
    if dim is None:
        gone = set(range(input.ndim))
    else:
        dims = dim if isinstance(dim, int) else several("squeeze", "dim", dim)
        gone = set(dimensions("squeeze", dims, input.ndim) or ())
    return Reshape(tuple(n for i, n in enumerate(input.shape) if n != 1 or i not in gone))(input)


@tensor_method("unsqueeze")
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A view with a new dimension of size 1 at ``dim``."""
    d = dimension("unsqueeze", dim, input.ndim + 1)
    return Reshape((*input.shape[:d], 1, *input.shape[d:]))(input)


@tensor_method("expand")
def _expand(self: Tensor, *size: Any) -> Tensor:
    """A view in which dimensions of size 1 are repeated; -1 keeps a size. Takes no memory."""
    return _expanded("expand", self, sizes("expand", size))


def _expanded(name: str, x: Tensor, shape: tuple[int, ...]) -> Tensor:
    extra = len(shape) - x.ndim
    wanted = tuple(x.shape[i - extra] if n == -1 and i >= extra else n for i, n in enumerate(shape))
    fits = extra >= 0 and all(n in (1, wanted[i + extra]) for i, n in enumerate(x.shape))
    if not fits or any(n < 0 for n in wanted):
        raise ShapeError(
            f"{name}: sizes must be equal, counted from the last dimension, or 1 in the tensor; got"
            f" shape {x.shape} for {shape}"
        )
    return Expand(wanted)(x)


@tensor_method("expand_as")
@explained
def _expand_as(self: Tensor, other: Tensor) -> Tensor:
    """expand to the shape of ``other``."""
    return _expanded("expand_as", self, other.shape)


@tensor_method("broadcast_to")
def broadcast_to(input: Tensor, shape: Sequence[int]) -> Tensor:
    """A view of ``shape`` in which dimensions of size 1 are repeated. Takes no memory."""
    return _expanded("broadcast_to", input, tuple(shape))


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """All tensors expanded to their common broadcast shape."""
    ndim = max((x.ndim for x in tensors), default=0)
    padded = [(1,) * (ndim - x.ndim) + x.shape for x in tensors]
    shape = tuple(next((n for n in sizes if n != 1), 1) for sizes in zip(*padded, strict=True))
    return tuple(x if x.shape == shape else _expand(x, shape) for x in tensors)


swapaxes, moveaxis = transpose, movedim


spec(
    reshape,
    cases=[
        Case([(3, 4)], {"shape": (2, -1)}),
        Case([(0, 3)], {"shape": (3, 0)}),
        Case([()], {"shape": (1,)}),
    ],
    reference=lambda np, x, shape: x.reshape(shape),
    errors=[
        (Case([(3, 4)], {"shape": (5, -1)}), ShapeError, r"reshape: shape \(5, -1\) doesn't fit")
    ],
)


spec(
    permute,
    cases=[Case([(2, 3, 4)], {"dims": (2, 0, 1)})],
    reference=lambda np, x, dims: x.transpose(dims),
)


spec(
    transpose,
    cases=[Case([(2, 3, 4)], {"dim0": 0, "dim1": -1})],
    reference=lambda np, x, dim0, dim1: np.swapaxes(x, dim0, dim1),
)


spec(
    flatten,
    cases=[Case([(2, 3, 4)]), Case([(2, 3, 4)], {"start_dim": 1})],
    reference=lambda np, x, start_dim=0: x.reshape(*x.shape[:start_dim], -1),
)


spec(
    unflatten,
    cases=[Case([(2, 12)], {"dim": 1, "sizes": (3, -1)})],
    reference=lambda np, x, dim, sizes: x.reshape(2, 3, 4),
)


spec(
    squeeze,
    cases=[Case([(1, 3, 1)]), Case([(1, 3, 1)], {"dim": 0})],
    reference=lambda np, x, dim=None: np.squeeze(x, dim),
)


spec(
    unsqueeze,
    cases=[Case([(2, 3)], {"dim": 1}), Case([(2, 3)], {"dim": -1})],
    reference=lambda np, x, dim: np.expand_dims(x, dim),
)


spec(
    movedim,
    cases=[Case([(2, 3, 4)], {"source": 0, "destination": 2})],
    reference=lambda np, x, source, destination: np.moveaxis(x, source, destination),
)


spec(
    broadcast_to,
    cases=[Case([(3, 1)], {"shape": (2, 3, 4)})],
    reference=lambda np, x, shape: np.broadcast_to(x, shape),
)
