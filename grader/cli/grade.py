"""``grader grade``: grade a class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Annotated, Literal

import typer

from grader.cli.console import (
    BELOW,
    ERROR,
    INTERRUPTED,
    PASSED,
    CourseOption,
    assignment_of,
    course_at,
    hand_ins_of,
    messages,
    results,
    settings_of,
    spoken_by,
    stop,
)
from grader.cli.progress import Display, interruptible, stage_table
from grader.course.assignment import Assignment
from grader.course.course import Course
from grader.course.errors import CourseError
from grader.feedback import class_table
from grader.feedback.untrusted import visible
from grader.grading.batch import Batch, WorkersDie, concerning_all, grade_batch, machine_faults
from grader.grading.executor import LocalWorkers, NoCluster, default_workers
from grader.grading.journal import Busy
from grader.grading.lateness import Term
from grader.grading.marks import read_book
from grader.grading.records import Settings
from grader.grading.sheets import changed_answers
from grader.notebook import HandIns


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
        int, typer.Option("-j", "--workers", min=0, help="Worker processes; 0: as many as pay.")
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
    force: Annotated[
        bool, typer.Option("--force", help="Grade also what has not changed since its report.")
    ] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Show where the time went, stage by stage.")
    ] = False,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Grade on a Dask cluster: its scheduler's address, or its scheduler file.",
        ),
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="Of the table: fa or en; the course's first if left out.")
    ] = None,
    course: CourseOption = Path(),
) -> None:
    """Grade hand-ins and write a report card for each.

    What has a report that holds is left as it is: neither the hand-in nor what judges it has
    changed. Ctrl-C finishes what runs; the same command goes on from there.

    Examples: `grader grade`, `grader grade SLUG -j 4`,
    `grader grade SLUG --student 98123456 --fail-under 50`.

    Exit codes: 0 graded, whatever the scores; 1 a score below --fail-under; 2 usage,
    configuration, or no hand-in; 3 a card carries an error verdict; 130 interrupted.
    """
    read = course_at(course)
    slugs = [slug] if slug is not None else list(read.assignments)
    if slug is not None and slug not in read.assignments:
        raise stop(f"no assignment {slug} in course.toml; there are: {', '.join(read.assignments)}")
    spoken = spoken_by(read, language)
    folder = submissions or read.root / "submissions"
    target = reports or read.root / "reports"
    code = PASSED
    graded_any = False
    needs_cage = not no_cage and dask is None  # else it is the workers that need it
    for each in slugs:
        assignment = assignment_of(read, each)
        settings = settings_of(read, each, folder, kernel, caged=not no_cage)
        served = _served(settings) if dask is None and not workers else None
        there = hand_ins_of(assignment, folder)
        _about_times(read, folder, each, there.paths)
        chosen = _choose(there.paths, student or [], folder / each)
        if not chosen:
            messages.print(f"{each}: no hand-in in {folder / each}", markup=False)
            continue
        graded_any = True
        executor = LocalWorkers if dask is None else _cluster(dask, read, assignment)
        if served is not None:
            executor = served
        elif needs_cage:
            _require_cage()
            needs_cage = False
        batch = _grade(
            read, assignment, settings, chosen, target.resolve(), workers, force, executor
        )
        code = max(code, _show(batch, each, target, set(chosen), fail_under, spoken))
        if profile and batch.profile:
            results.print(stage_table(batch.profile, len(batch.outcomes)))
        _about_roster(batch)
        _about_marks(read, assignment, there)
        if batch.left:
            raise typer.Exit(INTERRUPTED)
    if not graded_any:
        raise stop(f"there is no hand-in to grade in {folder}")
    raise typer.Exit(code)


def _about_times(course: Course, folder: Path, slug: str, there: Mapping[str, Path]) -> None:
    """Say whose time is missing where times are noted, and whose hand-in where its time is."""
    try:
        term = Term(course, folder)
        untimed, unfound = term.without_time(slug, there), term.without_hand_in(slug, there)
    except CourseError as error:
        raise stop(str(error)) from error
    for students, problem in (
        (untimed, f"no time is noted in {term.file(slug).name}, counted as on time"),
        (unfound, "a time is noted, and there is no hand-in"),
    ):
        if students:
            told = visible(f"{slug}: {problem}: {', '.join(students)}")
            messages.print(told, style="yellow", markup=False, soft_wrap=True)


def _about_marks(course: Course, assignment: Assignment, there: HandIns) -> None:
    """Say which answers are others than were marked; their marks stay until somebody changes them."""
    try:
        book = read_book(course.root, assignment.slug)
    except CourseError as error:
        raise stop(str(error)) from error
    for place, student in changed_answers(course, assignment, book, there):
        told = f"{assignment.slug}: {student}, {place}: the answer is another one than was marked"
        messages.print(visible(told), style="yellow", markup=False, soft_wrap=True)


def _about_roster(batch: Batch) -> None:
    unknown = [s.student for s in batch.summaries if not s.on_roster]
    if unknown:
        messages.print(f"not on the roster: {', '.join(unknown)}", markup=False, style="yellow")
    absent = sum(not s.handed_in for s in batch.summaries)
    if absent:
        messages.print(f"{absent} of the roster handed nothing in")


def _require_cage() -> None:
    """Leave where student code would run uncaged, before any of it does."""
    from grader.kernel.cage import find_bubblewrap
    from grader.kernel.doctor import trial

    if find_bubblewrap() is None:
        raise stop(
            "bubblewrap is not installed, and without it student code would run uncaged. "
            "Install it (Debian, Ubuntu: apt install bubblewrap; then `grader doctor`), "
            "or pass --no-cage if you trust every hand-in."
        )
    if refusal := trial().failed:
        raise stop(
            f"the cage does not close on this machine ({refusal}), and student code would run "
            "uncaged. `grader doctor` says what is missing and how to get it; or pass --no-cage "
            "if you trust every hand-in."
        )


def _served(settings: Settings) -> Callable[[int, Path], Executor] | None:
    """Return what makes the workers that `grader serve` keeps for `settings`; None if it does not.

    The server sees to it that they hold what stands on the disk while this command reads the class.
    """
    from grader.grading.serving import NotServed, ServedWorkers, find_server

    connection = find_server(settings)
    if connection is None:
        return None

    def made(workers: int, scratch: Path) -> Executor:
        try:
            return ServedWorkers(connection, workers, scratch)
        except NotServed as error:
            told = f"{settings.slug}: not served: {error}"
            messages.print(told, style="yellow", markup=False, soft_wrap=True)
            return LocalWorkers(workers, scratch)

    return made


def _cluster(
    address: str, course: Course, assignment: Assignment
) -> Callable[[int, Path], Executor]:
    try:
        from grader.grading.cluster import ClusterWorkers, connect
    except ImportError as error:
        raise stop(
            f"--dask needs the extra `cluster` ({error}): pip install 'karnameh[cluster]'"
        ) from error
    try:
        client = connect(address)
    except NoCluster as error:
        raise stop(str(error)) from error
    return lambda workers, scratch: ClusterWorkers(client, course, assignment)


def _choose(found: Mapping[str, Path], wanted: list[str], folder: Path) -> dict[str, Path]:
    unknown = [student for student in wanted if student not in found]
    if unknown:
        raise stop(f"no hand-in of {', '.join(unknown)} in {folder}")
    return {s: p for s, p in found.items() if not wanted or s in wanted}


def _grade(
    course: Course,
    assignment: Assignment,
    settings: Settings,
    chosen: Mapping[str, Path],
    reports: Path,
    workers: int,
    force: bool,
    executor: Callable[[int, Path], Executor],
) -> Batch:
    try:
        with (
            interruptible(messages) as stopping,
            Display(messages, assignment.slug) as display,
        ):
            return grade_batch(
                course,
                assignment,
                settings,
                chosen,
                reports,
                workers=workers or default_workers(),
                thrifty=not workers and executor is LocalWorkers,
                force=force,
                watcher=display,
                stop=stopping,
                executor=executor,
            )
    except Busy as error:
        raise stop(str(error)) from error
    except Exception as error:
        if isinstance(error, (WorkersDie, *machine_faults())):
            hint = "Run `grader doctor` to see what this machine lacks."
            raise stop(f"{error}\n{hint}", ERROR) from error
        if isinstance(error, concerning_all()):
            raise stop(str(error)) from error
        raise


def _show(
    batch: Batch,
    slug: str,
    reports: Path,
    chosen: set[str],
    fail_under: float | None,
    language: str,
) -> int:
    results.print(class_table(batch.summaries, language=language))
    unchanged = f", {len(batch.unchanged)} unchanged" if batch.unchanged else ""
    done = f"{slug}: {len(batch.outcomes)} graded{unchanged}, {reports / slug / 'index.html'}"
    messages.print(done, soft_wrap=True, markup=False)
    for lost in batch.lost:
        told = f"{slug}: {visible(lost)} was lost: its worker died each time"
        messages.print(told, style="red", markup=False)
    if batch.left:
        messages.print(f"{slug}: {len(batch.left)} not begun", style="yellow")
    if batch.has_error:
        return ERROR
    if fail_under is not None and any(
        summary.percent < fail_under for summary in batch.summaries if summary.student in chosen
    ):
        return BELOW
    return PASSED
