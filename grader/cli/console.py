"""What all commands share: exit codes, the two consoles, reading the course, leaving with a message."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from grader.course.assignment import Assignment, read_assignment
from grader.course.course import Course, read_course
from grader.course.errors import CourseError
from grader.feedback.untrusted import visible
from grader.grading.records import KernelName, Settings
from grader.notebook import HandIns, survey

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


def spoken_by(course: Course, language: str | None) -> str:
    """Return `language`, or the course's first; leave if the course is not taught in it."""
    if language is not None and language not in course.languages:
        raise stop(f"the course does not speak {language}, but: {', '.join(course.languages)}")
    return language or course.languages[0]


def course_at(root: Path) -> Course:
    """Read the course in `root`, or leave with what is wrong in it."""
    try:
        return read_course(root)
    except CourseError as error:
        raise stop(str(error)) from error


def settings_of(
    course: Course, slug: str, submissions: Path, kernel: KernelName, *, caged: bool
) -> Settings:
    """What a command grades by: `grader serve` is found by whoever comes to the same."""
    return Settings(course.root.resolve(), slug, kernel, caged, submissions=submissions.resolve())


def hand_ins_of(assignment: Assignment, submissions: Path) -> HandIns:
    """Find the hand-ins of an assignment, and say which files were not simply taken."""
    found = survey(submissions, assignment.slug, assignment.hand_in_names)
    told = []
    for student, path in found.misnamed.items():
        expected = ", ".join(assignment.hand_in_names) or "the assignment's name and a student id"
        told.append(f"{path.name} is not called like {expected}: graded as {student}")
    for student, paths in found.superseded.items():
        earlier = ", ".join(path.name for path in paths)
        told.append(
            f"several attempts of {student}: {found.paths[student].name} counts, not {earlier}"
        )
    if found.passed_over:
        told.append(f"no hand-ins: {', '.join(path.name for path in found.passed_over)}")
    for line in told:
        messages.print(
            visible(f"{assignment.slug}: {line}"), style="yellow", markup=False, soft_wrap=True
        )
    return found


def assignment_of(course: Course, slug: str) -> Assignment:
    """Read an assignment of `course`, or leave with what is wrong in it."""
    try:
        return read_assignment(course, slug)
    except CourseError as error:
        raise stop(str(error)) from error
