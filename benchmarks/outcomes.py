"""A pytest plugin, ``-p benchmarks.outcomes --outcomes FILE``: a line per test as soon as it ends.

What a run that is stopped has found by then is not lost.
"""

import json


def pytest_addoption(parser):
    parser.addoption("--outcomes", help="append each test's outcome to this file, as JSON")


def pytest_configure(config):
    path = config.getoption("--outcomes")
    if path and not hasattr(config, "workerinput"):  # xdist's workers report to the one that counts
        config.pluginmanager.register(Recorder(path))


class Recorder:
    """Writes outcomes down."""

    def __init__(self, path):
        self.path = path

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.outcome != "passed":
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps({"test": report.nodeid, "outcome": report.outcome}) + "\n")

    def pytest_collectreport(self, report):
        if report.failed:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps({"test": report.nodeid, "outcome": "failed"}) + "\n")
