"""A course to audit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

WARMUP = Path(__file__).parents[1] / "warmup_course"


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A copy of the warm-up course, to be changed at will."""
    root = tmp_path / "course"
    shutil.copytree(WARMUP, root, ignore=shutil.ignore_patterns("__pycache__"))
    return root
