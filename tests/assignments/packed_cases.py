"""Many answers in few notebooks: cases that define different names are graded together.

A case is a short piece of code that answers one check. Grading a notebook costs about a second
whatever it holds, so a hundred cases are spread over as few notebooks as there are cases in the
largest family: those that answer to the same names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from grader.report import CheckResult
from tests.desk import Desk

Notebook = dict[str, str]
"""Sources by family."""


class Case(NamedTuple):
    """An answer to one check, and what should come of it: a misconception, a note or a verdict."""

    check: str
    source: str
    verdict: str
    text: str | None = None

    def __str__(self) -> str:
        return f"{self.check.removeprefix('test_')}: {self.text or self.verdict}"


class Answers:
    """Makes cases, with the texts of one assignment at hand.

    Parameters
    ----------
    texts
        Its feedback.toml.
    """

    def __init__(self, texts: Mapping[str, Any]) -> None:
        self.texts = texts

    def caught(self, check: str, *answers: tuple[str | None, str]) -> list[Case]:
        """Wrong answers, each with the misconception that it should be taken for."""
        cases = []
        for text, source in answers:
            partial = text is not None and self.texts["misconception"][text].get("credit", 0) > 0
            cases.append(Case(check, source, "partial" if partial else "failed", text))
        return cases

    def accepted(self, check: str, *answers: str | tuple[str, str]) -> list[Case]:
        """Right answers, some with the note that should go with them."""
        pairs = [(None, each) if isinstance(each, str) else each for each in answers]
        return [Case(check, source, "passed", note) for note, source in pairs]

    def left(self, check: str, verdict: str, *sources: str) -> list[Case]:
        """Answers that no machine decides, and answers that are none."""
        return [Case(check, source, verdict) for source in sources]

    def verify(self, case: Case, result: CheckResult) -> None:
        """Assert that a case came to what it deserves."""
        message = result.message["en"]
        assert result.verdict == case.verdict, message
        if case.verdict == "passed":
            notes = [note["en"] for note in result.evidence.get("notes", [])]
            assert case.text is None or self.texts["note"][case.text]["text"]["en"] in notes
        else:
            assert result.misconception == case.text, message


class PackedNotebooks:
    """Grades the notebooks of many cases, each when the first of its cases is asked for.

    Parameters
    ----------
    given
        The first cell of every notebook.
    families
        What the cases of a check answer to; checks that are not named are families of their own.
    """

    def __init__(
        self, desk: Desk, given: str, cases: Sequence[Case], families: Mapping[str, str]
    ) -> None:
        self.desk, self.given, self.cases, self.families = desk, given, cases, families
        self.notebooks: list[Notebook] = []
        self.places = [self._place(case) for case in cases]
        self.graded: dict[int, dict[str, CheckResult]] = {}

    def _place(self, case: Case) -> int:
        """Put a case into the first notebook that has its source, or none of its family."""
        family = self.families.get(case.check, case.check)
        for place, notebook in enumerate(self.notebooks):
            if notebook.setdefault(family, case.source) == case.source:
                return place
        self.notebooks.append({family: case.source})
        return len(self.notebooks) - 1

    def result(self, number: int) -> CheckResult:
        """What became of case `number`."""
        place = self.places[number]
        if place not in self.graded:
            self.graded[place] = self.desk.cells(self.given, *self.notebooks[place].values())
        return self.graded[place][self.cases[number].check]
