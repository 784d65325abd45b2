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
from typing import TYPE_CHECKING

import msgspec

from grader.checks.scoring import Marks
from grader.course.assignment import read_assignment
from grader.course.course import read_course
from grader.feedback import Occasion, render_card, summarise
from grader.grading.decided import Decided
from grader.grading.records import Earlier, Files, Made, Outcome, Settings, Task, occasion
from grader.report import Late, from_json, to_json
from grader.secrets import redact

if TYPE_CHECKING:
    from grader.grading.submission import Graded


class _Warm:
    """What a process keeps between two hand-ins, and all but what is decided between two batches."""

    def __init__(self, settings: Settings, *, early: bool) -> None:
        from grader.grading.warm import WarmGrader  # takes its time, which the batch need not wait

        course = read_course(settings.root)
        assignment = read_assignment(course, settings.slug)
        self.occasion = occasion(course, assignment)
        self.batch = settings.begun
        self.decided = Decided(course, assignment, settings.submissions)
        self.grader = WarmGrader(
            assignment,
            kernel=settings.kernel,
            caged=settings.caged,
            marks=self._marks,
            late=self._late,
            early=early,
        )
        atexit.register(self.grader.close)

    def renew(self, settings: Settings) -> None:
        """Read the marks and times anew, for another batch."""
        course = read_course(settings.root)
        assignment = read_assignment(course, settings.slug)
        self.decided = Decided(course, assignment, settings.submissions)
        self.batch = settings.begun

    def _marks(self, student: str) -> Marks:
        return self.decided.marks(student)

    def _late(self, student: str) -> Late | None:
        return self.decided.late(student)


_warm: dict[Settings, _Warm] = {}


def _ready(settings: Settings, *, early: bool = True) -> _Warm:
    lasting = msgspec.structs.replace(settings, begun=None)
    if lasting not in _warm:
        _warm[lasting] = _Warm(settings, early=early)
    elif _warm[lasting].batch != settings.begun:
        _warm[lasting].renew(settings)
    return _warm[lasting]


def make_ready(settings: Settings) -> None:
    """Have all ready that the first hand-in would wait for."""
    _ready(settings).grader.do(lambda grader: grader.make_ready())


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
