"""What a check says, as plain text for systems that show text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from grader.feedback.untrusted import visible, without_marks
from grader.report import CheckResult, PartResult, QuestionResult, Report, Text

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def said(text: Text, language: str) -> str:
    """Return `text` in `language`, or in whichever it has: one line, no secrets, no controls."""
    chosen = text.get(language) or next((form for form in text.values() if form), "")
    return plain(chosen)


def plain(text: str) -> str:
    """Return `text` without secrets and escapes, what deceives named, nothing that XML does not know."""
    return _CONTROL.sub("�", visible(without_marks(text)))


def message_of(check: CheckResult, language: str) -> str:
    """Return what a check says to the student: what came of it, and the hint."""
    return " ".join(filter(None, (said(check.message, language), said(check.hint, language))))


def checks_of(report: Report) -> Iterator[tuple[QuestionResult, PartResult, CheckResult]]:
    """Yield every check with its question and its part."""
    for question in report.questions:
        for part in question.parts:
            for check in part.checks:
                yield question, part, check
