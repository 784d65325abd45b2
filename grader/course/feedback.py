"""What the author tells students about checks, misconceptions and variants (feedback.toml)."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import msgspec

from grader.course.rules import Id, below_one, check_name, ruled
from grader.course.texts import Text

FILE = "feedback.toml"


class CheckText(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a check asks, and where to look when it is not passed (empty: no hint)."""

    title: Text
    hint: Text = {}


class Misconception(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A known wrong way: what the student probably did, and the share of the points it earns."""

    text: Text
    credit: Annotated[Decimal, ruled(below_one)] = Decimal(0)


class Note(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A remark that accompanies an accepted variant."""

    text: Text


class Feedback(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The texts of one assignment: checks by the name of their function, the rest by id."""

    checks: dict[Annotated[str, ruled(check_name)], CheckText] = msgspec.field(
        name="check", default_factory=dict
    )
    misconceptions: dict[Id, Misconception] = msgspec.field(
        name="misconception", default_factory=dict
    )
    notes: dict[Id, Note] = msgspec.field(name="note", default_factory=dict)
