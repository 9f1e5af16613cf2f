"""Class labels: checked, and turned into an index into an array of scores."""

from __future__ import annotations

from typing import Any

from lucid.errors import DimensionError, DTypeError, ShapeError
from lucid.op.base import Op
from lucid.op.conventions import floating
from lucid.spec import Case
from lucid.tensor import Tensor


def locate(op: Op, function: str, target: Any, shape: tuple, axis: int, ignore: int) -> Any:
    """Labels as an index into an array of that shape, and which of them are ignored (or None).

    A label out of range is an error on the CPU. On a GPU nobody waits for the answer: there such a
    label is marked, and its loss becomes NaN.
    """
    xp, classes = op.xp, shape[axis]
    ignored = wrong = None
    on_cpu = op.device.type == "cpu"
    if not on_cpu or not target.size or not 0 <= target.min() <= target.max() < classes:
        ignored = target == ignore
        wrong = ((target < 0) | (target >= classes)) & ~ignored
        if on_cpu and wrong.any():
            first = tuple(int(i[0]) for i in xp.nonzero(xp.atleast_1d(wrong)))
            found = int(xp.atleast_1d(target)[first])
            place = f" at position {first[0] if len(first) == 1 else first}" if target.ndim else ""
            raise DimensionError(
                f"{function}: labels must be in [0, {classes - 1}] or ignore_index {ignore};"
                f" got {found}{place}"
            )
        target = xp.where(ignored | wrong, 0, target)
    elif 0 <= ignore < classes:
        ignored = target == ignore
    at = list(xp.meshgrid(*map(xp.arange, target.shape), indexing="ij", sparse=True, copy=False))
    at.insert(axis, target)
    return tuple(at), ignored, None if on_cpu else wrong


def check(name: str, x: Tensor, target: Tensor, weight: Tensor | None) -> int:
    """The dimension of the classes: 1, or 0 for a single sample."""
    if x.ndim == 0:
        raise ShapeError(f"{name}: input must be (N, C), (C,) or (N, C, *); got shape ()")
    floating(name, "input", x)
    axis = min(1, x.ndim - 1)
    expected = x.shape[:axis] + x.shape[axis + 1 :]
    if target.shape != expected:
        raise ShapeError(
            f"{name}: labels for an input of shape {x.shape} must be of shape {expected}; got"
            f" {target.shape}"
        )
    if target.dtype.category != 1:
        raise DTypeError(f"{name}: labels must be integers; got {target.dtype}. Hint: .long()")
    check_weight(name, x.shape[axis], weight)
    return axis


def check_weight(name: str, classes: int, weight: Tensor | None) -> None:
    if weight is not None and weight.shape != (classes,):
        raise ShapeError(f"{name}: weight must be ({classes},), one per class; got {weight.shape}")


def constant(weight: Tensor | None, x: Tensor) -> Tensor | None:
    """Class weights outside the graph, in x's type if they are integers."""
    if weight is None:
        return None
    return (weight if weight.is_floating_point() else weight.to(x.dtype)).detach()


# Example calls that cross_entropy and nll_loss share.
_DTYPES = ("float32", "int64", "int64")


def case(x: tuple, t: tuple, *weight: tuple, by_value: bool = False, **kwargs: Any) -> Case:
    """A call with class labels below 3; the last tensor, if any, holds class weights."""
    return Case([x, t, *weight], kwargs, 0, 3, _DTYPES, by_value)


CASES = [
    case((5, 3), (5,)),
    case((5, 4), (5,), (4,), reduction="sum"),
    case((2, 3, 2, 2), (2, 2, 2), reduction="none"),
    case((12, 3), (12,), (3,), ignore_index=1),
    case((3,), ()),
    case((0, 3), (0,), reduction="sum"),
]
ERRORS = [
    (case((5, 3), (4,)), ShapeError, r"labels for an input of shape \(5, 3\) must be"),
    (
        case((4, 2), (4,), by_value=True),
        IndexError,
        r"labels must be in \[0, 1\] or ignore_index -100; got 2",
    ),
    (case((4, 3), (4,), (2,)), ShapeError, r"weight must be \(3,\), one per class; got \(2,\)"),
    (case((4, 3), (4,), reduction="max"), ValueError, "reduction must be one of none, mean, sum"),
]
