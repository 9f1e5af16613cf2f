"""What was measured as tables, as JSON and as a picture."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lucid.cli.throughput import LAYERS, Result
from lucid.cli.versions import commit, lucid_version, version_of
from lucid.errors import LucidError
from lucid.testing.measure import Summary

__all__ = ["draw", "print_tables", "write_json"]

NOISY = 0.3  # distance of the quartiles, as a share of the median
LUCID, TORCH, COPY = "#1f6fb2", "#e07a1f", "#7b8794"


def print_tables(results: Sequence[Result]) -> None:
    """One table per number of elements; a line per layer, a group of columns per device."""
    console = Console(highlight=False)
    for group in _by_size(results):
        devices = list(dict.fromkeys(r.device for r in group))
        console.print(_table(group, devices))
        for device in devices:
            one = next(r for r in group if r.device == device)
            console.print(f"{device}: {one.device_name}; copy {_gb(one.copy)} GB/s", markup=False)
        console.print()
    worst = max(r.seconds.spread for r in results)
    if worst > NOISY:
        console.print(
            f"The machine was busy: the middle half of one layer's timings lies {worst:.0%} apart."
            " Run it again when nothing else runs."
        )


def _table(group: Sequence[Result], devices: Sequence[str]) -> Table:
    elements = _elements(group[0])
    table = Table(
        title=f"{elements:,} elements of {group[0].dtype}, forward + backward", title_justify="left"
    )
    table.add_column("layer")
    for device in devices:
        table.add_column(f"{device} GB/s", justify="right")
        table.add_column("of copy", justify="right")
        if any(r.torch_bandwidth for r in group if r.device == device):
            table.add_column("torch GB/s", justify="right")
            table.add_column("faster by", justify="right")
    if len(devices) == 2:
        table.add_column("CPU : CUDA", justify="right")
    for layer in LAYERS:
        mine = [r for r in group if r.layer == layer]
        cells = [cell for r in mine for cell in _cells(r)]
        if len(devices) == 2:
            cells.append(f"1 : {mine[0].seconds.median / mine[1].seconds.median:.1f}")
        table.add_row(layer, *cells)
    return table


def _cells(r: Result) -> Iterator[str]:
    yield _gb(r.bandwidth)
    yield f"{r.of_copy.median:.0%}"
    if r.torch_bandwidth and r.faster_than_torch:
        yield _gb(r.torch_bandwidth)
        yield f"{r.faster_than_torch.median:.1f} x"


def write_json(path: Path, results: Sequence[Result]) -> None:
    """All numbers, with the machine and the versions they belong to."""
    document = {
        "benchmark": "dropout",
        "machine": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "lucid": lucid_version(),
        "commit": commit(),
        "numpy": version_of("numpy"),
        "torch": version_of("torch"),
        "units": "seconds per call; bytes per second; summaries are median, quartiles low and high",
        "results": [_plain(result) for result in results],
    }
    try:
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise LucidError(f"bench: can't write {path}: {error.strerror}") from error


def draw(path: Path, results: Sequence[Result]) -> None:
    """The largest tensors: a panel per device, bars for lucid and PyTorch, a line for the copy."""
    from lucid.train.plots import INK, figure

    largest = list(_by_size(results))[-1]
    devices = list(dict.fromkeys(r.device for r in largest))
    picture, panels = figure(len(devices), 1, size=(8, 3.6 * len(devices)))
    one = largest[0]
    picture.suptitle(
        f"Dropout, forward + backward, {_elements(one):,} elements of {one.dtype}",
        x=0.01, ha="left", color=INK, fontsize=12, fontweight="bold",
    )  # fmt: skip
    for device, axes in zip(devices, picture.axes, strict=True):
        rows = [r for r in largest if r.device == device]
        _draw_bars(axes, rows)
        axes.set_title(f"{device}: {rows[0].device_name}", loc="left", fontsize=9, color=INK)
    try:
        picture.savefig(path, dpi=150)
    except OSError as error:
        raise LucidError(f"bench: can't write {path}: {error.strerror}") from error
    except ValueError as error:  # matplotlib's, for a suffix it doesn't know
        raise LucidError(f"bench: --plot must end in .png, .svg or .pdf; got {path}") from error


def _by_size(results: Sequence[Result]) -> Iterator[list[Result]]:
    for size in dict.fromkeys(map(_elements, results)):
        yield [r for r in results if _elements(r) == size]


def _draw_bars(axes, rows: Sequence[Result]) -> None:
    places = range(len(rows))
    series = [("lucid", LUCID, [r.bandwidth for r in rows])]
    if rows[0].torch_bandwidth:
        series.append(("PyTorch", TORCH, [r.torch_bandwidth for r in rows if r.torch_bandwidth]))
    height = 0.8 / len(series)
    for i, (name, colour, values) in enumerate(series):
        at = [place + (i - (len(series) - 1) / 2) * height for place in places]
        medians = [v.median / 1e9 for v in values]
        low = [(v.median - v.low) / 1e9 for v in values]
        high = [(v.high - v.median) / 1e9 for v in values]
        axes.barh(at, medians, height * 0.92, color=colour, label=name)
        axes.errorbar(medians, at, xerr=[low, high], fmt="none", ecolor="#1f2933", elinewidth=1)
    axes.axvline(rows[0].copy.median / 1e9, color=COPY, linestyle="--", label="a plain copy")
    axes.set_yticks(list(places), [r.layer for r in rows])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("GB/s, read and written: more is better")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _elements(result: Result) -> int:
    count = 1
    for size in result.shape:
        count *= size
    return count


def _gb(bandwidth: Summary) -> str:
    half = (bandwidth.high - bandwidth.low) / 2
    digits = 1 if bandwidth.median > 1e9 else 3
    return f"{bandwidth.median / 1e9:.{digits}f} ± {half / 1e9:.{digits}f}"


def _plain(result: Result) -> dict:
    fields = asdict(result)
    return {k: v._asdict() if isinstance(v, Summary) else v for k, v in fields.items()}
