"""``grader check``: a student's own check, before the deadline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grader.cli.console import (
    BELOW,
    PASSED,
    CourseOption,
    assignment_of,
    course_at,
    messages,
    results,
    stop,
)
from grader.course.errors import CourseError
from grader.feedback import render_card, student_view
from grader.grading.records import occasion


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
    # Imported here, for they take longer than most other commands.
    from grader.checks.reference import BrokenReference
    from grader.checks.session import BrokenChecks
    from grader.grading.selfcheck import self_check
    from grader.kernel.zygotes import ZygoteError

    read = course_at(course)
    if not notebook.exists():
        raise stop(f"there is no file {notebook}")
    try:
        report = self_check(read, notebook, assignment)
    except (CourseError, BrokenChecks, BrokenReference, ZygoteError, LookupError) as error:
        raise stop(str(error)) from error
    spoken = language or read.languages[0]
    results.print(student_view(report, language=spoken, public_only=True))
    if html is not None:
        when = occasion(read, assignment_of(read, report.assignment))
        html.write_text(render_card(report, occasion=when), encoding="utf-8")
        messages.print(f"The card is in {html}", markup=False)
    checks = [c for q in report.questions for p in q.parts for c in p.checks if not c.hidden]
    raise typer.Exit(PASSED if all(c.verdict == "passed" for c in checks) else BELOW)
