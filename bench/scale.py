"""A class of any size: what each hand-in costs, what a second run costs, what a cluster would need.

    python bench/scale.py                 # 10, 100 and 1,000 hand-ins
    python bench/scale.py 10 100          # these
    python bench/scale.py 10 --copies 1000 10000    # and a second run over so many copies of it
    python bench/scale.py --simulate      # the cost model only, from the figures given as options

Hand-ins are made of the samples of an assignment, each with variables and values of its own, so
that no two are alike. Each size is graded three times: all of it, again with nothing changed, and
with one check changed. CPU time and memory are those of all processes together.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from metering import Used, measure

from grader.grading.content import content_of
from grader.grading.journal import Journal
from grader.grading.records import Files, write_files
from grader.notebook import find_notebook

ROOT = Path(__file__).resolve().parents[1]
SLUG = "hw4_convnets"
ENDLESS = "99108901"
"""The sample that never ends: each copy would cost the limit of a cell, the student's own 20 s."""


def make_class(folder: Path, size: int) -> None:
    """Write `size` hand-ins below `folder`, made of the samples, no two of them alike."""
    samples = []
    for path in sorted((ROOT / "submissions" / SLUG).iterdir()):
        if path.stem == ENDLESS:
            continue
        found = find_notebook(path, SLUG)
        try:
            samples.append((json.loads(found.notebook), found.files))
        except ValueError:  # a sample that is no notebook
            continue
    dice = random.Random(size)
    for number in range(size):
        document, files = samples[number % len(samples)]
        values = [round(dice.uniform(-9, 9), 4) for _ in range(12)]
        source = (
            f"import numpy as np\nteam_{number} = {number}\n"
            f"draft_{number} = np.array({values}).reshape(3, 4)\nnote = 'hand-in {number}'"
        )
        cell = {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": source,
        }
        target = folder / f"9{number:07d}"
        target.mkdir(parents=True)
        cells = [cell, *document.get("cells", [])]
        text = json.dumps({**document, "cells": cells}, ensure_ascii=False)
        (target / f"{SLUG}.ipynb").write_text(text, "utf-8")
        for file in files:
            path = target / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.data)


def copy_course(target: Path) -> None:
    """Copy what grading needs, so that a check can be changed."""
    target.mkdir()
    shutil.copy2(ROOT / "course.toml", target)
    for name in ("assignments", "reference"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, target / name, ignore=ignored)
    for path in ROOT.glob("*.csv"):
        shutil.copy2(path, target)


def change_one_check(course: Path) -> str:
    """Change one check by a statement that changes nothing of what it finds; return its name."""
    for path in sorted((course / "assignments" / SLUG).glob("test_*.py")):
        lines = path.read_text("utf-8").splitlines()
        for place, line in enumerate(lines):
            if line.startswith("def test_") and line.endswith(":"):
                lines.insert(place + 1, "    assert __name__")
                path.write_text("\n".join(lines) + "\n", "utf-8")
                return line[4:].partition("(")[0]
    raise LookupError("no check found")


class Bench:
    """One class in a folder, graded again and again."""

    def __init__(self, folder: Path, size: int, workers: int) -> None:
        self.size = size
        self.course = folder / "course"
        self.log = folder / "log"
        self.workers = workers
        copy_course(self.course)
        make_class(self.course / "submissions" / SLUG, size)

    def grade(self) -> Used:
        """Grade with the command as it is; raise if it fails otherwise than by a low score."""
        command = [
            *(sys.executable, "-m", "grader.cli", "grade", SLUG),
            *("--course", str(self.course), "-j", str(self.workers)),
        ]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return measure([command], folder=ROOT, environment=environment, log=self.log)

    def seconds(self) -> list[float]:
        """What each hand-in took a worker."""
        journal = self.course / "reports" / SLUG / ".grading" / "journal.jsonl"
        records = map(json.loads, journal.read_text("utf-8").splitlines())
        return [r["seconds"] for r in records if r["kind"] == "finished"]

    def writing(self) -> float:
        """Seconds that one report takes to be written."""
        folder = self.course / "reports" / SLUG
        paths = sorted(folder.glob("*/report.json"))[:20]
        with tempfile.TemporaryDirectory(dir=self.course) as scratch:
            started = os.times().elapsed
            for path in paths:
                card = (path.parent / "feedback.html").read_bytes()
                write_files(Path(scratch, path.parent.name), Files(path.read_bytes(), card, None))
            return (os.times().elapsed - started) / len(paths)


