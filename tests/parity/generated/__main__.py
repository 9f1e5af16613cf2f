"""A long search: ``python -m tests.parity.generated [examples] [family ...]``.

Goes on after the first difference and shows each kind once, by its shortest call. The same calls
as in test_generated.py, from other random numbers each time.
"""

from __future__ import annotations

import re
import sys
import warnings
from importlib import import_module
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, settings

from .calls import Call, differing
from .families import FAMILIES, calls
from .intended import reason

Kind = tuple[str, str]
torch: Any = import_module("torch")


def search(family: str, examples: int) -> dict[Kind, tuple[str, str]]:
    """(name, kind of difference): the difference, and the shortest call that shows it."""
    found: dict[Kind, tuple[str, str]] = {}

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    @given(calls(family))
    def look(call: Call) -> None:
        for difference in differing(call, torch):
            if reason(call, difference) is None:
                key = (call.name, re.sub(r"[-\d.e+]+|nan|inf|True|False", "#", difference)[:50])
                before = found.get(key)
                if before is None or len(repr(call)) < len(before[1]):
                    found[key] = (difference, repr(call))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        look()
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    examples = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    for family in sys.argv[2:] or FAMILIES:
        found = search(family, examples)
        print(f"== {family}: {len(found)} kinds of differences in {examples} calls")
        for (name, _), (difference, text) in sorted(found.items()):
            print(f"-- {name}: {difference}{text}")
