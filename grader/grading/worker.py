"""What runs in a worker process: one pytest session, one zygote, one hand-in after another.

The entry :func:`grade_one` is a plain function of plain arguments, so that any
:class:`concurrent.futures.Executor` can call it. Its first call in a process
starts a thread that holds the session; later calls find it warm.
"""

from __future__ import annotations

import atexit
import queue
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import msgspec

from grader.checks.session import Judge, run_session
from grader.course.assignment import Assignment, read_assignment
from grader.course.course import Course, read_course
from grader.feedback import Occasion, StudentSummary, render_card, summarise
from grader.grading.files import write_whole
from grader.grading.submission import Graded, Grader, KernelName
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


class _Session:
    """A thread that holds a pytest session and a zygote for one batch's settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.course = read_course(settings.root)
        self.assignment = read_assignment(self.course, settings.slug)
        self._tasks: queue.SimpleQueue[tuple[Task, Future[Outcome]] | None] = queue.SimpleQueue()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._hold, name="grading", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def _hold(self) -> None:
        try:
            run_session(self.assignment, self._serve)
        except BaseException as error:  # told to whoever waits
            self._failure = error
            while (item := self._tasks.get()) is not None:
                item[1].set_exception(error)

    def _serve(self, judge: Judge) -> None:
        settings = self.settings
        with Grader(judge, kernel=settings.kernel, caged=settings.caged) as grader:
            while (item := self._tasks.get()) is not None:
                task, future = item
                try:
                    future.set_result(self._grade(grader, task))
                except Exception as error:
                    future.set_exception(error)

    def _grade(self, grader: Grader, task: Task) -> Outcome:
        started = time.perf_counter()
        graded = grader.grade(task.student, task.path)
        write_report(self.settings.reports, graded, occasion(self.course, self.assignment))
        return Outcome(
            student=task.student,
            summary=summarise(graded.report),
            seconds=time.perf_counter() - started,
            has_error=graded.report.has_error,
        )

    def grade(self, task: Task) -> Outcome:
        future: Future[Outcome] = Future()
        self._tasks.put((task, future))
        return future.result()

    def close(self) -> None:
        """Let the thread end, and with it the zygote."""
        self._tasks.put(None)
        self._thread.join(timeout=10)


_sessions: dict[Settings, _Session] = {}


def grade_one(settings: Settings, task: Task) -> Outcome:
    """Grade one hand-in and write its report and card.

    Raises
    ------
    CourseError, BrokenChecks, BrokenReference, NoCage, ZygoteError
        What concerns the whole batch; nothing that a hand-in holds.
    """
    if settings not in _sessions:
        _sessions[settings] = _Session(settings)
    return _sessions[settings].grade(task)


def occasion(course: Course, assignment: Assignment) -> Occasion:
    """What cards say of the course and its dates."""
    return Occasion(
        course=course.title,
        due=assignment.due,
        calendar=course.calendar,
        time_zone=str(course.time_zone),
        index_link="../index.html",
    )


def write_report(reports: Path, graded: Graded, when: Occasion) -> None:
    """Write one student's files, each whole or not at all."""
    report: Report = graded.report
    folder = reports / report.assignment / report.student
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / CARD_FILE, render_card(report, occasion=when).encode())
    trouble = folder / TROUBLE_FILE
    if graded.troubles:
        text = "\n\n".join(f"{t.check}\n{t.traceback}" for t in graded.troubles)
        write_whole(trouble, text.encode())
    else:
        trouble.unlink(missing_ok=True)
    write_whole(folder / REPORT_FILE, to_json(report))
