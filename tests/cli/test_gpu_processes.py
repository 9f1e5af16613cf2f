"""The processes of `lucid gpu-report`: what crashes, hangs or finds no time loses nothing else."""

from pathlib import Path

import pytest

from lucid.cli.gpu_processes import (
    Budget,
    ProcessDied,
    measure,
    run_sanitizer,
    run_suite,
    start_process,
)

ROOT = Path(__file__).parents[2]


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_the_budget_counts_down_to_nothing():
    clock = Clock()
    budget = Budget(2, clock)
    assert budget.left() == 120
    assert budget.share(0.5) == 60
    clock.now += 90
    assert (budget.left(), budget.share(0.5)) == (30, 30)
    clock.now += 90
    assert budget.left() == 0


def events_of(names, start, budget=None):
    """What ``measure`` records, as (event, job) pairs."""
    seen = []
    measure(names, start, seen.append, budget or Budget(1))
    return [(event["event"], event["job"]) for event in seen]


def runs(name):
    yield {"event": "begin", "job": name}
    yield {"event": "end", "job": name}


def test_a_crash_loses_only_the_benchmark_that_crashed():
    def start(names):
        for name in names:
            if name == "b":
                yield {"event": "begin", "job": name}
                raise ProcessDied("SIGSEGV")
            yield from runs(name)

    assert events_of(["a", "b", "c"], start) == [
        ("begin", "a"), ("end", "a"), ("begin", "b"), ("error", "b"), ("begin", "c"), ("end", "c"),
    ]  # fmt: skip


def test_after_an_error_a_new_process_goes_on():
    started = []

    def start(names):
        started.append(names)
        yield {"event": "error", "job": names[0], "error": "x"}

    assert events_of(["a", "b"], start) == [("error", "a"), ("error", "b")]
    assert started == [["a", "b"], ["b"]]


def test_a_process_that_never_begins_is_not_started_for_ever():
    def start(names):
        raise ProcessDied("no module named benchmarks")
        yield

    assert events_of(["a", "b"], start) == [("error", "all 2 benchmarks that were left")]


def test_what_does_not_fit_the_time_is_left_out():
    clock = Clock()
    budget = Budget(1, clock)

    def start(names):
        for name in names:
            clock.now += 61
            yield from runs(name)
            return

    assert events_of(["a", "b"], start, budget) == [
        ("begin", "a"), ("end", "a"), ("left out", "b"),
    ]  # fmt: skip


def test_a_real_process_is_started_and_its_death_is_told(tmp_path):
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "cuda_jobs.py").write_text(
        "import os, signal\n"
        'print(\'{"event": "begin", "job": "a"}\', flush=True)\n'
        "os.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    seen = []
    measure(["a"], start_process(tmp_path, "quick", Budget(1)), seen.append, Budget(1))
    assert [e["event"] for e in seen] == ["begin", "error"]
    assert "SIGSEGV" in seen[1]["error"]


def test_the_process_that_measures_knows_the_jobs_by_name():
    start = start_process(ROOT, "quick", Budget(0))
    (event,) = start(["launch overhead"])
    assert (event["event"], event["job"]) == ("left out", "launch overhead")


@pytest.fixture
def small_checkout(tmp_path):
    """A folder with the option --device and the plugin that counts, for tests of its own."""
    (tmp_path / "benchmarks").symlink_to(ROOT / "benchmarks")
    (tmp_path / "conftest.py").write_text(
        "def pytest_addoption(parser): parser.addoption('--device')\n"
    )
    return tmp_path


def test_the_suite_is_counted_and_its_failures_are_named(small_checkout):
    (small_checkout / "test_three.py").write_text(
        "import pytest\n"
        "def test_good(): pass\n"
        "def test_bad(): assert 0\n"
        "def test_late():\n    pytest.skip('no')\n"
    )
    found = run_suite(small_checkout, "cuda", ["test_three.py"], 60)
    assert (found["passed"], found["failed"], found["skipped"]) == (1, 1, 1)
    assert [name.rpartition("::")[2] for name in found["failures"]] == ["test_bad"]
    assert not found["ok"]
    assert any("test_bad" in line for line in found["output"])


def test_a_suite_that_is_stopped_keeps_what_it_found(small_checkout):
    (small_checkout / "test_long.py").write_text(
        "import time\ndef test_bad(): assert 0\ndef test_long(): time.sleep(60)\n"
    )
    found = run_suite(small_checkout, "cuda", ["test_long.py"], 4)  # it starts in one
    assert "the time was up" in found["ended"]
    assert not found["ok"]
    assert found["failures"] == ["test_long.py::test_bad"]


def test_without_the_sanitizer_it_says_so(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    assert run_sanitizer(ROOT, 1) == {
        "ran": False, "why": "compute-sanitizer is not installed (CUDA toolkit)",
    }  # fmt: skip


def test_the_sanitizers_verdict_is_told(monkeypatch, tmp_path):
    tool = tmp_path / "compute-sanitizer"
    tool.write_text("#!/bin/sh\necho '========= ERROR SUMMARY: 3 errors'\nexit 86\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found = run_sanitizer(ROOT, 20)
    assert (found["ran"], found["ok"], found["result"]) == (True, False, "3 errors")
