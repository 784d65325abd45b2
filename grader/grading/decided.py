"""What persons and clocks decide about a hand-in, beside what was judged: marks, and lateness.

Neither needs the notebook again: a report whose hand-in and checks are the same is only reckoned
up anew when its student's marks or hand-in times change.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from grader.checks.scoring import Marks, marked
from grader.course.assignment import Assignment
from grader.course.course import Course
from grader.grading.lateness import Term
from grader.grading.marks import Book, read_book
from grader.report import Late, Report


class Decided:
    """The marks and the lateness of an assignment's students.

    Parameters
    ----------
    submissions
        Where it is noted when hand-ins were received; None: nobody is taken for late.

    Raises
    ------
    CourseError
        If the marks or the records of hand-in times cannot be read.
    """

    def __init__(self, course: Course, assignment: Assignment, submissions: Path | None) -> None:
        self._slug = assignment.slug
        self._book: Book = read_book(course.root, assignment.slug)
        self._term = None if submissions is None else Term(course, submissions)
        self.late("")  # reads the records

    def marks(self, student: str) -> Marks:
        """What persons gave this student."""
        return self._book.of(student)

    def late(self, student: str) -> Late | None:
        """How late this student's hand-in is; None where that is not known."""
        return None if self._term is None else self._term.late(self._slug, student)

    def stamp(self, student: str) -> str:
        """A name for all of it, empty when there is nothing."""
        marks, late = self._book.students.get(student), self.late(student)
        if not marks and late is None:
            return ""
        encoded = msgspec.json.encode([marks, late], order="deterministic")
        return hashlib.sha256(encoded).hexdigest()[:16]

    def applied(self, report: Report) -> Report:
        """Return `report` with what is decided now."""
        return marked(report, self.marks(report.student), self.late(report.student))