def copy_graded(bench: Bench, size: int) -> None:
    """Make copies of graded hand-ins, with their reports and what the journal says of them."""
    submissions = bench.course / "submissions" / SLUG
    reports = bench.course / "reports" / SLUG
    with Journal(reports) as journal:
        there = [journal.finished[student] for student in sorted(journal.finished)]
        copies = {f"8{number:07d}": there[number % len(there)] for number in range(size)}
        for student, past in copies.items():
            shutil.copytree(submissions / past.student, submissions / student)
            shutil.copytree(reports / past.student, reports / student)
        time.sleep(3)  # files as young as these are read again rather than trusted
        for student, past in copies.items():
            content = content_of(submissions / student)
            summary = msgspec.structs.replace(past.summary, student=student)
            journal.append(
                msgspec.structs.replace(
                    past,
                    student=student,
                    content=content.hash,
                    stamp=content.stamp,
                    summary=summary,
                )
            )


def simulate(
    seconds: Sequence[float], count: int, workers: int, *, start: float, writing: float
) -> float:
    """Return the hours until `count` hand-ins are graded and written.

    Their times are drawn from `seconds`, the longest are handed out first, every worker takes
    `start` seconds to warm up, and one process writes what all of them make.
    """
    dice = random.Random(count)
    tasks = sorted(dice.choices(seconds, k=count), reverse=True)
    free = [start] * workers
    heapq.heapify(free)
    writer = 0.0
    for task in tasks:
        done = heapq.heappop(free) + task
        heapq.heappush(free, done)
        writer = max(writer + writing, done)
    return max(writer, *free) / 3600


def print_simulation(
    seconds: Sequence[float], count: int, *, start: float, writing: float, memory: float
) -> None:
    """Print what `count` hand-ins need of clusters of several sizes."""
    mean = statistics.fmean(seconds)
    print()
    print(
        f"{count:,} hand-ins, {mean:.2f} s each on a worker (longest {max(seconds):.1f} s), "
        f"{start:.0f} s to warm up, {1000 * writing:.1f} ms to write"
    )
    print(f"  {'workers':>8} {'memory':>10} {'hours':>8} {'worker hours':>14}")
    for workers in (2, 16, 64, 256, 1024):
        hours = simulate(seconds, count, workers, start=start, writing=writing)
        print(
            f"  {workers:>8} {workers * memory / 1024:>7.0f} GiB {hours:>8.2f} "
            f"{workers * hours:>14.1f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="*", type=int, default=[10, 100, 1000])
    parser.add_argument("--copies", nargs="+", type=int, default=[], help="graded copies, too")
    parser.add_argument("-j", "--workers", type=int, default=2)
    parser.add_argument("--simulate", action="store_true", help="only the cost model")
    parser.add_argument("--count", type=int, default=100_000, help="hand-ins of the cost model")
    parser.add_argument("--seconds", type=float, default=0.3, help="of one hand-in, for it")
    parser.add_argument("--start", type=float, default=6.0, help="seconds a worker warms up")
    parser.add_argument("--writing", type=float, default=0.005, help="seconds to write a report")
    parser.add_argument("--memory", type=float, default=900, help="MiB of a worker")
    given = parser.parse_args()
    if given.simulate:
        dice = random.Random(0)
        spread = [given.seconds * dice.lognormvariate(-0.32, 0.8) for _ in range(1000)]
        print_simulation(
            spread, given.count, start=given.start, writing=given.writing, memory=given.memory
        )
        return
    header = ("hand-ins", "run", "wall s", "each ms", "CPU ms", "a second", "peak MiB")
    print("".join(f"{title:>12}" for title in header), flush=True)
    for size in given.sizes:
        with tempfile.TemporaryDirectory(prefix="karnameh-scale-") as folder:
            bench = Bench(Path(folder), size, given.workers)
            full = bench.grade()
            _print(size, "all", full)
            seconds, writing = bench.seconds(), bench.writing()
            _print(size, "unchanged", bench.grade())
            for copies in given.copies:
                copy_graded(bench, copies)
                bench.grade()  # the class page with all of them
                _print(size + copies, "unchanged", bench.grade())
                for folder_of in ("submissions", "reports"):
                    for path in (bench.course / folder_of / SLUG).glob("8*"):
                        shutil.rmtree(path)
            check = change_one_check(bench.course)
            _print(size, "one check", bench.grade(), f"  {check}")
    start = max(0.0, full.wall - sum(seconds) / given.workers)
    memory = full.memory / given.workers / 2**20
    print_simulation(seconds, given.count, start=start, writing=writing, memory=memory)


def _print(size: int, run: str, used: Used, note: str = "") -> None:
    figures = (
        f"{used.wall:.1f}",
        f"{1000 * used.wall / size:.1f}",
        f"{1000 * used.cpu / size:.1f}",
        f"{size / used.wall:.1f}",
        f"{used.memory / 2**20:.0f}",
    )
    print("".join(f"{text:>12}" for text in (str(size), run, *figures)) + note, flush=True)


if __name__ == "__main__":
    try:
        main()
    except subprocess.SubprocessError as error:
        sys.exit(str(error))
