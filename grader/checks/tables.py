"""Tables in saved outputs: HTML as pandas writes it, aligned text, markdown, box drawings, CSV."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from grader.checks.labels import (
    HIGHER_IS_BETTER,
    as_fraction,
    column_name,
    percent_notation,
    read_label,
)
from grader.checks.numerals import NotANumber, parse_number, to_float
from grader.checks.script import without_marks

MAX_TEXT = 2_000_000
MAX_LINE = 2000
MAX_ROWS = 5000
MAX_COLUMNS = 100
MAX_TABLES = 500

Source = Literal["html", "text"]

Outputs = str | Iterable[str | Mapping[str, object]]
"""Saved text or HTML, or several of it, or outputs as a notebook file has them."""


class Table(msgspec.Struct, frozen=True):
    """A table as it was printed.

    Attributes
    ----------
    columns
        The header as written; an index without a name is "".
    names
        The header, normalised: ``train_loss`` for "Training Loss", ``epoch``, ``accuracy``,
        "" for an index without a name, otherwise the words, joined by underscores.
    rows
        The cells as written, as many in each row as there are columns.
    source
        How the table was written.
    """

    columns: tuple[str, ...]
    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    source: Source

    def column(self, name: str) -> tuple[str, ...]:
        """Return the cells of a column, by its written or normalised name.

        Raises
        ------
        KeyError
            If there is no such column.
        """
        for place, written in enumerate(self.columns):
            if name in (written, self.names[place]):
                return tuple(row[place] for row in self.rows)
        raise KeyError(name)

    def numbers(self, name: str) -> tuple[float | None, ...]:
        """Return a column as numbers, None where a cell is none; of ``0.85 ± 0.01`` the mean.

        Accuracies and their like become fractions, as in :func:`~grader.checks.labels.percent_notation`.

        Raises
        ------
        KeyError
            If there is no such column.
        """
        cells = [cell_number(cell) for cell in self.column(name)]
        divisor, label = 100, read_label(name)
        if label is not None and label.metric in HIGHER_IS_BETTER:
            signed = any(percent for _, percent in cells)
            values = [value for value, _ in cells if value is not None]
            divisor, _ = percent_notation(values, signed=signed)
            cells = [(value, True) for value, _ in cells]
        return tuple(
            as_fraction(value, divisor) if percent and value is not None else value
            for value, percent in cells
        )

    def best(self, name: str, *, highest: bool) -> tuple[str, ...]:
        """Return the row whose number in column `name` is the highest, or the lowest.

        Raises
        ------
        KeyError
            If there is no such column, or no number in it.
        """
        ranked = [
            (number, place)
            for place, number in enumerate(self.numbers(name))
            if number is not None and math.isfinite(number)
        ]
        if not ranked:
            raise KeyError(name)
        place = max(ranked, key=lambda r: (r[0] if highest else -r[0], -r[1]))[1]
        return self.rows[place]


def cell_number(cell: str) -> tuple[float | None, bool]:
    """Return the number in a cell, its percent sign not applied, and whether it has one."""
    text = re.split(r"±|\+/-|\+-", cell)[0].strip()
    percent = "%" in cell or "٪" in cell
    try:
        written = parse_number(text.strip("%٪ "))
        return to_float(written.value), percent
    except NotANumber:
        return None, percent


def read_tables(outputs: Outputs) -> list[Table]:
    """Return the tables in saved outputs, in the order in which they stand there."""
    found: list[Table] = []
    for text, markup in pieces(outputs):
        found += html_tables(markup)
        found += [table for table, _, _ in line_tables(text.split("\n"))]
    return found


def pieces(outputs: Outputs) -> list[tuple[str, str]]:
    """Return saved outputs as pairs of text and HTML; what has an HTML table loses its text."""
    if isinstance(outputs, str):
        outputs = [outputs]
    found: list[tuple[str, str]] = []
    stream: object = None
    for output in outputs:
        if isinstance(output, str):
            text, markup, name = output, "", None
        else:
            text, markup, name = _of_notebook(output)
        text, markup = text[:MAX_TEXT], markup[:MAX_TEXT]
        if "<table" in text.lower():
            text, markup = _TABLE_ELEMENT.sub("\n", text), markup + text
        elif "<table" in markup.lower():
            text = ""
        if name is not None and name == stream and found:
            found[-1] = (found[-1][0] + text, found[-1][1])
        else:
            found.append((text, markup))
        stream = name
    return found


def _of_notebook(output: Mapping[str, object]) -> tuple[str, str, object]:
    """Return text, HTML and stream name of an output of a notebook file."""
    data = output.get("data")
    if isinstance(data, Mapping):
        return _joined(data.get("text/plain")), _joined(data.get("text/html")), None
    return _joined(output.get("text")), "", output.get("name")


def _joined(text: object) -> str:
    """Return the text of a notebook file, where it may be a list of lines."""
    if isinstance(text, list | tuple):
        return "".join(line for line in text if isinstance(line, str))
    return text if isinstance(text, str) else ""


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], source: Source) -> Table | None:
    """Make a table of cells, an index column added to the header where only the rows have one."""
    width = max((len(row) for row in rows), default=0)
    columns = ["", *header] if width == len(header) + 1 else list(header)
    columns = columns[:MAX_COLUMNS]
    if not rows or len(columns) < 2 or not any(columns):
        return None
    cells = tuple(tuple([*row, *[""] * len(columns)][: len(columns)]) for row in rows[:MAX_ROWS])
    names = tuple(column_name(column) for column in columns)
    return Table(tuple(columns), names, cells, source)


# --- HTML -----------------------------------------------------------------------------------------

_TABLE_ELEMENT = re.compile(r"<table\b.*?(?:</table\s*>|$)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<(/?)(table|thead|tbody|tr|td|th)\b([^<>]*)>", re.IGNORECASE)
_BREAK = re.compile(r"<(?:br|/?p|/?div)\b[^<>]*>", re.IGNORECASE)
_ANY_TAG = re.compile(r"<[^<>]*>")
_COLSPAN = re.compile(r"""colspan\s*=\s*["']?(\d{1,2})\b""", re.IGNORECASE)


