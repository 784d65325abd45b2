"""What students receive, and what the reference earns, for every assignment of the course."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from grader.course.assignment import read_assignment, skeleton_path
from grader.course.course import read_course
from grader.grading.release import skeleton
from tests.desk import Desk

ROOT = Path(__file__).parents[2]
COURSE = read_course(ROOT)


@pytest.fixture(scope="module", params=COURSE.assignments)
def desk(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Desk]:
    made = Desk(COURSE, request.param, tmp_path_factory.mktemp("notebooks"))
    yield made
    made.close()


@pytest.mark.parametrize("slug", COURSE.assignments)
@pytest.mark.parametrize("language", COURSE.languages)
def test_the_released_skeleton_is_the_one_of_the_reference(slug: str, language: str) -> None:
    assignment = read_assignment(COURSE, slug)
    released = nbformat.read(skeleton_path(assignment, language), as_version=4)
    assert released == skeleton(assignment, language, COURSE.languages), f"grader release {slug}"


def test_the_reference_gets_everything_that_a_machine_decides(desk: Desk) -> None:
    report = desk.reference()
    parts = [p for q in report.questions for p in q.parts]
    short = {
        p.id: (p.points, p.max_points)
        for p in parts
        if p.kind != "rubric" and p.points != p.max_points
    }
    assert not short
    assert report.score.pending == sum(p.max_points for p in parts if p.kind == "rubric")


@pytest.mark.parametrize("language", COURSE.languages)
def test_the_untouched_skeleton_gets_nothing(desk: Desk, language: str) -> None:
    report = desk.skeleton(language)
    assert report.score.points == report.score.bonus == report.score.final == 0
    verdicts = {c.verdict for q in report.questions for p in q.parts for c in p.checks}
    assert verdicts <= {"missing", "failed"}
