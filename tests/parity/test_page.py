"""The page of intended differences is what the comparison knows, in a reader's order."""

from pathlib import Path

from .page import FAMILIES, PAGE, families, page

README = Path(__file__).parents[2] / "README.md"


def test_the_page_is_current():
    hint = "run: python -m tests.parity --page > docs/differences.md"
    assert PAGE.read_text() == page(), hint


def test_every_family_has_something_to_say():
    assert all(reasons for _, reasons in families())


def test_the_page_can_be_read_in_one_sitting():
    lines = page().splitlines()
    assert len(lines) < 200
    assert [line[3:] for line in lines if line.startswith("## ")][1:] == [f.title for f in FAMILIES]


def test_the_readme_leads_to_it():
    assert "(docs/differences.md)" in README.read_text()
