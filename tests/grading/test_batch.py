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
from grader.grading.records import Made, Settings, Task
from grader.grading.release import solution
from grader.grading.worker import grade_one
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


def grade(
    root: Path,
    submissions: dict[str, Path],
    workers: int = 2,
    settings: Settings | None = None,
    **more: Any,
) -> batch.Batch:
    read = read_course(root)
    assignment = read_assignment(read, "warmup")
    return batch.grade_batch(
        read,
        assignment,
        settings or Settings(root, "warmup"),
        submissions,
        root / "reports",
        workers=workers,
        **more,
    )


class _Replacing(LocalWorkers):
    """Workers that are handed something else instead of one student's hand-in."""

    def __init__(self, workers: int, scratch: Path, instead: Callable[..., Made]) -> None:
        super().__init__(workers, scratch)
        self.instead = instead
        self.calls = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        if fn is grade_one and args[1].student == "2":
            self.calls += 1
            fn = self.instead
        return super().submit(fn, *args, **kwargs)


@pytest.mark.parametrize(("seconds", "started"), [(1000.0, 1), (1e-9, 2)])
def test_another_worker_is_started_only_for_more_work_than_that_takes(
    course: Path,
    three: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    started: int,
) -> None:
    pools: list[LocalWorkers] = []

    def executor(workers: int, scratch: Path) -> Executor:
        pools.append(LocalWorkers(workers, scratch))
        return pools[0]

    monkeypatch.setattr(batch, "START_SECONDS", seconds)
    done = grade(course, three, thrifty=True, executor=executor)
    assert len(done.outcomes) == 3
    assert pools[0].started == started


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


def _die(settings: Settings, task: Task) -> Made:
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


def _fail(settings: Settings, task: Task) -> Made:
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


def test_hand_in_times_marks_and_roster_change_the_cards_and_nothing_runs_again(
    course: Path, three: dict[str, Path]
) -> None:
    path = course / "course.toml"
    late = '\n[late]\npolicy = "grace-then-linear"\npercent_per_day = 50\n'
    path.write_text(f'roster = "roster.csv"\n{path.read_text("utf-8")}{late}', "utf-8")
    (course / "roster.csv").write_text("id,name\n1,Sara\n2,Ali\n4,Mina\n", "utf-8")
    received = course / "submissions" / "warmup" / "received.csv"

    def graded(times: str) -> tuple[batch.Batch, dict[str, float]]:
        received.write_text(f"id,received\n{times}", "utf-8")
        settings = Settings(course, "warmup", submissions=course / "submissions")
        done = grade(course, three, workers=1, settings=settings)
        reports = {
            s: from_json((course / "reports" / "warmup" / s / "report.json").read_bytes())
            for s in three
        }
        return done, {student: report.score.penalty for student, report in reports.items()}

    done, penalties = graded("1,2026-02-01 11:59\n")
    assert penalties == {"1": 3.0, "2": 0, "3": 0}  # half a day: a quarter of 12 points
    assert [(s.student, s.name, s.handed_in, s.on_roster) for s in done.summaries] == [
        ("1", "Sara", True, True),
        ("2", "Ali", True, True),
        ("3", "", True, False),
        ("4", "Mina", False, True),
    ]
    done, penalties = graded("1,2026-01-31 11:59\n2,2026-02-05 00:00\n")
    assert not done.outcomes
    assert penalties == {"1": 0, "2": 12.0, "3": 0}
    assert [s.score.final for s in done.summaries] == [12.0, 0.0, 12.0, 0.0]
    page = (course / "reports" / "warmup" / "index.html").read_text("utf-8")
    assert "Mina" in page
    assert "4/feedback.html" not in page
