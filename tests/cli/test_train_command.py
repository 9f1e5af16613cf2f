"""`lucid train`: what it leaves, what it refuses, and how it says so."""

import os
import re
import shutil

import pytest

from lucid.serialization import save
from tests.cli.command import TINY, epochs_of, finish, lucid, start, weights_of

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished tiny training: (folder, what was printed)."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    done = finish(start(*TINY, "--out", folder))
    assert done.code == 0, done.err
    return folder, done


@pytest.fixture
def copy(trained, tmp_path):
    """A copy of it that a test may spoil."""
    return shutil.copytree(trained[0], tmp_path / "digits")


def test_leaves_checkpoint_metrics_and_curve_and_nothing_else(trained):
    folder, _ = trained
    names = {p.name for p in folder.iterdir()}
    assert names == {"checkpoint.safetensors", "metrics.csv", "curve.png"}
    assert epochs_of(folder) == [1, 2]


def test_prints_plain_lines_when_not_on_a_terminal(trained):
    _, done = trained
    assert "\x1b" not in done.out
    assert done.err == ""
    assert re.search(r"^ 1/2 .*\n 2/2 ", done.out, re.M)


def test_summary_has_accuracy_paths_and_hash_of_the_weights(trained):
    folder, done = trained
    assert re.search(r"Test accuracy \d+\.\d% after 2 epochs in \d+\.\d s", done.out)
    assert re.search(r"sha256 of the weights [0-9a-f]{16}", done.out)
    for name in ("checkpoint.safetensors", "metrics.csv", "curve.png"):
        assert str(folder / name) in done.out


def test_same_seed_twice_gives_the_same_weights(trained, tmp_path, capsys):
    again = lucid(*TINY, "--out", tmp_path / "again", capsys=capsys)
    assert weights_of(tmp_path / "again") == weights_of(trained[0])
    line = re.search("sha256.*", again.out)
    assert line
    assert line[0] in trained[1].out


def test_an_existing_training_is_not_overwritten(copy, capsys):
    before = (copy / "checkpoint.safetensors").read_bytes()
    done = lucid(*TINY, "--out", copy, capsys=capsys)
    assert done.code == 1
    assert "already holds a training" in done.err
    assert "--resume" in done.err
    assert "--force" in done.err
    assert (copy / "checkpoint.safetensors").read_bytes() == before


def test_force_replaces_it(copy, capsys):
    done = lucid(*TINY, "--seed", 7, "--epochs", 1, "--out", copy, "--force", capsys=capsys)
    assert done.code == 0
    assert epochs_of(copy) == [1]


def test_resume_of_a_finished_training_only_reports(copy, trained, capsys):
    done = lucid("train", "--resume", "--out", copy, capsys=capsys)
    assert done.code == 0
    assert "Test accuracy" in done.out
    assert weights_of(copy) == weights_of(trained[0])
    assert epochs_of(copy) == [1, 2]


@pytest.mark.parametrize(
    ("option", "value", "was"),
    [("--lr", "0.01", "0.005"), ("--net", "selu", "relu"), ("--epochs", 3, 2), ("--seed", 1, 0)],
)
def test_resume_refuses_a_setting_that_differs(option, value, was, copy, capsys):
    done = lucid("train", "--resume", "--out", copy, option, value, capsys=capsys)
    assert done.code == 1
    assert f"begun with {option} {was}; got {option} {value}" in done.err
    assert len(done.err.splitlines()) == 1


def test_resume_accepts_the_same_settings_again(copy, capsys):
    assert lucid(*TINY, "--resume", "--out", copy, capsys=capsys).code == 0


def test_resume_of_what_can_not_be_read_says_why(tmp_path, capsys):
    (tmp_path / "checkpoint.safetensors").mkdir()
    done = lucid("train", "--resume", "--out", tmp_path, capsys=capsys)
    assert done.code == 1
    assert "can't read" in done.err
    assert len(done.err.splitlines()) == 1


def test_resume_without_a_checkpoint_says_so(tmp_path, capsys):
    done = lucid("train", "--resume", "--out", tmp_path, capsys=capsys)
    assert done.code == 1
    assert "nothing to resume" in done.err


def test_resume_and_force_exclude_each_other(tmp_path, capsys):
    done = lucid("train", "--resume", "--force", "--out", tmp_path, capsys=capsys)
    assert (done.code, len(done.err.splitlines())) == (1, 1)


def test_a_damaged_checkpoint_is_refused_and_kept(copy, capsys):
    path = copy / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    damaged = path.read_bytes()
    done = lucid("train", "--resume", "--out", copy, capsys=capsys)
    assert done.code == 1
    assert "Traceback" not in done.err
    assert path.read_bytes() == damaged


def test_another_file_in_its_place_is_refused(copy, capsys):
    save({"a": 1}, copy / "checkpoint.safetensors")
    done = lucid("train", "--resume", "--out", copy, capsys=capsys)
    assert (done.code, len(done.err.splitlines())) == (1, 1)
    assert "is not the checkpoint of a training" in done.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path, capsys):
    tmp_path.chmod(0o500)
    done = lucid(*TINY, "--out", tmp_path / "x", capsys=capsys)
    assert done.code == 1
    assert "Permission denied" in done.err


def test_a_file_where_the_folder_should_be_is_one_sentence(tmp_path, capsys):
    (tmp_path / "file").write_text("here first")
    done = lucid(*TINY, "--out", tmp_path / "file" / "run", capsys=capsys)
    assert (done.code, len(done.err.splitlines())) == (1, 1)
    assert "can't write" in done.err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full is Linux's full disk")
def test_a_full_disk_is_one_sentence_and_the_old_checkpoint_is_whole(copy, capsys, monkeypatch):
    before = (copy / "checkpoint.safetensors").read_bytes()

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    done = lucid(*TINY, "--force", "--out", copy, capsys=capsys)
    assert (done.code, len(done.err.splitlines())) == (1, 1)
    assert "No space left on device" in done.err
    assert (copy / "checkpoint.safetensors").read_bytes() == before
    assert not list(copy.glob(".*"))  # nor is a half-written file left


def test_the_curve_is_optional(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    done = lucid(*TINY, "--epochs", 1, "--out", tmp_path / "x", capsys=capsys)
    assert done.code == 0
    assert "not drawn" in done.out
    assert "pip install" in done.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--net", "rleu"], "'relu', 'selu'"),
        (["--nett", "relu"], "--net"),
        (["--epochs", "0"], "--epochs"),
        (["--lr", "0"], "--lr must be positive; got 0"),
        (["--lr", "nan"], "--lr must be positive; got nan"),
        (["--device", "tpu"], "'cpu', 'cuda', 'auto'"),
    ],
)
def test_a_bad_option_is_named_with_the_way_out(words, message, tmp_path, capsys):
    done = lucid("train", "--out", tmp_path / "x", *words, capsys=capsys)
    assert done.code in (1, 2)
    assert message in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "x").exists()


def test_cuda_where_there_is_none_says_why(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("lucid.cuda.is_available", lambda: False)
    monkeypatch.setattr("lucid.cuda.why_unavailable", lambda: "no driver. Hint: install it")
    done = lucid(*TINY, "--device", "cuda", "--out", tmp_path / "x", capsys=capsys)
    assert (done.code, done.err) == (1, "lucid: --device cuda: no driver. Hint: install it\n")


def test_debug_shows_where_an_error_comes_from(tmp_path):
    from lucid.cli import main
    from lucid.errors import CheckpointError

    with pytest.raises(CheckpointError, match="nothing to resume"):
        main(["train", "--resume", "--out", str(tmp_path), "--debug"])
