"""What a check can come to, as exceptions that carry their evidence.

A check that returns has passed. Every other end is one of these: pytest sees
a failed test, the plugin reads the verdict, the message and the evidence.
Whatever else a check raises is the grader's own fault.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from grader.course.messages import say
from grader.report import AT_GRADING, Text, Verdict


class Shortfall(AssertionError):
    """A check that did not pass, and why.

    Attributes
    ----------
    verdict
        ``failed``, ``partial``, ``missing``, ``pending`` or ``error``.
    message
        What the student reads.
    evidence
        What shows it (see ``docs/report.md``).
    misconception
        Id of the known wrong way that was recognised.
    credit
        Share of the check's points that is earned all the same.
    """

    verdict: Verdict = "failed"

    def __init__(
        self,
        message: Text,
        evidence: dict[str, Any] | None = None,
        *,
        misconception: str | None = None,
        credit: Decimal = Decimal(0),
    ) -> None:
        self.message = message
        self.evidence = evidence or {}
        self.misconception = misconception
        self.credit = credit
        if credit > 0:
            self.verdict = "partial"
        super().__init__(message.get("en") or next(iter(message.values()), ""))


class Failed(Shortfall):
    """There is an answer and it is not right."""


class Missing(Shortfall):
    """Nothing was answered."""

    verdict = "missing"


class Pending(Shortfall):
    """A person has to look at it."""

    verdict = "pending"


class EnvironmentFault(Shortfall):
    """The machine that grades lacks something; the student loses nothing for it."""

    verdict = "error"


def left_to_grading(key: str, **values: Any) -> Pending:
    """The end of a check that a student's own machine cannot decide: the sentence `key` says why."""
    return Pending(say(key, **values), {"kind": AT_GRADING})
