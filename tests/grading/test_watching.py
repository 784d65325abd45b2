"""``grader check --watch``, as a student leaves it running beside the notebook."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from typer.testing import CliRunner

from grader.cli import app
from grader.cli.console import Stop
from grader.course.assignment import read_assignment
from grader.course.course import read_course
from grader.grading.release import skeleton, solution
from tests.grading.conftest import WARMUP

PATIENCE = 120.0
WAITING = "Waiting for the next save of warmup.ipynb"


class Watching:
    """The command at work."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def shown(self, last: str = WAITING) -> str:
        """Return what is printed up to the line that holds `last`, however wide the terminal."""
        text = ""
        while last not in text:
            text += self._lines.get(timeout=PATIENCE)
        return " ".join(text.split())


@contextmanager
def watching(notebook: Path, *options: str) -> Iterator[Watching]:
    command = [sys.executable, "-m", "grader.cli", "check", str(notebook), "--watch"]
    process = subprocess.Popen(
        [*command, "--course", str(WARMUP), "--language", "en", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        # Tests that run in the background of a shell are started with Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    try:
        yield Watching(process)
    finally:
        process.kill()
        process.wait()


def processes_below(pid: int) -> set[int]:
    found: set[int] = set()
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            found |= {child} | processes_below(child)
    return found


def come_true(what: Callable[[], bool]) -> bool:
    """Wait for something that happens soon after what is waited for."""
    late = time.monotonic() + PATIENCE
    while not (happened := what()) and time.monotonic() < late:
        time.sleep(0.05)
    return happened


def test_each_save_is_checked_in_one_warm_process_until_ctrl_c(tmp_path: Path) -> None:
    course = read_course(WARMUP)
    assignment = read_assignment(course, "warmup")
    notebook, card = tmp_path / "warmup.ipynb", tmp_path / "card.html"
    nbformat.write(skeleton(assignment, "en", course.languages), notebook)
    with watching(notebook, "--html", str(card)) as watch:
        first = watch.shown()
        assert "checked at" in first
        assert "All public checks passed." not in first
        first_card = card.read_bytes()
        warm = processes_below(watch.process.pid)
        assert warm
        saved = tmp_path / ".saved"
        nbformat.write(solution(assignment, course.languages), saved)
        saved.replace(notebook)
        second = watch.shown()
        assert "All public checks passed." in second
        assert card.read_bytes() != first_card
        assert processes_below(watch.process.pid) & warm
        notebook.write_text("<<<<<<< HEAD", "utf-8")
        assert "All public checks passed." not in watch.shown()
        nbformat.write(solution(assignment, course.languages), notebook)
        assert "All public checks passed." in watch.shown()
        left = processes_below(watch.process.pid)
        watch.process.send_signal(signal.SIGINT)
        assert watch.process.wait(PATIENCE) == 0
    assert come_true(lambda: not any(Path(f"/proc/{pid}").exists() for pid in left))


def test_ctrl_c_ends_a_check_whose_cell_does_not(tmp_path: Path) -> None:
    notebook, begun = tmp_path / "warmup.ipynb", tmp_path / "begun"
    cell = f"open({str(begun)!r}, 'w').close()\nwhile True: pass"
    cells = [nbformat.v4.new_code_cell(cell)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), notebook)
    with watching(notebook) as watch:
        assert come_true(begun.exists)
        left = processes_below(watch.process.pid)
        watch.process.send_signal(signal.SIGINT)
        assert watch.process.wait(PATIENCE) == 130
        assert "Traceback" not in "".join(watch._lines.queue)
    assert come_true(lambda: not any(Path(f"/proc/{pid}").exists() for pid in left))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["check", "--watch", "."], "--watch needs the notebook itself, and . is no file"),
        (["check", "--language", "de", "."], "the course does not speak de, but: fa, en"),
        (["grade", "--language", "de"], "the course does not speak de, but: fa, en"),
    ],
)
def test_what_cannot_be_watched_or_spoken_is_said(arguments: list[str], told: str) -> None:
    done = CliRunner().invoke(app, [*arguments, "--course", str(WARMUP)])
    assert isinstance(done.exception, Stop)
    assert done.exception.code == 2
    assert told in " ".join(done.output.split())
