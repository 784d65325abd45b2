"""``grader release``: what students receive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grader.cli.console import CourseOption, assignment_of, course_at, messages, results, stop
from grader.notebook import ReleaseError


def release(
    slug: Annotated[str, typer.Argument(help="The assignment.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the archive.", show_default="released, in the course"),
    ] = None,
    course: CourseOption = Path(),
) -> None:
    """Write what students receive: a skeleton notebook for each language, and an archive.

    The archive SLUG.zip holds the notebooks, the files of assignments/SLUG/files, the check pack
    with which students check their own work, and a page that tells how. If a solution, a hidden
    check or what one expects can be found in any of them, nothing is written.

    Example: `grader release SLUG`, `grader release SLUG --out /srv/course/public`.

    Exit codes: 0 released; 2 refused, or usage.
    """
    # Imported here, for they take longer than most other commands.
    from grader.checks.reference import BrokenReference
    from grader.checks.session import BrokenChecks
    from grader.course.errors import CourseError
    from grader.grading.recording import ReleaseRefused
    from grader.grading.release import release as released
    from grader.kernel.starting import ZygoteError

    read = course_at(course)
    assignment = assignment_of(read, slug)
    try:
        done = released(read, assignment, out or read.root / "released")
    except (
        ReleaseError, ReleaseRefused, CourseError, BrokenChecks, BrokenReference, ZygoteError,
    ) as error:  # fmt: skip
        raise stop(str(error)) from error
    except OSError as error:
        raise stop(f"the release cannot be written: {error}") from error
    for check, reason in done.postponed.items():
        line = f"{slug}: {check} is left to the grading: {reason}"
        messages.print(line, style="yellow", markup=False, soft_wrap=True)
    for path in done.paths:
        results.print(str(path), markup=False, soft_wrap=True)
