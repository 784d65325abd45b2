"""``grader export``: scores and feedback in the forms that other systems read."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from grader.cli.console import (
    CourseOption,
    assignment_of,
    course_at,
    messages,
    spoken_by,
    stop,
)
from grader.course.assignment import Assignment
from grader.course.course import Course
from grader.course.errors import CourseError
from grader.course.roster import read_roster
from grader.feedback import summarise, write_gradebook
from grader.feedback.exports import (
    SheetError,
    fill_canvas,
    fill_moodle,
    gradescope_results,
    junit_xml,
    parquet_bytes,
    step_summary,
    workflow_commands,
)
from grader.feedback.exports.sheets import Entry, Filled
from grader.grading.class_files import with_roster
from grader.grading.files import write_whole
from grader.grading.records import REPORT_FILE
from grader.report import Report, from_json

Format = Literal["csv", "canvas", "moodle", "gradescope", "junit", "github", "parquet"]


def export(
    slug: Annotated[str, typer.Argument(help="The assignment.")],
    format_: Annotated[Format, typer.Option("--format", "-f", help="Who is to read it.")],
    into: Annotated[
        Path | None, typer.Option(help="The gradebook of Canvas or worksheet of Moodle to fill in.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File (for gradescope: folder) to write.")
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="Canvas: title of the assignment's column, or its number.")
    ] = None,
    not_final: Annotated[
        bool, typer.Option("--not-final", help="Also while parts wait for a person.")
    ] = False,
    language: Annotated[
        str | None, typer.Option(help="Of messages; the course's first if left out.")
    ] = None,
    reports: Annotated[Path | None, typer.Option(help="Folder of the reports.")] = None,
    course: CourseOption = Path(),
) -> None:
    """Write the scores of an assignment for a learning platform, a pipeline or an analysis.

    Examples: `grader export SLUG -f canvas --into grades.csv`, `grader export SLUG -f junit`,
    `grader export SLUG -f github` (in a workflow: to the job's page).
    """
    read = course_at(course)
    if slug not in read.assignments:
        raise stop(f"no assignment {slug} in course.toml; there are: {', '.join(read.assignments)}")
    assignment = assignment_of(read, slug)
    spoken = spoken_by(read, language)
    found = _reports((reports or read.root / "reports") / slug)
    waiting = sum(report.score.pending > 0 for report in found)
    if waiting and not not_final and format_ in ("csv", "canvas", "moodle", "gradescope"):
        raise stop(
            f"{waiting} of {len(found)} hand-ins are not marked to the end, so their scores are not "
            "final. Mark them (grader mark), or pass --not-final."
        )
    if format_ in ("canvas", "moodle"):
        _fill(read, assignment, found, format_, into, output, column, spoken)
    elif into is not None or column is not None:
        raise stop("--into and --column go with canvas and moodle")
    else:
        getattr(_Writer(read, assignment, found, output, spoken), format_)()


def _reports(folder: Path) -> list[Report]:
    found = []
    for path in sorted(folder.glob(f"*/{REPORT_FILE}")):
        try:
            found.append(from_json(path.read_bytes()))
        except msgspec.DecodeError as error:
            raise stop(f"{path} is no report of this version: {error}. Grade it again.") from error
    if not found:
        raise stop(f"no report in {folder}: run `grader grade` first")
    return found


def _fill(
    course: Course,
    assignment: Assignment,
    found: Sequence[Report],
    format_: Format,
    into: Path | None,
    output: Path | None,
    column: str | None,
    language: str,
) -> None:
    if into is None:
        raise stop(f"{format_} needs the file that it gave out: --into FILE")
    try:
        text = into.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise stop(f"{into} cannot be read as UTF-8 text: {error}") from error
    emails = _emails(course)
    entries = [
        Entry(
            student=report.student,
            email=emails.get(report.student, ""),
            score=report.score,
            comment=_comment(report, language),
        )
        for report in found
    ]
    try:
        if format_ == "canvas":
            names = [assignment.slug, *assignment.title.values()]
            filled = fill_canvas(text, entries, names, column)
        else:
            filled = fill_moodle(text, entries, most=float(assignment.points))
    except SheetError as error:
        raise stop(f"{into}: {error}") from error
    _write_filled(filled, output or into.with_name(f"{into.stem}-filled.csv"))


def _write_filled(filled: Filled, path: Path) -> None:
    _new(path)
    write_whole(path, filled.text.encode("utf-8-sig"))
    messages.print(f"{len(filled.filled)} scores in {path}", markup=False, soft_wrap=True)
    if filled.absent:
        listed = ", ".join(filled.absent)
        messages.print(f"no row for: {listed}", markup=False, style="yellow", soft_wrap=True)


def _emails(course: Course) -> Mapping[str, str]:
    if course.roster is None:
        return {}
    try:
        roster = read_roster(course.roster, course.root)
    except CourseError as error:
        raise stop(str(error)) from error
    return {student.id: student.email for student in roster.students}


def _comment(report: Report, language: str) -> str:
    """Return one line for each part that did not get everything."""
    lines = [
        f"{q.label.get(language, q.id)} · {p.title.get(language, p.id)}: {p.points:g} / {p.max_points:g}"
        for q in report.questions
        for p in q.parts
        if p.points < p.max_points
    ]
    return "\n".join(lines)


def _new(path: Path) -> None:
    if path.exists():
        raise stop(f"{path} is there already: move it away, or name another with --output")
    path.parent.mkdir(parents=True, exist_ok=True)


class _Writer:
    """Writes reports in one of the forms that need no file to fill in."""

    def __init__(
        self,
        course: Course,
        assignment: Assignment,
        found: list[Report],
        output: Path | None,
        language: str,
    ) -> None:
        self.course = course
        self.assignment = assignment
        self.found = found
        self.output = output
        self.language = language

    def _target(self, name: str) -> Path:
        target = self.output or Path(name)
        _new(target)
        return target

    def csv(self) -> None:
        target = self._target(f"{self.assignment.slug}.csv")
        rows = [summarise(report) for report in self.found]
        if self.course.roster is not None:
            roster = read_roster(self.course.roster, self.course.root)
            rows = with_roster(self.assignment, roster, rows)
        write_gradebook(rows, target)
        messages.print(f"{len(rows)} students in {target}", markup=False)

    def gradescope(self) -> None:
        folder = self._target(f"{self.assignment.slug}-gradescope")
        for report in self.found:
            results = gradescope_results(report, self.language)
            data = json.dumps(results, ensure_ascii=False, indent=1)
            (folder / report.student).mkdir(parents=True)
            write_whole(folder / report.student / "results.json", data.encode())
        messages.print(f"{len(self.found)} results in {folder}", markup=False)

    def junit(self) -> None:
        target = self._target(f"{self.assignment.slug}.xml")
        write_whole(target, junit_xml(self.found, self.language))
        messages.print(f"{len(self.found)} suites in {target}", markup=False)

    def github(self) -> None:
        """Append to the job's page where there is one, and print annotations for its log."""
        place = os.environ.get("GITHUB_STEP_SUMMARY")
        target = self.output or (Path(place) if place else None)
        summary = step_summary(self.found, self.language)
        if target is None:
            print(summary, end="")
            return
        with target.open("a", encoding="utf-8") as file:
            file.write(summary)
        for report in self.found:
            file_of = report.notebook or report.student
            for line in workflow_commands(report, file_of, self.language):
                print(line)

    def parquet(self) -> None:
        try:
            data = parquet_bytes(self.found, self.language)
        except ImportError as error:
            raise stop("Parquet needs pyarrow: pip install 'karnameh[parquet]'") from error
        target = self._target(f"{self.assignment.slug}.parquet")
        write_whole(target, data)
        messages.print(f"{len(self.found)} hand-ins in {target}", markup=False)
