"""Kernel sources as the compiler gets them, and where compiled kernels are kept."""

import importlib
import os
import re
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from lucid.backend.cuda import kernel, source

CHOOSE = "from lucid.backend.cuda import source; print(source.choose_cache())"


def test_headers_are_written_out_once():
    """CuPy's cache knows a kernel by its text: an edited header must change it."""
    text = source.text("dropout.cu")
    assert not re.search(r'^#include "', text, re.M)
    assert text.count("struct Key {") == text.count("struct Compute {") == 1
    assert "#pragma once" not in text


def test_lines_keep_their_numbers():
    """For the compiler's messages, and for profilers."""
    text = source.text("dropout.cu").splitlines()
    lines = (source.folder() / "dropout.cu").read_text().splitlines()
    (where,) = [i for i, line in enumerate(text) if "struct Law {" in line]
    last = max(i for i in range(where) if text[i].startswith("#line"))
    _, first, name = text[last].split()
    assert name == '"dropout.cu"'
    assert "struct Law {" in lines[int(first) + where - last - 2]


def chosen(**environment):
    """The cache folder of a new process."""
    clean = {k: v for k, v in os.environ.items() if "CACHE" not in k}
    run = subprocess.run(
        [sys.executable, "-c", CHOOSE],
        env={**clean, **environment}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return run.stdout.strip()


def test_kernels_are_kept_where_the_user_says_or_in_the_home(tmp_path):
    home, other = str(tmp_path / "home"), str(tmp_path / "other")
    assert chosen(HOME=home) == f"{home}/.cache/lucid/kernels"
    assert chosen(HOME=home, XDG_CACHE_HOME=other) == f"{other}/lucid/kernels"
    assert chosen(HOME=home, CUPY_CACHE_DIR=other) == other
    assert chosen(HOME=home, CUPY_CACHE_DIR=home, LUCID_CACHE_DIR=other) == other


def test_a_home_that_cannot_be_written_to_is_survived(tmp_path):
    """A file in its place: that stops root, too."""
    (tmp_path / "home").write_text("")
    place = chosen(HOME=str(tmp_path / "home"), TMPDIR=str(tmp_path))
    assert place == str(tmp_path / f"lucid-kernels-{os.getuid()}")
    os.rmdir(place)
    (tmp_path / f"lucid-kernels-{os.getuid()}").write_text("")
    place = chosen(HOME=str(tmp_path / "home"), TMPDIR=str(tmp_path))
    assert place.startswith(str(tmp_path / "lucid-kernels-")) and os.path.isdir(place)


def test_slow_compiling_is_announced_once_on_stderr(capsys, monkeypatch):
    monkeypatch.setattr(kernel, "_told", [])
    for _ in range(2):
        kernel._tell("dropout.cu", "float32")
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert err.startswith("lucid: compiling CUDA kernels (dropout.cu for float32")


def test_many_short_compilings_are_announced_as_one_long_one(monkeypatch):
    """Each kernel is compiled by itself, in a tenth of a second."""
    told = threading.Event()
    monkeypatch.setattr(kernel, "_tell", lambda *of: told.set())
    module = SimpleNamespace(get_function=lambda name: told.wait(waiting))
    cupy = SimpleNamespace(RawModule=lambda **settings: module)
    monkeypatch.setattr(kernel, "cupy", lambda: cupy)
    monkeypatch.setattr(kernel, "_waited", [0.0])
    compiled, waiting = kernel._function.__wrapped__, 0.01
    assert not compiled("random.cu", "uint64", 0, "words<u64>")
    assert 0.01 <= kernel._waited[0] < kernel._SLOW
    kernel._waited[0], waiting = kernel._SLOW, 60  # ends as soon as it is told
    assert compiled("random.cu", "uint64", 0, "words<u64>")


def test_everything_can_be_compiled_ahead(cuda, monkeypatch):
    importlib.import_module("lucid.backend.cuda.kernels")  # declares the others now, not below
    monkeypatch.setattr(kernel.Kernel, "known", [])
    declared = kernel.Kernel("random.cu", "words", "T* y, i64 count", ("uint64",))
    monkeypatch.setattr(kernel.Kernel, "known", [declared])
    assert list(kernel.compile_all()) == [("random.cu", "uint64")]
    assert declared._ready


@pytest.mark.parametrize("file", sorted(p.name for p in source.folder().glob("*.cu")))
def test_files_of_kernels_include_headers_of_their_own_only(file):
    """NVRTC has no standard headers."""
    allowed = {"cuda_bf16.h", "cuda_fp16.h"}
    assert set(re.findall(r"#include <(.*?)>", source.text(file))) <= allowed
