"""What an author states about an audit of their checks (audit.toml), with the reasons."""

from __future__ import annotations

from typing import Annotated

import msgspec

from grader.course.assignment import Assignment
from grader.course.course import Course
from grader.course.errors import Complaint, Problems
from grader.course.rules import ruled
from grader.course.toml import convert, load

FILE = "audit.toml"
ANY = "*"
"""In the place of what a line becomes: whatever survives in it."""


def _said(value: str) -> Complaint | None:
    return None if value.strip() else Complaint("nothing is said here", "write a reason")


Reason = Annotated[str, ruled(_said)]


class Equivalent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Mutants that are no mistake: the changed lines of `function`, as the audit shows them.

    `becomes` may be ``*``: whatever survives in these lines is no mistake.
    """

    function: str
    was: str
    becomes: str
    reason: Reason


class Accepted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A finding that the author knows and wants to live with."""

    finding: str
    about: str
    reason: Reason


class Statement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of audit.toml. `unchecked` names functions that no check looks at, and says why."""

    equivalent: tuple[Equivalent, ...] = ()
    accepted: tuple[Accepted, ...] = ()
    unchecked: dict[str, Reason] = {}


def read_statement(course: Course, assignment: Assignment) -> Statement:
    """Read audit.toml of `assignment`; it may be left out.

    Raises
    ------
    CourseError
        With every mistake in it.
    """
    file = assignment.folder / FILE
    if not file.is_file():
        return Statement()
    problems = Problems(course.root)
    data = load(file, problems)
    statement = None
    if data is not None:
        statement = convert(
            data, Statement, file=file, languages=course.languages, problems=problems
        )
    if problems.found or statement is None:
        raise problems.error()
    return statement
