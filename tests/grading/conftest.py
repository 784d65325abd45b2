"""The warm-up course: small, with every kind of part, and none of the real homework in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.course.course import read_course
from tests.desk import Desk
from tests.grading.handout import WARMUP, Handout


@pytest.fixture(scope="session")
def handout(tmp_path_factory: pytest.TempPathFactory) -> Handout:
    """The archive of the warm-up assignment, unpacked, with no course around."""
    return Handout(tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="session")
def warmup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk for the warm-up assignment."""
    made = Desk(read_course(WARMUP), "warmup", tmp_path_factory.mktemp("warmup"))
    yield made
    made.close()


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A copy of the warm-up course, to be changed at will."""
    root = tmp_path / "course"
    shutil.copytree(WARMUP, root, ignore=shutil.ignore_patterns("__pycache__"))
    return root
