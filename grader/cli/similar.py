"""``grader similar``: hand-ins that are more alike than is usual, for a person to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import nbformat
import typer

from grader.cli.console import CourseOption, assignment_of, course_at, messages, results, stop
from grader.course.assignment import Assignment, skeleton_path
from grader.course.course import Course
from grader.feedback import AlikePair, Side, render_similar
from grader.grading.files import write_whole
from grader.notebook import Unreadable, find_notebook, list_submissions, read_notebook
from grader.notebook.similarity import (
    Code,
    Likeness,
    code_of,
    compare,
    groups_of,
    standing_out,
)
from grader.secrets import redact

SHOWN = 100
"""Pairs that the page shows side by side."""


def similar(
    slug: Annotated[str, typer.Argument(help="The assignment.")],
    earlier: Annotated[
        list[Path] | None,
        typer.Option(help="Hand-ins of an earlier term, SLUG/STUDENT inside; may be repeated."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The page; in the reports if left out.")
    ] = None,
    submissions: Annotated[
        Path | None, typer.Option(help="Folder of hand-ins, SLUG/STUDENT inside.")
    ] = None,
    course: CourseOption = Path(),
) -> None:
    """Compare hand-ins with each other and with earlier terms; nothing runs, no points change.

    Names, comments, layout and the skeleton's code do not count. What stands out is put side by
    side on a page, as evidence for a person.

    Examples: `grader similar SLUG`, `grader similar SLUG --earlier ../2024/submissions`.
    """
    read = course_at(course)
    if slug not in read.assignments:
        raise stop(f"no assignment {slug} in course.toml; there are: {', '.join(read.assignments)}")
    assignment = assignment_of(read, slug)
    folder = submissions or read.root / "submissions"
    own = _codes(folder, slug, assignment.hand_in_names)
    if not own:
        raise stop(f"no notebook that can be read in {folder / slug}")
    past: dict[str, Code] = {}
    for place in earlier or []:
        found = _codes(place, slug, assignment.hand_in_names)
        if not found:
            raise stop(f"no notebook that can be read in {place / slug}")
        past |= {f"{place.resolve().parent.name}/{student}": c for student, c in found.items()}
    pairs = compare(own, _skeletons(read, assignment), past)
    out = standing_out(pairs, len(own) + len(past))
    path = output or read.root / "reports" / slug / "similar.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    everybody = {**own, **past}
    page = render_similar(
        assignment.title,
        [_side_by_side(pair, everybody) for pair in out[:SHOWN]],
        [names for names in groups_of(out) if len(names) > 2],
        len(everybody),
        languages=read.languages,
    )
    write_whole(path, page.encode())
    for pair in out[:SHOWN]:
        results.print(f"{pair.share:4.0%}  {pair.first}  {pair.second}", markup=False)
    messages.print(f"{len(everybody)} compared, {len(out)} pairs stand out, {path}", soft_wrap=True)


def _codes(folder: Path, slug: str, names: Sequence[str]) -> dict[str, Code]:
    found = {}
    for student, path in list_submissions(folder, slug, names).items():
        try:
            notebook = read_notebook(find_notebook(path, slug).notebook).notebook
        except Unreadable:
            continue
        found[student] = code_of(notebook)
    return found


def _skeletons(course: Course, assignment: Assignment) -> list[Code]:
    paths = [skeleton_path(assignment, language) for language in course.languages]
    return [code_of(nbformat.read(p, as_version=4)) for p in paths if p.is_file()]


def _side_by_side(pair: Likeness, codes: Mapping[str, Code]) -> AlikePair:
    return AlikePair(
        _side(pair.first, codes[pair.first], pair),
        _side(pair.second, codes[pair.second], pair),
        pair.share,
    )


def _side(name: str, code: Code, pair: Likeness) -> Side:
    lines: dict[int, set[int]] = {}
    for value in pair.prints:
        for cell, line in code.prints[value]:
            lines.setdefault(cell, set()).add(line + 1)
    return Side(name, [(redact(code.cells[cell]), sorted(lines[cell])) for cell in sorted(lines)])
