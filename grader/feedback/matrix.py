"""A small vector or matrix as a table, the entries that differ marked."""

from __future__ import annotations

from typing import Any

import msgspec
from markupsafe import Markup, escape

from grader.feedback.evidence import Difference, Shown, written
from grader.feedback.untrusted import reveal

MAX_ROWS = 12
MAX_COLUMNS = 10


class Entry(msgspec.Struct, frozen=True):
    """One element of a small matrix, as a table shows it."""

    text: str
    wrong: bool = False
    worst: bool = False


class Table(msgspec.Struct, frozen=True):
    """A small vector or matrix, entry by entry."""

    rows: list[list[Entry]]

    @property
    def wide(self) -> bool:
        """Whether a narrow phone has to scroll it sideways."""
        columns = zip(*self.rows, strict=True)
        return sum(max(len(entry.text) for entry in column) + 2 for column in columns) > 32

    def html(self, label: str, differs: str) -> Markup:
        """Return the table named `label`; the word `differs` tells listeners what colour tells."""
        spoken = f'<span class="vh"> {escape(differs)}</span>'
        lines = []
        for row in self.rows:
            cells = []
            for entry in row:
                text = reveal(entry.text)
                if entry.wrong:
                    kind = "wrong worst" if entry.worst else "wrong"
                    cells.append(f'<td class="{kind}">{text}{spoken}</td>')
                else:
                    cells.append(f"<td>{text}</td>")
            lines.append(f"<tr>{''.join(cells)}</tr>")
        name = escape(label)
        reach = f' dir="ltr" tabindex="0" role="group" aria-label="{name}"' if self.wide else ""
        return Markup(  # noqa: S704 - escaped entry by entry
            f'<div class="scroll"{reach}><table class="matrix"><caption class="vh">{name}</caption>'
            f"{''.join(lines)}</table></div>"
        )

    @property
    def has_wrong(self) -> bool:
        """Whether an entry is marked."""
        return any(entry.wrong for row in self.rows for entry in row)


def entries(
    shown: Shown | None, other: Shown | None = None, difference: Difference | None = None
) -> Table | None:
    """Lay a small vector or matrix out entry by entry; None if it is not one.

    With `other`, the value it is compared with, entries out of tolerance are
    marked; the worst one is taken from `difference`.
    """
    rows = _as_rows(shown.values) if shown is not None else None
    if rows is None:
        return None
    opposite = _as_rows(other.values) if other is not None else None
    if opposite is not None and [len(row) for row in opposite] != [len(row) for row in rows]:
        opposite = None
    worst = difference.worst.index if difference and difference.worst else None
    if worst is not None and len(worst) == 1:
        worst = [0, *worst]
    atol, rtol = (difference.atol, difference.rtol) if difference else (0.0, 0.0)
    table = []
    for i, row in enumerate(rows):
        line = []
        for j, value in enumerate(row):
            wrong = opposite is not None and _apart(value, opposite[i][j], atol, rtol)
            line.append(Entry(written(value), wrong, wrong and worst == [i, j]))
        table.append(line)
    return Table(table)


def _as_rows(values: Any) -> list[list[Any]] | None:
    if not isinstance(values, list) or not values:
        return None
    rows = values if isinstance(values[0], list) else [values]
    if len(rows) > MAX_ROWS or not all(isinstance(row, list) and row for row in rows):
        return None
    if any(len(row) > MAX_COLUMNS or len(row) != len(rows[0]) for row in rows):
        return None
    if any(isinstance(value, list | dict) for row in rows for value in row):
        return None
    return rows


def _apart(answered: Any, expected: Any, atol: float, rtol: float) -> bool:
    try:
        a, e = float(answered), float(expected)
    except (TypeError, ValueError):
        return bool(answered != expected)
    if a != a or e != e:  # nan agrees with nan alone
        return (a != a) != (e != e)
    if a == e:
        return False
    return not abs(a - e) <= atol + rtol * abs(e)
