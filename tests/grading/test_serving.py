"""Workers that a server keeps grade as a command's own do, and never from what is out of date."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from grader.course.assignment import read_assignment
from grader.course.course import read_course
from grader.grading import serving
from grader.grading.batch import Batch, Watcher, grade_batch
from grader.grading.executor import LocalWorkers
from grader.grading.marks import Book, CriterionMark, PartMarks, write_book
from grader.grading.records import Outcome, Settings
from grader.grading.serving import (
    NoPlace,
    NotServed,
    ServedWorkers,
    Server,
    address_of,
    find_server,
)
from grader.notebook import list_submissions
from tests.grading import quick
from tests.grading.test_command_line import grader


@pytest.fixture(autouse=True)
def runtime_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short place for sockets that no other test looks into."""
    with tempfile.TemporaryDirectory(prefix="k-") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)


@pytest.fixture
def course(tmp_path: Path) -> Path:
    return quick.make_course(tmp_path / "course", 4)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many workers servers started, each time that they started any."""
    counts: list[int] = []

    class Counted(LocalWorkers):
        def __init__(
            self, workers: int, scratch: Path, prepare: Callable[[str], None] | None = None
        ) -> None:
            counts.append(workers)
            super().__init__(workers, scratch, prepare or quick.prepare)

    monkeypatch.setattr(serving, "LocalWorkers", Counted)
    return counts


def settings(root: Path) -> Settings:
    return Settings(root, quick.SLUG, caged=False)


@contextmanager
def serving_of(root: Path, workers: int = 1) -> Iterator[Server]:
    with serving.server(settings(root), workers, prepare=quick.prepare) as made:
        thread = threading.Thread(target=made.serve)
        thread.start()
        yield made
    thread.join(10)
    assert not thread.is_alive()
    assert not made.address.exists()


def grade(root: Path, watcher: Watcher | None = None) -> Batch:
    served = find_server(settings(root))
    assert served is not None
    course = read_course(root)
    return grade_batch(
        course,
        read_assignment(course, quick.SLUG),
        settings(root),
        list_submissions(root / "submissions", quick.SLUG),
        root / "reports",
        workers=2,
        force=True,
        watcher=watcher,
        executor=partial(ServedWorkers, served),
    )


def verdicts(root: Path) -> dict[str, list[str]]:
    return {
        student: [c.verdict for q in r.questions for part in q.parts for c in part.checks]
        for student, r in quick.reports(root).items()
    }


def test_reports_are_those_of_a_commands_own_workers(course: Path, started: list[int]) -> None:
    quick.grade(course, 1)
    alone = verdicts(course)
    with serving_of(course):
        for _ in range(2):
            assert len(grade(course).outcomes) == 4
            assert verdicts(course) == alone
    assert started == [1]


def test_a_changed_check_is_not_judged_by_what_it_was(course: Path, started: list[int]) -> None:
    check = course / "assignments" / quick.SLUG / "test_quick.py"
    with serving_of(course):
        grade(course)
        before = verdicts(course)
        check.write_text(
            check.read_text().replace(
                "NUMBERS = np.array([1.0, 2.0, 4.0])", "NUMBERS = np.array([9.0])"
            )
        )
        grade(course)
        after = verdicts(course)
    assert started == [1, 1]
    assert before != after
    quick.grade(course, 1, force=True)
    assert verdicts(course) == after


def test_marks_given_meanwhile_count_and_start_nothing_afresh(
    course: Path, started: list[int]
) -> None:
    with serving_of(course):
        grade(course)
        mark = PartMarks(answer="", criteria={"reason": CriterionMark(points=Decimal(1))})
        write_book(course, Book(assignment=quick.SLUG, students={"100": {"numbers/why": mark}}))
        grade(course)
    marked = quick.reports(course)["100"].questions[0].parts[-1]
    assert (marked.points, started) == (1, [1])


def test_a_batch_goes_on_with_its_own_workers_when_the_server_ends(
    course: Path, started: list[int]
) -> None:
    class Ending(Watcher):
        def finished(self, outcome: Outcome) -> None:
            served.close()

    quick.grade(course, 1)
    alone = verdicts(course)
    with serving_of(course) as served:
        batch = grade(course, Ending())
    assert len(batch.outcomes) == 4
    assert not batch.lost
    assert verdicts(course) == alone
    assert started[0] == 1
    assert len(started) == 2


def test_a_worker_killed_under_a_hand_in_is_replaced(course: Path) -> None:
    class Killing(Watcher):
        killed = False

        def finished(self, outcome: Outcome) -> None:
            if not self.killed:
                self.killed = True
                (pool,) = served.renew()._pools
                assert pool is not None
                for pid in pool._processes:
                    os.kill(pid, signal.SIGKILL)

    with serving_of(course) as served:
        batch = grade(course, Killing())
    assert len(batch.outcomes) == 4
    assert not batch.lost


def test_one_command_at_a_time_is_served(course: Path) -> None:
    with serving_of(course):
        first = find_server(settings(course))
        assert first is not None
        workers = ServedWorkers(first, 1, course)
        second = find_server(settings(course))
        assert second is not None
        with pytest.raises(NotServed, match="at work for another"):
            ServedWorkers(second, 1, course)
        workers.shutdown()
        with pytest.raises(NotServed, match="served already"):
            Server(settings(course), 1)


@pytest.mark.parametrize("name", ["engine_hash", "environment_hash"])
def test_another_engine_or_other_packages_are_not_served(
    course: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    class Changed:
        def cache_clear(self) -> None:
            pass

        def __call__(self) -> str:
            return "another"

    with serving_of(course):
        monkeypatch.setattr(serving, name, Changed())
        served = find_server(settings(course))
        assert served is not None
        with pytest.raises(NotServed, match="others than the server's"):
            ServedWorkers(served, 1, course)


def test_other_settings_have_another_server(course: Path) -> None:
    with serving_of(course):
        assert find_server(Settings(course, quick.SLUG, caged=True)) is None
        assert find_server(Settings(course, "other", caged=False)) is None


def test_what_a_killed_server_left_behind_is_in_nobodys_way(course: Path) -> None:
    address_of(settings(course)).touch()
    assert find_server(settings(course)) is None
    with serving_of(course):
        assert find_server(settings(course)) is not None


@pytest.mark.parametrize("mode", [0o755, 0o720])
def test_no_socket_lies_where_others_may_go(course: Path, runtime_folder: Path, mode: int) -> None:
    folder = runtime_folder / f"karnameh-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    folder.chmod(mode)
    with pytest.raises(NoPlace, match="chmod 700"):
        address_of(settings(course))
    assert find_server(settings(course)) is None


def test_a_place_that_cannot_be_made_is_told(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(course / "missing"))
    with pytest.raises(NoPlace, match="XDG_RUNTIME_DIR"):
        address_of(settings(course))
    assert find_server(settings(course)) is None


def test_a_link_to_such_a_folder_is_none(course: Path, runtime_folder: Path) -> None:
    (runtime_folder / "mine").mkdir(mode=0o700)
    (runtime_folder / f"karnameh-{os.getuid()}").symlink_to(runtime_folder / "mine")
    with pytest.raises(NoPlace):
        address_of(settings(course))


def test_only_entries_of_a_worker_are_called(course: Path) -> None:
    with serving_of(course):
        served = find_server(settings(course))
        assert served is not None
        with (
            ServedWorkers(served, 1, course) as workers,
            pytest.raises(TypeError, match="does not call"),
        ):
            workers.submit(os.getpid)


def test_the_command_finds_what_another_keeps(course: Path) -> None:
    common = ("--course", course, "--no-cage")
    command = [sys.executable, "-m", "grader.cli", "serve", quick.SLUG, *map(str, common)]
    keeping = subprocess.Popen([*command, "-j", "1"], stderr=subprocess.PIPE, text=True)
    assert keeping.stderr is not None
    assert "warm (workers: 1)" in keeping.stderr.readline()
    done = grader("grade", quick.SLUG, *common)
    assert done.returncode == 0, done.stderr
    assert "4 graded" in done.stderr
    assert "not served" not in done.stderr
    check = course / "assignments" / quick.SLUG / "test_quick.py"
    check.write_text(check.read_text() + "\n\nbroken = undefined\n")
    done = grader("grade", quick.SLUG, *common)
    assert done.returncode == 2
    assert "not served: the server's workers do not start" in done.stderr
    assert "undefined" in done.stderr
    keeping.send_signal(signal.SIGTERM)
    started = time.monotonic()
    assert keeping.wait(20) == 0, keeping.stderr.read()
    assert time.monotonic() - started < 20
    assert find_server(settings(course)) is None
