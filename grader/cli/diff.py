"""``grader diff``: what a second grading changed, before anybody sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table
from rich.text import Text

from grader.cli.console import BELOW, PASSED, messages, results, stop
from grader.feedback.changes import Change, changes, write_changes
from grader.feedback.untrusted import visible
from grader.report import Report, from_json


def diff(
    old: Annotated[Path, typer.Argument(help="Reports of the earlier grading, as reports/SLUG.")],
    new: Annotated[Path, typer.Argument(help="Reports of the later one.")],
    csv: Annotated[Path | None, typer.Option(help="Also write the table to this file.")] = None,
    student: Annotated[
        list[str] | None, typer.Option(help="Compare this student only; may be repeated.")
    ] = None,
) -> None:
    """Show whose points changed between two gradings, and which check is why.

    Example: `cp -r reports/SLUG /tmp/before`, change a check, `grader grade SLUG`, then
    `grader diff /tmp/before reports/SLUG --csv changes.csv`.

    Exit codes: 0 nothing changed; 1 something did; 2 usage.
    """
    found = changes(_reports(old, student), _reports(new, student))
    if csv is not None:
        write_changes(found, csv)
        messages.print(f"The table is in {csv}", markup=False, soft_wrap=True)
    if not found:
        messages.print("Nothing changed.")
        raise typer.Exit(PASSED)
    results.print(_table(found))
    students = {change.student for change in found}
    messages.print(f"{len(students)} students, {len(found)} changes")
    raise typer.Exit(BELOW)


def _reports(folder: Path, wanted: list[str] | None) -> dict[str, Report]:
    paths = sorted(folder.glob("*/report.json"))
    if not paths:
        raise stop(f"there is no report in {folder}; give the folder of one assignment's reports")
    found = {}
    for path in paths:
        if wanted and path.parent.name not in wanted:
            continue
        try:
            found[path.parent.name] = from_json(path.read_bytes())
        except msgspec.DecodeError as error:
            raise stop(
                f"{path} cannot be read ({error}): grade it again with this version"
            ) from error
    return found


def _table(found: list[Change]) -> Table:
    table = Table(box=None)
    for title in ("student", "part", "check", "before", "after", "points", "why"):
        table.add_column(title)
    for change in found:
        up = (change.points_after or 0.0) - (change.points_before or 0.0)
        style = "green" if up > 0 else "red" if up < 0 else ""
        points = f"{_number(change.points_before)} → {_number(change.points_after)}"
        whole = change.place == "*"
        table.add_row(
            Text(visible(change.student), style="bold" if whole else ""),
            Text("all" if whole else change.place),
            Text(change.check),
            Text(change.before),
            Text(change.after),
            Text(points, style=style),
            Text(visible(change.why)),
        )
    return table


def _number(points: float | None) -> str:
    return "–" if points is None else f"{points:g}"