def html_tables(text: str) -> list[Table]:
    """Return the tables of an HTML text; broken HTML loses cells, never more."""
    found: list[Table] = []
    for element in _TABLE_ELEMENT.finditer(text[:MAX_TEXT]):
        rows, headers = _html_rows(element[0])
        header = list(max(rows[:headers], key=lambda row: sum(map(bool, row)), default=[]))
        for row in rows[:headers]:  # pandas names the index in a row of its own
            if row and header and row[0] and not header[0] and not any(row[1:]):
                header[0] = row[0]
        body = [row for row in rows[headers:] if any(row)]
        if (table := _table(header, body, "html")) is not None:
            found.append(table)
    return found


def _html_rows(element: str) -> tuple[list[list[str]], int]:
    """Return the cells of one table element by row, and how many of the rows are its header."""
    rows: list[list[str]] = []
    heads: list[bool] = []
    cell: tuple[int, int] | None = None  # where the open cell's text begins, and its colspan
    for tag in _TAG.finditer(element):
        closing, name, attributes = tag[1], tag[2].lower(), tag[3]
        if cell is not None:
            rows[-1] += [_html_text(element[cell[0] : tag.start()])] * cell[1]
            cell = None
        if name == "tr" and not closing:
            rows.append([])
            heads.append(True)
        elif name in ("td", "th") and not closing and rows:
            span = _COLSPAN.search(attributes)
            cell = (tag.end(), min(int(span[1]), 20) if span else 1)
            heads[-1] = heads[-1] and name == "th"
    if cell is not None:
        rows[-1] += [_html_text(element[cell[0] :])] * cell[1]
    headers = next((place for place, head in enumerate(heads) if not head), len(heads))
    return rows, max(headers, 1)


def _html_text(markup: str) -> str:
    text = html.unescape(_ANY_TAG.sub("", _BREAK.sub(" ", markup)))
    return " ".join(text.split())


