"""What other systems read, read back by readers that are not ours."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from lxml import etree
from msgspec.structs import replace
from typer.testing import CliRunner, Result

from grader.cli import app
from grader.cli.console import Stop
from grader.feedback.exports import (
    SheetError,
    check_rows,
    fill_canvas,
    fill_moodle,
    gradescope_results,
    junit_xml,
    parquet_bytes,
    step_summary,
    workflow_commands,
)
from grader.feedback.exports.sheets import Entry
from grader.report import Report, Score, to_json
from tests.feedback.reports import one_check

DATA = Path(__file__).with_name("data")
ODD = '=1+1,"مینا" راد\u202e <b>&amp;</b>'


def score(final: float, pending: float = 0) -> Score:
    return Score(points=final, max_points=20, bonus=0, pending=pending, penalty=0, final=final)


def entry(student: str, final: float, **more: str) -> Entry:
    return Entry(student=student, score=score(final), **more)


CANVAS = (
    "\ufeffStudent,ID,SIS User ID,SIS Login ID,Section,Homework 1 (811),Homework 2 (812),Final Score\r\n"
    "    Points Possible,,,,,20,100,(read only)\r\n"
    '"Rad, Mina ""M""",1,400123,mina,"DL, 1",,55,70\r\n'
    "=SUM(A1),2,۴۰۰۴۵۶,ali,DL,3,60,71\r\n"
    "Sara,3,,sara@ut.ac.ir,DL,7,61,72\r\n"
    '"Student, Test",4,,abc123,DL,,,\r\n'
)


def test_a_canvas_gradebook_keeps_everything_but_the_scores_of_this_assignment() -> None:
    entries = [
        entry("400123", 17.5),
        entry("400456", 0),
        entry("77", 3.25, email="sara@ut.ac.ir"),
        entry("99", 1),
    ]
    done = fill_canvas(CANVAS, entries, ["hw1", "Homework 1"])
    assert done.filled == ["400123", "400456", "77"]
    assert done.absent == ["99"]
    before, after = (
        pd.read_csv(io.StringIO(text.removeprefix("\ufeff")), dtype=str, keep_default_na=False)
        for text in (CANVAS, done.text)
    )
    column = "Homework 1 (811)"
    assert after[column].tolist() == ["20", "17.5", "0", "3.25", ""]
    assert before.drop(columns=column).equals(after.drop(columns=column))
    assert done.text.count("\r\n") == CANVAS.count("\r\n")


@pytest.mark.parametrize("column", ["Homework 2 (812)", "812", "Homework 2"])
def test_the_column_of_canvas_can_be_named(column: str) -> None:
    done = fill_canvas(CANVAS, [entry("400123", 9)], [], column)
    rows = list(csv.DictReader(io.StringIO(done.text)))
    assert rows[1]["Homework 2 (812)"] == "9"
    assert rows[1]["Homework 1 (811)"] == ""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a,b\n1,2\n", 'there is no column "Student"'),
        ('Student,ID,"x\n', "not valid CSV"),
        ("", 'there is no column "Student"'),
        (CANVAS, "Name it with --column; there are: Homework 1 (811); Homework 2 (812)"),
    ],
)
def test_what_is_no_canvas_gradebook_is_said_with_the_remedy(text: str, told: str) -> None:
    with pytest.raises(SheetError, match=r"Canvas|column") as caught:
        fill_canvas(text, [entry("1", 1)], ["another homework"])
    assert told in str(caught.value)


MOODLE = (
    "Identifier,Full name,ID number,Email address,Status,Grade,Maximum Grade,Grade can be changed,"
    "Last modified (submission),Last modified (grade),Feedback comments\n"
    'Participant 11,"مینا راد",400123,mina@ut.ac.ir,Submitted,,10.00,Yes,"1 May 2025, 10:00 AM",-,\n'
    "Participant 12,Ali,400456,ali@ut.ac.ir,Submitted,5.00,10.00,No,-,-,old\n"
    "Participant 13,Sara,,sara@ut.ac.ir,No submission,,10.00,Yes,-,-,\n"
)


