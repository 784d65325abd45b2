"""The roster: who takes the course, from a CSV file as universities export it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from grader.course.errors import Complaint, Problems
from grader.course.table import Columns, read_table, rounded_by_a_spreadsheet
from grader.course.texts import latin_digits

COLUMNS = Columns(
    required=("id", "name"),
    optional=("email", "section", "group"),
    unreadable="create it, or name the right file under roster in course.toml",
)

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_INVISIBLE = dict.fromkeys(
    map(ord, "\u200c\u200e\u200f\u202a\u202b\u202c\u2066\u2067\u2068\u2069\ufeff")
)


class Student(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the roster. What the file does not say is empty."""

    id: str
    name: str
    email: str = ""
    section: str = ""
    group: str = ""


class Roster(msgspec.Struct, frozen=True, kw_only=True):
    """The students of a course, in the order of the file."""

    students: tuple[Student, ...]

    def find(self, student: str) -> Student | None:
        """Return the student with this id, however its digits are written; None if unknown."""
        wanted = normal_id(student)
        return next((each for each in self.students if each.id == wanted), None)


def normal_id(written: str) -> str:
    """Return a student id with Latin digits, without spaces around it or invisible marks."""
    return latin_digits(written.translate(_INVISIBLE)).strip()


def read_roster(file: Path, root: Path | None = None) -> Roster:
    """Read the roster in `file`.

    Parameters
    ----------
    file
        CSV in UTF-8, with or without a byte order mark, separated by commas,
        semicolons or tabs. The first line names the columns: ``id`` and
        ``name``, and if you like ``email``, ``section``, ``group``. Other
        columns and lines that are empty are passed over.
    root
        Folder to which error messages are relative; by default the file's own.

    Raises
    ------
    CourseError
        With every line that cannot be used, by its number.
    """
    problems = Problems(root or file.parent)
    students: dict[str, tuple[int, Student]] = {}
    for line, row in read_table(file, COLUMNS, problems):
        student = Student(
            id=normal_id(row["id"]),
            name=row["name"],
            email=row.get("email", ""),
            section=row.get("section", ""),
            group=row.get("group", ""),
        )
        complaints = list(_complaints(student))
        if student.id in students:
            first = students[student.id][0]
            problem = f'line {first} has the student "{student.id}" already'
            complaints.append(("id", Complaint(problem, "keep one of the two lines")))
        for column, complaint in complaints:
            problems.add(file, column, complaint, line=line)
        students.setdefault(student.id, (line, student))
    if not students and not problems.found:
        complaint = Complaint("no student is listed", "add a line for each student")
        problems.add(file, "", complaint)
    if problems.found:
        raise problems.error()
    return Roster(students=tuple(student for _, student in students.values()))


def _complaints(student: Student) -> Iterator[tuple[str, Complaint]]:
    if not student.id:
        yield "id", Complaint("the id is missing", "write the student's number")
    elif rounded := rounded_by_a_spreadsheet(student.id):
        yield "id", rounded
    elif not _ID.fullmatch(student.id):
        yield (
            "id",
            Complaint(
                f'"{student.id}" cannot be a student id',
                "use digits, Latin letters, _ . and -: it names the folder of the hand-in",
            ),
        )
    if not student.name:
        yield "name", Complaint("the name is missing", "write the student's name")
    if student.email and not re.fullmatch(r"[^@\s]+@[^@\s]+", student.email):
        problem = f'"{student.email}" is not an e-mail address'
        yield "email", Complaint(problem, "correct it, or leave the field empty")
