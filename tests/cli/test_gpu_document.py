"""What `lucid gpu-report` writes: JSON and Markdown, whole at any moment."""

import json

import pytest

from lucid.cli.gpu_document import Document, Figure, pivot
from lucid.errors import LucidError

ABOUT = {"device": {"name": "NVIDIA H200", "driver": "1.2"}, "versions": {"NumPy": "2"}}


def figure(layer="Dropout", quantity="lucid", unit="GB/s", values=(3, 1, 2), **more):
    return Figure.of("dropout", {"layer": layer, **more}, quantity, unit, values)


@pytest.fixture
def document(tmp_path):
    return Document(tmp_path, "2026-01-02", ABOUT)


def told(document):
    """What stands in the report's JSON."""
    return json.loads(document.json.read_text())


def test_a_figure_is_a_median_with_quartiles_and_rounds(document):
    document.figures.append(figure(values=[1.0, 2.0, 3.0, 4.0, 5.0]))
    document.save()
    (written,) = told(document)["figures"]
    assert (written["low"], written["median"], written["high"]) == (2, 3, 4)
    assert written["rounds"] == 5
    assert written["unit"] == "GB/s"


def test_the_files_are_named_by_device_and_date(document):
    document.save()
    assert document.json.name == "nvidia-h200-2026-01-02.json"
    assert document.markdown.name == "nvidia-h200-2026-01-02.md"
    assert "# NVIDIA H200" in document.markdown.read_text()


def test_versions_and_commit_stand_in_both_files(document):
    document.save()
    assert told(document)["versions"] == {"NumPy": "2"}
    assert "versions NumPy: 2" in document.markdown.read_text()


def test_the_table_has_a_row_per_case_and_a_column_per_quantity():
    header, rows = pivot(
        [
            figure(),
            figure(quantity="of the copy", unit="%", values=[90.0]),
            figure("AlphaDropout", values=[1234.5, 1234.5]),
        ]
    )
    assert header == ["layer", "lucid, GB/s", "of the copy, %"]
    assert rows == [
        ["Dropout", "2 (1.5 to 2.5)", "90"],
        ["AlphaDropout", "1,234 (1,234 to 1,234)", ""],
    ]


def test_the_printed_tables_have_the_largest_size_only(document):
    document.figures += [figure(exponent="2^9"), figure(exponent="2^16")]
    (table,) = document.tables()
    assert list(table.columns[1].cells) == ["2^16"]
    assert table.row_count == 1


def test_an_emulated_report_says_so_on_every_line(tmp_path):
    document = Document(tmp_path, "2026-01-02", ABOUT, emulated=True)
    document.figures.append(figure())
    document.record({"event": "gap", "job": "job", "why": "reason"})
    document.save()
    lines = [line for line in document.markdown.read_text().splitlines() if line.strip(" |-")]
    assert all("EMULATED" in line for line in lines), lines
    assert all("EMULATED" in f["emulated"] for f in told(document)["figures"])
    assert told(document)["emulated"].startswith("EMULATED")
    assert document.json.name.startswith("emulated-")


def test_events_are_kept_and_written_as_they_come(document):
    document.record({"event": "begin", "job": "a"})
    document.record({"event": "figure", **figure()._asdict()})
    document.record({"event": "gap", "job": "torch.compile", "why": "no compiler"})
    document.record({"event": "end", "job": "a"})
    assert len(told(document)["figures"]) == 1
    assert told(document)["not measured"] == [{"job": "torch.compile", "why": "no compiler"}]
    assert not told(document)["finished"]
    assert "not finished" in document.markdown.read_text()


@pytest.mark.parametrize(
    ("suite", "sanitizer", "errors", "failed"),
    [
        ({"ran": False}, {"ran": False}, [], False),
        ({"ran": True, "ok": True}, {"ran": True, "ok": True}, [], False),
        ({"ran": True, "ok": False}, {"ran": False}, [], True),
        ({"ran": False}, {"ran": True, "ok": False}, [], True),
        ({"ran": False}, {"ran": False}, [{"job": "a", "error": "b"}], True),
    ],
)
def test_a_failed_test_a_finding_and_an_error_each_fail_the_report(
    document, suite, sanitizer, errors, failed
):
    document.suite, document.sanitizer, document.errors = suite, sanitizer, errors
    assert document.failed == failed


def test_reasons_are_told_once_with_how_many_they_concern(document):
    for i in range(5):
        document.record({"event": "left out", "job": f"job {i}", "why": "the time was up"})
    lines = list(document.summary())
    assert "not measured (the time was up): job 0; job 1; job 2 and 2 more" in lines


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LucidError, match="gpu-report: can't write .*file"):
        Document(tmp_path / "file", "2026-01-02", ABOUT).save()
