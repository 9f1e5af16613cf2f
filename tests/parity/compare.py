"""Cases: calls that torch and lucid are both asked to make, and what differs."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import lucid

from .intended import VALUES
from .library import Like, Side, differences, flat
from .names import MISSING, look_up


class Case(NamedTuple):
    """A call: the name that it is about, what is special about it, and the call itself."""

    name: str
    label: str
    function: Callable[[Side], Any]

    def __str__(self) -> str:
        return f"{self.name} {self.label}"


_cases: list[Case] = []
seen: set[tuple[str, str, str, str]] = set()  # the intended differences that were met


def add(name: str, label: Any, function: Callable[[Side], Any]) -> None:
    """One more case for ``name``."""
    _cases.append(Case(name, str(label), function))


def case(*names: str) -> Callable[[Callable[[Side], Any]], Callable[[Side], Any]]:
    """The decorated function of a side is a case for each of these names."""

    def attach(function: Callable[[Side], Any]) -> Callable[[Side], Any]:
        for name in names:
            add(name, function.__name__, function)
        return function

    return attach


def same(name: str, *functions: Callable[[Side], Any]) -> None:
    """Cases for ``name`` that are numbered."""
    for i, function in enumerate(functions):
        add(name, f"#{i}", function)


def call(name: str, *args: Any, **kwargs: Any) -> None:
    """A case: the function called with these arguments, of which Likes become tensors."""

    def run(s: Side) -> Any:
        made = [s.tensor(a) if isinstance(a, Like) else a for a in args]
        given = {k: s.tensor(v) if isinstance(v, Like) else v for k, v in kwargs.items()}
        return s.get(name)(*made, **given)

    add(name, ", ".join([*map(str, args), *(f"{k}={v}" for k, v in kwargs.items())]), run)


@cache
def cases() -> list[Case]:
    """Every case of the files in cases/ whose name lucid has."""
    for path in sorted((Path(__file__).parent / "cases").glob("*.py")):
        import_module(f"tests.parity.cases.{path.stem}")
    return [case for case in _cases if look_up(lucid, case.name) is not MISSING]


def compare(case: Case, torch: Any) -> list[str]:
    """What differs between torch and lucid in this case; nothing, if all is well."""
    theirs, ours = Side(torch, str(case)), Side(lucid, str(case))
    a, da, refused = theirs.run(case.function)
    b, db, error = ours.run(case.function)
    if refused and error:
        return []
    if refused:
        return [f"torch refuses ({refused:.100}); lucid does not"]
    if error:
        return [f"lucid refuses: {error:.160}"]
    found = differences(theirs, a, ours, b)
    if da is not None or (db is not None and not _answers_a_leaf(theirs, a)):
        found += differences(theirs, da, ours, db, "gradient ")
    return found


def _answers_a_leaf(side: Side, result: Any) -> bool:
    """Whether torch handed an argument back, so that there is no graph."""
    return any(r is t for r in flat(result) for t in side.leaves)


def intended(case: Case, difference: str) -> str | None:
    """Why lucid differs here, where it is meant to."""
    for entry in VALUES:
        name, label, message, reason = entry
        if (
            fnmatchcase(case.name, name)
            and fnmatchcase(case.label, label)
            and fnmatchcase(difference, message)
        ):
            seen.add(entry)
            return reason
    return None


@cache
def by_name() -> dict[str, list[Case]]:
    """The cases of each name."""
    found: dict[str, list[Case]] = {}
    for case in cases():
        found.setdefault(case.name, []).append(case)
    return found
