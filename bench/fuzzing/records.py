"""The records of a course: TOML files and the roster, as an author may write them at midnight."""

from __future__ import annotations

import atexit
import datetime as dt
import shutil
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path

from hypothesis import strategies as st

from bench.fuzzing.target import Target, edited, spliced
from grader.course.assignment import Assignment, read_assignment
from grader.course.course import read_course
from grader.course.errors import CourseError, Problems
from grader.course.policy import HandIn, late_penalties
from grader.course.received import read_received
from grader.course.roster import read_roster
from grader.grading.marks import book_path, read_book
from grader.grading.sheets import COLUMNS, entered, read_sheet

_WARMUP = Path(__file__).parents[2] / "tests" / "warmup_course"
_ROSTER = "id,name,email,section\n400123456,مینا راد,m@example.org,1\n۴۰۰۱۲۳۴۵۷,Ali,,2\n"
_LATE = """
roster = "roster.csv"
[late]
policy = "grace-then-linear"
grace_hours = 72
percent_per_day = 50
"""
_RECEIVED = (
    "id,received,extension_hours,note\n400123456,2026-01-31 23:59,24,ill\n"
    "۴۰۰۱۲۳۴۵۷,2026-02-01T20:30:00+03:30,,\n"
)
_SHEET = (
    ",".join(COLUMNS) + "\n"
    + ",".join({"student": "400123456", "question": "network", "part": "why", "points": "1.5",
                "criterion": "nonlinear", "marker": "m"}.get(c, "") for c in COLUMNS) + "\n"
)  # fmt: skip
_BOOK = """{"schema": 1, "assignment": "warmup", "students": {"400123456": {"network/why":
 {"answer": "abc", "criteria": {"nonlinear": {"points": "1.5", "comment": "x", "marker": "m"}}}}}}"""
_TOKENS = [
    "true", "false", "0", "-1", "1e3", "1e999999", "-0.0", "nan", "inf", "9" * 30, "9" * 5000, '""',
    '"\\u0000"', '"x"', "[]", "{}", "[[]]", "[" * 2000, "{a=" * 500, "1e" + "9" * 20, "1979-05-27", "07:32:00", "0.1",
    "2024-02-30", "1979-05-27T07:32:00Z", "0x1F", "'''", '"""', "# ", "\n[late]\n", "[[question]]",
    "\n[a.b]\n", "a.b.c = 1", "\\", "\r", "\ufeff", "۵", "1e-999999999", "policy", "percent-per-day",
    "1404/12/30", "../x", "hard-deadline", "\u202e", '"id"', ";", "\t", ",",
]  # fmt: skip


@cache
def _course() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="karnameh-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    shutil.copytree(_WARMUP, folder / "course", ignore=shutil.ignore_patterns("__pycache__"))
    course = folder / "course"
    (course / "roster.csv").write_text(_ROSTER, "utf-8")
    (course / "course.toml").write_text(
        (_WARMUP / "course.toml").read_text("utf-8") + _LATE, "utf-8"
    )
    (course / "received.csv").write_text(_RECEIVED, "utf-8")
    (course / "sheet.csv").write_text(_SHEET, "utf-8")
    book = book_path(course, "warmup")
    book.parent.mkdir()
    book.write_text(_BOOK, "utf-8")
    return course


def _read(name: str, data: bytes) -> str:
    course = _course()
    file = course / name
    sound = file.read_bytes()
    try:
        file.write_bytes(data)
        return _read_course(course)
    except CourseError as error:
        return _judged(error)
    finally:
        file.write_bytes(sound)


def _judged(error: CourseError) -> str:
    assert error.problems
    for problem in error.problems:
        assert problem.problem
        assert problem.remedy
    assert str(error)
    return "refused"


def _read_course(folder: Path) -> str:
    course = read_course(folder)
    for slug in course.assignments:
        assignment = read_assignment(course, slug)
        received = assignment.due + dt.timedelta(hours=100)
        hand_in = HandIn(
            assignment=slug, due=assignment.due, received=received, points=Decimal("7.5")
        )
        lost = late_penalties(course.late, [hand_in])[slug].points
        assert 0 <= lost <= Decimal("7.5")
        _read_marks(folder, assignment)
        read_received(folder / "received.csv", course.time_zone, folder)
    if course.roster is not None:
        read_roster(course.roster, folder)
    return "read"


def _read_marks(folder: Path, assignment: Assignment) -> None:
    book = read_book(folder, assignment.slug)
    for student in book.students:
        for marks in book.of(student).values():
            assert all(mark.points >= 0 for mark in marks.values())
    problems = Problems(folder)
    lines = list(read_sheet(folder / "sheet.csv", assignment, {"400123456": folder}, problems, "m"))
    if problems.found:
        raise problems.error()
    entered(book, lines, apart=Decimal(0), mean=True)


def records() -> Iterator[Target]:
    """One target for each file of a course."""
    pieces = st.sampled_from(_TOKENS) | st.text(
        st.characters(exclude_categories=["Cs"]), max_size=4
    )
    raw = st.binary(max_size=60)
    homework = "assignments/warmup"
    for name, file in {
        "course": "course.toml",
        "assignment": f"{homework}/assignment.toml",
        "rubric": f"{homework}/rubric.toml",
        "feedback": f"{homework}/feedback.toml",
        "roster": "roster.csv",
        "received": "received.csv",
        "sheet": "sheet.csv",
        "marks": "marks/warmup.json",
    }.items():
        made = {"roster": _ROSTER, "received": _RECEIVED, "sheet": _SHEET, "marks": _BOOK}
        sound = made.get(name) or (_WARMUP / file).read_text("utf-8")
        samples = [sound]
        if name == "course":  # the policy of late hand-ins stands in it
            policies = ("grace-then-linear", "percent-per-started-day", "hard-deadline", "none")
            samples += [sound + _LATE.replace("grace-then-linear", policy) for policy in policies]
        text = (
            edited(samples, pieces) | spliced(samples) | st.lists(pieces, max_size=12).map("".join)
        )
        inputs = text.map(lambda written: written.encode("utf-8", "surrogatepass")) | raw
        yield Target(name, inputs, lambda data, file=file: _read(file, data))
