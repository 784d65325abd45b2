"""What code cells should come to, check by check, and how that is asserted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from grader.report import CheckResult


@dataclass
class Case:
    """Code cells and what is to be found: by check, the misconception or verdict, or the notes."""

    cells: list[str]
    found: dict[str, Any]


def outcome(result: CheckResult) -> str:
    """The misconception that was recognised, else the verdict."""
    return result.misconception or result.verdict


def assert_found(graded: dict[str, CheckResult], found: dict[str, str]) -> None:
    actual = {name: outcome(graded[name]) for name in found}
    assert actual == found
