"""Whatever is killed, whenever: a batch ends with the reports of an undisturbed one."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from grader.grading.batch import Batch
from grader.grading.journal import Busy, Journal
from grader.kernel.processes import descendants, is_running
from tests.grading import quick

ROOT = Path(__file__).parents[2]
KILLS = 50
STUDENTS = 40


class Run:
    """A batch in a process of its own, with what it says of reports that are written."""

    def __init__(self, course: Path, log: Path) -> None:
        self.log = log
        with log.open("ab") as told:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.grading.quick", str(course), "2"],
                cwd=ROOT,
                stdout=told,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def candidates(self) -> dict[str, list[int]]:
        """What could be killed: this process, its workers, and their zygotes."""
        parents: dict[int, int] = {}
        commands: dict[int, bytes] = {}
        for pid in descendants(self.process.pid):
            with contextlib.suppress(OSError):
                commands[pid] = Path(f"/proc/{pid}/cmdline").read_bytes()
                status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
                parents[pid] = int(status.split()[1])
        root = self.process.pid
        workers = [
            pid for pid, of in parents.items() if of == root and b"spawn_main" in commands[pid]
        ]
        zygotes = [p for p, of in parents.items() if of in workers and b"zygote" in commands[p]]
        return {"parent": [root], "worker": workers, "zygote": zygotes}


def kill_one(run: Run, dice: random.Random) -> str | None:
    """Kill a process by chance, the costly ones less often, at work or on its way there."""
    what = dice.choices(("zygote", "worker", "parent"), (5, 3, 2))[0]
    if dice.random() < 0.8:
        size = run.log.stat().st_size  # until another report is finished
        while run.log.stat().st_size == size and run.process.poll() is None:
            time.sleep(0.05)
    time.sleep(dice.uniform(0, 0.6))
    found = run.candidates()[what]
    if run.process.poll() is None and found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(dice.choice(found), signal.SIGKILL)
            return what
    return None


def finished_lines(course: Path) -> list[str]:
    """The student of each journal line that says that a report is finished."""
    students = []
    journal = course / "reports" / quick.SLUG / ".grading" / "journal.jsonl"
    for line in journal.read_bytes().splitlines():
        with contextlib.suppress(msgspec.DecodeError):
            record = msgspec.json.decode(line)
            if record["kind"] == "finished":
                students.append(record["student"])
    return students


def test_fifty_kills_at_random_lose_no_report_and_double_none(tmp_path: Path) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")  # shown when it fails
    dice = random.Random(seed)
    undisturbed = quick.make_course(tmp_path / "undisturbed", STUDENTS)
    quick.grade(undisturbed, 2)
    expected = {s: r.questions for s, r in quick.reports(undisturbed).items()}
    killed: Counter[str] = Counter()
    for number in range(20):
        course = quick.make_course(tmp_path / f"course-{number}", STUDENTS, pause=0.25)
        first_written = _batch_under_fire(course, tmp_path / f"log-{number}", dice, killed)
        folder = course / "reports" / quick.SLUG
        for student, written in first_written.items():
            assert (folder / student / "report.json").stat().st_mtime_ns == written, student
        assert sorted(finished_lines(course)) == sorted(expected)
        assert {s: r.questions for s, r in quick.reports(course).items()} == expected
        assert not list(folder.rglob(".report.json.*"))
        if killed.total() >= KILLS:
            break
    assert killed.total() >= KILLS
    assert min(killed["zygote"], killed["worker"], killed["parent"]) > 0, killed


def _batch_under_fire(
    course: Path, log: Path, dice: random.Random, killed: Counter[str]
) -> dict[str, int]:
    """Kill until there were enough or all is graded; return when each report was written first."""
    written: dict[str, int] = {}
    run = Run(course, log)
    try:
        while True:
            if killed.total() < KILLS:
                if (what := kill_one(run, dice)) is not None:
                    killed[what] += 1
            else:
                run.process.wait(120)
            told = log.read_text().split()
            for student in told:
                path = course / "reports" / quick.SLUG / student / "report.json"
                written.setdefault(student, path.stat().st_mtime_ns)
            if run.process.poll() == 0:
                return written
            if run.process.poll() is not None:
                assert run.process.returncode == -signal.SIGKILL
                run = Run(course, log)
    finally:
        run.process.kill()
        run.process.wait()


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    course = quick.make_course(tmp_path_factory.mktemp("graded") / "course", 4)
    quick.grade(course, 1)
    return course


def counts(batch: Batch) -> tuple[list[str], int]:
    return sorted(outcome.student for outcome in batch.outcomes), len(batch.unchanged)


def test_what_has_not_changed_is_not_graded_again(graded: Path) -> None:
    assert counts(quick.grade(graded, 1)) == ([], 4)
    quick.hand_in(graded / "submissions" / quick.SLUG / "101.ipynb", 8)
    (graded / "reports" / quick.SLUG / "103" / "report.json").unlink()
    assert counts(quick.grade(graded, 1)) == (["101", "103"], 2)


def test_a_torn_line_costs_only_its_own_hand_in(graded: Path) -> None:
    journal = graded / "reports" / quick.SLUG / ".grading" / "journal.jsonl"
    whole = journal.read_bytes().splitlines(keepends=True)
    last = max(place for place, line in enumerate(whole) if b'"kind":"finished"' in line)
    student = msgspec.json.decode(whole[last])["student"]
    earlier = [line for line in whole[:last] if f'"student":"{student}"'.encode() not in line]
    journal.write_bytes(b"".join(earlier) + whole[last][:200])
    assert counts(quick.grade(graded, 1)) == ([student], 3)
    assert counts(quick.grade(graded, 1)) == ([], 4)


@pytest.mark.parametrize(
    "line", [b'{"kind": "\xff\xfe"}', b'{"x":' + b"[" * 100_000, b"\0\0\0", b"[]"]
)
def test_a_line_that_is_no_record_is_passed_over(tmp_path: Path, line: bytes) -> None:
    journal = tmp_path / ".grading" / "journal.jsonl"
    journal.parent.mkdir()
    journal.write_bytes(line + b'\n{"kind":"class","material":"abc"}\n' + line)
    with Journal(tmp_path) as read:
        assert (read.finished, read.class_written) == ({}, "abc")


def test_a_second_batch_on_the_same_reports_is_told_so_and_leaves(graded: Path) -> None:
    folder = graded / "reports" / quick.SLUG
    before = (folder / ".grading" / "journal.jsonl").read_bytes()
    with Journal(folder), pytest.raises(Busy, match=f"process {os.getpid()} on .* is grading"):
        quick.grade(graded, 1)
    assert (folder / ".grading" / "journal.jsonl").read_bytes() == before
    assert counts(quick.grade(graded, 1)) == ([], 4)


def test_a_lock_whose_holder_was_killed_is_no_obstacle(graded: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from grader.grading.journal import Journal\n"
        "journal = Journal(Path(sys.argv[1])); print(journal.scratch, flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    folder = graded / "reports" / quick.SLUG
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False
    )
    scratch = Path(done.stdout.strip())
    assert done.returncode == -signal.SIGKILL
    assert scratch.is_dir()
    quick.grade(graded, 1)
    assert not scratch.exists()


def test_ctrl_c_finishes_what_runs_and_the_same_command_goes_on(tmp_path: Path) -> None:
    course = quick.make_course(tmp_path / "course", 12, pause=0.4)
    log = tmp_path / "log"
    run = Run(course, log)
    while len(log.read_text().split()) < 2:
        assert run.process.poll() is None
        time.sleep(0.02)
    os.killpg(run.process.pid, signal.SIGINT)
    assert run.process.wait(60) == 130
    told = log.read_text().split()
    assert 2 < len(told) < 12
    assert sorted(finished_lines(course)) == sorted(told)
    again = quick.grade(course, 2)
    assert counts(again)[1] == len(told)
    assert set(quick.reports(course)) == {str(100 + n) for n in range(12)}


def test_ctrl_c_twice_leaves_at_once_and_no_process_stays(tmp_path: Path) -> None:
    course = quick.make_course(tmp_path / "course", 4, pause=30)
    run = Run(course, tmp_path / "log")
    while not (found := run.candidates())["zygote"]:
        assert run.process.poll() is None
        time.sleep(0.02)
    started = found["worker"] + found["zygote"]
    run.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(20) == 130
    deadline = time.monotonic() + 20
    while any(map(is_running, started)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in started if is_running(pid)]
