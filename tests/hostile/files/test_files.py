"""Files that do harm: each ends in a card that says what happened, and costs no other hand-in."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from grader.course.assignment import read_assignment
from grader.course.course import read_course
from grader.grading.release import solution
from tests.hostile.files.hand_ins import HAND_INS
from tests.hostile.notebooks import COURSE

ROOT = Path(__file__).parents[3]
SLUG = "cage"
MEMORY = 768
"""MiB that any hand-in may cost the worker, beyond what an honest one takes."""
CARD = 2 << 20
"""Bytes that a card or a report may have, whatever was handed in."""


class Worker:
    """A worker in a process of its own, and the reports that it writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reports = folder / "reports"
        command = [sys.executable, "-m", "tests.hostile.files.worker"]
        self._process = subprocess.Popen(
            [*command, str(COURSE), SLUG, str(self.reports)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        course = read_course(COURSE)
        notebook = solution(read_assignment(course, SLUG), course.languages)
        self.notebook = nbformat.writes(notebook).encode()
        self._honest = folder / "honest.ipynb"
        self._honest.write_bytes(self.notebook)
        self.first = self.honest()
        self.memory = self.peak(self._honest, "honest")

    def peak(self, path: Path, student: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([student, str(path)]), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def report(self, student: str) -> dict[str, Any]:
        path = self.reports / SLUG / student / "report.json"
        read: dict[str, Any] = json.loads(path.read_bytes())
        return read

    def honest(self) -> dict[str, Any]:
        self.peak(self._honest, "honest")
        report = self.report("honest")
        return {key: report[key] for key in ("score", "warnings")}

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    made = Worker(tmp_path_factory.mktemp("files"))
    yield made
    made.close()


def plain(card: str) -> str:
    """What a card says, without tags and invisible marks."""
    text = html.unescape(re.sub(r"<(style|script).*?</\1>|<[^>]+>", "", card, flags=re.DOTALL))
    return re.sub(r"[\u200e\u200f\u2066-\u2069]", "", " ".join(text.split()))


def test_there_are_enough_of_them() -> None:
    assert len(HAND_INS) >= 15


@pytest.mark.parametrize("name", HAND_INS)
def test_it_ends_in_a_card_that_says_what_happened(worker: Worker, name: str) -> None:
    attack = HAND_INS[name]
    home = worker.folder / name
    home.mkdir()
    path = attack.make(home, worker.notebook)
    before = {p for p in worker.folder.rglob("*") if worker.reports not in p.parents}

    took = worker.peak(path, name) - worker.memory
    assert took < MEMORY
    report = worker.report(name)
    assert {w["id"] for w in report["warnings"]} >= attack.notices
    points = report["score"]["points"]
    assert points == (worker.first["score"]["max_points"] if attack.graded else 0)
    verdicts = {p["verdict"] for q in report["questions"] for p in q["parts"]}
    assert verdicts == ({"passed"} if attack.graded else {"missing"})
    if not attack.graded:
        assert report["warnings"]

    folder = worker.reports / SLUG / name
    card = (folder / "feedback.html").read_text("utf-8")
    said = plain(card)
    for warning in report["warnings"]:
        assert plain(warning["text"]["en"]) in said
    assert len(card.encode()) < CARD
    assert (folder / "report.json").stat().st_size < CARD
    assert {p.name for p in folder.iterdir()} == {"feedback.html", "report.json"}

    after = {p for p in worker.folder.rglob("*") if worker.reports not in p.parents}
    assert after == before, "nothing was unpacked anywhere"
    assert not (worker.folder.parent / "up.txt").exists()
    assert not Path("/tmp/up.txt").exists()
    shutil.rmtree(home)
    assert worker.honest() == worker.first
