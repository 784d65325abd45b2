"""``grader mark``: what persons mark, out to sheets and back onto the cards."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from grader.cli.console import (
    CourseOption,
    assignment_of,
    course_at,
    hand_ins_of,
    messages,
    results,
    stop,
)
from grader.course.assignment import Assignment
from grader.course.course import Course
from grader.course.errors import CourseError, Problems
from grader.course.roster import read_roster
from grader.grading.class_files import renew
from grader.grading.files import write_whole
from grader.grading.journal import Busy
from grader.grading.marks import read_book, write_book
from grader.grading.sheets import (
    changed_answers,
    entered,
    read_sheet,
    rubric_places,
    write_sheet,
)
from grader.notebook import HandIns

app = typer.Typer(
    help="Mark the prose: sheets for persons, marks onto the cards.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

SlugArgument = Annotated[str, typer.Argument(help="The assignment.")]
SubmissionsOption = Annotated[
    Path | None, typer.Option(help="Folder of hand-ins, SLUG/STUDENT inside.")
]
ReportsOption = Annotated[Path | None, typer.Option(help="Folder of the reports.")]


def _opened(root: Path, slug: str, submissions: Path | None) -> tuple[Course, Assignment, HandIns]:
    course = course_at(root)
    if slug not in course.assignments:
        known = ", ".join(course.assignments)
        raise stop(f"no assignment {slug} in course.toml; there are: {known}")
    assignment = assignment_of(course, slug)
    if not assignment.rubric:
        raise stop(f"{slug} has no part that persons mark")
    folder = submissions or course.root / "submissions"
    found = hand_ins_of(assignment, folder)
    if not found.paths:
        raise stop(f"no hand-in in {folder / slug}")
    return course, assignment, found


@app.command("export")
def export(
    slug: SlugArgument,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The sheet; SLUG-marks.csv if left out.")
    ] = None,
    waiting: Annotated[
        bool, typer.Option("--waiting", help="Only parts that are not marked yet.")
    ] = False,
    submissions: SubmissionsOption = None,
    course: CourseOption = Path(),
) -> None:
    """Write a sheet with the prose of every hand-in and a line for each criterion.

    Fill in `points`, and if you like `comment` and `marker`; then `grader mark import`.

    Examples: `grader mark export SLUG`, `grader mark export SLUG --waiting -o tonight.csv`.
    """
    read, assignment, found = _opened(course, slug, submissions)
    try:
        roster = None if read.roster is None else read_roster(read.roster, read.root)
        book = read_book(read.root, slug)
    except CourseError as error:
        raise stop(str(error)) from error
    sheet = write_sheet(read, assignment, found, book, roster, only_waiting=waiting)
    path = output or Path(f"{slug}-marks.csv")
    if path.exists():
        raise stop(f"{path} is there already: move it away, or name another file with --output")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, sheet.encode("utf-8-sig"))
    messages.print(f"{len(found.paths)} hand-ins on {path}", markup=False)


@app.command("import")
def import_(
    slug: SlugArgument,
    sheets: Annotated[list[Path], typer.Argument(help="Sheets that were filled in.")],
    marker: Annotated[
        str, typer.Option(help="Whose marks these are where a sheet does not say.")
    ] = "",
    apart: Annotated[
        float,
        typer.Option(min=0, help="How far two markers may lie apart; the mean counts then."),
    ] = 0,
    mean: Annotated[
        bool, typer.Option("--mean", help="Take the mean of two markers, however far apart.")
    ] = False,
    submissions: SubmissionsOption = None,
    reports: ReportsOption = None,
    course: CourseOption = Path(),
) -> None:
    """Take over the marks of sheets, all of them or none, and renew cards and gradebook.

    Examples: `grader mark import SLUG SLUG-marks.csv --marker sara`,
    `grader mark import SLUG one.csv two.csv --mean`.

    Exit codes: 0 taken over; 2 something on a sheet is wrong, or two markers differ.
    """
    read, assignment, found = _opened(course, slug, submissions)
    problems = Problems(read.root)
    lines = [
        line
        for sheet in sheets
        for line in read_sheet(sheet, assignment, found.paths, problems, marker)
    ]
    if problems.found:
        raise stop(f"nothing was imported.\n{problems.error()}")
    if not lines:
        raise stop(f"nothing was imported: no points on {', '.join(map(str, sheets))}")
    try:
        book = read_book(read.root, slug)
    except CourseError as error:
        raise stop(str(error)) from error
    book, disagreements = entered(book, lines, apart=Decimal(str(apart)), mean=mean)
    if disagreements:
        listed = "\n".join(f"  {each}" for each in disagreements)
        raise stop(
            f"nothing was imported, for two markers differ:\n{listed}\n"
            "Agree on one of them, or pass --apart POINTS or --mean."
        )
    write_book(read.root, book)
    folder = (reports or read.root / "reports").resolve()
    try:
        renewed = renew(read, assignment, submissions or read.root / "submissions", folder)
    except (CourseError, Busy) as error:
        raise stop(f"the marks are kept, but not on the cards yet: {error}") from error
    messages.print(f"{slug}: {len(lines)} marks taken over, {renewed} cards renewed")
    for place, student in changed_answers(read, assignment, book, found):
        messages.print(
            f"{student}, {place}: the answer is another one than was marked",
            markup=False,
            style="yellow",
        )


@app.command("status")
def status(
    slug: SlugArgument, submissions: SubmissionsOption = None, course: CourseOption = Path()
) -> None:
    """Say how much of each part is marked, and what was marked before the answer changed."""
    read, assignment, found = _opened(course, slug, submissions)
    try:
        book = read_book(read.root, slug)
    except CourseError as error:
        raise stop(str(error)) from error
    for place, criteria in rubric_places(assignment).items():
        marks = (book.students.get(student, {}).get(place) for student in found.paths)
        done = sum(m is not None and all(c.id in m.criteria for c in criteria) for m in marks)
        results.print(
            f"{place}: {done} of {len(found.paths)} marked", markup=False, highlight=False
        )
    for place, student in changed_answers(read, assignment, book, found):
        results.print(
            f"{student}, {place}: the answer is another one than was marked",
            markup=False,
            highlight=False,
        )
