"""python -m tests.parity: how far lucid is PyTorch's equal, name by name.

For each name: its tier; whether lucid has it; whether it takes the arguments as PyTorch does; in
how many calls the two were compared; and which of these differ, with the reason where it is meant.
``--only nn.functional`` shows the names that begin so, ``--quiet`` the totals.
"""

from __future__ import annotations

import argparse
from collections import Counter
from importlib import import_module
from typing import Any, NamedTuple

import lucid

from . import signatures
from .compare import by_name, compare, intended, seen
from .intended import SIGNATURES, VALUES
from .names import MISSING, TIERS, Name, look_up, names
from .page import page


class Row(NamedTuple):
    """What is known about one name."""

    name: Name
    present: bool
    arguments: list[str]  # differences of the signature that are not intended
    cases: int
    differences: list[str]  # that are not intended
    reasons: Counter[str]  # of those that are, how many calls each


def row(name: Name, torch: Any) -> Row:
    """Compare one name."""
    theirs, ours = look_up(torch, name.path), look_up(lucid, name.path)
    if ours is MISSING:
        return Row(name, False, [], 0, [], Counter())
    arguments = signature_differences(name.path, theirs, ours, torch)
    reasons: Counter[str] = Counter()
    if arguments and name.path in SIGNATURES:
        reasons[f"arguments: {SIGNATURES[name.path]}"] = 1
        arguments = []
    found = []
    called = by_name().get(name.path, [])
    for case in called:
        for difference in compare(case, torch):
            reason = intended(case, difference)
            if reason is None:
                found.append(f"{case.label}: {difference}")
            else:
                reasons[reason] += 1
    return Row(name, True, arguments, len(called), found, reasons)


def signature_differences(path: str, theirs: Any, ours: Any, torch: Any) -> list[str]:
    """How the arguments of one name differ, intended or not."""
    if not callable(theirs):
        return []
    owner = look_up(torch, path.rpartition(".")[0]) if "." in path else torch
    return signatures.differences(path, theirs, ours, isinstance(owner, type))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__)
    parser.add_argument("--only", default="", help="names that begin so")
    parser.add_argument("--quiet", action="store_true", help="only the totals")
    parser.add_argument("--page", action="store_true", help="the page docs/differences.md instead")
    options = parser.parse_args()
    if options.page:
        print(page(), end="")
        return
    torch = import_module("torch")
    torch.set_num_threads(1)
    rows = [row(n, torch) for n in names() if n.path.startswith(options.only)]
    if not options.quiet:
        for r in rows:
            _show(r)
        print()
    for tier in TIERS:
        _total(tier, [r for r in rows if r.name.tier == tier])
    _total("all", rows)
    if not options.only:
        for entry in VALUES:
            if entry not in seen:
                print(f"never met, and to be struck out of intended.py: {entry}")


def _show(r: Row) -> None:
    state = "missing" if not r.present else f"{r.cases:5d} calls" if r.cases else "present"
    print(f"{r.name.tier:7s} {r.name.path:48s} {state:>12s}")
    for text in r.arguments:
        print(f"{'':12s}arguments: {text}")
    for text in r.differences:
        print(f"{'':12s}DIFFERS {text}")
    for reason, count in r.reasons.items():
        print(f"{'':12s}intended, {count}: {reason}")


def _total(title: str, rows: list[Row]) -> None:
    present = sum(r.present for r in rows)
    compared = sum(r.cases > 0 for r in rows)
    calls = sum(r.cases for r in rows)
    differing = sum(len(r.differences) + len(r.arguments) for r in rows)
    meant = sum(sum(r.reasons.values()) for r in rows)
    print(
        f"{title:7s} {len(rows)} names, {present} present, {compared} compared in {calls} calls;"
        f" {differing} differences, {meant} intended ones"
    )


if __name__ == "__main__":
    main()
