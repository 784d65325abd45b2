"""Grade small notebooks against the real assignments: one warm grader, shared by a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.course.course import read_course
from tests.desk import Desk

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def desk(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Desk]:
    """The assignment that the test module names in ``SLUG``."""
    made = Desk(read_course(ROOT), request.module.SLUG, tmp_path_factory.mktemp("notebooks"))
    yield made
    made.close()
