"""The roster: who takes the course, from a CSV file as universities export it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from grader.course.errors import Complaint, Problems, nearest, quoted
from grader.course.texts import latin_digits

REQUIRED = ("id", "name")
OPTIONAL = ("email", "section", "group")

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_SPREADSHEET_NUMBER = re.compile(r"\d(?:[.,]\d+)?E\+\d+", re.IGNORECASE)
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
    for line, row in _rows(file, problems):
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
    elif _SPREADSHEET_NUMBER.fullmatch(student.id):
        yield (
            "id",
            Complaint(
                f'"{student.id}" is a number that a spreadsheet has rounded',
                "format the column as text in the spreadsheet, enter the ids again, and export",
            ),
        )
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


def _rows(file: Path, problems: Problems) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the number of each line that is not empty, and its fields by column."""
    text = _read(file, problems)
    if text is None:
        return
    header = text.partition("\n")[0]
    separator = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    columns: list[str] | None = None
    try:
        for raw in reader:
            fields = [field.strip() for field in raw]
            if not any(fields):
                continue
            if columns is None:
                columns = [field.lower() for field in fields]
                if not _check_columns(file, columns, reader.line_num, problems):
                    return
            elif len(fields) > len(columns):
                problem = f"{len(fields)} fields stand here, but there are {len(columns)} columns"
                remedy = f"put a field that contains {_SEPARATORS[separator]} in double quotes"
                problems.add(file, "", Complaint(problem, remedy), line=reader.line_num)
            else:
                short = [""] * (len(columns) - len(fields))
                yield reader.line_num, dict(zip(columns, [*fields, *short], strict=True))
    except csv.Error as error:
        complaint = Complaint(f"not valid CSV: {error}", "look for a double quote without its pair")
        problems.add(file, "", complaint, line=reader.line_num)
        return
    if columns is None:
        complaint = Complaint("this file is empty", "name the columns in its first line: id,name")
        problems.add(file, "", complaint, line=1)


_SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab"}


def _read(file: Path, problems: Problems) -> str | None:
    try:
        data = file.read_bytes()
    except OSError as error:
        remedy = "create it, or name the right file under roster in course.toml"
        problems.add(file, "", Complaint(f"cannot be read: {error.strerror}", remedy))
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        remedy = 'save it as "CSV UTF-8" in the spreadsheet'
        complaint = Complaint("these bytes are not UTF-8 text", remedy)
        problems.add(file, "", complaint, line=line)
        return None


def _check_columns(file: Path, columns: list[str], line: int, problems: Problems) -> bool:
    before = len(problems)
    known = (*REQUIRED, *OPTIONAL)
    absent = [name for name in known if name not in columns]
    for column in columns:
        meant = nearest(column, absent) if column not in known else None
        if meant is not None:
            absent.remove(meant)
            complaint = Complaint(f'"{column}" is not a column', f'did you mean "{meant}"?')
            problems.add(file, column, complaint, line=line)
    missing = [name for name in REQUIRED if name in absent]
    if missing:
        problem = f"there is no column {quoted(missing)}"
        remedy = "name the columns in the first line: " + ",".join((*REQUIRED, *OPTIONAL))
        problems.add(file, "", Complaint(problem, remedy), line=line)
    for column in known:
        if columns.count(column) > 1:
            complaint = Complaint("two columns have this name", "rename or remove one")
            problems.add(file, column, complaint, line=line)
    return len(problems) == before
