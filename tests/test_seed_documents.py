"""The seed documents: their examples run, and each of their statements has its test.

Statements R1 to R98 and contradictions C1 to C21 are those of the project's list of what the five
documents say; tests/seed_documents/ holds one test function for each, with the number in its name.
"""

import doctest
import re
from collections import Counter
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "seed_documents"


def numbers(letter):
    """The numbers after ``letter`` in the names of test functions, and how often each stands."""
    found = Counter()
    for path in FOLDER.glob("test_*.py"):
        names = re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
        assert len(names) == len(set(names)), f"{path.name} defines a test twice"
        found.update(int(n) for name in names for n in re.findall(rf"^test_{letter}(\d+)_", name))
    return found


@pytest.mark.parametrize("letter, last", [("R", 98), ("C", 21)])
def test_every_statement_is_covered_by_exactly_one_test(letter, last):
    assert numbers(letter) == Counter(range(1, last + 1))


def test_the_examples_run_as_they_are_written():
    result = doctest.testfile(
        str(FOLDER / "examples.txt"),
        module_relative=False,
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE,
        encoding="utf-8",
    )
    assert result.attempted > 40
    assert result.failed == 0
