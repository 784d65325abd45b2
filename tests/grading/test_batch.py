"""A batch goes on whatever happens to its workers, and blames nobody for what is not theirs."""

from __future__ import annotations

import os
import signal
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import nbformat
import pytest

from grader.course.assignment import read_assignment
from grader.course.course import read_course
from grader.grading import batch
from grader.grading.release import solution
from grader.grading.worker import Outcome, Settings, Task
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


def grade(root: Path, submissions: dict[str, Path], workers: int = 2) -> batch.Batch:
    read = read_course(root)
    settings = Settings(root, "warmup", root / "reports")
    assignment = read_assignment(read, "warmup")
    return batch.grade_batch(read, assignment, settings, submissions, workers=workers)


def test_a_deadly_hand_in_costs_itself_only(
    course: Path, three: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: dict[str, int] = {}
    genuine = batch.local_executor

    def executor(workers: int) -> Executor:
        pool = genuine(workers)
        submit = pool.submit

        def submit_or_die(function: Any, settings: Any, task: Task) -> Future[Outcome]:
            calls[task.student] = calls.get(task.student, 0) + 1
            if task.student == "2":
                return submit(_die)  # type: ignore[arg-type]
            return submit(function, settings, task)

        pool.submit = submit_or_die  # type: ignore[method-assign, assignment]
        return pool

    monkeypatch.setattr(batch, "local_executor", executor)
    done = grade(course, three)
    assert done.lost == ["2"]
    assert calls["2"] == batch.ATTEMPTS
    assert sorted(outcome.student for outcome in done.outcomes) == ["1", "3"]
    report = from_json((course / "reports" / "warmup" / "2" / "report.json").read_bytes())
    assert report.has_error
    assert report.score.pending == 14
    assert {s.student for s in done.summaries} == {"1", "2", "3"}


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_bug_under_one_hand_in_is_reported_and_the_batch_goes_on(
    course: Path, three: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "grade_one", _fail_for_two)
    done = grade(course, three, workers=1)
    assert done.lost == ["2"]
    assert len(done.outcomes) == 2
    folder = course / "reports" / "warmup" / "2"
    assert "ZeroDivisionError" in (folder / "errors.txt").read_text("utf-8")
    assert (folder / "feedback.html").is_file()


def _fail_for_two(settings: Settings, task: Task) -> Outcome:
    from grader.grading.worker import grade_one

    if task.student == "2":
        raise ZeroDivisionError
    return grade_one(settings, task)


def test_reports_do_not_depend_on_the_number_of_workers(
    course: Path, three: dict[str, Path]
) -> None:
    reports = []
    for workers in (1, 3):
        grade(course, three, workers=workers)
        reports.append(
            [
                from_json((course / "reports" / "warmup" / s / "report.json").read_bytes())
                for s in three
            ]
        )
    first, second = ([r.without_timings() for r in found] for found in reports)
    assert first == second
