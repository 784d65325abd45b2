"""Rules for single values in the course's files, attached to their types.

A type carries its rule as ``Annotated[str, ruled(kebab_case)]``;
:mod:`grader.course.toml` applies it where the value is read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from grader.course.errors import Complaint, quoted

Rule = Callable[[Any], Complaint | None]

_KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SLUG = re.compile(r"[a-z0-9]+([_-][a-z0-9]+)*")


def ruled(rule: Rule) -> msgspec.Meta:
    """Return the annotation that makes `rule` hold for a type."""
    return msgspec.Meta(extra={"rule": rule})


def rule_of(extra: dict[str, Any] | None) -> Rule | None:
    """Return the rule in the `extra` of an annotated type, if there is one."""
    rule: Rule | None = (extra or {}).get("rule")
    return rule


def kebab_case(value: str) -> Complaint | None:
    """Complain unless `value` is lower-case words joined by hyphens."""
    if _KEBAB.fullmatch(value):
        return None
    separated = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", value)
    suggestion = re.sub(r"[^a-z0-9]+", "-", separated.lower()).strip("-")
    remedy = f'write "{suggestion}"' if suggestion else 'write it like "conv-gradients"'
    return Complaint(f'"{value}" is not kebab-case', remedy)


def slug(value: str) -> Complaint | None:
    """Complain unless `value` can name the folder of an assignment everywhere."""
    if _SLUG.fullmatch(value):
        return None
    return Complaint(
        f'"{value}" cannot name an assignment',
        "use lower-case Latin letters, digits, _ and -, such as week3_filters",
    )


def check_name(value: str) -> Complaint | None:
    """Complain unless `value` can be the name of a check's function."""
    if value.isidentifier() and value.startswith("test_"):
        return None
    return Complaint(
        f'"{value}" is not the name of a test function',
        "write the function's whole name, such as test_gradient_of_the_weights",
    )


def identifier(value: str) -> Complaint | None:
    """Complain unless `value` can be a name in a notebook."""
    if value.isidentifier():
        return None
    return Complaint(f'"{value}" is not a Python name', "write a name as it stands in code")


def positive(value: Decimal | int) -> Complaint | None:
    """Complain unless `value` is above 0."""
    return None if value > 0 else Complaint(f"{value} is not above 0", "write a number above 0")


def below_one(value: Decimal | int) -> Complaint | None:
    """Complain unless `value` is a fraction from 0 up to, but not reaching, 1."""
    if 0 <= value < 1:
        return None
    return Complaint(
        f"{value} is not a fraction of the points",
        "write 0 up to (not reaching) 1; an answer worth full points is a [note], no misconception",
    )


def between(low: int | Decimal, high: int | Decimal) -> Rule:
    """Return the rule that a number lies from `low` to `high`."""

    def rule(value: Decimal | int) -> Complaint | None:
        if low <= value <= high:
            return None
        return Complaint(f"{value} is out of range", f"write a number from {low} to {high}")

    return rule


def not_empty(what: str) -> Rule:
    """Return the rule that a list holds at least one `what`."""

    def rule(value: Collection[Any]) -> Complaint | None:
        return None if value else Complaint(f"there is no {what}", f"add at least one {what}")

    return rule


def distinct(value: Sequence[str]) -> Complaint | None:
    """Complain if anything stands in `value` twice."""
    twice = [name for name, count in Counter(value).items() if count > 1]
    if not twice:
        return None
    return Complaint(f"{quoted(twice)} stands here more than once", "keep one of each")


Id = Annotated[str, ruled(kebab_case)]
Points = Annotated[Decimal, ruled(positive)]
