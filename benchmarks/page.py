"""Results as lines on the screen, as a page in Markdown, and as a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.targets import Result

MET, MISSED, LIMIT = "#1f6fb2", "#e07a1f", "#1f2933"
PAGE = """# Speed on the CPU, beside PyTorch

Made by `python -m benchmarks --page {path}` on {day}: {about}.

lucid's time over PyTorch's in the same process, the two taking turns: below 1 lucid is faster.
Medians of {rounds} rounds, quartiles in brackets. Each timing is the second of two, so that neither
pays for the other's threads, which spin on for a while. All is float32. What each case is stands in
`benchmarks/targets.py`.

![the same as dots on a scale of ratios]({picture})

| case | lucid / torch | target | |
|---|---|---|---|
{rows}

Peak memory is a ratio too; the last two lines are lucid's own: how time grows with the batch, and
what a second thread saves. On another machine the figures differ: measure there.
"""


def line(result: Result) -> str:
    """One line of the table on the screen."""
    r = result.ratio
    text = f"{result.name:44s} {r.median:5.2f} ({r.low:.2f} to {r.high:.2f})"
    if result.at_most is not None:
        text += f"  target {result.at_most:4.2f}  {'met' if result.met else 'MISSED'}"
    for who, seconds in result.seconds.items():
        text += f"   {who} {seconds.median * 1e3:.3g} ms"
    return text


def write(path: Path, results: Sequence[Result], about: Mapping[str, Any]) -> None:
    """The page, a picture and the numbers beside it."""
    picture = path.with_suffix(".svg")
    draw(picture, results)
    values = {key: value for key, value in about.items() if value is not None}
    path.write_text(
        PAGE.format(
            path=path,
            day=date.today().isoformat(),
            about=", ".join(f"{key} {value}" for key, value in values.items()),
            rounds=about["rounds"],
            picture=picture.name,
            rows="\n".join(map(_row, results)),
        )
    )
    plain = [r._asdict() | {"seconds": dict(r.seconds)} for r in results]
    path.with_suffix(".json").write_text(
        json.dumps({"machine": values, "results": plain}, indent=1) + "\n"
    )


def draw(path: Path, results: Sequence[Result]) -> None:
    """A dot with its quartiles for each case, on a logarithmic scale; a bar is its target."""
    from lucid.train.plots import INK, figure

    picture, axes = figure(1, 1, size=(9, 0.27 * len(results) + 1))
    for y, result in enumerate(reversed(results)):
        r = result.ratio
        color = MISSED if result.met is False else MET
        alpha = 0.45 if result.at_most is None else 1.0  # one of several in a mean
        axes.plot([r.low, r.high], [y, y], color=color, linewidth=2.5, alpha=alpha)
        axes.plot([r.median], [y], "o", color=color, markersize=5, alpha=alpha)
        if result.at_most is not None:
            axes.plot([result.at_most], [y], "|", color=LIMIT, markersize=11, markeredgewidth=2)
    axes.set_xscale("log")
    axes.axvline(1, color=INK, linewidth=0.8, alpha=0.5)
    ticks = [0.05, 0.1, 0.2, 0.5, 1, 2, 4]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.xaxis.set_minor_formatter("")
    axes.set_yticks(range(len(results)), [r.name for r in reversed(results)], fontsize=8)
    axes.set_ylim(-0.7, len(results) - 0.3)
    axes.grid(axis="x", alpha=0.4)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("lucid / PyTorch: left of 1 lucid is faster;  | target;  orange: missed")
    picture.savefig(path)


def _row(result: Result) -> str:
    r = result.ratio
    target = "" if result.at_most is None else f"{result.at_most:.2f}"
    verdict = {None: "", True: "met", False: "**missed**"}[result.met]
    indent = "· " if result.at_most is None else ""
    figures = f"{r.median:.2f} ({r.low:.2f}–{r.high:.2f})"
    return f"| {indent}{result.name} | {figures} | {target} | {verdict} |"
