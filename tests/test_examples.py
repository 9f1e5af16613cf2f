"""The examples run, in a process of their own, with warnings as errors."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name):
    command = [sys.executable, "-W", "error", str(EXAMPLES / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_tested():
    assert {p.name for p in EXAMPLES.glob("*.py")} == {
        "measure_dropout.py",
        "switch_device.py",
        "train_digits.py",
    }


@pytest.mark.slow
def test_train_digits_learns_to_read():
    pytest.importorskip("sklearn")
    last = run("train_digits.py").splitlines()[-1]
    accuracy = float(last.split()[-1].rstrip("%"))
    assert accuracy >= 97


def test_switch_device_shows_each_image():
    assert "channels kept" in run("switch_device.py")


def test_measure_dropout_compares_with_a_copy():
    assert "of a copy's speed" in run("measure_dropout.py")
