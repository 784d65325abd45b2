"""``grader release``: what students receive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grader.cli.console import CourseOption, assignment_of, course_at, results, stop
from grader.grading.release import write_skeletons
from grader.notebook import ReleaseError


def release(
    slug: Annotated[str, typer.Argument(help="The assignment.")],
    course: CourseOption = Path(),
) -> None:
    """Write the skeleton notebooks that students receive, one for each language.

    Example: `grader release SLUG`.
    """
    read = course_at(course)
    assignment = assignment_of(read, slug)
    try:
        for path in write_skeletons(read, assignment):
            results.print(str(path), markup=False)
    except ReleaseError as error:
        raise stop(str(error)) from error
