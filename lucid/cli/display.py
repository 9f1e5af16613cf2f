"""Progress: a bar with the epochs' lines above it on a terminal, only the lines elsewhere."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from lucid.train.metrics import EpochMetrics
from lucid.train.trainer import Trainer

__all__ = ["Display"]

HEADER = "epoch    train loss  accuracy    test loss  accuracy    seconds"


class Display:
    """Shows a trainer's progress for the length of a ``with`` block."""

    def __init__(self, trainer: Trainer):
        self.trainer = trainer
        self.console = Console(highlight=False)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("loss {task.fields[loss]:.4f}"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        steps = len(trainer.train)
        done = trainer.epoch * steps + trainer.step
        self.task = self.bar.add_task("", total=trainer.epochs * steps, completed=done, loss=0.0)

    def __enter__(self) -> Display:
        self._print(HEADER)
        for metrics in self.trainer.history:
            self.show_epoch(metrics)
        self.bar.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.bar.stop()

    def show_step(self) -> None:
        """One step more."""
        trainer = self.trainer
        loss: Any = trainer.loss_sum / trainer.seen
        name = f"epoch {trainer.epoch + 1}/{trainer.epochs}"
        self.bar.update(self.task, advance=1, description=name, loss=loss)

    def show_epoch(self, row: EpochMetrics) -> None:
        """The line of a finished epoch."""
        self._print(
            f"{row.epoch:>2}/{self.trainer.epochs:<4} {row.train_loss:>10.4f}"
            f"  {row.train_accuracy:>8.1%}   {row.test_loss:>10.4f}  {row.test_accuracy:>8.1%}"
            f"   {row.seconds:>8.2f}"
        )

    def _print(self, line: str) -> None:
        if self.console.is_terminal:
            self.console.print(line, markup=False)
        else:
            print(line, flush=True)
