"""What each epoch of a training showed, in memory and as metrics.csv."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from lucid.serialization.replacement import replacing

__all__ = ["EpochMetrics", "write_csv"]


class EpochMetrics(NamedTuple):
    """One line of metrics.csv. Accuracies are between 0 and 1, losses are means per image."""

    epoch: int  # from 1
    learning_rate: float  # at the end of the epoch
    train_loss: float  # while training: with dropout and augmentation
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    seconds: float  # training and testing, interruptions not counted


def write_csv(path: Path, history: Iterable[EpochMetrics]) -> None:
    """Replace the file by the whole history, in one step: no line is ever missing or there twice.

    Numbers are written so that reading them gives the same numbers again.
    """
    text = StringIO(newline="")
    lines = csv.writer(text)
    lines.writerow(EpochMetrics._fields)
    lines.writerows([repr(value) for value in row] for row in history)
    with replacing(str(path)) as file:
        file.write(text.getvalue().encode())
