"""``grader serve``: keep workers warm for an assignment that is graded again and again."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from grader.cli.console import (
    CourseOption,
    assignment_of,
    course_at,
    messages,
    settings_of,
    stop,
)
from grader.course.errors import CourseError
from grader.grading.executor import default_workers
from grader.grading.records import KernelName


def serve(
    slug: Annotated[str, typer.Argument(help="The assignment.")],
    submissions: Annotated[
        Path | None, typer.Option(help="Folder of hand-ins, as `grader grade` is given it.")
    ] = None,
    workers: Annotated[
        int, typer.Option("-j", "--workers", min=0, help="Worker processes; 0: one a processor.")
    ] = 0,
    kernel: Annotated[KernelName, typer.Option(help="As of `grader grade`.")] = "forked",
    no_cage: Annotated[
        bool, typer.Option("--no-cage", help="Run student code unconfined. Only if you trust it.")
    ] = False,
    course: CourseOption = Path(),
) -> None:
    """Keep workers warm, so that `grader grade` begins at once. Ctrl-C ends it.

    `grader grade` finds them by itself when it is given the same course, assignment, hand-ins and
    cage, and no -j. When a check, the reference or a text has changed they are started afresh.
    They hold some 500 MB each as long as this runs.

    Exit codes: 0 ended by Ctrl-C; 2 usage or configuration, or they are served already.
    """
    read = course_at(course)
    assignment_of(read, slug)
    from grader.checks.reference import BrokenReference
    from grader.checks.session import BrokenChecks
    from grader.grading.serving import NoPlace, NotServed, server
    from grader.kernel.cage import NoCage
    from grader.kernel.starting import ZygoteError

    folder = submissions or read.root / "submissions"
    settings = settings_of(read, slug, folder, kernel, caged=not no_cage)

    def tell(line: str) -> None:
        messages.print(line, markup=False, soft_wrap=True)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    try:
        with server(settings, workers or default_workers(), tell) as serving:
            tell(f"{slug}: warm (workers: {serving.workers}); Ctrl-C ends it")
            serving.serve()
    except KeyboardInterrupt:
        tell(f"{slug}: ended")
    except (
        *(CourseError, BrokenChecks, BrokenReference),
        *(NoCage, ZygoteError, NotServed, NoPlace),
    ) as error:
        raise stop(str(error)) from error


def _leave(*_: object) -> NoReturn:
    raise KeyboardInterrupt