# --- lines ----------------------------------------------------------------------------------------

_RULE = re.compile(r"[\s|│┃+:=\-─━═┼╪╬┿╋┏┓┗┛┡┩├┤┌┐└┘╒╕╘╛╞╡┯┷┳┻┠┨╇╈╂┴┬]*")
_BARS = re.compile(r"[|│┃]")
_GAPS = re.compile(r"\s{2,}|\t")
_LETTER = re.compile(r"[^\W\d_]")
_VALUE = re.compile(
    r"[-+−]?(?:\d[\d.,٫٬]*|[.٫]\d+)(?:[eE][-+]?\d+)?\s?[%٪]?"
    r"(?:\s?(?:±|\+/-|\+-)\s?[\d.٫]+\s?[%٪]?)?|nan|-?inf",
    re.IGNORECASE,
)
_LEFT_OUT = {"...", "..", "…"}


def line_tables(lines: Sequence[str]) -> list[tuple[Table, int, int]]:
    """Return the tables among `lines`, with the first line of each and the line after its last."""
    found: list[tuple[Table, int, int]] = []
    start = 0
    while start < len(lines) and len(found) < MAX_TABLES:
        taken = _table_at(lines, start)
        if taken is None:
            start += 1
        else:
            found.append((taken[0], start, taken[1]))
            start = taken[1]
    return found


def _table_at(lines: Sequence[str], start: int) -> tuple[Table, int] | None:
    """Return the table whose header is line `start`, and the line after its last row."""
    for cells in (_by_bars, _by_gaps, _by_commas):
        header = cells(lines[start])
        if len(header) < 2 or not any(header):
            continue
        if any(field and not _LETTER.search(field) for field in header) or _has_value(header):
            continue
        rows, end = _rows_after(lines, start + 1, cells, header)
        if (table := _table(header, rows, "text")) is not None:
            return table, end
    return None


def _rows_after(
    lines: Sequence[str],
    start: int,
    cells: Callable[[str], list[str]],
    header: list[str],
) -> tuple[list[list[str]], int]:
    """Return the rows below a header, and the line after the last of them.

    Rows have as many cells as the header, or, all of them, an index cell more, which a line of
    its own may name (and `header` then gets).
    """
    rows: list[list[str]] = []
    end = start
    for at in range(start, len(lines)):
        line = lines[at]
        if line.strip() and _RULE.fullmatch(line[:MAX_LINE]):
            continue
        widths = (len(rows[0]),) if rows else (len(header), len(header) + 1)
        row = cells(line)
        if cells is _by_gaps and len(row) > 1 and any(map(_holds_two_values, row)):
            row = line[:MAX_LINE].split()  # pandas puts one space before a minus sign
        if not rows and at == start and len(row) == 1 and _LETTER.search(row[0]):
            header.insert(0, row[0])
        elif row and set(row) <= _LEFT_OUT:
            continue
        elif len(row) in widths:
            if not _has_value(row) or len(rows) == MAX_ROWS:
                break
            rows.append(row)
            end = at + 1
        else:
            break
    return rows, end


def _has_value(fields: Sequence[str]) -> bool:
    return any(_VALUE.fullmatch(field) for field in fields)


def _holds_two_values(field: str) -> bool:
    parts = field.split()
    return len(parts) > 1 and all(map(_VALUE.fullmatch, parts))


def _by_bars(line: str) -> list[str]:
    line = without_marks(line[:MAX_LINE]).strip()
    if not _BARS.search(line):
        return []
    fields = [field.strip() for field in _BARS.split(line)]
    fields = fields if fields[0] else fields[1:]
    return fields[:-1] if fields and not fields[-1] else fields


def _by_gaps(line: str) -> list[str]:
    line = without_marks(line[:MAX_LINE]).strip().removesuffix("\\").strip()
    return [field.strip() for field in _GAPS.split(line)] if line else []


def _by_commas(line: str) -> list[str]:
    return [field.strip() for field in line[:MAX_LINE].split(",")] if "," in line else []