def test_a_moodle_worksheet_gets_grades_and_comments_and_nothing_else() -> None:
    entries = [
        entry("400123", 15, comment='part "a", 1 / 2\n=2+2'),
        entry("400456", 20),
        entry("77", 4, email="sara@ut.ac.ir"),
    ]
    done = fill_moodle(MOODLE, entries, most=20)
    assert done.filled == ["400123", "77"]
    assert done.absent == ["400456"]  # its grade cannot be changed
    before, after = (
        pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
        for text in (MOODLE, done.text)
    )
    assert after["Grade"].tolist() == ["7.5", "5.00", "2"]
    assert after["Feedback comments"].tolist() == ['part "a", 1 / 2\n=2+2', "old", ""]
    changed = ["Grade", "Feedback comments"]
    assert before.drop(columns=changed).equals(after.drop(columns=changed))


def test_gradescope_results_have_the_fields_of_its_specification(report: Report) -> None:
    results = json.loads(json.dumps(gradescope_results(report)))
    assert set(results) <= {
        "score", "execution_time", "output", "output_format", "test_output_format",
        "test_name_format", "visibility", "stdout_visibility", "extra_data", "tests", "leaderboard",
    }  # fmt: skip
    assert results["score"] == report.score.final
    assert isinstance(results["execution_time"], int)
    fields = {
        "score": (int, float), "max_score": (int, float), "status": str, "name": str,
        "name_format": str, "number": str, "output": str, "output_format": str, "visibility": str,
    }  # fmt: skip
    for test in results["tests"]:
        assert all(isinstance(value, fields[name]) for name, value in test.items()), test
        assert test.get("status", "passed") in ("passed", "failed")
        assert test["visibility"] in ("visible", "hidden", "after_due_date", "after_published")
    checks = [c for q in report.questions for p in q.parts for c in p.checks]
    hidden = [t for t in results["tests"] if t["visibility"] == "hidden"]
    assert len(hidden) == sum(check.hidden for check in checks) > 0
    points = sum(t["score"] for t in results["tests"])
    assert points == pytest.approx(report.score.points + report.score.bonus, abs=0.02)


def test_junit_is_valid_and_only_the_graders_faults_are_errors(report: Report) -> None:
    odd = one_check(message={"en": ODD + "\x00\x1b[31m\ud800"})
    odd = replace(odd, student="\x07" + ODD)
    schema = etree.XMLSchema(etree.parse(DATA / "junit.xsd"))
    document = etree.fromstring(junit_xml([report, odd]))
    schema.assertValid(document)
    first, second = document
    checks = [c for q in report.questions for p in q.parts for c in p.checks]
    counts = {v: sum(c.verdict == v for c in checks) for v in ("error", "pending", "passed")}
    assert len(first.findall("testcase/error")) == counts["error"] == int(first.get("errors"))
    assert len(first.findall("testcase/skipped")) == counts["pending"] == int(first.get("skipped"))
    failures = len(checks) - sum(counts.values())
    assert len(first.findall("testcase/failure")) == failures == int(first.get("failures"))
    found = {p.get("name"): float(p.get("value")) for p in first.iter("property")}
    assert found["score.final"] == report.score.final
    assert ODD.replace("\u202e", "<U+202E>") in second.find("testcase/failure").get("message")


def test_githubs_summary_and_annotations_hold_what_students_wrote_as_text() -> None:
    odd = one_check(
        message={"en": "50%, see\nline: 2 | ::error::no <script> ![x](http://x)"},
        title={"en": "a|b"},
    )
    odd = replace(odd, title={"en": "Homework <img src=x>"}, student="@everyone |")
    summary = step_summary([odd])
    assert "<img" not in summary
    assert "<script" not in summary
    assert r"\@everyone \|" in summary
    rows = [line for line in summary.splitlines() if line.startswith("|")]
    assert {len(line.replace(r"\|", "").split("|")) for line in rows} == {6}
    (line,) = workflow_commands(odd, "a,b:c.ipynb")
    assert line.startswith("::warning file=a%2Cb%3Ac.ipynb,title=")
    assert "\n" not in line
    assert "50%25, see%0Aline: 2" in line


def test_githubs_summary_speaks_the_language_that_was_asked_for(report: Report) -> None:
    persian = step_summary([report], "fa")
    assert persian.startswith('<div dir="rtl">\n\n###')
    assert "| سؤال | بخش | امتیاز |" in persian
    assert "در انتظار تصحیح" in persian
    assert not re.search(r"\b(question|points|of)\b", persian)
    english = step_summary([report], "en")
    assert "| question | part | points |" in english
    assert f"**{report.score.final:g} of {report.score.max_points:g} points**" in english


