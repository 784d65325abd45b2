"""From a sheet to the cards: `grader mark`, as a TA uses it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import msgspec
import nbformat
import pytest
from nbformat.v4 import new_markdown_cell
from typer.testing import CliRunner, Result

from grader.checks.scoring import Mark
from grader.cli import app
from grader.cli.console import Stop
from grader.course.assignment import read_assignment
from grader.course.course import read_course
from grader.course.errors import CourseError, Problems
from grader.feedback import summarise
from grader.grading.journal import Finished, Journal
from grader.grading.marks import book_path, read_book
from grader.grading.records import occasion, write_files
from grader.grading.release import solution
from grader.grading.sheets import read_points, read_sheet
from grader.grading.submission import Graded
from grader.grading.worker import files_of
from grader.report import from_json
from tests.desk import Desk
from tests.pdfs import pdf_of

PLACE = "network/why"


@pytest.fixture
def marked_course(course: Path, warmup: Desk) -> Path:
    """Two graded hand-ins with prose: one ordinary, one with a formula and a secret in it."""
    read = read_course(course)
    assignment = read_assignment(read, "warmup")
    folder = course / "submissions" / "warmup"
    folder.mkdir(parents=True)
    for student, text in (
        ("1001", "چون غیرخطی است"),
        ("1002", '=HYPERLINK("x") api_key = "sk-proj-abcdefghijklmnopqrstuvwx1234567890ABCD"'),
    ):
        notebook = solution(assignment, read.languages)
        for cell in notebook.cells:
            if cell.metadata.get("karnameh", {}).get("answer") == PLACE:
                cell.source, text = text, ""  # it stands there once in each language
        notebook.cells.append(new_markdown_cell("Thank you!"))
        nbformat.write(notebook, folder / f"{student}.ipynb")
    (course / "roster.csv").write_text("id,name\n1001,مینا راد\n1002,Ali\n1003,Sara", "utf-8")
    path = course / "course.toml"
    path.write_text(f'roster = "roster.csv"\n{path.read_text("utf-8")}', "utf-8")
    report = warmup.reference()
    reports = course / "reports" / "warmup"
    with Journal(reports) as journal:
        for student in ("1001", "1002"):
            graded = Graded(msgspec.structs.replace(report, student=student), [])
            write_files(reports / student, files_of(graded, occasion(read, assignment)))
            journal.append(
                Finished(
                    student=student, content="", stamp="", material="", seconds=1.0,
                    has_error=False, summary=summarise(graded.report),
                )
            )  # fmt: skip
    return course


def mark(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["mark", *map(str, arguments)])


def sheet_of(course: Path, name: str = "sheet.csv") -> list[dict[str, str]]:
    done = mark("export", "warmup", "--course", course, "-o", course / name)
    assert done.exit_code == 0, done.output
    with (course / name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def fill(path: Path, rows: list[dict[str, str]]) -> Path:
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(file.getvalue(), "utf-8-sig")
    return path


def test_a_sheet_has_a_line_for_each_criterion_with_the_answer_and_nothing_that_harms(
    marked_course: Path,
) -> None:
    rows = sheet_of(marked_course)
    lines = [row for row in rows if row["criterion"]]
    assert [(r["student"], r["name"], r["criterion"], r["max_points"]) for r in lines] == [
        ("1001", "مینا راد", "nonlinear", "2"),
        ("1002", "Ali", "nonlinear", "2"),
    ]
    assert lines[0]["answer"] == "چون غیرخطی است"
    assert lines[1]["answer"].startswith("'=HYPERLINK")
    assert "sk-proj-abcdefghijklmnop" not in lines[1]["answer"]
    others = [row for row in rows if not row["criterion"]]
    assert {row["part"] for row in others} == {"other text"}
    assert all("Thank you!" in row["answer"] for row in others)


def test_marks_and_comments_come_onto_the_cards_and_into_the_gradebook(marked_course: Path) -> None:
    rows = sheet_of(marked_course)
    rows[0].update(points="۱٫۵", comment="خوب <b>بود</b>", marker="sara")
    sheet = fill(marked_course / "sheet.csv", rows)
    done = mark("import", "warmup", sheet, "--course", marked_course)
    assert done.exit_code == 0, done.output
    folder = marked_course / "reports" / "warmup"
    report = from_json((folder / "1001" / "report.json").read_bytes())
    part = next(p for q in report.questions for p in q.parts if p.kind == "rubric")
    assert (part.points, part.pending, part.verdict) == (1.5, 0, "partial")
    assert (part.criteria[0].points, part.criteria[0].comment) == (1.5, "خوب <b>بود</b>")
    assert (report.score.final, report.score.pending) == (13.5, 0)
    card = (folder / "1001" / "feedback.html").read_text("utf-8")
    assert "خوب &lt;b&gt;بود&lt;/b&gt;" in card
    with (folder / "gradebook.csv").open(encoding="utf-8-sig", newline="") as file:
        book = {row["student"]: row for row in csv.DictReader(file)}
    assert (book["1001"]["final"], book["1001"]["name"]) == ("13.5", "مینا راد")
    assert book["1002"]["pending"] == "2.0"
    assert (book["1003"]["handed_in"], book["1003"]["final"]) == ("no", "0.0")
    page = (folder / "index.html").read_text("utf-8")
    assert "Sara" in page
    assert '"1003/' not in page
    told = mark("status", "warmup", "--course", marked_course)
    assert f"{PLACE}: 1 of 2 marked" in told.output


def test_marks_stand_on_the_next_sheet_and_wait_for_the_next_grading(marked_course: Path) -> None:
    rows = sheet_of(marked_course)
    rows[0]["points"] = "2"
    mark("import", "warmup", fill(marked_course / "s.csv", rows), "--course", marked_course)
    again = sheet_of(marked_course, "again.csv")
    assert again[0]["points"] == "2"
    marks = read_book(marked_course, "warmup").of("1001")
    assert marks[PLACE]["nonlinear"] == Mark(points=2)


def test_another_answer_than_the_marked_one_is_told(marked_course: Path) -> None:
    rows = sheet_of(marked_course)
    rows[0]["points"] = "2"
    sheet = fill(marked_course / "s.csv", rows)
    path = marked_course / "submissions" / "warmup" / "1001.ipynb"
    path.write_text(path.read_text("utf-8").replace("غیرخطی است", "خطی نیست"), "utf-8")
    told = "1001, network/why: the answer is another one than was marked"
    done = mark("import", "warmup", sheet, "--course", marked_course)
    assert done.exit_code == 0
    assert told in " ".join(mark("status", "warmup", "--course", marked_course).output.split())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"points": "3"}, '"3" is no number of points from 0 to 2'),
        ({"points": "-1"}, '"-1" is no number of points'),
        ({"points": "two"}, '"two" is no number of points'),
        ({"points": "NaN"}, '"NaN" is no number of points'),
        ({"points": "1", "student": "1009"}, 'no hand-in of the student "1009"'),
        ({"points": "1", "part": "wy"}, 'did you mean "network/why"?'),
        ({"points": "1", "criterion": "nonlinera"}, 'did you mean "nonlinear"?'),
    ],
)
def test_a_wrong_line_imports_nothing_and_is_named(
    marked_course: Path, change: dict[str, str], told: str
) -> None:
    rows = sheet_of(marked_course)
    rows[2]["points"] = "2"  # a good line of the other student, which must not be taken over
    rows[0].update(change)
    sheet = fill(marked_course / "sheet.csv", rows)
    done = mark("import", "warmup", sheet, "--course", marked_course)
    assert isinstance(done.exception, Stop)
    assert done.exception.code == 2
    assert told in " ".join(done.output.split())
    assert not (marked_course / "marks").exists()


def test_the_place_of_a_mistake_is_said(marked_course: Path) -> None:
    rows = sheet_of(marked_course)
    rows[0]["points"] = "9"
    sheet = fill(marked_course / "sheet.csv", rows)
    assignment = read_assignment(read_course(marked_course), "warmup")
    problems = Problems(marked_course)
    assert read_sheet(sheet, assignment, ["1001", "1002"], problems, "") == []
    assert str(problems.error()).startswith("sheet.csv:2, points")
    for text, told in (
        ("", "this file is empty"),
        ("student,points\n", 'no column "question"'),
        ('student,question,part,criterion,points\n1,"x\n', "not valid CSV"),
    ):
        sheet.write_text(text)
        problems = Problems(marked_course)
        assert read_sheet(sheet, assignment, ["1001"], problems, "") == []
        assert told in str(problems.error())


def test_two_markers_who_differ_are_both_named_until_a_rule_is(marked_course: Path) -> None:
    rows = sheet_of(marked_course)
    rows[0].update(points="2", marker="sara")
    one = fill(marked_course / "one.csv", rows)
    rows[0].update(points="1", marker="ali", comment="why?")
    two = fill(marked_course / "two.csv", rows)
    where = ("--course", marked_course)
    done = mark("import", "warmup", one, two, *where)
    assert done.exit_code != 0
    assert not (marked_course / "marks").exists()
    assert mark("import", "warmup", one, two, "--mean", *where).exit_code == 0
    kept = read_book(marked_course, "warmup").students["1001"][PLACE].criteria["nonlinear"]
    assert (str(kept.points), kept.marker, kept.comment) == ("1.5", "ali, sara", "why?")


@pytest.mark.parametrize(
    ("written", "points"),
    [("1.5", "1.5"), ("۱٫۵", "1.5"), ("۱/۵", "1.5"), ("1,5", "1.5"), (" 2 ", "2"), ("٢", "2")],
)
def test_points_are_read_as_people_write_them(written: str, points: str) -> None:
    assert str(read_points(written)) == points


def test_a_damaged_book_is_named_and_nothing_is_lost(marked_course: Path) -> None:
    path = marked_course / "marks" / "warmup.json"
    path.parent.mkdir()
    path.write_text('{"schema": 1, "assignment": "warmup", "students": 3}')
    done = mark("status", "warmup", "--course", marked_course)
    assert done.exit_code != 0
    assert json.loads(path.read_text())["students"] == 3


def test_the_pdf_beside_a_notebook_is_on_the_sheet_and_odd_names_are_told(
    marked_course: Path,
) -> None:
    folder = marked_course / "submissions" / "warmup"
    (folder / "1001.pdf").write_bytes(pdf_of("A gradient is a slope."))
    (folder / "2001.pdf").write_bytes(pdf_of("Nothing but a page."))
    (folder / "final project.zip").write_bytes(b"")
    (folder / "1002 (1).ipynb").write_bytes((folder / "1002.ipynb").read_bytes())
    (folder / "notes.txt").touch()
    done = mark("status", "warmup", "--course", marked_course)
    assert done.exit_code == 0, done.output
    assert (
        "final project.zip is not called like the assignment's name and a student id" in done.stderr
    )
    assert "several attempts of 1002: 1002 (1).ipynb counts, not 1002.ipynb" in done.stderr
    assert "no hand-ins: notes.txt" in done.stderr
    assert f"{PLACE}: 0 of 4 marked" in done.stdout
    pdf = [row for row in sheet_of(marked_course) if row["part"] == "pdf"]
    assert [(row["student"], row["answer"]) for row in pdf] == [
        ("1001", "A gradient is a slope."),
        ("2001", "Nothing but a page."),
    ]


@pytest.mark.parametrize(
    "book",
    [
        b'{"schema": 1, "assignment": "warmup", "x": ' + b"[" * 100_000,
        b'{"schema": 1, "assignment": "\xff"}',
        *(
            b'{"schema": 1, "assignment": "warmup", "students": {"1": {"network/why": {"answer": "",'
            b' "criteria": {"nonlinear": {"points": "%s"}}}}}}' % points
            for points in (b"NaN", b"-1", b"Infinity")
        ),
    ],
    ids=["nested", "no UTF-8", "not a number", "below zero", "infinite"],
)
def test_marks_that_nobody_gave_are_told_and_counted_nowhere(tmp_path: Path, book: bytes) -> None:
    path = book_path(tmp_path, "warmup")
    path.parent.mkdir()
    path.write_bytes(book)
    with pytest.raises(CourseError, match=r"marks/warmup\.json\s+these are no marks") as caught:
        read_book(tmp_path, "warmup")
    assert "import the sheets again" in str(caught.value)
