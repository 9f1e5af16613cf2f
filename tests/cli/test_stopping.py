"""Ctrl-C, SIGTERM and kill -9: a usable checkpoint, and the same weights in the end."""

import random
import signal
import time
from functools import partial

import pytest

from tests.cli import command
from tests.cli.command import epochs_of, finish, wait_for, weights_of

EPOCHS = 20  # of five steps, each with its checkpoint: a second
RUN = ["train", "--epochs", EPOCHS, "--device", "cpu", "--checkpoint-every", 1]

start = partial(command.start, module="tests.cli.tiny_lucid")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The weights of a training that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    done = finish(start(*RUN, "--out", folder))
    assert done.code == 0, done.err
    return weights_of(folder)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_a_signal_leaves_a_checkpoint_and_says_how_to_go_on(number, code, whole, tmp_path):
    folder = tmp_path / "run"
    process = start(*RUN, "--out", folder)
    wait_for(lambda: (folder / "metrics.csv").exists() and epochs_of(folder))
    process.send_signal(number)
    done = finish(process)
    assert done.code == code
    assert done.err == ""
    assert f"lucid train --resume --out {folder}" in done.out

    done = finish(start("train", "--resume", "--out", folder))
    assert done.code == 0, done.err
    assert "Going on after epoch" in done.out
    assert epochs_of(folder) == list(range(1, EPOCHS + 1))
    assert weights_of(folder) == whole


def test_a_second_ctrl_c_stops_at_once_and_leaves_the_last_checkpoint(tmp_path):
    folder = tmp_path / "run"
    process = start(*RUN, "--out", folder)
    wait_for(lambda: (folder / "metrics.csv").exists() and epochs_of(folder))
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert done.code == 130
    assert "Traceback" not in done.err
    assert weights_of(folder)


def test_killed_again_and_again_it_still_ends_with_the_same_weights(whole, tmp_path):
    folder, kills = tmp_path / "run", 0
    checkpoint = folder / "checkpoint.safetensors"

    def written():
        return checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0

    for attempt in range(3):
        before = written()
        process = start(*RUN, "--out", folder, *["--resume"][: attempt > 0])
        wait_for(lambda p=process, t=before: p.poll() is not None or written() > t)
        time.sleep(random.uniform(0, 0.3))
        process.kill()
        kills += finish(process).code == -signal.SIGKILL
        assert weights_of(folder)  # whole at every moment
    done = finish(start(*RUN, "--resume", "--out", folder))
    assert done.code == 0, done.err
    assert kills
    assert epochs_of(folder) == list(range(1, EPOCHS + 1))
    assert weights_of(folder) == whole
