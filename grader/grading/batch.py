"""Grade a class: hand-ins to workers, reports to files, summaries back."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import msgspec

from grader.checks.reference import BrokenReference
from grader.checks.session import BrokenChecks, Judge, run_session
from grader.course.assignment import Assignment
from grader.course.course import Course
from grader.course.errors import CourseError
from grader.feedback import StudentSummary, render_index, summarise, write_gradebook
from grader.grading.files import write_whole
from grader.grading.submission import Grader
from grader.grading.worker import (
    REPORT_FILE,
    Outcome,
    Settings,
    Task,
    grade_one,
    occasion,
    write_report,
)
from grader.kernel.cage import NoCage
from grader.report import from_json

ATTEMPTS = 3
"""How often a hand-in is tried whose worker process dies under it."""


CONCERNING_ALL = (CourseError, BrokenChecks, BrokenReference, NoCage)
"""What no hand-in is to blame for, and no other hand-in would be spared."""


class Batch(msgspec.Struct, frozen=True):
    """What a batch came to.

    Attributes
    ----------
    outcomes
        Of the hand-ins graded now.
    lost
        Students whose hand-in could not be graded by the grader's own fault; their cards say so.
    summaries
        Of all students with a report, these and earlier ones.
    """

    outcomes: list[Outcome]
    lost: list[str]
    summaries: list[StudentSummary]

    @property
    def has_error(self) -> bool:
        """Whether a card carries an ``error`` verdict."""
        return bool(self.lost) or any(outcome.has_error for outcome in self.outcomes)


def local_executor(workers: int) -> ProcessPoolExecutor:
    """Worker processes of this machine, started afresh rather than forked."""
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def default_workers() -> int:
    """One worker for each processor that this process may use."""
    return len(os.sched_getaffinity(0))


def grade_batch(
    course: Course,
    assignment: Assignment,
    settings: Settings,
    submissions: Mapping[str, Path],
    *,
    workers: int,
    finished: Callable[[Outcome], None] = lambda outcome: None,
) -> Batch:
    """Grade `submissions` on `workers` processes and write all reports.

    Parameters
    ----------
    submissions
        Path of each hand-in by student id.
    finished
        Called as each report is written.

    Raises
    ------
    CourseError, BrokenChecks, BrokenReference, NoCage
        If nothing can be graded: the course or the machine is at fault.
    """
    outcomes: list[Outcome] = []
    lost: dict[Task, str] = {}
    for task, outcome in _grade_all(settings, submissions, workers):
        if isinstance(outcome, Outcome):
            outcomes.append(outcome)
            finished(outcome)
        else:
            lost[task] = outcome
    _report_lost(course, assignment, settings, lost)
    summaries = _all_summaries(settings, outcomes)
    _write_class(course, assignment, settings, summaries)
    return Batch(outcomes, [task.student for task in lost], summaries)


def _grade_all(
    settings: Settings, submissions: Mapping[str, Path], workers: int
) -> Iterator[tuple[Task, Outcome | str]]:
    """Grade every hand-in; what cannot be graded comes with the reason instead of an outcome.

    A worker that dies takes the pool with it. Whatever ran then is tried again alone, so that
    one deadly hand-in does not cost its neighbours their tries.
    """
    tries = {Task(student, path): 0 for student, path in submissions.items()}
    while tries:
        fresh = [task for task, count in tries.items() if count == 0]
        group = fresh or list(tries)[:1]
        with local_executor(min(workers, len(group))) as executor:
            for task, outcome in _hand_out(executor, settings, group):
                if not isinstance(outcome, BaseException):
                    del tries[task]
                    yield task, outcome
                elif not isinstance(outcome, BrokenProcessPool):
                    del tries[task]
                    yield task, "".join(traceback.format_exception(outcome))
                elif tries[task] + 1 == ATTEMPTS:
                    del tries[task]
                    yield task, f"its worker process died {ATTEMPTS} times: {task.path}"
                else:
                    tries[task] += 1


def _hand_out(
    executor: Executor, settings: Settings, tasks: Sequence[Task]
) -> Iterator[tuple[Task, Outcome | Exception]]:
    """Keep the workers busy, a few tasks ahead; tasks not begun when the pool breaks stay out."""
    waiting = list(reversed(tasks))
    running: dict[Future[Outcome], Task] = {}
    broken = False
    while running or (waiting and not broken):
        while waiting and len(running) < 2 * default_workers() + 2 and not broken:
            try:
                running[executor.submit(grade_one, settings, waiting[-1])] = waiting[-1]
                waiting.pop()
            except BrokenProcessPool:
                broken = True
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            task = running.pop(future)
            try:
                yield task, future.result()
            except CONCERNING_ALL:
                raise
            except Exception as error:  # noqa: BLE001 - one hand-in's trouble is not the batch's
                broken = broken or isinstance(error, BrokenProcessPool)
                yield task, error


def _report_lost(
    course: Course, assignment: Assignment, settings: Settings, lost: Mapping[Task, str]
) -> None:
    """Write a card that blames the grader for each hand-in that it could not grade."""
    if not lost:
        return

    def work(judge: Judge) -> None:
        grader = Grader(judge, kernel=settings.kernel, caged=settings.caged)
        for task, reason in lost.items():
            graded = grader.lost(task.student, task.path, reason)
            write_report(settings.reports, graded, occasion(course, assignment))

    run_session(assignment, work)


def _all_summaries(settings: Settings, outcomes: Sequence[Outcome]) -> list[StudentSummary]:
    """Summaries of this batch, and of reports that were there before."""
    found = {outcome.student: outcome.summary for outcome in outcomes}
    folder = settings.reports / settings.slug
    for path in sorted(folder.glob(f"*/{REPORT_FILE}")):
        if path.parent.name not in found:
            try:
                found[path.parent.name] = summarise(from_json(path.read_bytes()))
            except msgspec.DecodeError:
                continue  # written by another version: the next grading replaces it
    return [found[student] for student in sorted(found)]


def _write_class(
    course: Course,
    assignment: Assignment,
    settings: Settings,
    summaries: Sequence[StudentSummary],
) -> None:
    folder = settings.reports / settings.slug
    folder.mkdir(parents=True, exist_ok=True)
    write_gradebook(summaries, folder / "gradebook.csv")
    page = render_index(summaries, occasion=occasion(course, assignment))
    write_whole(folder / "index.html", page.encode())
