"""What runs in a worker process: one pytest session, one zygote, one hand-in after another.

The entry :func:`grade_one` is a plain function of plain arguments, so that any
:class:`concurrent.futures.Executor` can call it. Its first call in a process
warms up a :class:`~grader.grading.warm.WarmGrader`; later calls find it ready.
"""

from __future__ import annotations

import atexit
import time
from pathlib import Path

import msgspec

from grader.course.assignment import Assignment, read_assignment
from grader.course.course import Course, read_course
from grader.feedback import Occasion, StudentSummary, render_card, summarise
from grader.grading.files import write_whole
from grader.grading.submission import Graded, KernelName
from grader.grading.warm import WarmGrader
from grader.report import Report, to_json

REPORT_FILE = "report.json"
CARD_FILE = "feedback.html"
TROUBLE_FILE = "errors.txt"


class Settings(msgspec.Struct, frozen=True):
    """What all hand-ins of a batch have in common."""

    root: Path
    slug: str
    reports: Path
    kernel: KernelName = "forked"
    caged: bool = True


class Task(msgspec.Struct, frozen=True):
    """One hand-in."""

    student: str
    path: Path


class Outcome(msgspec.Struct, frozen=True):
    """What a worker tells of one graded hand-in."""

    student: str
    summary: StudentSummary
    seconds: float
    has_error: bool


class _Warm:
    """What a process keeps between two hand-ins of one batch."""

    def __init__(self, settings: Settings) -> None:
        course = read_course(settings.root)
        assignment = read_assignment(course, settings.slug)
        self.occasion = occasion(course, assignment)
        self.grader = WarmGrader(assignment, kernel=settings.kernel, caged=settings.caged)
        atexit.register(self.grader.close)


_warm: dict[Settings, _Warm] = {}


def grade_one(settings: Settings, task: Task) -> Outcome:
    """Grade one hand-in and write its report and card.

    Raises
    ------
    CourseError, BrokenChecks, BrokenReference, NoCage, ZygoteError
        What concerns the whole batch; nothing that a hand-in holds.
    """
    if settings not in _warm:
        _warm[settings] = _Warm(settings)
    warm = _warm[settings]
    started = time.perf_counter()
    graded = warm.grader.grade(task.student, task.path)
    write_report(settings.reports, graded, warm.occasion)
    return Outcome(
        student=task.student,
        summary=summarise(graded.report),
        seconds=time.perf_counter() - started,
        has_error=graded.report.has_error,
    )


def occasion(course: Course, assignment: Assignment) -> Occasion:
    """What cards say of the course and its dates."""
    return Occasion(
        course=course.title,
        due=assignment.due,
        calendar=course.calendar,
        time_zone=str(course.time_zone),
    )


def write_report(reports: Path, graded: Graded, when: Occasion) -> None:
    """Write one student's files, each whole or not at all; the report first, for all else follows."""
    report: Report = graded.report
    folder = reports / report.assignment / report.student
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / REPORT_FILE, to_json(report))
    trouble = folder / TROUBLE_FILE
    if graded.troubles:
        text = "\n\n".join(f"{t.check}\n{t.traceback}" for t in graded.troubles)
        write_whole(trouble, text.encode())
    else:
        trouble.unlink(missing_ok=True)
    write_whole(folder / CARD_FILE, render_card(report, occasion=when).encode())
