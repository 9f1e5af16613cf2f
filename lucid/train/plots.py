"""The learning curve of a training as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lucid.errors import LucidError
from lucid.train.metrics import EpochMetrics

__all__ = ["draw_curve", "figure"]

INK, PALE = "#1f2933", "#cbd2d9"
TRAIN, TEST = "#e07a1f", "#1f6fb2"  # told apart in grey and by colour-blind eyes too


def draw_curve(path: Path, history: Sequence[EpochMetrics], title: str) -> None:
    """Loss and accuracy by epoch, training and test, written to ``path`` (.png, .svg or .pdf)."""
    picture, (left, right) = figure(1, 2, size=(10, 4))
    picture.suptitle(title, x=0.01, ha="left", color=INK, fontsize=12, fontweight="bold")
    _draw_pair(left, history, "loss", "{:.3f}")
    left.set_title("cross entropy, log scale", loc="left", fontsize=10, color=INK)
    left.set_yscale("log")
    left.yaxis.set_major_formatter("{x:g}")
    left.yaxis.set_minor_formatter("")
    _draw_pair(right, history, "accuracy", "{:.1%}")
    right.set_title("accuracy", loc="left", fontsize=10, color=INK)
    right.yaxis.set_major_formatter("{x:.0%}")
    if history[-1].test_accuracy > 0.9 and len(history) > 3:
        right.set_ylim(0.8, 1.005)  # where it is decided; the first epochs come in from below
        right.set_yticks([0.8, 0.85, 0.9, 0.95, 1.0])
    left.text(
        0, -0.22, "train: as seen while training, with dropout and shifted images",
        transform=left.transAxes, fontsize=8, color=INK, alpha=0.7,
    )  # fmt: skip
    picture.savefig(path, dpi=150)


def figure(rows: int, columns: int, size: tuple[float, float]) -> tuple[Any, Any]:
    """A quiet figure and its axes, outside pyplot: it needs no screen and leaves nothing behind."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise LucidError(
            "plot: pictures are drawn by matplotlib, which is not installed."
            " Hint: pip install 'lucid-cupy[train]'"
        ) from None
    picture = Figure(figsize=size, layout="constrained", facecolor="white")
    FigureCanvasAgg(picture)
    axes = picture.subplots(rows, columns)
    for each in picture.axes:
        each.spines[["top", "right"]].set_visible(False)
        each.spines[["left", "bottom"]].set_color(PALE)
        each.tick_params(colors=INK, color=PALE)
        each.grid(axis="y", color=PALE, linewidth=0.6, alpha=0.7)
        each.set_axisbelow(True)
        each.xaxis.label.set_color(INK)
        each.yaxis.label.set_color(INK)
    return picture, axes


def _draw_pair(axes: Any, history: Sequence[EpochMetrics], name: str, form: str) -> None:
    """The training and the test line, each with its name and last value at its end."""
    epochs = [row.epoch for row in history]
    last = history[-1]
    by_height = sorted(("train", "test"), key=lambda part: getattr(last, f"{part}_{name}"))
    for part, colour in (("train", TRAIN), ("test", TEST)):
        values = [getattr(row, f"{part}_{name}") for row in history]
        axes.plot(epochs, values, color=colour, linewidth=2, marker="o", markersize=3.5)
        axes.annotate(
            f"{part} {form.format(values[-1])}",
            (epochs[-1], values[-1]),
            xytext=(8, 2 if part == by_height[1] else -2),  # apart, even if the lines meet
            textcoords="offset points",
            va="bottom" if part == by_height[1] else "top",
            color=colour,
            fontweight="bold",
            annotation_clip=False,
        )
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
