"""Calls that hypothesis draws: made to torch and to lucid, compared, and printed to be pasted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import lucid
from tests.parity.compare import Case, compare
from tests.parity.library import Side, differences, second_gradients, twice_differentiable

from .tensors import Drawn, shown

TWICE = ("float32", "float64")  # second gradients of halves are mostly rounding


@dataclass(frozen=True, eq=False)
class Dtype:
    """A dtype among the arguments."""

    name: str

    def __repr__(self) -> str:
        return f"lib.{self.name}"


@dataclass(frozen=True, eq=False)
class Call:
    """``name`` with these arguments. A name with a dot is a method or lies in a namespace."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    note: str = ""  # what an intended difference may need to know

    def run(self, side: Side) -> Any:
        """The answer; in-place functions answer the written tensor, too."""
        made = [_made(side, a) for a in self.args]
        given = {k: _made(side, v) for k, v in self.kwargs.items()}
        if self.in_place and made[0].requires_grad:
            made[0] = made[0].clone()  # no leaf is written
        answer = side.get(self.name)(*made, **given)
        if self.name == "Tensor.__setitem__":
            return made[0]
        if self.is_view:
            return _written(side, answer, made[0])
        return (answer, made[0]) if self.in_place else answer

    @property
    def in_place(self) -> bool:
        last = self.name.rpartition(".")[2]
        if last.startswith("__"):
            return last.startswith("__i") and last != "__invert__" or last == "__setitem__"
        return last.endswith("_")

    @property
    def is_view(self) -> bool:
        return self.note == "view"

    @property
    def is_expanded(self) -> bool:
        return any(method == "expand" for t in self.tensors for method, _ in t.steps)

    @property
    def tensors(self) -> list[Drawn]:
        return [t for a in (*self.args, *self.kwargs.values()) for t in _tensors(a)]

    def has(self, *kinds: str) -> bool:
        """Whether a tensor has values of one of these kinds, or a dtype of these."""
        return any(t.kind in kinds or t.dtype in kinds for t in self.tensors)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """How hypothesis shows a call that fails."""
        printer.text(repr(self))

    def __repr__(self) -> str:
        """Python that makes the call to both libraries."""
        names = iter("xyzwuvabcdefgh")
        made = {id(t): next(names) for t in self.tensors}
        lines = [f"    {made[id(t)]} = {t!r}" for t in self.tensors]
        args = [_argument(a, made) for a in self.args]
        given = [f"{k}={_argument(v, made)}" for k, v in self.kwargs.items()]
        lines += [
            f"    answer = lib.{self.name}({', '.join([*args, *given])})",
            "    print(answer)",
        ]
        start = "from math import inf, nan\nimport torch, lucid\nfor lib in (torch, lucid):"
        return "\n" + "\n".join([start, *lines]) + "\n"


def differing(call: Call, torch: Any, second: bool = True) -> list[str]:
    """What differs between torch's and lucid's answers: values, kinds, gradients, or refusals."""
    label = repr(call)
    found = compare(Case(call.name, label, call.run), torch)
    smooth = [t for t in call.tensors if t.grad]
    tame = all(t.dtype in TWICE and t.base.size for t in smooth)
    if found or not second or not smooth or not tame or call.has("special", "extreme"):
        return found
    theirs, ours = Side(torch, label), Side(lucid, label)
    a, _, refused = theirs.run(lambda s: _twice(call, s))
    if refused or a is None:
        return []  # nothing to derive, or torch cannot
    b, _, error = ours.run(lambda s: _twice(call, s))
    if error:
        return [f"second gradient: lucid refuses: {error:.160}"]
    return differences(theirs, a, ours, b, "gradient of the gradient ")


def _twice(call: Call, side: Side) -> Any:
    with twice_differentiable(side):
        answer = call.run(side)
        if not side.differentiable(answer):
            return None
        return [g.detach() for g in second_gradients(side, answer)]


def _written(side: Side, answer: Any, argument: Any) -> Any:
    """The answer; then the argument after writing into the answer, to see what is a view."""
    parts = list(answer) if isinstance(answer, (tuple, list)) else [answer]
    if not parts:
        return answer
    before = [p.clone() for p in parts]
    with side.root.no_grad():
        for part in parts:
            other = part == 0 if str(part.dtype).endswith("bool") else part + 1
            part.detach().copy_(other)
    return before, answer, argument.detach()


def _made(side: Side, value: Any) -> Any:
    if isinstance(value, Drawn):
        made = value.make(side.root)
        side.made.append(made)
        if value.grad:
            side.leaves.append(made)
        return made
    if isinstance(value, Dtype):
        return getattr(side.root, value.name)
    if isinstance(value, (list, tuple)):
        return type(value)(_made(side, v) for v in value)
    return value


def _tensors(value: Any) -> list[Drawn]:
    if isinstance(value, Drawn):
        return [value]
    if isinstance(value, (list, tuple)):
        return [t for v in value for t in _tensors(v)]
    return []


def _argument(value: Any, made: dict[int, str]) -> str:
    if isinstance(value, Drawn):
        return made[id(value)]
    if isinstance(value, slice):
        return repr(value)
    if isinstance(value, tuple):
        return f"({', '.join(_argument(v, made) for v in value)}{',' * (len(value) == 1)})"
    if isinstance(value, list):
        return f"[{', '.join(_argument(v, made) for v in value)}]"
    return shown(value)
