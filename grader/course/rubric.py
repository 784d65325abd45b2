"""The rubric: model answers and criteria of the parts that a person marks (rubric.toml)."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import msgspec

from grader.course.rules import Id, Points, not_empty, ruled
from grader.course.texts import Text

FILE = "rubric.toml"


class Criterion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a rubric: what earns its points."""

    id: Id
    points: Points
    text: Text


class PartRubric(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one part is marked."""

    model_answer: Text
    criteria: Annotated[tuple[Criterion, ...], ruled(not_empty("criterion"))] = msgspec.field(
        name="criterion"
    )

    @property
    def points(self) -> Decimal:
        """What the criteria add up to."""
        return sum((criterion.points for criterion in self.criteria), Decimal(0))


Rubric = dict[str, PartRubric]
"""Rubrics by ``question/part``."""
