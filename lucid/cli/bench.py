"""`lucid bench dropout`: how fast the dropout family is, beside a copy and beside PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lucid.cli.options import BenchDevice, Debug

bench = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Measure lucid.")

UNITS = {"k": 2**10, "m": 2**20, "g": 2**30}


@bench.callback()
def _bench() -> None:
    """Measure lucid on this machine."""


@bench.command()
def dropout(
    device: Annotated[BenchDevice, typer.Option(help="Where to measure.")] = BenchDevice.all,
    sizes: Annotated[
        str, typer.Option(help="Elements per tensor, by commas; k, m and g are 2^10, 2^20, 2^30.")
    ] = "64k,4m",
    dtype: Annotated[str, typer.Option(help="float16, bfloat16, float32 or float64.")] = "float32",
    rounds: Annotated[int, typer.Option(min=1, help="Timings of each layer.")] = 9,
    json: Annotated[Path | None, typer.Option(help="Write all numbers to this file.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw them to this .png, .svg or .pdf.")] = None,
    debug: Debug = False,
) -> None:
    """Forward and backward of the six dropout layers: GB/s on each device at hand.

    All contenders take turns in every round: lucid, a plain copy of the same bytes, and PyTorch if
    it is installed. Numbers are medians; ± is half the distance between the quartiles.
    """
    import lucid
    from lucid.cli import throughput
    from lucid.cli.report import draw, print_tables, write_json
    from lucid.errors import DeviceError

    devices = ["cpu", "cuda"] if device == "all" else [str(device)]
    missing = "" if lucid.cuda.is_available() else lucid.cuda.why_unavailable()
    if "cuda" in devices and missing:
        if device == "cuda":
            raise DeviceError(f"bench: --device cuda: {missing}")
        devices.remove("cuda")
    counts = [_elements(text) for text in sizes.split(",")]
    results = throughput.measure(devices, counts, throughput.checked_dtype(dtype), rounds)
    print_tables(results)
    if device == "all" and missing:
        print(f"No CUDA device, so no ratio CPU : CUDA: {missing}")
    if json is not None:
        write_json(json, results)
        print(f"Numbers: {json}")
    if plot is not None:
        draw(plot, results)
        print(f"Picture: {plot}")


def _elements(text: str) -> int:
    """ "4m" -> 4 * 2**20, rounded to what fills all six shapes."""
    from lucid.cli.throughput import STEP

    digits, unit = text.strip().lower(), 1
    if digits[-1:] in UNITS:
        digits, unit = digits[:-1], UNITS[digits[-1]]
    if not digits.isdecimal() or int(digits) * unit < STEP:
        raise typer.BadParameter(
            f"{text.strip()!r} is not a number of elements from {STEP} on. Hint: --sizes 64k,4m",
            param_hint="--sizes",
        )
    return int(digits) * unit // STEP * STEP
