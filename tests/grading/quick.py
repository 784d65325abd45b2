"""The quick course and its hand-ins, graded in a process of its own with no torch to wait for.

Run as ``python -m tests.grading.quick COURSE WORKERS``, which grades all of COURSE's hand-ins.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import threading
from functools import partial
from pathlib import Path

from grader.cli.console import INTERRUPTED, messages
from grader.cli.progress import interruptible
from grader.course.assignment import read_assignment
from grader.course.course import read_course
from grader.grading.batch import Batch, Watcher, grade_batch
from grader.grading.executor import LocalWorkers
from grader.grading.records import Outcome, Settings
from grader.notebook import list_submissions
from grader.report import Report, from_json
from tests.kernel.without_torch import hide_torch

COURSE = Path(__file__).parents[1] / "quick_course"
SLUG = "quick"


def make_course(root: Path, students: int, pause: float = 0.0) -> Path:
    """Copy the course to `root`, with hand-ins that differ."""
    shutil.copytree(COURSE, root, ignore=shutil.ignore_patterns("__pycache__"))
    folder = root / "submissions" / SLUG
    folder.mkdir(parents=True)
    for number in range(students):
        hand_in(folder / f"{100 + number}.ipynb", number, pause)
    return root


def hand_in(path: Path, number: int, pause: float = 0.0) -> None:
    """Write a notebook whose answers depend on its number, and which sleeps for `pause` seconds."""
    cells = [
        f"import time\ntime.sleep({pause})\nprint(time.time_ns())\nvalues = [1.0, 2.0, {4 + number % 3}]\ntotal = sum(values)",
        "mean = total / 3" if number % 2 else "mean = undefined_name",
        f"def double(x):\n    return {2 if number % 4 else 3} * x",
    ]
    document = {
        "cells": [
            {
                "cell_type": "code",
                "id": f"c{place}",
                "execution_count": None,
                "metadata": {},
                "outputs": [],
                "source": source,
            }
            for place, source in enumerate(cells)
        ],
        "metadata": {"kernelspec": {"name": "python3", "language": "python", "display_name": "P"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.write_text(json.dumps(document), "utf-8")


def prepare(scratch: str) -> None:
    """Hide torch from the zygotes of this process, which run without a cage."""
    hide_torch(tempfile.mkdtemp(dir=scratch))


def grade(
    root: Path,
    workers: int,
    watcher: Watcher | None = None,
    stop: threading.Event | None = None,
    *,
    force: bool = False,
) -> Batch:
    """Grade all hand-ins of the course in `root`."""
    course = read_course(root)
    return grade_batch(
        course,
        read_assignment(course, SLUG),
        Settings(root, SLUG, caged=False),
        list_submissions(root / "submissions", SLUG),
        root / "reports",
        workers=workers,
        force=force,
        watcher=watcher,
        stop=stop,
        executor=partial(LocalWorkers, prepare=prepare),
    )


def reports(root: Path) -> dict[str, Report]:
    """All reports, without what was measured."""
    found = (root / "reports" / SLUG).glob("*/report.json")
    return {p.parent.name: from_json(p.read_bytes()).without_timings() for p in found}


class _Telling(Watcher):
    def finished(self, outcome: Outcome) -> None:
        print(outcome.student, flush=True)


if __name__ == "__main__":
    with interruptible(messages) as stopping:
        done = grade(Path(sys.argv[1]), int(sys.argv[2]), _Telling(), stopping)
    sys.exit(INTERRUPTED if done.left else 0)
