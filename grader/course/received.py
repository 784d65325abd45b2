"""When hand-ins were received, and who may be late: ``received.csv`` beside the hand-ins."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from grader.course.dates import DateError, read_moment
from grader.course.errors import Complaint, Problems
from grader.course.roster import normal_id
from grader.course.table import Columns, read_table, rounded_by_a_spreadsheet
from grader.course.texts import latin_digits

FILE = "received.csv"
COLUMNS = Columns(
    required=("id", "received"),
    optional=("extension_hours", "excused", "note"),
    unreadable="make it readable, or remove it",
)
MAX_EXTENSION = 8760
_YES = frozenset({"yes", "y", "true", "1", "x", "بله"})
_NO = frozenset({"", "no", "n", "false", "0", "خیر"})


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """One student's hand-in, and what that student is granted.

    Attributes
    ----------
    moment
        None when only an exception is noted.
    extension
        Time by which the due date was put off.
    excused
        Lateness costs neither points nor grace.
    """

    moment: dt.datetime | None = None
    extension: dt.timedelta = dt.timedelta(0)
    excused: bool = False

    def with_other(self, other: Received) -> Received:
        """Return both lines of a student in one: the latest moment, and all that either grants."""
        moments = [each for each in (self.moment, other.moment) if each is not None]
        return Received(
            moment=max(moments, default=None, key=dt.datetime.timestamp),
            extension=max(self.extension, other.extension),
            excused=self.excused or other.excused,
        )


def read_received(file: Path, zone: ZoneInfo, root: Path | None = None) -> dict[str, Received]:
    """Read when each student handed in; of several lines of a student the latest moment counts.

    Parameters
    ----------
    file
        CSV in UTF-8 whose first line names the columns: ``id`` and ``received``, and if you like
        ``extension_hours``, ``excused`` (yes or no) and ``note`` (for people).
    zone
        Of the course. A moment may also carry its own offset: ``2025-01-01T20:30:00+03:30``.
    root
        Folder to which error messages are relative; by default the file's own.

    Raises
    ------
    CourseError
        With every line that cannot be used, by its number.
    """
    problems = Problems(root or file.parent)
    found: dict[str, Received] = {}
    for line, row in read_table(file, COLUMNS, problems):
        student = normal_id(row["id"])
        complaints = list(_complaints(row, student, zone))
        for column, complaint in complaints:
            problems.add(file, column, complaint, line=line)
        if not complaints:
            entry = Received(
                moment=read_moment(row["received"], zone) if row["received"] else None,
                extension=dt.timedelta(seconds=int(_hours(row) * 3600)),
                excused=_excused(row) in _YES,
            )
            found[student] = found.get(student, entry).with_other(entry)
    if problems.found:
        raise problems.error()
    return found


def _complaints(
    row: Mapping[str, str], student: str, zone: ZoneInfo
) -> Iterator[tuple[str, Complaint]]:
    if not student:
        yield "id", Complaint("the id is missing", "write the student's number")
    elif rounded := rounded_by_a_spreadsheet(student):
        yield "id", rounded
    if row["received"]:
        try:
            read_moment(row["received"], zone)
        except DateError as error:
            yield "received", error.complaint
    elif not row.get("extension_hours") and not row.get("excused"):
        remedy = "write the time of the hand-in, or the exception that this line is for"
        yield "received", Complaint("the time is missing", remedy)
    if not 0 <= _hours(row) <= MAX_EXTENSION:
        remedy = f"write hours from 0 to {MAX_EXTENSION}, or leave the field empty"
        yield (
            "extension_hours",
            Complaint(f'"{row["extension_hours"]}" is no number of hours', remedy),
        )
    if _excused(row) not in _YES | _NO:
        complaint = Complaint(f'"{row["excused"]}" is neither yes nor no', "write yes or no")
        yield "excused", complaint


def _hours(row: Mapping[str, str]) -> Decimal:
    """Hours of the extension; -1 for what is none."""
    written = latin_digits(row.get("extension_hours", "")).replace("٫", ".")
    try:
        hours = Decimal(written or 0)
    except InvalidOperation:
        return Decimal(-1)
    return hours if hours.is_finite() else Decimal(-1)


def _excused(row: Mapping[str, str]) -> str:
    return row.get("excused", "").lower()
