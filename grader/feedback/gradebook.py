"""The gradebook: one row for each student, as CSV that a spreadsheet opens safely."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from grader.feedback.class_summary import StudentSummary, summaries
from grader.report import Report
from grader.secrets import redact

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def safe_cell(text: str) -> str:
    """Return `text` as a cell that no spreadsheet takes for a formula, and without secrets.

    A cell that begins with ``= + - @``, a tab or a line break, blanks and
    full-width forms included, gets an apostrophe in front, which spreadsheets
    read as "this is text".
    """
    text = redact(text)
    return f"'{text}" if text.lstrip(" \u00a0").startswith(_FORMULA) else text


def write_gradebook(reports: Iterable[Report | StudentSummary], path: Path) -> None:
    """Write the gradebook of one assignment to `path`.

    Columns are the student, the final score and what it is made of, the points
    of each question and of each of its parts, remarks, and what the roster says. UTF-8 with a byte
    order mark, which Excel needs to read Persian. The file is replaced as a
    whole, so that nobody reads half a gradebook.

    Parameters
    ----------
    reports
        Reports or their summaries, in any order; rows are sorted by student.
    path
        File to write.
    """
    students = sorted(summaries(reports), key=lambda student: student.student)
    parts = list(dict.fromkeys(part.key for student in students for part in student.parts))
    questions = list(dict.fromkeys(part.question for s in students for part in s.parts))
    draft = path.with_name(f".{path.name}.new")
    with draft.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            [
                *("student", "final", "max_points", "points", "bonus", "penalty", "pending"),
                *map(safe_cell, _columns(questions, parts)),
                *("grader_errors", "failing_cells", "has_notebook"),
                *("name", "section", "handed_in", "on_roster"),
            ]
        )
        for student in students:
            writer.writerow(_row(student, _columns(questions, parts)))
    draft.replace(path)


def _columns(questions: list[str], parts: list[str]) -> list[str]:
    """Return each question followed by its parts."""
    return [
        column
        for question in questions
        for column in (question, *(p for p in parts if p.startswith(f"{question}/")))
    ]


def _row(student: StudentSummary, columns: list[str]) -> list[str | float]:
    score = student.score
    points: dict[str, float] = {}
    for part in student.parts:
        points[part.key] = part.points
        points[part.question] = round(points.get(part.question, 0) + part.points, 2)
    return [
        safe_cell(student.student),
        *(score.final, score.max_points, score.points, score.bonus, score.penalty, score.pending),
        *(points.get(column, "") for column in columns),
        sum(part.verdict == "error" for part in student.parts),
        student.failing_cells,
        "yes" if student.has_notebook else "no",
        safe_cell(student.name),
        safe_cell(student.section),
        "yes" if student.handed_in else "no",
        "yes" if student.on_roster else "no",
    ]
