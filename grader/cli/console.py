"""What all commands share: exit codes, the two consoles, reading the course, leaving with a message."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from grader.course.assignment import Assignment, read_assignment
from grader.course.course import Course, read_course
from grader.course.errors import CourseError

PASSED, BELOW, USAGE, ERROR, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes: see ``docs/report.md``."""

messages = Console(stderr=True)
"""What is said to whoever watches."""
results = Console()
"""What was asked for."""

CourseOption = Annotated[
    Path, typer.Option("--course", help="Folder with course.toml.", show_default="here")
]


class Stop(Exception):
    """Leave with an exit code, the message having been said."""

    def __init__(self, code: int) -> None:
        self.code = code


def stop(message: str, code: int = USAGE) -> Stop:
    """Say `message` and return what to raise."""
    messages.print(f"grader: {message}", style="red", markup=False, highlight=False)
    return Stop(code)


def course_at(root: Path) -> Course:
    """Read the course in `root`, or leave with what is wrong in it."""
    try:
        return read_course(root)
    except CourseError as error:
        raise stop(str(error)) from error


def assignment_of(course: Course, slug: str) -> Assignment:
    """Read an assignment of `course`, or leave with what is wrong in it."""
    try:
        return read_assignment(course, slug)
    except CourseError as error:
        raise stop(str(error)) from error
