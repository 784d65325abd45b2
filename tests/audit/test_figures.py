"""The page about audits has a row for every assignment, and each of them passes."""

from __future__ import annotations

from pathlib import Path

from bench.audits import BEGIN, COLUMNS, END, table
from grader.course.course import read_course
from grader.feedback.audit import Audit, AuditedFunction

ROOT = Path(__file__).parents[2]


def test_every_assignment_has_a_row_and_passes() -> None:
    page = (ROOT / "docs" / "audit.md").read_text("utf-8")
    figures = page.partition(BEGIN)[2].partition(END)[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in figures.splitlines()[2:]
    ]
    by_slug = {
        row[0].strip("`"): dict(zip(COLUMNS, row, strict=True)) for row in rows if "`" in row[0]
    }
    assert list(by_slug) == list(read_course(ROOT).assignments)
    for row in by_slug.values():
        assert row["verdict"] == "passes"
        assert float(row["killed of the rest"].removesuffix("%")) >= 95


def test_the_figures_count_what_was_tried() -> None:
    function = AuditedFunction(
        function="f", made=9, tried=6, killed=4, survived=1, equivalent=1, checks=["test_f"]
    )
    drawn = AuditedFunction(
        function="show", made=7, tried=0, killed=0, survived=0, equivalent=0, checks=[]
    )
    audit = Audit(
        assignment="hw",
        title={"en": "HW"},
        checks=[],
        functions=[function, drawn],
        survivors=[],
        equivalents=[],
        tolerances=[],
        kinds={"sign": [3, 0, 0], "axis": [1, 1, 1]},
        misconceptions=[5, 3],
        alternatives=[1, 1],
        findings=[],
        runs=[],
        seconds=1.0,
        workers=1,
    )
    text = table([audit, audit])
    assert "| `hw` | 0 | 1 of 2 | 9 | 5 | 4 | 1 | 0 | 80.0 % | 3 of 5 | 1 of 1 | passes |" in text
    assert "| axis | 2 | 2 | 2 |" in text
    assert "| sign | 6 | 0 | 0 |" in text
