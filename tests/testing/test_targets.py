"""The table of targets: what is met, what the mean of several is, what the page says."""

import json

import pytest

pytest.importorskip("matplotlib", reason="the table is drawn by matplotlib: pip install matplotlib")

from benchmarks import page, targets
from benchmarks.bench_training import growth
from benchmarks.targets import Result, Target
from lucid.testing.measure import Summary

MET = Result("relu", 1.2, Summary(1.1, 1.0, 1.3), {"lucid": Summary.of([2e-3])})
MISSED = MET._replace(name="selu", ratio=Summary(1.3, 1.2, 1.4))
PART = MET._replace(name="3x3", at_most=None)


def test_the_median_decides_whether_a_target_is_met():
    assert MET.met is True and MISSED.met is False and PART.met is None


def test_several_cases_count_by_their_geometric_mean(monkeypatch):
    times = {"fast": ([1.0, 1.0], [4.0, 4.0]), "slow": ([9.0, 9.0], [1.0, 1.0])}
    monkeypatch.setattr(
        targets,
        "interleave",
        lambda calls, rounds, settle: dict(
            zip(("lucid", "torch"), times[calls["is"]], strict=True)
        ),
    )
    both = Target("both", 1.4, {name: lambda name=name: {"is": name} for name in times})
    mean, *parts = targets.measured(both, rounds=2)
    assert mean.ratio.median == pytest.approx((0.25 * 9.0) ** 0.5)  # 1.5
    assert mean.met is False
    assert [part.ratio.median for part in parts] == [0.25, 9.0]
    assert parts[0].seconds["torch"].median == 4.0


def test_one_case_is_its_own_target(monkeypatch):
    monkeypatch.setattr(
        targets, "interleave", lambda calls, rounds, settle: {"lucid": [1.0], "torch": [2.0]}
    )
    (only,) = targets.measured(Target("relu", 0.5, {"relu": dict}), rounds=1)
    assert only.met and only.ratio.median == 0.5


def test_growth_is_the_exponent_of_time_in_batch():
    assert growth({8: 3.0, 16: 6.0, 64: 24.0}) == pytest.approx(1)
    assert growth({8: 1.0, 16: 4.0, 32: 16.0}) == pytest.approx(2)


def test_a_line_names_the_case_its_ratio_and_what_was_missed():
    assert "1.10 (1.00 to 1.30)" in page.line(MET) and "lucid 2 ms" in page.line(MET)
    assert "MISSED" in page.line(MISSED) and "target" not in page.line(PART)


def test_the_page_has_a_picture_and_the_numbers_beside_it(tmp_path):
    path = tmp_path / "speed.md"
    page.write(path, [MET, MISSED, PART], {"device": "a machine", "torch": None, "rounds": 3})
    text = path.read_text()
    assert "| relu | 1.10 (1.00–1.30) | 1.20 | met |" in text
    assert "| selu | 1.30 (1.20–1.40) | 1.20 | **missed** |" in text
    assert "a machine" in text and "torch None" not in text and "speed.svg" in text
    assert "<svg" in (tmp_path / "speed.svg").read_text()
    numbers = json.loads((tmp_path / "speed.json").read_text())
    assert [r["name"] for r in numbers["results"]] == ["relu", "selu", "3x3"]
