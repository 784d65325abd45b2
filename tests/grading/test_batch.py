"""A batch goes on whatever happens to its workers, and blames nobody for what is not theirs."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import nbformat
import pytest

from grader.course.assignment import read_assignment
from grader.course.course import read_course
from grader.grading import batch
from grader.grading.executor import LocalWorkers
from grader.grading.release import solution
from grader.grading.worker import Outcome, Settings, Task, grade_one
from grader.report import from_json


@pytest.fixture
def three(course: Path) -> dict[str, Path]:
    read = read_course(course)
    notebook = solution(read_assignment(read, "warmup"), read.languages)
    folder = course / "submissions" / "warmup"
    folder.mkdir(parents=True)
    for student in ("1", "2", "3"):
        nbformat.write(notebook, folder / f"{student}.ipynb")
    return {student: folder / f"{student}.ipynb" for student in ("1", "2", "3")}


def grade(root: Path, submissions: dict[str, Path], workers: int = 2, **more: Any) -> batch.Batch:
    read = read_course(root)
    assignment = read_assignment(read, "warmup")
    return batch.grade_batch(
        read,
        assignment,
        Settings(root, "warmup"),
        submissions,
        root / "reports",
        workers=workers,
        **more,
    )


class _Replacing(LocalWorkers):
    """Workers that are handed something else instead of one student's hand-in."""

    def __init__(self, workers: int, scratch: Path, instead: Callable[..., Outcome]) -> None:
        super().__init__(workers, scratch)
        self.instead = instead
        self.calls = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        if fn is grade_one and args[1].student == "2":
            self.calls += 1
            fn = self.instead
        return super().submit(fn, *args, **kwargs)


def test_a_deadly_hand_in_costs_itself_only(course: Path, three: dict[str, Path]) -> None:
    pools: list[_Replacing] = []

    def executor(workers: int, scratch: Path) -> Executor:
        pools.append(_Replacing(workers, scratch, _die))
        return pools[-1]

    done = grade(course, three, executor=executor)
    assert done.lost == ["2"]
    assert pools[0].calls == batch.ATTEMPTS
    assert sorted(outcome.student for outcome in done.outcomes) == ["1", "2", "3"]
    report = from_json((course / "reports" / "warmup" / "2" / "report.json").read_bytes())
    assert report.has_error
    assert report.score.pending == 14
    assert {s.student for s in done.summaries} == {"1", "2", "3"}


def _die(settings: Settings, task: Task) -> Outcome:
    assert settings.begun is not None
    (settings.begun / task.student).touch()
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def test_a_bug_under_one_hand_in_is_reported_and_the_batch_goes_on(
    course: Path, three: dict[str, Path]
) -> None:
    done = grade(course, three, workers=1, executor=lambda n, s: _Replacing(n, s, _fail))
    assert done.lost == ["2"]
    assert [outcome.has_error for outcome in done.outcomes].count(True) == 1
    folder = course / "reports" / "warmup" / "2"
    assert "ZeroDivisionError" in (folder / "errors.txt").read_text("utf-8")
    assert (folder / "feedback.html").is_file()


def _fail(settings: Settings, task: Task) -> Outcome:
    raise ZeroDivisionError


def test_reports_do_not_depend_on_the_number_of_workers(
    course: Path, three: dict[str, Path]
) -> None:
    reports = []
    for workers in (1, 3):
        grade(course, three, workers=workers, force=True)
        reports.append(
            [
                from_json((course / "reports" / "warmup" / s / "report.json").read_bytes())
                for s in three
            ]
        )
    first, second = ([r.without_timings() for r in found] for found in reports)
    assert first == second
