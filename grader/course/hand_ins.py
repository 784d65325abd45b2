"""How hand-ins are named, and from where their times may be known: ``[hand_ins]`` in course.toml."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Annotated

import msgspec

from grader.course.errors import Complaint, quoted
from grader.course.rules import distinct, ruled

STUDENT, NUMBER, SLUG, ANYTHING = "student", "number", "slug", "any"
PLACEHOLDERS = (STUDENT, NUMBER, SLUG, ANYTHING)
_EXAMPLE = 'write it like "HW{number}_{student}"'


def name_pattern(value: str) -> Complaint | None:
    """Complain unless `value` is a pattern of names that says where the student stands."""
    try:
        pieces = [(name, spec) for _, name, spec, _ in string.Formatter().parse(value)]
    except ValueError as error:
        return Complaint(f'"{value}" is no pattern: {error}', _EXAMPLE)
    names = [name for name, _ in pieces if name is not None]
    unknown = [name for name in names if name not in PLACEHOLDERS]
    if unknown or any(spec for _, spec in pieces):
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        problem = (
            f'"{value}" has {quoted(unknown)} in braces' if unknown else f'"{value}" has a ":"'
        )
        return Complaint(problem, f"known are {known}")
    if names.count(STUDENT) != 1:
        return Complaint(f'"{value}" must hold {{student}} once', _EXAMPLE)
    return None


def _plain_file_name(value: str) -> Complaint | None:
    if value and Path(value).name == value and value not in (".", ".."):
        return None
    return Complaint(f'"{value}" is not the name of a file', 'write it like "timestamp.txt"')


Names = Annotated[tuple[Annotated[str, ruled(name_pattern)], ...], ruled(distinct)]
"""Patterns of the names of hand-ins, without their suffix: ``HW{number}_{student}``."""


class HandInRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a course says of its hand-ins.

    Attributes
    ----------
    names
        How archives and notebooks are called. ``{number}`` is that of the assignment's slug,
        ``{any}`` any text. Names that fit none are read as if there were no pattern, and told.
    stamp
        Name of a file with the time that whoever collects the work puts into each folder. It is
        not looked for inside archives, into which students could put one.
    file_times
        Whether the time of the file itself may be taken where nothing else tells one.
    """

    names: Names = ()
    stamp: Annotated[str, ruled(_plain_file_name)] | None = None
    file_times: bool = False