def test_a_table_of_checks_comes_back_from_parquet(report: Report) -> None:
    odd = replace(one_check(message={"en": ODD}), student=ODD)
    table = pq.read_table(io.BytesIO(parquet_bytes([report, odd])))
    rows = list(check_rows([report, odd]))
    assert table.to_pylist() == rows
    assert rows[-1]["student"] == ODD
    assert table.schema.field("points").type == "double"


@pytest.fixture
def graded(tmp_path: Path, report: Report) -> Path:
    """A course with two reports, one of which waits for a person."""
    root = tmp_path / "course"
    (root / "assignments" / "warmup").mkdir(parents=True)
    warmup = Path(__file__).parents[1] / "warmup_course"
    shutil.copytree(warmup, root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    path = root / "course.toml"
    path.write_text(f'roster = "roster.csv"\n{path.read_text("utf-8")}', "utf-8")
    (root / "roster.csv").write_text("id,name,email\n1,Sara,sara@ut.ac.ir\n2,=Ali,\n", "utf-8")
    for student, pending in (("1", 0.0), ("2", 2.0)):
        folder = root / "reports" / "warmup" / student
        folder.mkdir(parents=True)
        own = replace(one_check(), student=student, assignment="warmup", score=score(12, pending))
        (folder / "report.json").write_bytes(to_json(own))
    return root


def export(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["export", "warmup", "--course", str(root), *arguments])


def test_scores_that_are_not_final_are_not_exported_by_accident(graded: Path) -> None:
    target = graded / "out.csv"
    done = export(graded, "-f", "csv", "-o", str(target))
    assert isinstance(done.exception, Stop)
    assert "1 of 2 hand-ins are not marked to the end" in " ".join(done.output.split())
    assert not target.exists()
    assert export(graded, "-f", "csv", "-o", str(target), "--not-final").exit_code == 0
    rows = list(csv.DictReader(io.StringIO(target.read_text("utf-8-sig"))))
    assert [(row["student"], row["name"], row["final"]) for row in rows] == [
        ("1", "Sara", "12.0"),
        ("2", "'=Ali", "12.0"),
    ]


def test_each_format_is_written_and_nothing_is_overwritten(graded: Path, monkeypatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    (graded / "canvas.csv").write_text("Student,ID,SIS User ID,Warm-up (5)\nSara,9,1,\n", "utf-8")
    (graded / "moodle.csv").write_text("Identifier,ID number,Grade\nParticipant 3,1,\n", "utf-8")
    formats = {
        "canvas": ("--into", str(graded / "canvas.csv"), "--language", "en"),
        "moodle": ("--into", str(graded / "moodle.csv")),
        "gradescope": (),
        "junit": (),
        "parquet": (),
    }
    for name, more in formats.items():
        arguments = ["-f", name, "-o", str(graded / name), "--not-final", *more]
        done = export(graded, *arguments)
        assert done.exit_code == 0, done.output
        assert (graded / name).exists()
        again = export(graded, *arguments)
        assert isinstance(again.exception, Stop), name
    assert (graded / "canvas").read_text("utf-8-sig").splitlines()[1] == "Sara,9,1,12"
    results = json.loads((graded / "gradescope" / "2" / "results.json").read_text())
    assert results["score"] == 12
    done = export(graded, "-f", "github")
    assert "۱۲ از ۲۰" in done.output
    summary = graded / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert "::warning" in export(graded, "-f", "github").output
    assert "۱۲ از ۲۰" in summary.read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-f", "canvas", "--not-final"], "--into FILE"),
        (["-f", "junit", "--into", "x"], "--into and --column go with canvas and moodle"),
        (["-f", "moodle", "--not-final", "--into", "/nowhere.csv"], "cannot be read"),
        (["-f", "junit", "--language", "de"], "does not speak de"),
    ],
)
def test_what_does_not_go_together_is_said(graded: Path, arguments: list[str], told: str) -> None:
    done = export(graded, *arguments)
    assert isinstance(done.exception, Stop)
    assert told in " ".join(done.output.split())
