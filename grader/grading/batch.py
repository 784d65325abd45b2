"""Grade a class: hand-ins to workers, reports to files, summaries back."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import msgspec

from grader.checks.session import Judge, run_session
from grader.course.assignment import Assignment
from grader.course.course import Course
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
from grader.report import from_json

ATTEMPTS = 3
"""How often a hand-in is tried whose worker process dies under it."""


class Batch(msgspec.Struct, frozen=True):
    """What a batch came to.

    Attributes
    ----------
    outcomes
        Of the hand-ins graded now.
    lost
        Students whose hand-in brought its worker down :data:`ATTEMPTS` times; their cards say so.
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
    CourseError, BrokenChecks, BrokenReference, NoCage, ZygoteError
        If nothing can be graded: the course or the machine is at fault.
    """
    tasks = [Task(student, path) for student, path in submissions.items()]
    outcomes: list[Outcome] = []
    lost: list[Task] = []
    attempts = dict.fromkeys(submissions, 0)
    while tasks:
        unfinished: list[Task] = []
        with local_executor(min(workers, len(tasks))) as executor:
            for task, outcome in _submit(executor, settings, tasks, attempts):
                if outcome is None:
                    unfinished.append(task)
                else:
                    outcomes.append(outcome)
                    finished(outcome)
        lost += [task for task in unfinished if attempts[task.student] >= ATTEMPTS]
        tasks = [task for task in unfinished if attempts[task.student] < ATTEMPTS]
    _report_lost(course, assignment, settings, lost)
    summaries = _all_summaries(settings, outcomes)
    _write_class(course, assignment, settings, summaries)
    return Batch(outcomes, [task.student for task in lost], summaries)


def _submit(
    executor: Executor,
    settings: Settings,
    tasks: Sequence[Task],
    attempts: dict[str, int],
) -> Iterator[tuple[Task, Outcome | None]]:
    """Hand out `tasks`, a few ahead of the workers; None for one whose worker died."""
    waiting = list(reversed(tasks))
    running: dict[Future[Outcome], Task] = {}
    broken = False
    while waiting or running:
        while waiting and len(running) < 2 * default_workers() + 2 and not broken:
            task = waiting.pop()
            try:
                running[executor.submit(grade_one, settings, task)] = task
            except BrokenProcessPool:
                waiting.append(task)
                broken = True
        if broken and not running:
            yield from ((task, None) for task in waiting)
            return
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            task = running.pop(future)
            try:
                yield task, future.result()
            except BrokenProcessPool:
                broken = True
                attempts[task.student] += 1
                yield task, None


def _report_lost(
    course: Course, assignment: Assignment, settings: Settings, lost: Sequence[Task]
) -> None:
    """Write a card that blames the grader for each hand-in whose worker died every time."""
    if not lost:
        return

    def work(judge: Judge) -> None:
        grader = Grader(judge, kernel=settings.kernel, caged=settings.caged)
        for task in lost:
            graded = grader.lost(task.student, task.path)
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
