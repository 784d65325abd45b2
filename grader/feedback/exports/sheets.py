"""Gradebooks that a learning platform gave out, filled in: Canvas and Moodle.

Everything but the cells of this assignment stays as it was, in its order.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Callable, Mapping, Sequence

import msgspec

from grader.course.texts import latin_digits
from grader.report import Score


class SheetError(ValueError):
    """A file that is no gradebook of this platform, or whose column cannot be told."""


class Filled(msgspec.Struct, frozen=True):
    """A gradebook filled in.

    Attributes
    ----------
    text
        The file.
    filled
        Students whose score was written.
    absent
        Ids of scores for which the file has no row.
    """

    text: str
    filled: list[str]
    absent: list[str]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One student as the grader knows them."""

    student: str
    email: str = ""
    score: Score
    comment: str = ""


_CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
_CANVAS_IDS = ("SIS User ID", "SIS Login ID", "Integration ID", "ID")
_MOODLE = ("Identifier", "Grade", "Feedback comments")
_MOODLE_IDS = ("ID number", "Username", "Email address", "Identifier")


def fill_canvas(
    text: str, entries: Sequence[Entry], names: Sequence[str], column: str | None = None
) -> Filled:
    """Fill in a gradebook that Canvas exported.

    Parameters
    ----------
    names
        What the assignment may be called: its column is the one whose title is like one of them.
    column
        The column's title, or the number in brackets behind it, where that does not tell.

    Raises
    ------
    SheetError
        If this is no such file, or no column or several may be meant.
    """
    rows = _rows(text, _CANVAS[:2], "Canvas: Grades, Export, Export Entire Gradebook")
    header = rows[0]
    place = _canvas_column(header, names, column)
    ids = [header.index(name) for name in _CANVAS_IDS if name in header]
    return _filled(
        text,
        rows,
        entries,
        keys=lambda row: [row[i] for i in ids],
        write=lambda row, entry: row.__setitem__(place, _number(entry.score.final)),
    )


def _canvas_column(header: Sequence[str], names: Sequence[str], column: str | None) -> int:
    numbered = {
        i: title.rpartition(" (")[0]
        for i, title in enumerate(header)
        if title.endswith(")") and title.rpartition(" (")[2][:-1].isdigit()
    }
    if column is not None:
        found = [i for i, t in enumerate(header) if column in (t, t.rpartition(" (")[2][:-1])]
        found += [i for i, title in numbered.items() if title == column and i not in found]
    else:
        wanted = {_plain(name) for name in names}
        found = [i for i, title in numbered.items() if _plain(title) in wanted]
    if len(found) != 1:
        listed = "; ".join(header[i] for i in numbered) or "none"
        raise SheetError(
            f"the column of this assignment cannot be told. Name it with --column; there are: {listed}"
        )
    return found[0]


def fill_moodle(text: str, entries: Sequence[Entry], *, most: float) -> Filled:
    """Fill in an offline grading worksheet that Moodle gave out.

    ``Last modified (grade)`` stays as it is: by it Moodle sees whether somebody graded meanwhile.
    Rows whose grade cannot be changed are left alone.

    Parameters
    ----------
    most
        Points of the assignment; where the worksheet has another maximum, points are scaled to it.

    Raises
    ------
    SheetError
        If this is no such file.
    """
    rows = _rows(text, _MOODLE[:2], "Moodle: the assignment, Download grading worksheet")
    header = rows[0]
    at = {name: header.index(name) for name in header}
    ids = [at[name] for name in _MOODLE_IDS if name in at]

    def write(row: list[str], entry: Entry) -> None:
        maximum = _read(row[at["Maximum Grade"]]) if "Maximum Grade" in at else None
        scale = maximum / most if maximum and most and maximum != most else 1.0
        row[at["Grade"]] = _number(round(entry.score.final * scale, 2))
        if "Feedback comments" in at:
            row[at["Feedback comments"]] = entry.comment

    def changeable(row: list[str]) -> bool:
        name = "Grade can be changed"
        return name not in at or row[at[name]].strip().lower() in ("yes", "بله", "")

    return _filled(
        text, rows, entries, keys=lambda row: [row[i] for i in ids], write=write, allowed=changeable
    )


def _filled(
    text: str,
    rows: list[list[str]],
    entries: Sequence[Entry],
    *,
    keys: Callable[[list[str]], list[str]],
    write: Callable[[list[str], Entry], None],
    allowed: Callable[[list[str]], bool] = lambda row: True,
) -> Filled:
    by_key = _by_key(entries)
    filled: list[str] = []
    for row in rows[1:]:
        entry = next((by_key[k] for key in keys(row) if (k := _key(key)) in by_key), None)
        if entry is not None and allowed(row):
            write(row, entry)
            filled.append(entry.student)
    file = io.StringIO()
    separator = _separator(text)
    csv.writer(file, delimiter=separator, lineterminator=_line_end(text)).writerows(rows)
    absent = [entry.student for entry in entries if entry.student not in set(filled)]
    return Filled(file.getvalue(), filled, absent)


def _by_key(entries: Sequence[Entry]) -> Mapping[str, Entry]:
    found: dict[str, Entry] = {}
    for entry in entries:
        for key in (entry.student, entry.email, entry.email.partition("@")[0]):
            if _key(key):
                found.setdefault(_key(key), entry)
    return found


def _key(text: str) -> str:
    return latin_digits(unicodedata.normalize("NFKC", text)).strip().casefold()


def _rows(text: str, needed: Sequence[str], origin: str) -> list[list[str]]:
    plain = text.removeprefix("\ufeff")
    try:
        reader = csv.reader(io.StringIO(plain, newline=""), delimiter=_separator(text), strict=True)
        rows = [row for row in reader if row]
    except csv.Error as error:
        raise SheetError(f"not valid CSV ({error}). Download it again ({origin})") from error
    missing = [name for name in needed if not rows or name not in rows[0]]
    if missing:
        raise SheetError(f'there is no column "{missing[0]}". Download the file again ({origin})')
    width = len(rows[0])
    return [row + [""] * (width - len(row)) for row in rows]


def _separator(text: str) -> str:
    header = text.removeprefix("\ufeff").partition("\n")[0]
    return max(",;\t", key=header.count)


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _plain(title: str) -> str:
    return " ".join(_key(title).replace("_", " ").split())


def _number(value: float) -> str:
    return f"{value:g}" if value == round(value, 4) else str(value)


def _read(text: str) -> float | None:
    try:
        return float(latin_digits(text).replace(",", "."))
    except ValueError:
        return None
