"""metrics.csv always holds the whole history, once."""

import csv

import pytest

from lucid.train.metrics import EpochMetrics, write_csv

HISTORY = [
    EpochMetrics(i, 0.1 / i, 1 / 3 / i, 1 - 0.1 / i, 2 / 3 / i, 1 - 0.2 / i, 0.5) for i in (1, 2, 3)
]


def rows(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_has_a_header_and_a_line_per_epoch(tmp_path):
    write_csv(tmp_path / "m.csv", HISTORY)
    header, *lines = rows(tmp_path / "m.csv")
    assert header == list(EpochMetrics._fields)
    assert [line[0] for line in lines] == ["1", "2", "3"]


def test_numbers_can_be_read_back_exactly(tmp_path):
    write_csv(tmp_path / "m.csv", HISTORY)
    read = [tuple(map(float, line)) for line in rows(tmp_path / "m.csv")[1:]]
    assert read == [tuple(row) for row in HISTORY]


def test_writing_replaces_what_was_there(tmp_path):
    write_csv(tmp_path / "m.csv", HISTORY)
    write_csv(tmp_path / "m.csv", HISTORY[:1])  # a resume from an older checkpoint
    assert len(rows(tmp_path / "m.csv")) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["m.csv"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    write_csv(tmp_path / "m.csv", HISTORY)
    before = (tmp_path / "m.csv").read_bytes()

    def broken():
        yield HISTORY[0]
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_csv(tmp_path / "m.csv", broken())
    assert (tmp_path / "m.csv").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.csv"]
