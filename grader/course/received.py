"""When hand-ins were received: ``received.csv`` beside the hand-ins of an assignment."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from grader.course.dates import Calendar, DateError, read_moment
from grader.course.errors import Complaint, Problems, did_you_mean
from grader.course.roster import normal_id
from grader.course.texts import latin_digits

FILE = "received.csv"
COLUMNS = ("id", "received", "extension_hours", "note")
MAX_EXTENSION = 8760


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """One student's hand-in: the moment, and by how much the due date was put off for them."""

    moment: dt.datetime
    extension: dt.timedelta = dt.timedelta(0)


def read_received(
    file: Path, calendar: Calendar, zone: ZoneInfo, root: Path | None = None
) -> dict[str, Received]:
    """Read when each student handed in; of several lines of a student the latest moment counts.

    Parameters
    ----------
    file
        CSV in UTF-8 whose first line names the columns: ``id`` and ``received``, and if you like
        ``extension_hours`` and ``note`` (for people).
    calendar, zone
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
    for line, row in _rows(file, problems):
        entry = _entry(row, calendar, zone)
        if isinstance(entry, tuple):
            problems.add(file, *entry, line=line)
            continue
        student = normal_id(row["id"])
        if not student:
            complaint = Complaint("the id is missing", "write the student's number")
            problems.add(file, "id", complaint, line=line)
            continue
        known = found.get(student)
        if known is not None:
            latest = max(known.moment, entry.moment)
            longest = max(known.extension, entry.extension)
            entry = Received(moment=latest, extension=longest)
        found[student] = entry
    if problems.found:
        raise problems.error()
    return found


def _entry(
    row: dict[str, str], calendar: Calendar, zone: ZoneInfo
) -> Received | tuple[str, Complaint]:
    try:
        moment = read_moment(row["received"], calendar, zone)
    except DateError as error:
        return "received", error.complaint
    written = latin_digits(row.get("extension_hours", "")).strip()
    try:
        hours = Decimal(written or 0)
    except InvalidOperation:
        hours = Decimal(-1)
    if not hours.is_finite() or not 0 <= hours <= MAX_EXTENSION:
        remedy = f"write hours from 0 to {MAX_EXTENSION}, or leave the field empty"
        return "extension_hours", Complaint(f'"{written}" is no number of hours', remedy)
    return Received(moment=moment, extension=dt.timedelta(hours=float(hours)))


def _rows(file: Path, problems: Problems) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        complaint = Complaint(f"cannot be read: {error.strerror}", "make it readable, or remove it")
        problems.add(file, "", complaint)
        return
    except UnicodeDecodeError:
        remedy = 'save it as "CSV UTF-8" in the spreadsheet'
        problems.add(file, "", Complaint("these bytes are not UTF-8 text", remedy))
        return
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
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
                complaint = Complaint(problem, "put a field that contains a comma in double quotes")
                problems.add(file, "", complaint, line=reader.line_num)
            else:
                short = [""] * (len(columns) - len(fields))
                yield reader.line_num, dict(zip(columns, [*fields, *short], strict=True))
    except csv.Error as error:
        complaint = Complaint(f"not valid CSV: {error}", "look for a double quote without its pair")
        problems.add(file, "", complaint, line=reader.line_num)
        return
    if columns is None:
        complaint = Complaint(
            "this file is empty", "name the columns in its first line: id,received"
        )
        problems.add(file, "", complaint, line=1)


def _check_columns(file: Path, columns: list[str], line: int, problems: Problems) -> bool:
    before = len(problems)
    for column in columns:
        if column not in COLUMNS:
            remedy = did_you_mean(column, COLUMNS)
            problems.add(file, column, Complaint(f'"{column}" is not a column', remedy), line=line)
        elif columns.count(column) > 1:
            complaint = Complaint("two columns have this name", "rename or remove one")
            problems.add(file, column, complaint, line=line)
    for column in ("id", "received"):
        if column not in columns:
            complaint = Complaint(f'there is no column "{column}"', "add it to the first line")
            problems.add(file, "", complaint, line=line)
    return len(problems) == before
