"""The command line: thin, with results on standard output and messages on standard error."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from grader.checks.reference import BrokenReference
from grader.checks.session import BrokenChecks
from grader.course.assignment import Assignment, read_assignment
from grader.course.course import Course, read_course
from grader.course.errors import CourseError
from grader.feedback import class_table, render_card, student_view
from grader.grading.batch import Batch, default_workers, grade_batch
from grader.grading.release import write_skeletons
from grader.grading.selfcheck import self_check
from grader.grading.worker import Settings, occasion
from grader.kernel.cage import NoCage, find_bubblewrap
from grader.kernel.zygotes import ZygoteError
from grader.notebook import ReleaseError, list_submissions

PASSED, BELOW, USAGE, ERROR = 0, 1, 2, 3
"""Exit codes: see ``docs/report.md``."""

app = typer.Typer(
    name="grader",
    help="Karnameh grades deep-learning coursework: it runs notebooks in a cage, judges them "
    "against an executable reference, and writes report cards that teach.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
messages = Console(stderr=True)
results = Console()


class _Stop(Exception):
    """Leave with an exit code, the message having been said."""

    def __init__(self, code: int) -> None:
        self.code = code


def _stop(message: str, code: int = USAGE) -> _Stop:
    messages.print(f"grader: {message}", style="red", markup=False, highlight=False)
    return _Stop(code)


CourseOption = Annotated[
    Path, typer.Option("--course", help="Folder with course.toml.", show_default="here")
]


def _read_course(root: Path) -> Course:
    try:
        return read_course(root)
    except CourseError as error:
        raise _stop(str(error)) from error


def _read_assignment(course: Course, slug: str) -> Assignment:
    try:
        return read_assignment(course, slug)
    except CourseError as error:
        raise _stop(str(error)) from error


@app.command()
def grade(
    slug: Annotated[
        str | None, typer.Argument(help="The assignment; all of the course when left out.")
    ] = None,
    submissions: Annotated[
        Path | None, typer.Option(help="Folder of hand-ins, SLUG/STUDENT inside.")
    ] = None,
    reports: Annotated[Path | None, typer.Option(help="Folder to write reports to.")] = None,
    student: Annotated[
        list[str] | None, typer.Option(help="Grade this student only; may be repeated.")
    ] = None,
    workers: Annotated[
        int, typer.Option("-j", "--workers", min=0, help="Worker processes; 0: one a processor.")
    ] = 0,
    kernel: Annotated[
        Literal["forked", "cold"],
        typer.Option(help="forked: fast, from a warm process; cold: a new ipykernel each."),
    ] = "forked",
    no_cage: Annotated[
        bool, typer.Option("--no-cage", help="Run student code unconfined. Only if you trust it.")
    ] = False,
    fail_under: Annotated[
        float | None,
        typer.Option(min=0, max=100, help="Exit with 1 if a score is below this percentage."),
    ] = None,
    course: CourseOption = Path(),
) -> None:
    """Grade hand-ins and write a report card for each.

    Examples: `grader grade`, `grader grade SLUG -j 4`,
    `grader grade SLUG --student 98123456 --fail-under 50`.

    Exit codes: 0 graded, whatever the scores; 1 a score below --fail-under; 2 usage,
    configuration, or no hand-in; 3 a card carries an error verdict.
    """
    read = _read_course(course)
    slugs = [slug] if slug is not None else list(read.assignments)
    if slug is not None and slug not in read.assignments:
        raise _stop(
            f"no assignment {slug} in course.toml; there are: {', '.join(read.assignments)}"
        )
    if not no_cage and find_bubblewrap() is None:
        raise _stop(
            "bubblewrap is not installed, and without it student code would run uncaged. "
            "Install it (Debian, Ubuntu: apt install bubblewrap; then `grader doctor`), "
            "or pass --no-cage if you trust every hand-in."
        )
    folder = submissions or read.root / "submissions"
    target = reports or read.root / "reports"
    code = PASSED
    graded_any = False
    for each in slugs:
        assignment = _read_assignment(read, each)
        chosen = _choose(list_submissions(folder, each), student or [], folder / each)
        if not chosen:
            messages.print(f"{each}: no hand-in in {folder / each}", markup=False)
            continue
        graded_any = True
        settings = Settings(read.root.resolve(), each, target.resolve(), kernel, not no_cage)
        batch = _grade(read, assignment, settings, chosen, workers or default_workers())
        code = max(code, _show(batch, each, target, fail_under))
    if not graded_any:
        raise _stop(f"there is no hand-in to grade in {folder}")
    raise typer.Exit(code)


def _choose(found: Mapping[str, Path], wanted: list[str], folder: Path) -> dict[str, Path]:
    unknown = [student for student in wanted if student not in found]
    if unknown:
        raise _stop(f"no hand-in of {', '.join(unknown)} in {folder}")
    return {s: p for s, p in found.items() if not wanted or s in wanted}


def _grade(
    course: Course,
    assignment: Assignment,
    settings: Settings,
    chosen: Mapping[str, Path],
    workers: int,
) -> Batch:
    try:
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[last]}"),
            console=messages,
            disable=not messages.is_terminal,
        ) as progress:
            bar = progress.add_task(assignment.slug, total=len(chosen), last="")
            return grade_batch(
                course,
                assignment,
                settings,
                chosen,
                workers=workers,
                finished=lambda outcome: progress.update(bar, advance=1, last=outcome.student),
            )
    except (CourseError, BrokenChecks, BrokenReference, NoCage) as error:
        raise _stop(str(error)) from error
    except ZygoteError as error:
        raise _stop(
            f"{error}\nRun `grader doctor` to see what this machine lacks.", ERROR
        ) from error


def _show(batch: Batch, slug: str, reports: Path, fail_under: float | None) -> int:
    results.print(class_table(batch.summaries))
    messages.print(f"{slug}: {len(batch.outcomes)} graded, {reports / slug / 'index.html'}")
    for lost in batch.lost:
        messages.print(f"{slug}: {lost} was lost: its worker died each time", style="red")
    if batch.has_error:
        return ERROR
    graded = {outcome.student for outcome in batch.outcomes}
    if fail_under is not None and any(
        summary.percent < fail_under for summary in batch.summaries if summary.student in graded
    ):
        return BELOW
    return PASSED


@app.command()
def check(
    notebook: Annotated[Path, typer.Argument(help="Your notebook.")],
    assignment: Annotated[
        str | None, typer.Option(help="Which assignment it is; guessed from the file's name.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Also write the report card here.")] = None,
    language: Annotated[str | None, typer.Option(help="fa or en.")] = None,
    course: CourseOption = Path(),
) -> None:
    """Check a notebook of your own against the public checks.

    Example: `grader check homework.ipynb --assignment SLUG --html card.html`.

    Exit codes: 0 all public checks passed; 1 not; 2 usage.
    """
    read = _read_course(course)
    if not notebook.exists():
        raise _stop(f"there is no file {notebook}")
    try:
        report = self_check(read, notebook, assignment)
    except (CourseError, BrokenChecks, BrokenReference, ZygoteError, LookupError) as error:
        raise _stop(str(error)) from error
    spoken = language or read.languages[0]
    results.print(student_view(report, language=spoken, public_only=True))
    if html is not None:
        when = occasion(read, _read_assignment(read, report.assignment))
        html.write_text(render_card(report, occasion=when), encoding="utf-8")
        messages.print(f"The card is in {html}", markup=False)
    checks = [c for q in report.questions for p in q.parts for c in p.checks if not c.hidden]
    raise typer.Exit(PASSED if all(c.verdict == "passed" for c in checks) else BELOW)


@app.command()
def doctor() -> None:
    """Say which layers of the cage, limits and packages this machine has.

    Exit codes: 0 fit to grade; 1 not.
    """
    from grader.kernel import doctor as machine

    layers = machine.examine()
    for layer in layers:
        mark = "✓" if layer.present else "✗" if layer.required else "–"
        style = "green" if layer.present else "red" if layer.required else "yellow"
        results.print(f"{mark} {layer.name}: {layer.detail}", style=style, markup=False)
        if not layer.present and layer.remedy:
            results.print(f"    {layer.remedy}", markup=False)
    raise typer.Exit(PASSED if machine.fit(layers) else BELOW)


@app.command()
def release(
    slug: Annotated[str, typer.Argument(help="The assignment.")],
    course: CourseOption = Path(),
) -> None:
    """Write the skeleton notebooks that students receive, one for each language.

    Example: `grader release SLUG`.
    """
    read = _read_course(course)
    assignment = _read_assignment(read, slug)
    try:
        for path in write_skeletons(read, assignment):
            results.print(str(path), markup=False)
    except ReleaseError as error:
        raise _stop(str(error)) from error


def main() -> None:
    """Entry of the command ``grader``."""
    try:
        app()
    except _Stop as stop:
        sys.exit(stop.code)


if __name__ == "__main__":
    main()
