"""What runs in a worker process: one pytest session, one zygote, one hand-in after another.

The entry :func:`grade_one` is a plain function of plain arguments, so that any
:class:`concurrent.futures.Executor` can call it. Its first call in a process
warms up a :class:`~grader.grading.warm.WarmGrader`; later calls find it ready.
It writes nothing: what it makes of a hand-in goes back to the batch, which
alone writes reports (:func:`~grader.grading.records.write_files`).
"""

from __future__ import annotations

import atexit
import time

from grader.course.assignment import read_assignment
from grader.course.course import read_course
from grader.feedback import Occasion, render_card, summarise
from grader.grading.decided import Decided
from grader.grading.records import Earlier, Files, Made, Outcome, Settings, Task, occasion
from grader.grading.submission import Graded
from grader.grading.warm import WarmGrader
from grader.report import from_json, to_json
from grader.secrets import redact


class _Warm:
    """What a process keeps between two hand-ins of one batch."""

    def __init__(self, settings: Settings, *, early: bool) -> None:
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
            early=early,
        )
        atexit.register(self.grader.close)


_warm: dict[Settings, _Warm] = {}


def _ready(settings: Settings, *, early: bool = True) -> _Warm:
    if settings not in _warm:
        _warm[settings] = _Warm(settings, early=early)
    return _warm[settings]


def _begin(settings: Settings, task: Task) -> float:
    if settings.begun is not None:
        (settings.begun / task.student).touch()
    return time.perf_counter()


def grade_one(settings: Settings, task: Task) -> Made:
    """Grade one hand-in.

    Raises
    ------
    CourseError, BrokenChecks, BrokenReference, NoCage, ZygoteError
        What concerns the whole batch; nothing that a hand-in holds.
    """
    warm = _ready(settings)
    started = _begin(settings, task)
    return _made(warm.grader.grade(task.student, task.path), warm.occasion, started)


def regrade_one(settings: Settings, task: Task, earlier: Earlier) -> Made:
    """Judge some checks of one hand-in again, from what was kept of its run if that will do."""
    warm = _ready(settings, early=False)
    started = _begin(settings, task)
    report = from_json(earlier.report)
    graded = warm.grader.regrade(task.student, task.path, earlier.kept, report, earlier.functions)
    return _made(graded, warm.occasion, started)


def give_up(settings: Settings, task: Task, reason: str) -> Made:
    """Make the report of a hand-in that could not be graded for `reason`: the grader's fault."""
    warm = _ready(settings)
    started = time.perf_counter()
    return _made(warm.grader.lost(task.student, task.path, reason), warm.occasion, started)


def _made(graded: Graded, when: Occasion, started: float) -> Made:
    rendering = time.perf_counter()
    files = files_of(graded, when)
    rendered = time.perf_counter() - rendering
    outcome = Outcome(
        student=graded.report.student,
        summary=summarise(graded.report),
        seconds=time.perf_counter() - started,
        has_error=graded.report.has_error,
        stages={**graded.stages, "render": rendered},
    )
    return Made(outcome, files, graded.kept)


def files_of(graded: Graded, when: Occasion) -> Files:
    """Make of what was graded the files that are kept of it."""
    text = "\n\n".join(f"{t.check}\n{t.traceback}" for t in graded.troubles)
    return Files(
        report=to_json(graded.report),
        card=render_card(graded.report, occasion=when).encode(),
        troubles=redact(text).encode("utf-8", "replace") if graded.troubles else None,
    )
