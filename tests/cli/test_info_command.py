"""`lucid info`, `--version` and `--help`."""

import subprocess
import sys

import numpy as np
import pytest

from tests.cli.command import lucid


def test_info_names_versions_threads_and_devices(capsys):
    done = lucid("info", capsys=capsys)
    assert done.code == 0
    for word in ("lucid", "Python", "BLAS", "oneDNN", "threads", "kernel cache", np.__version__):
        assert word in done.out


def test_info_says_why_there_is_no_cuda(capsys, monkeypatch):
    monkeypatch.setattr("lucid.cuda.is_available", lambda: False)
    monkeypatch.setattr("lucid.cuda.why_unavailable", lambda: "no driver. Hint: install it")
    assert "not available: no driver. Hint: install it" in lucid("info", capsys=capsys).out


def test_version_is_one_line(capsys):
    done = lucid("--version", capsys=capsys)
    assert (done.code, len(done.out.splitlines())) == (0, 1)
    assert done.out.startswith("lucid ")


def test_help_names_the_commands(capsys):
    out = lucid("--help", capsys=capsys).out
    for command in ("train", "bench", "info"):
        assert command in out


@pytest.mark.parametrize("module", ["lucid", "lucid.cli"])
def test_runs_as_a_module(module):
    command = [sys.executable, "-m", module, "--version"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.startswith("lucid ")


def test_an_unknown_command_is_an_error(capsys):
    done = lucid("tarin", capsys=capsys)
    assert done.code == 2
    assert "tarin" in done.err
