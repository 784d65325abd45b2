"""What runs in a worker process: one pytest session, one zygote, one hand-in after another.

The entry :func:`grade_one` is a plain function of plain arguments, so that any
:class:`concurrent.futures.Executor` can call it. Its first call in a process
warms up a :class:`~grader.grading.warm.WarmGrader`; later calls find it ready.
It writes nothing: what it makes of a hand-in goes back to the batch, which
alone writes reports (:func:`write_files`).
"""

from __future__ import annotations

import atexit
import time
from pathlib import Path

import msgspec

from grader.course.assignment import Assignment, read_assignment
from grader.course.course import Course, read_course
from grader.feedback import Occasion, StudentSummary, render_card, summarise
from grader.grading.decided import Decided
from grader.grading.files import remove_drafts, write_whole
from grader.grading.submission import Graded, KernelName
from grader.grading.warm import WarmGrader
from grader.notebook import redact
from grader.report import to_json

REPORT_FILE = "report.json"
CARD_FILE = "feedback.html"
TROUBLE_FILE = "errors.txt"


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


class Files(msgspec.Struct, frozen=True):
    """What stands in one student's folder of reports."""

    report: bytes
    card: bytes
    troubles: bytes | None


class Outcome(msgspec.Struct, frozen=True):
    """What a worker makes of one hand-in."""

    student: str
    summary: StudentSummary
    seconds: float
    has_error: bool
    files: Files


class _Warm:
    """What a process keeps between two hand-ins of one batch."""

    def __init__(self, settings: Settings) -> None:
        course = read_course(settings.root)
        assignment = read_assignment(course, settings.slug)
        self.occasion = occasion(course, assignment)
        decided = Decided(course, assignment, settings.submissions)
        self.grader = WarmGrader(
            assignment,
            kernel=settings.kernel,
            caged=settings.caged,
            marks=decided.marks,
            late=decided.late,
        )
        atexit.register(self.grader.close)


_warm: dict[Settings, _Warm] = {}


def _ready(settings: Settings) -> _Warm:
    if settings not in _warm:
        _warm[settings] = _Warm(settings)
    return _warm[settings]


def grade_one(settings: Settings, task: Task) -> Outcome:
    """Grade one hand-in.

    Raises
    ------
    CourseError, BrokenChecks, BrokenReference, NoCage, ZygoteError
        What concerns the whole batch; nothing that a hand-in holds.
    """
    warm = _ready(settings)
    if settings.begun is not None:
        (settings.begun / task.student).touch()
    started = time.perf_counter()
    return _outcome(warm.grader.grade(task.student, task.path), warm.occasion, started)


def give_up(settings: Settings, task: Task, reason: str) -> Outcome:
    """Make the report of a hand-in that could not be graded for `reason`: the grader's fault."""
    warm = _ready(settings)
    started = time.perf_counter()
    return _outcome(warm.grader.lost(task.student, task.path, reason), warm.occasion, started)


def _outcome(graded: Graded, when: Occasion, started: float) -> Outcome:
    return Outcome(
        student=graded.report.student,
        summary=summarise(graded.report),
        files=files_of(graded, when),
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


def files_of(graded: Graded, when: Occasion) -> Files:
    """Make of what was graded the files that are kept of it."""
    text = "\n\n".join(f"{t.check}\n{t.traceback}" for t in graded.troubles)
    return Files(
        report=to_json(graded.report),
        card=render_card(graded.report, occasion=when).encode(),
        troubles=redact(text).encode("utf-8", "replace") if graded.troubles else None,
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
