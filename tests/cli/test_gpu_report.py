"""`lucid gpu-report`: when it refuses, and a dry run of all of it."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import lucid
from lucid.cli import gpu_report
from lucid.errors import LucidError
from tests import cuda_emulator
from tests.cli.command import lucid as command

ROOT = Path(__file__).parents[2]
EMULATED = lucid.cuda.is_available() and lucid.cuda.get_device_name() == gpu_report.EMULATOR
emulated_only = pytest.mark.skipif(not EMULATED, reason="needs --device cuda-emulated")


@pytest.fixture
def no_device(monkeypatch):
    monkeypatch.setattr("lucid.cuda.is_available", lambda: False)
    monkeypatch.setattr("lucid.cuda.why_unavailable", lambda: "no driver. Hint: install it")


@pytest.fixture
def named(monkeypatch):
    """Let the device have a name."""

    def name(text):
        monkeypatch.setattr("lucid.cuda.is_available", lambda: True)
        monkeypatch.setattr("lucid.cuda.get_device_name", lambda: text)

    return name


def test_without_a_device_it_refuses_in_one_sentence(no_device, tmp_path, capsys):
    done = command("gpu-report", "--out", tmp_path, capsys=capsys)
    assert done.code == 1
    assert done.err == "lucid: gpu-report: no CUDA device: no driver. Hint: install it\n"
    assert not list(tmp_path.iterdir())


def test_no_figures_of_the_emulator_are_written(named, tmp_path, capsys):
    named(gpu_report.EMULATOR)
    done = command("gpu-report", "--out", tmp_path, capsys=capsys)
    assert done.code == 1
    assert "say nothing about a GPU" in done.err
    assert len(done.err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_dry_run_refuses_a_real_gpu(named, capsys):
    named("NVIDIA H200")
    done = command("gpu-report", "--emulated-dry-run", capsys=capsys)
    assert (done.code, len(done.err.splitlines())) == (1, 1)
    assert "the device is the NVIDIA H200" in done.err


def test_the_emulators_name_is_the_one_that_is_refused():
    assert gpu_report.EMULATOR == cuda_emulator.DEVICE_NAME


def test_outside_of_a_checkout_it_says_what_it_needs(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu_report, "__file__", str(tmp_path / "lucid" / "cli" / "x.py"))
    with pytest.raises(LucidError, match="needs a checkout"):
        gpu_report.checkout()


def test_compiling_without_a_device_is_one_sentence(no_device, capsys):
    done = command("info", "--compile", capsys=capsys)
    assert done.code == 1
    assert done.err == "lucid: info --compile: no CUDA device: no driver. Hint: install it\n"


def test_compiling_shows_each_file_and_dtype(named, monkeypatch, capsys):
    named("NVIDIA H200")
    pairs = [("dropout.cu", "float32"), ("dropout.cu", "float16")]
    monkeypatch.setattr("lucid.backend.cuda.kernel.compile_all", lambda: iter(pairs))
    out = command("info", "--compile", capsys=capsys).out
    assert [line.split()[1:3] for line in out.splitlines()[1:3]] == [list(p) for p in pairs]
    assert "2 modules" in out


@emulated_only
def test_a_dry_run_goes_through_all_parts(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for module in ("cuda_clock", "cuda_dropout", "cuda_training", "cuda_overhead"):
        monkeypatch.setattr(f"benchmarks.{module}.peer", lambda: None)  # PyTorch takes a minute
    done = command("gpu-report", "--emulated-dry-run", "--quick", capsys=capsys)
    assert done.code == 0, done.out + done.err
    assert all("EMULATED" in line for line in done.out.splitlines())
    (path,) = tmp_path.glob("lucid-emulated-*/*.json")
    report = json.loads(path.read_text())
    assert report["finished"]
    assert report["tests"]["passed"] > 0
    assert {f["benchmark"] for f in report["figures"]} == {
        "dropout", "dropout, CPU : CUDA", "memory of a training step", "overhead, four elements",
        "training step",
    }  # fmt: skip
    assert report["errors"] == []


@pytest.mark.slow
@pytest.mark.skipif(EMULATED, reason="runs by itself on the emulated device")
def test_a_dry_run_on_the_emulated_device_passes():
    if missing := cuda_emulator.compiler_missing():
        pytest.skip(missing)
    words = ["--device", "cuda-emulated", "-k", "goes_through_all_parts", "-q", __file__]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout
    assert "1 passed" in run.stdout
