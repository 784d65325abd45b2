"""The gradebook is read back as a spreadsheet would read it."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest
from msgspec.structs import replace

from grader.feedback import summarise, write_gradebook
from grader.feedback.gradebook import safe_cell
from grader.report import Report
from tests.feedback.reports import a_class


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_every_student_has_a_row_with_the_points_of_every_part(
    tmp_path: Path, report: Report
) -> None:
    path = tmp_path / "gradebook.csv"
    write_gradebook([report], path)
    (row,) = rows_of(path)
    assert row["student"] == report.student
    assert float(row["final"]) == 18.1
    assert float(row["penalty"]) == 4.5
    assert float(row["pending"]) == 5
    assert row["grader_errors"] == "1"
    for asked in report.questions:
        assert float(row[asked.id]) == pytest.approx(asked.points)
        for part in asked.parts:
            assert float(row[f"{asked.id}/{part.id}"]) == pytest.approx(part.points)


def test_reports_and_summaries_give_the_same_file(tmp_path: Path) -> None:
    reports = a_class(5)
    write_gradebook(reports, tmp_path / "a.csv")
    write_gradebook((summarise(r) for r in reversed(reports)), tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_excel_is_told_that_it_is_utf8(tmp_path: Path, report: Report) -> None:
    path = tmp_path / "gradebook.csv"
    write_gradebook([replace(report, student="سارا، محمدی")], path)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert pd.read_csv(path)["student"][0] == "سارا، محمدی"


@pytest.mark.parametrize(
    "name",
    [
        '=HYPERLINK("http://evil.example","x")',
        "+1+1",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "  =1+1",
        "＝1+1",
    ],
)
def test_no_cell_is_a_formula(tmp_path: Path, report: Report, name: str) -> None:
    path = tmp_path / "gradebook.csv"
    write_gradebook([replace(report, student=name)], path)
    (row,) = rows_of(path)
    assert row["student"] == f"'{name}"


@pytest.mark.parametrize("name", ["401105234", 'O"Brien, Jr.', "سارا", "a=b", "x-y", ""])
def test_ordinary_text_stays_as_it_is(tmp_path: Path, report: Report, name: str) -> None:
    assert safe_cell(name) == name
    path = tmp_path / "gradebook.csv"
    write_gradebook([replace(report, student=name)], path)
    assert rows_of(path)[0]["student"] == name


def test_a_student_without_some_part_has_an_empty_cell(tmp_path: Path, report: Report) -> None:
    fewer = replace(report, student="0", questions=report.questions[:1])
    path = tmp_path / "gradebook.csv"
    write_gradebook([report, fewer], path)
    first, second = rows_of(path)
    assert first["student"] == "0"
    assert first["gradcam"] == ""
    assert float(second["gradcam"]) == 7


def test_an_empty_class_has_a_heading_only(tmp_path: Path) -> None:
    path = tmp_path / "gradebook.csv"
    write_gradebook([], path)
    assert rows_of(path) == []
    assert list(tmp_path.iterdir()) == [path]
