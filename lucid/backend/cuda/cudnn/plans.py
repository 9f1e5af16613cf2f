"""Plans: built graphs, kept by problem and device. What cuDNN refused is kept as well."""

from __future__ import annotations

from typing import Any

from lucid.backend import capture
from lucid.backend.cuda import options
from lucid.backend.cuda.availability import cupy
from lucid.backend.cuda.cudnn.frontend import Library
from lucid.backend.cuda.cudnn.graph import Numbers, Problem
from lucid.errors import LucidError


class Unsupported(LucidError, RuntimeError):
    """cuDNN has no plan for a problem."""


class Plan:
    """A built graph, and the stream-ordered workspace that it asks for."""

    def __init__(self, owner: Any, problem: Problem, built: Any, workspace: int):
        self.owner, self.problem = owner, problem
        self.built, self.workspace = built, workspace
        self._operands = tuple(problem.operands())
        self._numbers = Numbers(problem)

    def run(self, *arrays: Any) -> None:
        """Queue it on the current stream. Arrays in the order of the problem's operands."""
        scratch = cupy().cuda.alloc(self.workspace) if self.workspace else None
        pointers = self._numbers.beside(self._operands, [a.data.ptr for a in arrays])
        try:
            self.owner.execute(self.built, pointers, 0 if scratch is None else scratch.ptr)
        except Exception as error:  # cuDNN's own words tell neither the layer nor its shapes
            error.add_note(f"while cuDNN computed {self.problem}")
            raise


def aligned(array: Any) -> Any:
    """The array, or a copy: cuDNN takes memory aligned to 16 bytes, and a part of an array may
    begin anywhere."""
    if not array.data.ptr % 16:
        return array
    copy = cupy().empty_like(array)
    copy[...] = array
    return copy


_plans: dict[tuple[Any, int, bool, Problem], Plan] = {}
_refused: dict[tuple[Any, int, bool, Problem], str] = {}


def plan_for(owner: Any, problem: Problem) -> Plan:
    """The plan for a problem on the current device, from the cache if it was met before.

    Unsupported if there is none; the next call asks again.
    """
    key = _key(owner, problem)
    plan = _plans.get(key)
    if plan is None:
        capture.refuse(
            f"{problem}: cuDNN has no plan for it yet, and none can be made",
            "run the step once before, on the same stream",
        )
        try:
            plan = _plans[key] = _built(owner, problem)
        except Exception as error:
            raise Unsupported(
                f"{problem}: cuDNN has no plan for it ({_first_line(error)})."
                " Hint: lucid.backends.cudnn.enabled = False computes it without cuDNN"
            ) from error
    return plan


def plan_if_supported(owner: Any, problem: Problem) -> Plan | None:
    """The same for what can be computed otherwise: None for a problem that cuDNN refuses.

    It is asked once per problem; and not during a capture, when nothing may be built.
    """
    key = _key(owner, problem)
    plan = _plans.get(key)
    if plan is None and key not in _refused:
        if cupy().cuda.get_current_stream().is_capturing():
            return None
        try:
            plan = _plans[key] = _built(owner, problem)
        except Exception as error:  # the frontend has many classes for a no
            _refused[key] = _first_line(error)
    return plan


def prepare() -> None:
    """Make the current stream's handle, which a capture could not, if any plan was made."""
    for owner in {key[0] for key in _plans}:
        if isinstance(owner, Library):
            owner._handle()


def refusals() -> dict[str, str]:
    """Problems for which something else serves, and why cuDNN does not."""
    return {str(problem): why for (*_, problem), why in _refused.items()}


def _key(owner: Any, problem: Problem) -> tuple[Any, int, bool, Problem]:
    return owner, cupy().cuda.runtime.getDevice(), options.cudnn.benchmark, problem


def _built(owner: Any, problem: Problem) -> Plan:
    return Plan(owner, problem, *owner.build(problem, options.cudnn.benchmark))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].strip()
