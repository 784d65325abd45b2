"""What passes between a batch and its workers, and what becomes of it on the disk.

Light on purpose: a batch that finds nothing to grade imports no more than this.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from grader.course.assignment import Assignment
from grader.course.course import Course
from grader.feedback import Occasion, StudentSummary
from grader.grading.files import remove_drafts, write_whole

REPORT_FILE = "report.json"
TEMPLATES = "templates"
"""Folder of a course with templates and styles of its own."""
CARD_FILE = "feedback.html"
TROUBLE_FILE = "errors.txt"

KernelName = Literal["forked", "cold"]


class Settings(msgspec.Struct, frozen=True):
    """What all hand-ins of a batch have in common."""

    root: Path
    slug: str
    kernel: KernelName = "forked"
    caged: bool = True
    submissions: Path | None = None
    """Where it is noted when hand-ins were received; None: nobody is taken for late."""
    begun: Path | None = None
    """Folder in which a worker leaves a mark when it begins a hand-in, so that a death is laid to it."""


class Task(msgspec.Struct, frozen=True):
    """One hand-in."""

    student: str
    path: Path


class Earlier(msgspec.Struct, frozen=True):
    """A graded hand-in of which some checks have changed.

    Attributes
    ----------
    kept
        What was kept of its run.
    report
        Its ``report.json``.
    functions
        The check functions to judge again.
    """

    kept: bytes
    report: bytes
    functions: frozenset[str]


class Files(msgspec.Struct, frozen=True):
    """What stands in one student's folder of reports."""

    report: bytes
    card: bytes
    troubles: bytes | None


class Outcome(msgspec.Struct, frozen=True):
    """What came of one hand-in.

    Attributes
    ----------
    stages
        Seconds by the clock of each stage, in the worker.
    """

    student: str
    summary: StudentSummary
    seconds: float
    has_error: bool
    stages: dict[str, float] = {}


class Made(msgspec.Struct, frozen=True):
    """What a worker makes of one hand-in.

    Attributes
    ----------
    kept
        What a changed check can be judged from later; None if there is nothing.
    """

    outcome: Outcome
    files: Files
    kept: bytes | None


def occasion(course: Course, assignment: Assignment) -> Occasion:
    """What cards say of the course and its dates, and how the course wants them to look."""
    templates = course.root / TEMPLATES
    return Occasion(
        course=course.title,
        languages=course.languages,
        due=assignment.due,
        calendar=course.calendar,
        time_zone=str(course.time_zone),
        templates=templates if templates.is_dir() else None,
    )


def write_files(folder: Path, files: Files) -> None:
    """Write one student's files, each whole or not at all; the report last: with it all is there."""
    folder.mkdir(parents=True, exist_ok=True)
    if files.troubles is None:
        (folder / TROUBLE_FILE).unlink(missing_ok=True)
    else:
        write_whole(folder / TROUBLE_FILE, files.troubles)
    for name, data in ((CARD_FILE, files.card), (REPORT_FILE, files.report)):
        remove_drafts(folder / name)
        write_whole(folder / name, data, durable=True)
