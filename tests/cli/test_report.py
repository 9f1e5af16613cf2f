"""Tables and pictures of measurements, from numbers made up here."""

import json

import pytest

from lucid.cli.report import draw, print_tables, write_json
from lucid.cli.throughput import LAYERS, Result
from lucid.testing.measure import Summary


def around(x):
    return Summary(x, 0.98 * x, 1.02 * x)


def result(layer, device, seconds):
    return Result(
        layer=layer,
        device=device,
        device_name=f"a {device}",
        shape=(64, 64),
        dtype="float32",
        seconds=around(seconds),
        bandwidth=around(65536 / seconds),
        copy=around(2e10),
        of_copy=around(0.5),
        torch_bandwidth=around(1e10) if device == "cpu" else None,
        faster_than_torch=around(3.0) if device == "cpu" else None,
    )


@pytest.fixture
def both():
    return [result(layer, d, s) for d, s in (("cpu", 5e-6), ("cuda:0", 2e-7)) for layer in LAYERS]


def test_two_devices_get_a_ratio(both, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    print_tables(both)
    out = capsys.readouterr().out
    assert "CPU : CUDA" in out
    assert out.count("1 : 25.0") == 6


def test_torch_has_columns_only_where_it_was_measured(both, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    print_tables(both)
    assert capsys.readouterr().out.count("torch GB/s") == 1
    print_tables([r for r in both if r.device == "cuda:0"])
    assert "torch GB/s" not in capsys.readouterr().out


def test_a_busy_machine_is_named(both, capsys):
    print_tables(both)
    assert "busy" not in capsys.readouterr().out
    noisy = Summary(1e-6, 0.7e-6, 1.3e-6)
    print_tables([*both[1:], Result(**{**vars(both[0]), "seconds": noisy})])
    assert "The machine was busy" in capsys.readouterr().out


def test_two_devices_get_two_panels(both, tmp_path):
    pytest.importorskip("matplotlib")
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none"}):
        draw(tmp_path / "n.svg", both)
    text = (tmp_path / "n.svg").read_text()
    assert "cpu: a cpu" in text
    assert "cuda:0: a cuda:0" in text


def test_json_can_be_read_back(both, tmp_path):
    write_json(tmp_path / "n.json", both)
    read = json.loads((tmp_path / "n.json").read_text())["results"]
    assert read[0]["seconds"] == around(5e-6)._asdict()
    assert read[-1]["torch_bandwidth"] is None
