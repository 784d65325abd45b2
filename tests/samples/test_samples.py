"""Every sample hand-in gets the points stated beside it, whichever kernel runs it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from grader.course.assignment import read_assignment
from grader.course.course import read_course
from grader.grading.submission import KernelName
from grader.grading.warm import WarmGrader
from grader.notebook import list_submissions
from grader.report import Report

ROOT = Path(__file__).parents[2]
COURSE = read_course(ROOT)


def table(slug: str) -> dict[str, Any]:
    """The stated points of an assignment's samples, by student."""
    path = Path(__file__).with_name(f"{slug}.toml")
    return tomllib.loads(path.read_text("utf-8"))


SAMPLES = [(slug, student) for slug in COURSE.assignments for student in table(slug)]


class Desks:
    """Warm graders by assignment and kernel, and the reports that they made."""

    def __init__(self) -> None:
        self._graders: dict[tuple[str, KernelName], WarmGrader] = {}
        self.report = cache(self._report)

    def _report(self, slug: str, student: str, kernel: KernelName) -> Report:
        if (slug, kernel) not in self._graders:
            assignment = read_assignment(COURSE, slug)
            self._graders[slug, kernel] = WarmGrader(assignment, kernel=kernel)
        path = list_submissions(ROOT / "submissions", slug)[student]
        graded = self._graders[slug, kernel].grade(student, path)
        assert not graded.troubles, graded.troubles
        return graded.report

    def close(self) -> None:
        for grader in self._graders.values():
            grader.close()


@pytest.fixture(scope="module")
def desks() -> Iterator[Desks]:
    made = Desks()
    yield made
    made.close()


@pytest.mark.parametrize("slug", COURSE.assignments)
def test_every_sample_is_in_the_table(slug: str) -> None:
    assert set(list_submissions(ROOT / "submissions", slug)) == set(table(slug))
    assert len(table(slug)) >= 8


@pytest.mark.parametrize(("slug", "student"), SAMPLES)
def test_a_sample_gets_the_points_stated_beside_it(desks: Desks, slug: str, student: str) -> None:
    stated = table(slug)[student]
    report = desks.report(slug, student, "forked")
    parts = {f"{q.id}/{p.id}": p for q in report.questions for p in q.parts if p.kind != "rubric"}
    got = {place: part.points for place, part in parts.items() if part.points}
    waiting = {place: part.pending for place, part in parts.items() if part.pending}
    assert got == {place: points for place, points in stated["points"].items() if points}
    assert waiting == stated.get("pending", {})
    assert "error" not in {part.verdict for part in parts.values()}


# The cold kernel takes seconds for each: one assignment stands for all, the one with dead cells,
# endless loops, magics and pictures among its samples.
@pytest.mark.parametrize(("slug", "student"), [s for s in SAMPLES if s[0] == "hw4_convnets"])
def test_the_cold_kernel_gives_the_same_report(desks: Desks, slug: str, student: str) -> None:
    reports = [comparable(desks.report(slug, student, kernel)) for kernel in ("forked", "cold")]
    assert reports[0] == reports[1]


def comparable(report: Report) -> dict[str, Any]:
    """All of a report that should not depend on the kernel, as plain data."""
    plain: dict[str, Any] = msgspec.to_builtins(report.without_timings())
    for name in ("kernel", "versions", "cage"):
        del plain["provenance"][name]
    return plain
