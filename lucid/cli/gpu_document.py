"""What `lucid gpu-report` has found: figures, tests, errors; as JSON, as Markdown, as tables."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table

from lucid.errors import LucidError
from lucid.testing.measure import Summary

__all__ = ["Document", "Figure", "Gap", "NotMeasured"]

EMULATED = "EMULATED, no GPU"
FORMAT = 1


class NotMeasured(Exception):
    """A benchmark does not fit this machine; the message says why."""


class Figure(NamedTuple):
    """One measured quantity of one case: median and quartiles over ``rounds``."""

    benchmark: str
    case: Mapping[str, Any]
    quantity: str
    unit: str
    median: float
    low: float
    high: float
    rounds: int

    @classmethod
    def of(
        cls,
        benchmark: str,
        case: Mapping[str, Any],
        quantity: str,
        unit: str,
        values: Sequence[float],
    ) -> Figure:
        """The figure of these values, one per round."""
        return cls(benchmark, case, quantity, unit, *Summary.of(values), len(values))


class Gap(NamedTuple):
    """What was not measured, and why."""

    job: str
    why: str


class Document:
    """The report while it grows; each ``save`` replaces the files in one step.

    ``about`` holds device, versions, commit. An emulated report says so in every line.
    """

    def __init__(self, folder: Path, date: str, about: dict[str, Any], emulated: bool = False):
        self.about, self.emulated = about, emulated
        self.suite: dict[str, Any] = {"ran": False, "why": "not yet"}
        self.sanitizer: dict[str, Any] = {"ran": False, "why": "not yet"}
        self.figures: list[Figure] = []
        self.gaps: list[Gap] = []
        self.errors: list[dict[str, str]] = []
        self.finished = False
        name = re.sub(r"[^a-z0-9]+", "-", about["device"]["name"].lower()).strip("-")
        name = f"emulated-{name}" if emulated else name
        self.json = folder / f"{name}-{date}.json"
        self.markdown = self.json.with_suffix(".md")

    @property
    def failed(self) -> bool:
        """Whether a test failed, the sanitizer found something, or a benchmark raised."""
        return bool(
            self.errors
            or (self.suite["ran"] and not self.suite["ok"])
            or (self.sanitizer["ran"] and not self.sanitizer["ok"])
        )

    def record(self, event: Mapping[str, Any]) -> None:
        """Keep what a benchmark's process told, and save it where it is worth that."""
        fields = {k: v for k, v in event.items() if k != "event"}
        match event["event"]:
            case "figure":
                self.figures.append(Figure(**fields))
            case "gap" | "left out":
                self.gaps.append(Gap(**fields))
            case "error":
                self.errors.append(fields)
        if event["event"] in ("end", "error"):
            self.save()

    def save(self) -> None:
        """Write both files."""
        text = json.dumps(self._plain(), indent=1, default=str)
        _replace(self.json, text + "\n")
        _replace(self.markdown, "\n".join(self._lines()) + "\n")

    def tables(self, brief: bool = True) -> Iterator[Table]:
        """One table per benchmark; ``brief``: of sizes only the largest that was measured."""
        for name, rows in self._by_benchmark():
            header, cells = pivot(_largest(rows) if brief else rows)
            table = Table(title=name, title_justify="left")
            for i, column in enumerate(header):
                numeric = any(column.endswith(f", {f.unit}") for f in rows)
                table.add_column(column, justify="right" if numeric and i else "left")
            for row in cells:
                table.add_row(*row)
            yield table

    def summary(self) -> Iterator[str]:
        """What a person wants to know first, in lines."""
        yield _tests_line(self.suite)
        yield _sanitizer_line(self.sanitizer)
        for test in self.suite.get("failures", []):
            yield f"failed: {test}"
        for error in self.errors:
            yield f"error in {error['job']}: {error['error']}"
        for why, jobs in _by_reason(self.gaps):
            more = f" and {len(jobs) - 3} more" if len(jobs) > 3 else ""
            yield f"not measured ({why}): {'; '.join(jobs[:3])}{more}"
        yield f"{len(self.figures)} figures"

    def _plain(self) -> dict[str, Any]:
        mark = {"emulated": EMULATED} if self.emulated else {}
        return {
            "report": "lucid gpu-report",
            "format": FORMAT,
            **mark,
            **self.about,
            "finished": self.finished,
            "tests": self.suite,
            "compute-sanitizer": self.sanitizer,
            "figures": [f._asdict() | mark for f in self.figures],
            "not measured": [g._asdict() for g in self.gaps],
            "errors": self.errors,
        }

    def _lines(self) -> Iterator[str]:
        yield f"# {self._called(self.about['device']['name'])}"
        yield ""
        if not self.finished:
            yield f"- {self._called('not finished: these are the results so far')}"
        for name, value in _flat(self.about):
            yield f"- {self._called(f'{name}: {value}')}"
        for line in self.summary():
            yield f"- {self._called(line)}"
        for name, rows in self._by_benchmark():
            rounds = sorted({f.rounds for f in rows})
            yield f"\n## {self._called(name)}\n"
            text = f"Median (quartiles) of {' or '.join(map(str, rounds))} rounds."
            yield self._called(text)
            yield ""
            header, cells = pivot(rows)
            for row in [header, ["---"] * len(header), *cells]:
                mark = ["---" if row[0] == "---" else EMULATED] if self.emulated else []
                yield f"| {' | '.join([*mark, *row])} |"

    def _by_benchmark(self) -> Iterator[tuple[str, list[Figure]]]:
        for name in dict.fromkeys(f.benchmark for f in self.figures):
            yield name, [f for f in self.figures if f.benchmark == name]

    def _called(self, text: str) -> str:
        return f"{EMULATED}: {text}" if self.emulated else text


