"""Grade a class: hand-ins to workers, reports to files, summaries back.

One process, this one, decides what is to be graded, writes the reports and keeps the journal;
workers only grade. So a batch may end at any moment: what the journal names is on the disk, and
the same command goes on from there.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from functools import partial
from pathlib import Path
from statistics import fmean, median
from typing import Protocol, runtime_checkable

import msgspec

from grader.course.assignment import Assignment
from grader.course.course import Course
from grader.course.errors import CourseError
from grader.feedback import StudentSummary
from grader.grading import worker
from grader.grading.class_files import renew_cards, write_class
from grader.grading.content import Content, content_of
from grader.grading.decided import Decided
from grader.grading.executor import LocalWorkers, WrongEngine
from grader.grading.journal import Finished, Journal, Material, past_seconds
from grader.grading.material import material_of
from grader.grading.records import (
    CARD_FILE,
    REPORT_FILE,
    Earlier,
    Made,
    Outcome,
    Settings,
    Task,
    write_files,
)

ATTEMPTS = 4
"""How often a hand-in is tried whose worker process dies under it."""
DEATHS = 20
"""How many workers may die one after another, with no report in between."""
START_SECONDS = 4.0
"""What a worker takes to start: it imports torch, and so does its zygote."""
USUAL_SECONDS = 0.15
"""What a hand-in takes, before any has been graded."""
_GLANCE_SECONDS = 0.5
"""How often whoever watches is told that work goes on."""


def concerning_all() -> tuple[type[Exception], ...]:
    """What no hand-in is to blame for, and no other hand-in would be spared."""
    from grader.checks.reference import BrokenReference
    from grader.checks.session import BrokenChecks
    from grader.kernel.cage import NoCage

    return CourseError, BrokenChecks, BrokenReference, NoCage, *machine_faults()


def machine_faults() -> tuple[type[Exception], ...]:
    """What the machine is at fault for, rather than the course or the command."""
    from grader.kernel.starting import ZygoteError

    return ZygoteError, WrongEngine


@runtime_checkable
class Away(Protocol):
    """An executor whose workers are on other machines: only course and hand-ins travel there."""

    def ahead(self) -> int:
        """How many hand-ins its workers should have in hand."""


class WorkersDie(RuntimeError):
    """Nothing can be graded, for the workers do not live."""


class Watcher:
    """What a batch tells while it works; a display overrides what it shows."""

    def begun(self, total: int, unchanged: int) -> None:
        """There are `total` hand-ins to grade; `unchanged` more have a report that holds."""

    def started(self, task: Task) -> None:
        """A worker was given `task`."""

    def finished(self, outcome: Outcome) -> None:
        """A report is written."""

    def glance(self) -> None:
        """Nothing happened, for a moment."""


class Batch(msgspec.Struct, frozen=True):
    """What a batch came to.

    Attributes
    ----------
    outcomes
        Of the hand-ins graded now.
    unchanged
        Students whose earlier report holds: neither the hand-in nor what judges it has changed.
    lost
        Students whose hand-in could not be graded by the grader's own fault; their cards say so.
    left
        Students whose hand-in was not begun, for the batch was told to stop.
    summaries
        Of all students with a report, these and earlier ones.
    profile
        Seconds by the clock that each stage took, all hand-ins together.
    """

    outcomes: list[Outcome]
    unchanged: list[str]
    lost: list[str]
    left: list[str]
    summaries: list[StudentSummary]
    profile: dict[str, float] = {}

    @property
    def has_error(self) -> bool:
        """Whether a card carries an ``error`` verdict."""
        return bool(self.lost) or any(outcome.has_error for outcome in self.outcomes)


def grade_batch(
    course: Course,
    assignment: Assignment,
    settings: Settings,
    submissions: Mapping[str, Path],
    reports: Path,
    *,
    workers: int,
    thrifty: bool = False,
    force: bool = False,
    watcher: Watcher | None = None,
    stop: threading.Event | None = None,
    executor: Callable[[int, Path], Executor] = LocalWorkers,
) -> Batch:
    """Grade `submissions` on `workers` processes and write all reports.

    Parameters
    ----------
    submissions
        Path of each hand-in by student id.
    reports
        Folder that holds one folder for each assignment.
    thrifty
        Start another worker only when there is more to do than starting one takes.
    force
        Grade also what has a report that holds.
    watcher
        Told how it goes.
    stop
        Once it is set, nothing new is begun; what runs is finished and kept.
    executor
        Makes the workers, of their number and a folder for temporary files.

    Raises
    ------
    CourseError, BrokenChecks, BrokenReference, NoCage, ZygoteError, WorkersDie
        If nothing can be graded: the course or the machine is at fault.
    Busy
        If another batch works on the same reports.
    """
    watcher = watcher or Watcher()
    folder = reports / assignment.slug
    decided = Decided(course, assignment, settings.submissions)
    with Journal(folder) as journal:
        material = material_of(course, assignment, settings)
        contents = _contents(journal, submissions)
        unchanged = [] if force else _unchanged(journal, folder, material, contents)
        held = set(unchanged)
        tasks = [Task(s, path) for s, path in submissions.items() if s not in held]
        watcher.begun(len(tasks), len(unchanged))
        stop = stop or threading.Event()
        work = None
        profile: defaultdict[str, float] = defaultdict(float)
        if tasks:
            changed = {} if force else _changed(journal, material, contents, tasks)
            earlier = partial(_earlier, journal, folder, changed)
            work = _Work(settings, watcher, stop, journal, earlier)
            past = past_seconds(journal)
            known = [past[task.student] for task in tasks if task.student in past]
            work.usual = median(known) if known else USUAL_SECONDS
        if work is not None:
            if material.whole not in journal.materials:
                journal.append(material)
            count = min(workers, len(tasks))
            pool = executor(count, journal.scratch)
            away = isinstance(pool, Away)
            if isinstance(pool, Away):
                ahead = pool.ahead
            else:
                ahead = partial(work.worth if thrifty else int, count)
            try:
                for made in work.made(pool, longest_first(tasks, journal), ahead):
                    student = made.outcome.student
                    writing = time.perf_counter()
                    stamp = "" if away else decided.stamp(student)  # marks do not travel
                    _keep(journal, folder, material, contents[student], made, stamp)
                    for stage, spent in made.outcome.stages.items():
                        profile[stage] += spent
                    profile["write"] += time.perf_counter() - writing
                    watcher.finished(made.outcome)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
        renew_cards(course, assignment, folder, journal, decided)
        summaries = write_class(course, assignment, folder, journal)
        if work is None:
            return Batch([], unchanged, [], [], summaries)
        return Batch(work.done, unchanged, work.lost, work.left, summaries, dict(profile))


def _contents(journal: Journal, submissions: Mapping[str, Path]) -> dict[str, Content]:
    contents = {}
    for student, path in submissions.items():
        past = journal.finished.get(student)
        known = None if past is None else Content(past.content, past.stamp)
        contents[student] = content_of(path, known)
    return contents


def _unchanged(
    journal: Journal, folder: Path, material: Material, contents: Mapping[str, Content]
) -> list[str]:
    """Return the students whose report holds. An error was never the last word."""
    return [
        student
        for student, content in contents.items()
        if (past := journal.finished.get(student)) is not None
        and past.content == content.hash
        and past.material == material.whole
        and not past.has_error
        and (folder / student / REPORT_FILE).is_file()
        and (folder / student / CARD_FILE).is_file()
    ]


def _changed(
    journal: Journal,
    material: Material,
    contents: Mapping[str, Content],
    tasks: Sequence[Task],
) -> dict[str, frozenset[str]]:
    """Return which check functions are to be judged again for whom nothing else has changed."""
    changed = {}
    for task in tasks:
        past = journal.finished.get(task.student)
        if past is None or past.has_error or past.content != contents[task.student].hash:
            continue
        before = journal.materials.get(past.material)
        if before is not None and before.run == material.run:
            changed[task.student] = frozenset(
                name for name, own in material.checks.items() if before.checks.get(name) != own
            )
    return changed


def _earlier(
    journal: Journal, folder: Path, changed: Mapping[str, frozenset[str]], student: str
) -> Earlier | None:
    """Return what there is to judge changed checks from, None if the notebook has to run."""
    path = folder / student / REPORT_FILE
    past = journal.finished.get(student)
    if student not in changed or past is None or not path.is_file():
        return None
    kept = journal.kept(student)
    label = _label(past.content, past.material)
    if kept is None or not kept.startswith(label):
        return None
    return Earlier(kept[len(label) :], path.read_bytes(), changed[student])


def _label(content: str, material: str) -> bytes:
    """What a kept run begins with, for it may be of an earlier hand-in or material."""
    return f"{content} {material}\n".encode()


def longest_first(tasks: Sequence[Task], journal: Journal) -> list[Task]:
    """Order tasks so that no long one is left for the end; those never graded are taken as usual."""
    past = past_seconds(journal)
    usual = median(past.values()) if past else 0.0
    return sorted(tasks, key=lambda task: -past.get(task.student, usual))


class _Work:
    """Hands tasks to an executor, and tries again what its worker did not survive."""

    def __init__(
        self,
        settings: Settings,
        watcher: Watcher,
        stop: threading.Event,
        journal: Journal,
        earlier: Callable[[str], Earlier | None],
    ) -> None:
        begun = journal.scratch / "begun"
        begun.mkdir()
        self.settings = msgspec.structs.replace(settings, begun=begun)
        self.watcher = watcher
        self.stop = stop
        self.shared = journal.shared
        self.earlier = earlier
        self.done: list[Outcome] = []
        self.lost: list[str] = []
        self.left: list[str] = []
        self._waiting: deque[Task] = deque()
        self._deaths: dict[str, int] = {}
        self._in_vain = 0
        self._reasons: dict[str, str] = {}
        self._running: dict[Future[Made], Task] = {}
        self.usual = USUAL_SECONDS
        self._latest = time.monotonic()

    def worth(self, most: int) -> int:
        """How many workers have more to do than it takes to start one; at most `most`."""
        patience = START_SECONDS * (2 if self.done else 4)
        if time.monotonic() - self._latest > patience:
            return most  # what is being graded takes long
        graded = [outcome.seconds for outcome in self.done[1:]]  # the first waits for its worker
        each = fmean(graded) if graded else self.usual
        left = each * (len(self._waiting) + len(self._running))
        return max(1, min(most, int(left / START_SECONDS)))

    def made(
        self, executor: Executor, tasks: Sequence[Task], ahead: Callable[[], int]
    ) -> Iterator[Made]:
        """Yield what is made of each task, once, with at most `ahead()` tasks in the workers' hands."""
        self._waiting.extend(tasks)
        while self._running or self._waiting:
            if self.stop.is_set():
                self.left += [task.student for task in self._waiting]
                self._waiting.clear()
            most = ahead()
            while self._waiting and len(self._running) < most:
                task = self._waiting.popleft()
                self._running[self._begin(executor, task)] = task
                self.watcher.started(task)
            ready, _ = wait(self._running, _GLANCE_SECONDS, FIRST_COMPLETED)
            if not ready:
                self.watcher.glance()
            for future in ready:
                made = self._result(executor, future, self._running.pop(future))
                if made is not None:
                    self.done.append(made.outcome)
                    self._latest = time.monotonic()
                    yield made

    def _begin(self, executor: Executor, task: Task) -> Future[Made]:
        earlier = self.earlier(task.student)
        if earlier is None:
            return executor.submit(worker.grade_one, self.settings, task)
        return executor.submit(worker.regrade_one, self.settings, task, earlier)

    def _result(self, executor: Executor, future: Future[Made], task: Task) -> Made | None:
        try:
            made = future.result()
        except concerning_all():
            raise
        except BrokenExecutor:
            self._bury(executor, task)
            return None
        except Exception as error:
            if task.student in self._reasons:
                raise WorkersDie(f"no worker can report that {task.path} was lost") from error
            self._give_up(executor, task, "".join(traceback.format_exception(error)))
            return None
        self._in_vain = 0
        summary = self.shared.of(made.outcome.summary)  # of thousands, all of which are kept
        outcome = msgspec.structs.replace(made.outcome, summary=summary)
        return msgspec.structs.replace(made, outcome=outcome)

    def _bury(self, executor: Executor, task: Task) -> None:
        """Lay a worker's death to the hand-in that it was at, if it had begun it."""
        self._in_vain += 1
        if self._in_vain > DEATHS:
            raise WorkersDie(
                f"{DEATHS} worker processes died one after another. Is there enough memory? "
                "Fewer workers (-j) need less."
            )
        if task.student in self._reasons:
            self._give_up(executor, task, self._reasons[task.student])
            return
        begun = self.settings.begun
        if begun is None or (begun / task.student).exists():
            if begun is not None:
                (begun / task.student).unlink(missing_ok=True)
            self._deaths[task.student] = self._deaths.get(task.student, 0) + 1
        if self._deaths.get(task.student, 0) < ATTEMPTS:
            self._waiting.appendleft(task)
        else:
            self._give_up(executor, task, f"its worker process died {ATTEMPTS} times")

    def _give_up(self, executor: Executor, task: Task, reason: str) -> None:
        """Have a card made that blames the grader."""
        if task.student not in self._reasons:
            self.lost.append(task.student)
        self._reasons[task.student] = reason
        told = f"{task.path}: {reason}"
        self._running[executor.submit(worker.give_up, self.settings, task, told)] = task


def _keep(
    journal: Journal,
    folder: Path,
    material: Material,
    content: Content,
    made: Made,
    decided: str,
) -> None:
    """Write a report and then the line that says so."""
    outcome = made.outcome
    label = _label(content.hash, material.whole)
    journal.keep(outcome.student, None if made.kept is None else label + made.kept)
    write_files(folder / outcome.student, made.files)
    journal.append(
        Finished(
            student=outcome.student,
            content=content.hash,
            stamp=content.stamp,
            material=material.whole,
            seconds=round(outcome.seconds, 4),
            has_error=outcome.has_error,
            summary=outcome.summary,
            decided=decided,
        )
    )
