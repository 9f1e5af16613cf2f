"""The folder of one training: checkpoint, metrics and curve, and who may write there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lucid.errors import CheckpointError, LucidError
from lucid.serialization import load, save
from lucid.train.metrics import write_csv
from lucid.train.plots import draw_curve
from lucid.train.recipe import Settings
from lucid.train.trainer import Trainer

__all__ = ["RunFolder"]


class RunFolder:
    """``path``/checkpoint.safetensors, metrics.csv and curve.png.

    The checkpoint is the one truth: the other two are made from its history, so they agree with it
    after any interruption.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.checkpoint = self.path / "checkpoint.safetensors"
        self.metrics = self.path / "metrics.csv"
        self.curve = self.path / "curve.png"

    def begin(self, force: bool = False) -> None:
        """Make the folder ready for a new training; an older one there is kept unless ``force``."""
        if self.checkpoint.exists() and not force:
            raise LucidError(
                f"train: {self.path} already holds a training. Hint: --resume to go on with it,"
                " --force to begin again in its place, or another --out"
            )
        with _explained(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            self.curve.unlink(missing_ok=True)

    def save(self, settings: Settings, trainer: Trainer) -> None:
        """Write the checkpoint, and the metrics of its finished epochs."""
        state = {"settings": settings.as_dict(), "trainer": trainer.state_dict()}
        with _explained(self.checkpoint):
            save(state, self.checkpoint)
        with _explained(self.metrics):
            write_csv(self.metrics, trainer.history)

    def load(self) -> dict[str, Any]:
        """What ``save`` wrote last: {"settings": ..., "trainer": ...}."""
        if not self.checkpoint.exists():
            raise CheckpointError(
                f"train: nothing to resume, there is no {self.checkpoint}."
                " Hint: leave out --resume to begin"
            )
        try:
            state = load(self.checkpoint, map_location="cpu")
        except OSError as error:
            raise CheckpointError(str(error)) from error
        if not isinstance(state, dict) or state.keys() != {"settings", "trainer"}:
            raise CheckpointError(
                f"train: {self.checkpoint} is not the checkpoint of a training."
                " Hint: name the folder that `lucid train --out` wrote"
            )
        return state

    def draw(self, settings: Settings, trainer: Trainer) -> None:
        """Draw the learning curve, once there is an epoch to show."""
        if trainer.history:
            last = trainer.history[-1]
            done = "" if trainer.finished else f" (stopped after {last.epoch})"
            with _explained(self.curve):
                draw_curve(self.curve, trainer.history, f"Digits: {settings.title}{done}")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """A full disk or a forbidden folder as one sentence."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise LucidError(
            f"train: can't write {path}: {reason}. The last checkpoint, if there is one, is whole."
            " Hint: make room or permission for it and go on with --resume, or use another --out"
        ) from error