def pivot(figures: Sequence[Figure]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: a row per case, a column per quantity, in the order of their coming."""
    keys = list(dict.fromkeys(key for f in figures for key in f.case))
    quantities = list(dict.fromkeys((f.quantity, f.unit) for f in figures))
    rows: dict[tuple[str, ...], dict[tuple[str, str], str]] = {}
    for f in figures:
        case = tuple(str(f.case.get(key, "")) for key in keys)
        rows.setdefault(case, {})[f.quantity, f.unit] = _cell(f)
    header = [*keys, *(f"{name}, {unit}" for name, unit in quantities)]
    return header, [[*case, *(row.get(q, "") for q in quantities)] for case, row in rows.items()]


def _cell(f: Figure) -> str:
    if f.rounds == 1:
        return _number(f.median)
    return f"{_number(f.median)} ({_number(f.low)} to {_number(f.high)})"


def _number(value: float) -> str:
    """Three digits at least, none that mean nothing."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _largest(figures: Sequence[Figure]) -> Sequence[Figure]:
    """Those of the largest size, if sizes differ."""
    sizes = [int(str(f.case.get("exponent", "2^0")).partition("^")[2]) for f in figures]
    return [f for f, size in zip(figures, sizes, strict=True) if size == max(sizes)]


def _tests_line(suite: Mapping[str, Any]) -> str:
    if not suite["ran"]:
        return f"tests: not run: {suite['why']}"
    counts = ", ".join(f"{suite[k]} {k}" for k in ("passed", "failed", "skipped"))
    return f"tests: {counts} in {suite['seconds']:.0f} s; {suite['ended']}"


def _sanitizer_line(found: Mapping[str, Any]) -> str:
    if not found["ran"]:
        return f"compute-sanitizer: not run: {found['why']}"
    return f"compute-sanitizer: {found['result']} in {found['seconds']:.0f} s"


def _by_reason(gaps: Iterable[Gap]) -> Iterator[tuple[str, list[str]]]:
    reasons: dict[str, list[str]] = {}
    for gap in gaps:
        reasons.setdefault(gap.why, []).append(gap.job)
    yield from reasons.items()


def _flat(about: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in about.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}{name} ")
        else:
            yield f"{path}{name}", value


def _replace(path: Path, text: str) -> None:
    """In one step: whoever reads sees the old text or the new one."""
    new = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(text, encoding="utf-8")
        os.replace(new, path)
    except OSError as error:
        raise LucidError(f"gpu-report: can't write {path}: {error.strerror}") from error
