"""The commands and what they share. Each imports what it needs when it runs: --help is quick."""

from __future__ import annotations

from typing import Annotated

import typer

from lucid.cli.bench import bench
from lucid.cli.gpu_report import gpu_report
from lucid.cli.info import info
from lucid.cli.train import train
from lucid.cli.versions import lucid_version

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # errors are plain lines
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"lucid {lucid_version()}")
        raise typer.Exit


@app.callback()
def lucid(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """Train, measure and inspect lucid, a deep-learning framework on NumPy and CuPy."""


app.command()(train)
app.command()(info)
app.command()(gpu_report)
app.add_typer(bench, name="bench")
