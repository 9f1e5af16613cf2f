"""What op families share: how dimensions and sizes are given, reductions undone, pairs returned."""

from __future__ import annotations

from typing import Any, NamedTuple

from lucid import dtypes
from lucid.errors import DimensionError, DTypeError, ShapeError
from lucid.op.arguments import shown
from lucid.tensor import Tensor

Dims = int | tuple[int, ...] | list[int] | None


def floating(name: str, what: str, x: Tensor) -> Tensor:
    """x, if its elements are floating point numbers."""
    if x.is_floating_point():
        return x
    raise DTypeError(
        f"{name}: the {what} must be floating point; got {x.dtype}. Hint: use .float()"
    )


def one_dtype(name: str, *inputs: Tensor | None) -> None:
    """Refuse what is no tensor, and tensors of several dtypes: matrix products don't promote."""
    kinds = []
    for x in inputs:
        if isinstance(x, Tensor):
            if x._array.dtype not in kinds:
                kinds.append(x._array.dtype)
        elif x is not None:
            raise DTypeError(
                f"{name}: expected a Tensor; got {shown(x)}. Hint: lucid.tensor(...) makes one"
            )
    if len(kinds) > 1:
        got = " and ".join(str(dtypes.of(kind)) for kind in kinds)
        raise DTypeError(
            f"{name}: all tensors must have one dtype; got {got}. Hint: convert with .to(dtype)"
        )


def dimension(name: str, dim: int, ndim: int) -> int:
    """``dim`` counted from the front; negative ones count from the back. 0-d tensors have dim 0."""
    n = max(ndim, 1)
    if dim.__class__ is not int:
        dim = whole(name, "dim", dim)
    if not -n <= dim < n:
        raise DimensionError(
            f"{name}: dim must be in [{-n}, {n - 1}] for a tensor of {ndim} dimensions; got {dim}"
        )
    return dim % n


def whole(name: str, what: str, value: Any) -> int:
    """A setting that must be an int: Python's, NumPy's, or a tensor of one."""
    try:
        return value.__index__()
    except (AttributeError, DTypeError, ShapeError):
        raise DTypeError(f"{name}: {what} must be an int; got {shown(value)}") from None


def as_number(name: str, what: str, value: Any) -> Any:
    """A setting that must be a number: Python's, NumPy's, or a tensor of one element."""
    if hasattr(value, "item") and getattr(value, "size", None) is not None:
        value = value.item()
    if isinstance(value, (bool, int, float)):
        return value
    if hasattr(value, "__float__"):
        return float(value)
    raise DTypeError(f"{name}: {what} must be a number; got {shown(value)}")


def several(name: str, what: str, value: Any) -> tuple[Any, ...]:
    """A setting that must be an int or several: as a tuple."""
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return (whole(name, what, value),)
    return tuple(value)


def dimensions(name: str, dim: Dims, ndim: int) -> tuple[int, ...] | None:
    """One or several dimensions counted from the front; None, (), or any of a 0-d tensor: all."""
    if dim is None:
        return None
    given = (dim,) if isinstance(dim, int) else several(name, "dim", dim)
    axes = tuple(dimension(name, d, ndim) for d in given)
    if len(set(axes)) != len(axes):
        raise ShapeError(f"{name}: a dim stands twice; got dim={dim}")
    return axes if axes and ndim else None


def sizes(name: str, args: Any) -> tuple[int, ...]:
    """``f(2, 3)`` and ``f((2, 3))`` alike, as ints; -1 may stand for a size to be worked out."""
    if len(args) == 1 and not isinstance(args[0], int) and hasattr(args[0], "__iter__"):
        args = args[0]
    try:
        return tuple([n.__index__() for n in args])
    except (AttributeError, DTypeError, ShapeError):
        raise DTypeError(f"{name}: sizes must be ints; got {tuple(args)!r}") from None


def undo_reduction(dy: Tensor, shape: tuple[int, ...], axes: Any, keepdim: bool) -> Tensor:
    """A reduced tensor, expanded back to ``shape`` over the dimensions that were reduced."""
    if not keepdim and axes is not None:
        dy = dy.reshape([1 if i in axes else n for i, n in enumerate(shape)])
    return dy.expand(shape)


def check_reduction(name: str, reduction: str, extra: tuple[str, ...] = ()) -> None:
    """A loss's losses come as they are, as their mean or as their sum."""
    known = ("none", "mean", "sum", *extra)
    if reduction not in known:
        raise ValueError(f"{name}: reduction must be one of {', '.join(known)}; got {reduction!r}")


def reduced(losses: Any, reduction: str) -> Any:
    """Losses as ``reduction`` wants them: tensors, or a reference's arrays."""
    return losses if reduction == "none" else getattr(losses, reduction)()


class ValuesIndices(NamedTuple):
    """What functions that choose elements along a dimension return."""

    values: Tensor
    indices: Tensor
