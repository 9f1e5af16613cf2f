"""`lucid bench dropout`: a table, JSON and a picture, with honest columns."""

import json

import pytest

from tests.cli.command import lucid

QUICK = ["bench", "dropout", "--device", "cpu", "--sizes", "4k,8k", "--rounds", "2"]
LAYERS = ["Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"]


@pytest.fixture(autouse=True)
def without_torch(monkeypatch):
    """PyTorch takes seconds to import; one test asks for it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)


def test_table_has_the_six_layers_for_each_size(capsys):
    done = lucid(*QUICK, capsys=capsys)
    assert done.code == 0, done.err
    for text in ("4,096 elements", "8,192 elements", "of copy", *LAYERS):
        assert text in done.out


def test_json_has_medians_quartiles_and_the_machine(tmp_path, capsys):
    lucid(*QUICK, "--json", tmp_path / "n.json", capsys=capsys)
    document = json.loads((tmp_path / "n.json").read_text())
    assert {"lucid", "numpy", "torch", "python", "machine", "units"} <= document.keys()
    assert [r["layer"] for r in document["results"]] == LAYERS * 2
    for r in document["results"]:
        assert r["seconds"]["low"] <= r["seconds"]["median"] <= r["seconds"]["high"]
        assert r["device"] == "cpu"
        assert r["device_name"]
        assert r["of_copy"]["median"] > 0


def test_bandwidth_counts_four_passes_over_the_tensor(tmp_path, capsys):
    words = ["bench", "dropout", "--device", "cpu", "--sizes", "4k", "--rounds", "1"]
    lucid(*words, "--json", tmp_path / "n.json", capsys=capsys)
    for r in json.loads((tmp_path / "n.json").read_text())["results"]:
        nbytes = 4096 * 4
        assert r["bandwidth"]["median"] == pytest.approx(4 * nbytes / r["seconds"]["median"])


def test_plot_is_a_picture(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    lucid(*QUICK, "--plot", tmp_path / "n.png", capsys=capsys)
    assert (tmp_path / "n.png").read_bytes().startswith(b"\x89PNG")


def test_without_cuda_it_says_why_there_is_no_ratio(capsys, monkeypatch):
    monkeypatch.setattr("lucid.cuda.is_available", lambda: False)
    monkeypatch.setattr("lucid.cuda.why_unavailable", lambda: "no driver")
    done = lucid("bench", "dropout", "--sizes", "4k", "--rounds", "1", capsys=capsys)
    assert "No CUDA device, so no ratio CPU : CUDA: no driver" in done.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sizes", "4x"], "--sizes"),
        (["--sizes", "12"], "--sizes"),
        (["--dtype", "int8"], "--dtype must be one of float16"),
        (["--rounds", "0"], "--rounds"),
        (["--device", "tpu"], "'all', 'cpu', 'cuda'"),
    ],
)
def test_a_bad_option_is_named(words, message, capsys):
    done = lucid("bench", "dropout", *words, capsys=capsys)
    assert done.code in (1, 2)
    assert message in done.err


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path, capsys):
    words = ["bench", "dropout", "--device", "cpu", "--sizes", "4k", "--rounds", "1"]
    done = lucid(*words, "--json", tmp_path / "no" / "n.json", capsys=capsys)
    assert done.code == 1
    assert "can't write" in done.err


@pytest.mark.slow
def test_torch_stands_beside_it_where_it_is_installed(capsys, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.undo()
    words = ["bench", "dropout", "--device", "cpu", "--sizes", "4k", "--rounds", "1"]
    done = lucid(*words, capsys=capsys)
    assert "torch GB/s" in done.out
