"""What persons gave for the parts that they mark, kept in ``marks/SLUG.json`` of the course."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Literal

import msgspec

from grader.checks.scoring import Mark
from grader.course.errors import Complaint, Problems
from grader.grading.files import write_whole
from grader.secrets import redact


class CriterionMark(msgspec.Struct, frozen=True, kw_only=True):
    """The points of one criterion, by whom, and what they say to the student."""

    points: Decimal
    comment: str = ""
    marker: str = ""


class PartMarks(msgspec.Struct, frozen=True, kw_only=True):
    """The marks of one part of one student.

    Attributes
    ----------
    answer
        Fingerprint of the answer that was marked: the student may hand in another one later.
    criteria
        By id of the criterion.
    """

    answer: str
    criteria: dict[str, CriterionMark]


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """All marks of one assignment, by student and ``question/part``."""

    schema: Literal[1] = 1
    assignment: str
    students: dict[str, dict[str, PartMarks]] = {}

    def of(self, student: str) -> Mapping[str, Mapping[str, Mark]]:
        """The marks of one student, as scoring takes them; a comment may quote a secret of theirs."""
        return {
            place: {
                id_: Mark(points=mark.points, comment=redact(mark.comment))
                for id_, mark in part.criteria.items()
            }
            for place, part in self.students.get(student, {}).items()
        }


def book_path(root: Path, slug: str) -> Path:
    """Where the marks of an assignment are kept."""
    return root / "marks" / f"{slug}.json"


def read_book(root: Path, slug: str) -> Book:
    """Read the marks of `slug` in the course at `root`; there may be none yet.

    Raises
    ------
    CourseError
        If the file is no such book.
    """
    path = book_path(root, slug)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Book(assignment=slug)
    try:
        return _sound(msgspec.json.decode(data, type=Book))
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        problems = Problems(root)
        remedy = "take it from a copy, or remove it and import the sheets again"
        problems.add(path, "", Complaint(f"these are no marks: {error}", remedy))
        raise problems.error() from error


def _sound(book: Book) -> Book:
    for student, parts in book.students.items():
        for place, part in parts.items():
            for criterion, mark in part.criteria.items():
                if not (mark.points.is_finite() and mark.points >= 0):
                    where = f"{student}, {place}, {criterion}"
                    raise ValueError(f"{mark.points} points ({where})")
    return book


def write_book(root: Path, book: Book) -> None:
    """Keep `book`, whole or not at all."""
    path = book_path(root, book.assignment)
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = msgspec.json.encode(book, order="deterministic")
    write_whole(path, msgspec.json.format(encoded, indent=1) + b"\n")
