"""How an op file declares the calls that tests and docs make of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """One call: the shapes of the tensor arguments, and the keyword arguments.

    Values are drawn from [low, high). dtypes names the element type of each tensor argument where
    it is not a floating point number: ``("float32", "int64")``; integers are whole numbers in the
    same range. by_value: an error that depends on the values is for the CPU only, since a GPU is
    not waited for.
    """

    shapes: Sequence[Shape]
    kwargs: dict[str, Any] = field(default_factory=dict)
    low: float = -2.0
    high: float = 2.0
    dtypes: Sequence[str] | None = None
    by_value: bool = False

    def __str__(self) -> str:
        return f"{list(self.shapes)} {self.kwargs or ''}".strip()


# What every reduction over dim= is called with.
REDUCTIONS = [
    Case([(3, 4)]),
    Case([(3, 4)], {"dim": 1}),
    Case([(3, 4)], {"dim": 0, "keepdim": True}),
    Case([(2, 3, 4)], {"dim": (0, -1)}),
    Case([()]),
]


def as_axis(dim: Any) -> Any:
    """A ``dim`` as NumPy takes it, for references."""
    return tuple(dim) if isinstance(dim, list) else dim


@dataclass(frozen=True)
class Spec:
    """Example calls of one public function; see ``spec``."""

    function: Callable[..., Any]
    cases: Sequence[Case]
    reference: Callable[..., Any] | None
    errors: Sequence[tuple[Case, type[Exception], str]]
    random: bool
    differentiable: bool
    sequence: bool

    def __str__(self) -> str:
        return self.function.__name__


SPECS: list[Spec] = []


def spec(
    function: Callable[..., Any],
    *,
    cases: Sequence[Case],
    reference: Callable[..., Any] | None = None,
    errors: Sequence[tuple[Case, type[Exception], str]] = (),
    random: bool = False,
    differentiable: bool = True,
    sequence: bool = False,
) -> None:
    """Register example calls of ``function``.

    reference:  ``reference(np, *arrays, **kwargs)``, the same in NumPy; the float64 truth.
    errors:     (case, exception type, regular expression that the message matches).
    random:     the op draws random numbers; the tests reset the seed before each call.
    differentiable: whether gradients are checked (also second ones).
    sequence:   the tensors go in as one list (cat, stack).
    """
    SPECS.append(
        Spec(function, tuple(cases), reference, tuple(errors), random, differentiable, sequence)
    )
