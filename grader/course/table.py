"""Tables that people write: CSV as spreadsheets and universities export it, row by row.

Comma, semicolon and tab separate, a byte order mark may be there, and every
mistake is told by file, line and column.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from grader.course.errors import Complaint, Problems, nearest, quoted

_SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab"}
_SPREADSHEET_NUMBER = re.compile(r"\d(?:[.,]\d+)?E\+\d+", re.IGNORECASE)
_LONGEST_FIELD = 1 << 20


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """What the first line may name.

    Attributes
    ----------
    required, optional
        Names of columns. Others are passed over, unless they look like a mistyped one.
    unreadable
        What to do when the file cannot be read.
    missing
        What to do when a column is missing; by default, name them all.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    unreadable: str
    missing: str = ""


def rounded_by_a_spreadsheet(written: str) -> Complaint | None:
    """Complain about a number that a spreadsheet has turned into ``9.81E+07``."""
    if not _SPREADSHEET_NUMBER.fullmatch(written):
        return None
    return Complaint(
        f'"{written}" is a number that a spreadsheet has rounded',
        "format the column as text in the spreadsheet, enter the ids again, and export",
    )


def read_table(
    file: Path, columns: Columns, problems: Problems
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each row that is not empty: the line in which it begins, and its fields by column."""
    text = _read(file, columns, problems)
    if text is None:
        return
    header = text.partition("\n")[0]
    separator = max(",;\t", key=header.count)
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    names: list[str] | None = None
    ended = 0
    try:
        for raw in reader:
            line, ended = ended + 1, reader.line_num  # a field may go over many lines
            fields = [field.strip() for field in raw]
            if not any(fields):
                continue
            if names is None:
                names = [field.lower() for field in fields]
                if not _check_columns(file, names, columns, line, problems):
                    return
            elif len(fields) > len(names):
                problem = f"{len(fields)} fields stand here, but there are {len(names)} columns"
                remedy = f"put a field that contains {_SEPARATORS[separator]} in double quotes"
                problems.add(file, "", Complaint(problem, remedy), line=line)
            else:
                short = [""] * (len(names) - len(fields))
                yield line, dict(zip(names, [*fields, *short], strict=True))
    except csv.Error as error:
        complaint = Complaint(f"not valid CSV: {error}", "look for a double quote without its pair")
        problems.add(file, "", complaint, line=reader.line_num)
        return
    if names is None:
        remedy = columns.missing or "name the columns in its first line: " + ",".join(
            columns.required
        )
        problems.add(file, "", Complaint("this file is empty", remedy), line=1)


def _read(file: Path, columns: Columns, problems: Problems) -> str | None:
    try:
        data = file.read_bytes()
    except OSError as error:
        complaint = Complaint(f"cannot be read: {error.strerror}", columns.unreadable)
        problems.add(file, "", complaint)
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        remedy = 'save it as "CSV UTF-8" in the spreadsheet'
        complaint = Complaint("these bytes are not UTF-8 text", remedy)
        problems.add(file, "", complaint, line=line)
        return None


def _check_columns(
    file: Path, names: Sequence[str], columns: Columns, line: int, problems: Problems
) -> bool:
    before = len(problems)
    known = (*columns.required, *columns.optional)
    absent = [name for name in known if name not in names]
    for name in names:
        meant = nearest(name, absent) if name not in known else None
        if meant is not None:
            absent.remove(meant)
            complaint = Complaint(f'"{name}" is not a column', f'did you mean "{meant}"?')
            problems.add(file, name, complaint, line=line)
    missing = [name for name in columns.required if name in absent]
    if missing:
        problem = f"there is no column {quoted(missing)}"
        remedy = columns.missing or "name the columns in the first line: " + ",".join(known)
        problems.add(file, "", Complaint(problem, remedy), line=line)
    for name in known:
        if names.count(name) > 1:
            complaint = Complaint("two columns have this name", "rename or remove one")
            problems.add(file, name, complaint, line=line)
    return len(problems) == before
