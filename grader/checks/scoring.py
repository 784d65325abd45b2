"""From verdicts of checks to points of parts, questions and the whole: exact decimals, no state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from grader.course.assignment import Assignment, Part
from grader.report import (
    CheckResult,
    Criterion,
    Late,
    PartResult,
    QuestionResult,
    Report,
    Score,
    Verdict,
    rounded,
)

ZERO = Decimal(0)


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One check's verdict before points: what it is worth and the share that was earned."""

    question: str
    part: str
    verdict: Verdict
    credit: Decimal
    weight: Decimal
    result: CheckResult


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What a person gave for one criterion of a rubric."""

    points: Decimal
    comment: str = ""


Marks = Mapping[str, Mapping[str, Mark]]
"""Marks by ``question/part`` and criterion."""


def earned(verdict: Verdict, credit: Decimal, weight: Decimal) -> tuple[Decimal, Decimal]:
    """Return (decided points, pending points) of a check worth `weight`.

    What is the grader's or the environment's fault is never charged: it waits for a person.
    """
    if verdict == "passed":
        return weight, ZERO
    if verdict in ("pending", "error"):
        return ZERO, weight
    return weight * credit, ZERO


def part_verdict(verdicts: Sequence[Verdict], points: Decimal) -> Verdict:
    """Sum up the verdicts of a part's checks, of which `points` came."""
    kinds = set(verdicts)
    if "error" in kinds:
        return "error"
    if "pending" in kinds:
        return "pending"
    if kinds == {"passed"}:
        return "passed"
    if points > ZERO:
        return "partial"
    return "missing" if kinds == {"missing"} else "failed"


def score_part(
    part: Part,
    judged: Sequence[Judged],
    rubric: Sequence[Criterion],
    marks: Mapping[str, Mark],
) -> PartResult:
    """Return one part's result, its points rounded."""
    if part.kind == "rubric":
        return _score_rubric(part, rubric, marks)
    points = pending = ZERO
    checks = []
    for each in judged:
        decided, waiting = earned(each.verdict, each.credit, each.weight)
        points += decided
        pending += waiting
        checks.append(
            msgspec.structs.replace(
                each.result, points=rounded(decided), max_points=rounded(each.weight)
            )
        )
    return PartResult(
        id=part.id,
        title=part.title,
        kind=part.kind,
        points=rounded(points),
        max_points=rounded(part.points),
        pending=rounded(pending),
        verdict=part_verdict([each.verdict for each in judged], points),
        checks=checks,
    )


def _score_rubric(part: Part, rubric: Sequence[Criterion], marks: Mapping[str, Mark]) -> PartResult:
    empty = PartResult(
        id=part.id,
        title=part.title,
        kind=part.kind,
        points=0,
        max_points=rounded(part.points),
        pending=rounded(part.points),
        verdict="pending",
        criteria=list(rubric),
    )
    return _marked_part(empty, marks)


def _marked_part(part: PartResult, marks: Mapping[str, Mark]) -> PartResult:
    """Return a part that persons mark with these marks, and no others."""
    criteria = [
        msgspec.structs.replace(
            criterion,
            points=None if mark is None else rounded(mark.points),
            comment="" if mark is None else mark.comment,
        )
        for criterion in part.criteria
        for mark in (marks.get(criterion.id),)
    ]
    points = sum((mark.points for id_, mark in marks.items() if _has(criteria, id_)), ZERO)
    waiting = _sum(c.max_points for c in criteria if c.points is None)
    pending = waiting if criteria else Decimal(str(part.max_points))
    verdict: Verdict = "pending"
    if criteria and not pending:
        full = points >= Decimal(str(part.max_points))
        verdict = "passed" if full else "partial" if points > ZERO else "failed"
    return msgspec.structs.replace(
        part, points=rounded(points), pending=rounded(pending), verdict=verdict, criteria=criteria
    )


def _has(criteria: Sequence[Criterion], id_: str) -> bool:
    return any(criterion.id == id_ for criterion in criteria)


def score_assignment(
    assignment: Assignment,
    judged: Sequence[Judged],
    rubrics: Mapping[str, Sequence[Criterion]],
    marks: Marks,
    percent_lost: Decimal = ZERO,
) -> tuple[Score, list[QuestionResult]]:
    """Add everything up.

    The points of a part are rounded, once; sums are sums of those, so that a card adds up.

    Parameters
    ----------
    rubrics
        Criteria by ``question/part``.
    percent_lost
        Share of the points that lateness costs, in percent.
    """
    questions = []
    for question in assignment.questions:
        parts = []
        for part in question.parts:
            place = f"{question.id}/{part.id}"
            here = [e for e in judged if (e.question, e.part) == (question.id, part.id)]
            parts.append(score_part(part, here, rubrics.get(place, ()), marks.get(place, {})))
        questions.append(
            _added_up(
                QuestionResult(
                    id=question.id,
                    label=question.label,
                    title=question.title,
                    bonus=question.bonus,
                    points=0,
                    max_points=rounded(question.points),
                    pending=0,
                    parts=parts,
                )
            )
        )
    return total_of(questions, rounded(assignment.points), percent_lost), questions


def _added_up(question: QuestionResult) -> QuestionResult:
    return msgspec.structs.replace(
        question,
        points=rounded(_sum(part.points for part in question.parts)),
        pending=rounded(_sum(part.pending for part in question.parts)),
    )


def total_of(
    questions: Sequence[QuestionResult], max_points: float, percent_lost: Decimal = ZERO
) -> Score:
    """Add up questions, and take what lateness costs: a share of what is decided, bonus included."""
    points = _sum(question.points for question in questions if not question.bonus)
    bonus = _sum(question.points for question in questions if question.bonus)
    penalty = Decimal(str(rounded((points + bonus) * percent_lost / 100)))
    return Score(
        points=rounded(points),
        max_points=max_points,
        bonus=rounded(bonus),
        pending=rounded(_sum(question.pending for question in questions)),
        penalty=rounded(penalty),
        final=rounded(max(ZERO, points + bonus - penalty)),
    )


def marked(report: Report, marks: Marks, late: Late | None) -> Report:
    """Return `report` with the marks and the lateness of now: nothing runs again for that."""
    questions = [
        _added_up(
            msgspec.structs.replace(
                question,
                parts=[
                    _marked_part(part, marks.get(f"{question.id}/{part.id}", {}))
                    if part.kind == "rubric"
                    else part
                    for part in question.parts
                ],
            )
        )
        for question in report.questions
    ]
    score = total_of(questions, report.score.max_points, percent_of(late))
    return msgspec.structs.replace(report, questions=questions, score=score, late=late)


def percent_of(late: Late | None) -> Decimal:
    """Share of the points that is lost, in percent."""
    return ZERO if late is None else Decimal(str(late.percent))


def _sum(numbers: Iterable[float]) -> Decimal:
    return sum((Decimal(str(number)) for number in numbers), ZERO)
