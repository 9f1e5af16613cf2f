"""The fixture ``report``: rows are printed at the end, and written to --json FILE."""

from pathlib import Path

import pytest

import lucid
from benchmarks import harness

ROWS: list[harness.Row] = []


def pytest_addoption(parser):
    parser.addoption("--json", type=Path, help="write the numbers and the machine to this file")
    parser.addoption("--rounds", type=int, default=15, help="timings of each contender")
    parser.addoption("--largest", type=int, default=24, help="tensors up to 2**N elements")


@pytest.fixture
def report(request, benchmark):
    """``report(name, contenders, ...)`` measures, and keeps the rows.

    pytest-benchmark's table shows lucid's own call, so that its --benchmark-compare works too.
    """

    def measure(name, contenders, **settings):
        settings.setdefault("rounds", request.config.getoption("--rounds"))
        rows = harness.compare(name, contenders, **settings)
        ROWS.extend(rows)
        benchmark.extra_info["rows"] = [str(row) for row in rows]
        benchmark.pedantic(contenders[harness.OURS], rounds=3, iterations=1)
        return rows

    return measure


@pytest.fixture(params=[1, 2], ids=["1thread", "2threads"])
def threads(request):
    """This many threads for lucid, and so for its peers."""
    before = harness.threads()
    lucid.set_num_threads(request.param)
    harness.torch()
    yield request.param
    lucid.set_num_threads(before)
    harness.torch()


@pytest.fixture
def size(request):
    """The number of elements, if --largest allows it."""
    if request.param > 2 ** request.config.getoption("--largest"):
        pytest.skip("larger than --largest")
    return request.param


def pytest_terminal_summary(terminalreporter, config):
    if not ROWS:
        return
    about = harness.machine()
    terminalreporter.section("lucid beside its peers")
    terminalreporter.write_line(", ".join(f"{k} {v}" for k, v in about.items()))
    terminalreporter.write_line(f"{harness.threads()} threads")
    for row in ROWS:
        terminalreporter.write_line(str(row))
    if path := config.getoption("--json"):
        harness.write(ROWS, path)
        terminalreporter.write_line(f"written to {path}")
