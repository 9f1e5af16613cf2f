"""Run `lucid` as a user does: in a process of its own, or, where that matters not, in this one."""

import csv
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lucid.cli import main

ROOT = Path(__file__).parents[2]

# Three steps per epoch: an epoch of the real network in a fraction of a second.
TINY = ["train", "--epochs", "2", "--batch-size", "500", "--device", "cpu"]


class Done:
    """What a command left: exit code, what it printed, what it complained of."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err


def lucid(*words, capsys):
    """The command in this process."""
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    printed = capsys.readouterr()
    return Done(end.value.code or 0, printed.out, printed.err)


def start(*words, module="lucid"):
    """The command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, words)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process, timeout=120):
    """Wait for its end."""
    out, err = process.communicate(timeout=timeout)
    return Done(process.returncode, out, err)


def wait_for(condition, seconds=120):
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def epochs_of(folder):
    """The first column of metrics.csv."""
    with (folder / "metrics.csv").open(newline="") as file:
        return [int(line["epoch"]) for line in csv.DictReader(file)]


def weights_of(folder):
    """The model in the checkpoint, as bytes by name."""
    from lucid.serialization import load

    model = load(folder / "checkpoint.safetensors")["trainer"]["model"]
    return {name: value.numpy().tobytes() for name, value in model.items()}
