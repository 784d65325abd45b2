"""The Report: the one record that flows from grading to feedback.

``report.json`` is this record, written by msgspec; its field names are a
contract that other programs rely on. Points are :class:`decimal.Decimal`
inside the grader and numbers in JSON; they are rounded once, half up, when
the report is made (:func:`rounded`).
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

import msgspec

SCHEMA = 1

Text = dict[str, str]
"""One sentence in each language of the course, by language code (``fa``, ``en``)."""

Verdict = Literal["passed", "partial", "failed", "missing", "pending", "error"]
PartKind = Literal["auto", "recorded", "rubric"]
CellStatus = Literal["ok", "error", "timeout", "died", "skipped", "recorded"]


AT_GRADING = "at-grading"
"""Kind of the evidence of a check that a student's own machine cannot decide."""


def rounded(points: Decimal) -> float:
    """Round `points` half up to two decimals, as a JSON number."""
    return float(points.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP))


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """What the hand-in earned. ``final = points + bonus - penalty``, never below 0."""

    points: float
    max_points: float
    bonus: float
    pending: float
    penalty: float
    final: float


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """One test of one part.

    Attributes
    ----------
    id
        Name of the test, with its parameters: ``test_conv2d[5x5]``.
    title
        What was asked, in one sentence.
    message
        What came of it: what is right, or what differs and where to look.
    hint
        The author's hint for whoever did not pass; empty when there is none.
    found_by
        How the answer was found: ``name``, ``alias:<name>``, ``value:<name>``,
        ``output:<cell>``, ``call:<function>``, ``follow-through``; None when nothing was looked for.
    cell
        Index of the student's cell to look at, counted from 0 over all cells.
    evidence
        What shows the verdict, of the kinds that ``docs/report.md`` lists.
    """

    id: str
    verdict: Verdict
    points: float
    max_points: float
    hidden: bool
    title: Text
    message: Text
    hint: Text = {}
    found_by: str | None = None
    misconception: str | None = None
    cell: int | None = None
    evidence: dict[str, Any] = {}
    seconds: float = 0.0

    @property
    def at_grading(self) -> bool:
        """Whether it was left to the grading, when a student checked their own work."""
        return self.verdict == "pending" and self.evidence.get("kind") == AT_GRADING


class Criterion(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a rubric, with the marks that a person gave (None until marked)."""

    id: str
    text: Text
    max_points: float
    points: float | None = None
    comment: str = ""


class PartResult(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a question: the unit that carries points."""

    id: str
    title: Text
    kind: PartKind
    points: float
    max_points: float
    pending: float
    verdict: Verdict
    checks: list[CheckResult] = []
    criteria: list[Criterion] = []


class QuestionResult(msgspec.Struct, frozen=True, kw_only=True):
    """One question, its parts in the order of the assignment."""

    id: str
    label: Text
    title: Text
    bonus: bool
    points: float
    max_points: float
    pending: float
    parts: list[PartResult]


class Late(msgspec.Struct, frozen=True, kw_only=True):
    """How late a hand-in is, and what that cost.

    Attributes
    ----------
    due, received
        ISO 8601 with offset; ``due`` with the student's extension.
    hours
        Hours after ``due``, 0 when in time.
    grace_used, grace_left
        Hours taken from the grace of the term, and what is left of it then.
    percent
        Share of the points that is lost, in percent.
    extended, excused
        Hours by which the student's due date was put off, and whether lateness costs nothing.
    rule
        What the course takes for lateness, in a sentence.
    """

    due: str
    received: str
    hours: float
    grace_used: float
    grace_left: float
    percent: float
    extended: float = 0.0
    excused: bool = False
    rule: Text = {}


class CellOutput(msgspec.Struct, frozen=True, kw_only=True):
    """One output of a cell, cut to a size a card can carry.

    ``kind`` is ``text`` (stdout, plain results), ``error`` (a traceback) or
    ``image`` (``data`` is then base64 and ``mime`` its type). All of it is the
    student's: untrusted wherever it is shown.
    """

    kind: Literal["text", "error", "image"]
    data: str
    mime: str = "text/plain"


class CellResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one cell. ``index`` counts all cells of the notebook from 0."""

    index: int
    status: CellStatus
    seconds: float
    source: str = ""
    error: str | None = None
    outputs: list[CellOutput] = []


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Something the student or TA should know about the hand-in: repaired, taken, skipped."""

    id: str
    text: Text
    cell: int | None = None


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """What it takes to make the same report again."""

    versions: dict[str, str]
    seeds: dict[str, int]
    limits: dict[str, float]
    hashes: dict[str, str]
    kernel: str
    cage: list[str]


class Seconds(msgspec.Struct, frozen=True, kw_only=True):
    """Wall time of the stages, in seconds."""

    run: float
    judge: float
    total: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One student's hand-in of one assignment, graded."""

    schema: int = SCHEMA
    assignment: str
    title: Text
    student: str
    notebook: str | None
    score: Score
    questions: list[QuestionResult]
    cells: list[CellResult]
    warnings: list[Notice]
    provenance: Provenance
    seconds: Seconds
    late: Late | None = None
    """None where it is not known when the hand-in was received."""

    @property
    def has_error(self) -> bool:
        """Whether a verdict is the grader's or the environment's fault."""
        return any(p.verdict == "error" for q in self.questions for p in q.parts)

    def without_timings(self) -> Report:
        """Return the same report with every measured time set to 0, for comparing two runs."""
        return msgspec.structs.replace(
            self,
            seconds=Seconds(run=0, judge=0, total=0),
            cells=[msgspec.structs.replace(c, seconds=0) for c in self.cells],
            questions=[
                msgspec.structs.replace(
                    q,
                    parts=[
                        msgspec.structs.replace(
                            p, checks=[msgspec.structs.replace(c, seconds=0) for c in p.checks]
                        )
                        for p in q.parts
                    ],
                )
                for q in self.questions
            ],
        )


_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(Report)


def to_json(report: Report) -> bytes:
    """Return `report` as indented JSON."""
    return msgspec.json.format(_encoder.encode(report), indent=1) + b"\n"


def from_json(data: bytes) -> Report:
    """Read a ``report.json``.

    Raises
    ------
    msgspec.DecodeError
        If `data` is not a report of this schema.
    """
    try:
        return _decoder.decode(data)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(f"this is no report: {error}") from error
